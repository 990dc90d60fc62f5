"""Switches that PyTorch programs set. allow_tf32 of CUDA products and convolutions work; the others are
remembered and change nothing."""

from __future__ import annotations

from ._load import _C


class _Switches:
    def __init__(self, **values):
        self.__dict__.update(values)

    def is_available(self):
        """Whether the backend exists in this build."""
        return False

    def is_built(self):
        """Whether the backend exists in this build."""
        return False


class _Cudnn(_Switches):
    """Convolutions on a GPU."""

    @property
    def allow_tf32(self):
        """Whether float32 convolutions may use the tensor cores, with operands of 10 bits of mantissa."""
        return _C.conv_allow_tf32()

    @allow_tf32.setter
    def allow_tf32(self, allow):
        _C.conv_set_allow_tf32(bool(allow))


cudnn = _Cudnn(benchmark=False, deterministic=True, enabled=False)
mkldnn = _Switches(enabled=False)
mps = _Switches()
openmp = _Switches()


class _Matmul(_Switches):
    """Products on a GPU."""

    @property
    def allow_tf32(self):
        """Whether float32 products may use the tensor cores, with operands of 10 bits of mantissa."""
        return bool(_C.cuda_build()) and _C.cuda_allow_tf32()

    @allow_tf32.setter
    def allow_tf32(self, allow):
        if _C.cuda_build():
            _C.cuda_set_allow_tf32(bool(allow))


class _Cuda(_Switches):
    def is_built(self):
        """Whether this build has CUDA kernels."""
        return bool(_C.cuda_build())

    def is_available(self):
        """Whether a GPU can be used."""
        return _C.cuda_device_count() > 0


cuda = _Cuda(matmul=_Matmul(allow_fp16_reduced_precision_reduction=False))
