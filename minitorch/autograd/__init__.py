"""Reverse-mode automatic differentiation over a graph recorded while the program runs."""

from __future__ import annotations

from . import engine, hooks, inplace, views
from .anomaly import detect_anomaly, set_detect_anomaly
from .engine import backward, grad
from .function import Function, once_differentiable
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .node import Node

Variable: object = None  # minitorch.Tensor, set by minitorch/__init__.py

__all__ = [
    "Function",
    "GradcheckError",
    "Node",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "engine",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "hooks",
    "inference_mode",
    "inplace",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
    "views",
]
