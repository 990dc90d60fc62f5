"""Tensors in pickles: their bytes, shape and dtype. For files use minitorch.save."""

from __future__ import annotations

from ._load import _C


def rebuild(cls, data, dtype, sizes, requires_grad, attributes, device="cpu"):
    """The tensor that reduce() took apart, on the device where it was."""
    flat = _C.empty((len(data),), _C.uint8, "cpu")
    memoryview(flat.numpy()).cast("B")[:] = data
    values = _C.view_dtype(flat, dtype).reshape(sizes).to(device)
    made = _C.make_subclass(cls, values, requires_grad)
    if attributes:
        made.__dict__.update(attributes)
    return made


def reduce(tensor):
    """What pickle needs to make the tensor again; gradients and history are left behind."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    data = bytes(_C.view_dtype(flat, _C.uint8).numpy()) if flat.numel() else b""
    return rebuild, (
        type(tensor),
        data,
        tensor.dtype,
        tuple(tensor.shape),
        tensor.requires_grad,
        dict(tensor.__dict__),
        str(tensor.device),
    )
