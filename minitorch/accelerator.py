"""The accelerator of this machine: this build has none."""

from __future__ import annotations


def is_available():
    """Whether there is an accelerator."""
    return False


def device_count():
    """Number of accelerators."""
    return 0


def current_accelerator(check_available=False):
    """The accelerator's device, or None."""
    return None
