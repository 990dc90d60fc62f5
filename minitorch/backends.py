"""Switches that PyTorch programs set; here they are remembered and change nothing."""

from __future__ import annotations


class _Switches:
    def __init__(self, **values):
        self.__dict__.update(values)

    def is_available(self):
        """Whether the backend exists in this build."""
        return False

    def is_built(self):
        """Whether the backend exists in this build."""
        return False


cudnn = _Switches(benchmark=False, deterministic=True, enabled=False, allow_tf32=False)
mkldnn = _Switches(enabled=False)
mps = _Switches()
openmp = _Switches()
cuda = _Switches(matmul=_Switches(allow_tf32=False, allow_fp16_reduced_precision_reduction=False))
