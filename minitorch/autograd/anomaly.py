"""Anomaly mode: a backward that fails or makes NaN names the forward call it belongs to."""

from __future__ import annotations

from .._load import _C
from . import engine, node

_plain_record = _C.record


def _record(cls, *args):
    import traceback

    new = _plain_record(cls, *args)
    new.context = "".join(traceback.format_stack()[:-1])
    return new


class _CheckedPass(engine._Pass):
    """A pass that checks every gradient."""

    __slots__ = ()

    def _check(self, node, grad):
        if grad.dtype.is_floating_point and bool(grad.isnan().any()):
            raise RuntimeError(
                f"Function '{node.name()}' returned nan values in its backward."
                + forward_call(node)
            )


def forward_call(node):
    """The recorded forward call as text."""
    if node.context is None:
        return " No forward pass information available. Enable detect anomaly during forward pass."
    return f" Traceback of the forward call that caused the error:\n{node.context}"


_enabled = False
_check_nan = True


def is_anomaly_enabled():
    """Whether anomaly mode is on."""
    return _enabled


def set_detect_anomaly(mode, check_nan=True):
    """Turns anomaly mode on or off.

    Args:
        mode: True records the traceback of every forward call and names it when its backward fails.
        check_nan: also fail on NaN gradients.
    """
    global _enabled, _check_nan
    import sys

    _enabled, _check_nan = bool(mode), check_nan
    engine._pass_class = _CheckedPass if mode and check_nan else engine._Pass
    wanted = _record if mode else _plain_record
    # Every op module holds `record` as a global, which keeps the normal path free of a test.
    node.record = wanted
    prefix = __name__.split(".")[0] + "."
    for name, module in list(sys.modules.items()):
        if module is _C or not name.startswith(prefix):
            continue
        if getattr(module, "record", None) in (_plain_record, _record):
            module.record = wanted


class detect_anomaly:
    """Context manager for anomaly mode."""

    def __init__(self, check_nan=True):
        self.check_nan = check_nan

    def __enter__(self):
        self._before = (_enabled, _check_nan)
        set_detect_anomaly(True, self.check_nan)

    def __exit__(self, *exc):
        set_detect_anomaly(*self._before)
