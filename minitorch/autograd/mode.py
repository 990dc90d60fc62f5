"""The grad modes of the current thread, as context managers and decorators."""

from __future__ import annotations

from .._load import _C

is_grad_enabled = _C.is_grad_enabled
is_inference_mode_enabled = _C.is_inference_mode_enabled


class _Mode:
    """A context manager that also decorates functions and generators."""

    def _again(self):
        return self.__class__()

    def __call__(self, function):
        import functools
        import inspect

        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generate(*args, **kwargs):
                # The mode holds while the generator runs, not while its caller does.
                generator = function(*args, **kwargs)
                sent, error = None, None
                while True:
                    try:
                        with self._again():
                            value = generator.throw(error) if error else generator.send(sent)
                    except StopIteration as stop:
                        return stop.value
                    sent, error = None, None
                    try:
                        sent = yield value
                    except GeneratorExit:
                        generator.close()
                        raise
                    except BaseException as raised:
                        error = raised

            return generate

        @functools.wraps(function)
        def run(*args, **kwargs):
            with self._again():
                return function(*args, **kwargs)

        return run


class no_grad(_Mode):
    """Context manager and decorator under which no graph is recorded.

    >>> import minitorch
    >>> x = minitorch.ones(2, requires_grad=True)
    >>> with minitorch.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    def __new__(cls, function=None):
        self = object.__new__(cls)
        return self if function is None else self(function)

    def __enter__(self):
        self._before = _C.set_grad_enabled(False)

    def __exit__(self, *exc):
        _C.set_grad_enabled(self._before)


class enable_grad(_Mode):
    """Context manager and decorator under which the graph is recorded, inside of no_grad too."""

    def __new__(cls, function=None):
        self = object.__new__(cls)
        return self if function is None else self(function)

    def __enter__(self):
        self._before = _C.set_grad_enabled(True)

    def __exit__(self, *exc):
        _C.set_grad_enabled(self._before)


class set_grad_enabled(_Mode):
    """Sets the grad mode at once; as a context manager it puts the old one back at the end."""

    def __init__(self, mode):
        self.mode = bool(mode)
        self._before = _C.set_grad_enabled(self.mode)

    def _again(self):
        return set_grad_enabled(self.mode)

    def __call__(self, function):
        _C.set_grad_enabled(self._before)  # as a decorator it acts on the function alone
        return super().__call__(function)

    def __enter__(self):
        _C.set_grad_enabled(self.mode)

    def __exit__(self, *exc):
        _C.set_grad_enabled(self._before)


class inference_mode(_Mode):
    """Like no_grad, and tensors made under it can never take part in autograd.

    Args:
        mode: False turns it off inside of an outer inference_mode.
    """

    def __new__(cls, mode=True):
        self = object.__new__(cls)
        self.mode = True if callable(mode) else mode
        return self(mode) if callable(mode) else self

    def _again(self):
        return inference_mode(self.mode)

    def __enter__(self):
        self._before = (
            _C.set_grad_enabled(not self.mode and _C.is_grad_enabled()),
            _C.set_inference_mode(self.mode),
        )
        if not self.mode:
            _C.set_grad_enabled(True)

    def __exit__(self, *exc):
        _C.set_grad_enabled(self._before[0])
        _C.set_inference_mode(self._before[1])
