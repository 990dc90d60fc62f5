"""Special functions under the names of torch.special."""

from __future__ import annotations

from .ops import FUNCTIONS as _FUNCTIONS

_NAMES = [
    "digamma",
    "erf",
    "erfc",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "i0",
    "log1p",
    "log_softmax",
    "logit",
    "logsumexp",
    "polygamma",
    "round",
    "sinc",
    "softmax",
    "xlogy",
]
globals().update({name: _FUNCTIONS[name] for name in _NAMES if name in _FUNCTIONS})
expit = _FUNCTIONS["sigmoid"]
if "lgamma" in _FUNCTIONS:
    gammaln = _FUNCTIONS["lgamma"]
