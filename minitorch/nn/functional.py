"""Everything a layer computes, as functions.

The functions live with their gradients in minitorch/ops, where @functional puts them into this
namespace; those that are minitorch functions as well are named here.
"""

from __future__ import annotations

from ..ops import FUNCTIONAL, FUNCTIONS
from ._multi_head import multi_head_attention_forward  # noqa: F401

# Functions that are in both namespaces.
_SHARED = (
    "adaptive_avg_pool1d",
    "adaptive_max_pool1d",
    "alpha_dropout",
    "avg_pool1d",
    "batch_norm",
    "bilinear",
    "celu",
    "celu_",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_tbc",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_similarity",
    "dropout",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "gelu",
    "group_norm",
    "hardshrink",
    "instance_norm",
    "layer_norm",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool3d",
    "pairwise_distance",
    "pdist",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "relu",
    "relu_",
    "rms_norm",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "softmax",
    "softplus",
    "tanh",
    "threshold",
    "threshold_",
    "leaky_relu",
    "elu",
    "cdist",
    "normalize",
    "one_hot",
    "softshrink",
    "silu",
    "mish",
)

globals().update({name: FUNCTIONS[name] for name in _SHARED if name in FUNCTIONS})
globals().update(FUNCTIONAL)

__all__ = sorted(
    {*FUNCTIONAL, *(n for n in _SHARED if n in FUNCTIONS), "multi_head_attention_forward"}
)
