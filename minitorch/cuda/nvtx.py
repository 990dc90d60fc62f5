"""Named ranges of a program, for profilers. Nothing listens to them in minitorch: the functions keep
their own books, so that programs with ranges run."""

from __future__ import annotations

from _thread import _local


class _Open(_local):
    def __init__(self):
        self.names = []


_open = _Open()  # ranges of this thread, outermost first
_started: dict[int, str] = {}

__all__ = ["mark", "range", "range_end", "range_pop", "range_push", "range_start"]


def range_push(msg):
    """Opens a range inside of those that are open; returns its depth, from 0."""
    _open.names.append(msg)
    return len(_open.names) - 1


def range_pop():
    """Closes the innermost range; returns its depth, below 0 where none was open."""
    if not _open.names:
        return -2
    _open.names.pop()
    return len(_open.names)


def range_start(msg):
    """Opens a range that may end anywhere; returns what range_end() takes."""
    handle = max(_started, default=0) + 1
    _started[handle] = msg
    return handle


def range_end(range_id):
    """Ends a range of range_start()."""
    _started.pop(range_id, None)


def mark(msg):
    """A named moment."""


class range:  # noqa: A001
    """Context or decorator whose body is a range.

    Args:
        msg: the name, with str.format fields for args and kwargs.
    """

    def __init__(self, msg, *args, **kwargs):
        self._name = msg.format(*args, **kwargs)

    def __enter__(self):
        range_push(self._name)

    def __exit__(self, *exception):
        range_pop()
        return False

    def __call__(self, f):
        import functools

        @functools.wraps(f)
        def inside(*args, **kwargs):
            with self:
                return f(*args, **kwargs)

        return inside
