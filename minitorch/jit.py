"""What programs written with TorchScript in mind call; functions stay plain Python."""

from __future__ import annotations


def is_scripting():
    """False: nothing is compiled."""
    return False


def is_tracing():
    """False: nothing is traced."""
    return False


def _same(f=None, *args, **kwargs):
    return f if f is not None else lambda g: g


script = ignore = unused = export = script_if_tracing = _script_if_tracing = _same
_overload_method = _overload = _same


class Final:
    """Annotation of constants: Final[int]."""

    def __class_getitem__(cls, item):
        return item
