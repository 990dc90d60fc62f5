"""A small training loop: fit, evaluate and predict, with checkpoints that resume exactly."""

from __future__ import annotations

from .callbacks import Callback, Checkpoint, EarlyStopping
from .history import History
from .trainer import NonFiniteLossError, Trainer

__all__ = [
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "History",
    "NonFiniteLossError",
    "Trainer",
]
