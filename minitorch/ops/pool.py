"""Pooling: maxima, averages and power averages over windows, in 1 to 3 spatial dims.

Averages are linear: backward is a kernel, and the gradient of backward is the average again. Maxima
remember where they were found; their gradient goes there.
"""

from __future__ import annotations

from .._load import _C
from ..dtypes import channels_last
from ._register import FUNCTIONAL, FUNCTIONS, Node, record, write_out


def _scatter(dy, places, shape, nd):
    """Zeros of the shape with dy added at places of its planes, differentiable."""
    lead = shape[: len(shape) - nd]
    rows = 1
    for n in lead:
        rows *= n
    size = 1
    for n in shape[len(shape) - nd :]:
        size *= n
    flat = dy.new_zeros((rows, size)).scatter_add(
        1, places.reshape((rows, -1)), dy.reshape((rows, -1))
    )
    return flat.reshape(shape)


class MaxPool(Node):
    """y = max over each window; dx = dy at the maxima"""

    __slots__ = ("spec",)

    def backward(self, dy, _=None):
        x, index = self.saved
        if _C.is_grad_enabled():
            return _scatter(dy, _C.max_pool_indices(index, x, *self.spec), x.shape, self.spec[-1])
        return _C.max_pool_backward(dy, index, x, *self.spec)


class AdaptiveMaxPool(Node):
    """y = max over each window; dx = dy at the maxima"""

    __slots__ = ("nd", "shape")

    def backward(self, dy, _=None):
        (index,) = self.saved
        if dy is None:
            return None
        if _C.is_grad_enabled():
            return _scatter(dy, index, self.shape, self.nd)
        return _C.max_places_backward(dy, index, self.shape, self.nd)


class AvgPool(Node):
    """y = mean over each window; dx = dy / size, added up over the windows"""

    __slots__ = ("shape", "spec")

    def backward(self, dy):
        dx = _C.avg_pool_backward(dy, self.shape, *self.spec)
        if dx.requires_grad:
            record(AvgPoolBackward, dx, (dy,)).spec = self.spec
        return dx


class AvgPoolBackward(Node):
    """dx = dy spread over the windows"""

    __slots__ = ("spec",)

    def backward(self, g):
        return _avg_pool(g, self.spec)


class AdaptiveAvgPool(Node):
    """y = mean over each window; dx = dy / size, added up over the windows"""

    __slots__ = ("channels_last", "shape", "spec")

    def backward(self, dy):
        dx = _C.adaptive_avg_pool_backward(dy, self.shape, self.channels_last, *self.spec)
        if dx.requires_grad:
            record(AdaptiveAvgPoolBackward, dx, (dy,)).spec = self.spec
        return dx


class AdaptiveAvgPoolBackward(Node):
    """dx = dy spread over the windows"""

    __slots__ = ("spec",)

    def backward(self, g):
        return _adaptive_avg_pool(g, self.spec)


def _avg_pool(input, spec):
    y = _C.avg_pool(input, *spec)
    if y.requires_grad:
        node = record(AvgPool, y, (input,))
        node.shape, node.spec = input.shape, spec
    return y


def _adaptive_avg_pool(input, spec):
    y = _C.adaptive_avg_pool(input, *spec)
    if y.requires_grad:
        node = record(AdaptiveAvgPool, y, (input,))
        node.shape, node.spec = input.shape, spec
        node.channels_last = not _C.is_contiguous(input) and input.is_contiguous(channels_last)
    return y


def _named(f, name, doc, top=False):
    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    FUNCTIONAL[name] = f
    if top:
        FUNCTIONS[name] = f
    return f


def _max_pool(nd):
    def max_pool(
        input,
        kernel_size,
        stride=None,
        padding=0,
        dilation=1,
        ceil_mode=False,
        return_indices=False,
    ):
        y, index = _C.max_pool(
            input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, nd
        )
        if y.requires_grad:
            out = (y, index) if return_indices else y
            record(MaxPool, out, (input,), (input, index)).spec = (
                kernel_size, stride, padding, dilation, ceil_mode, nd,
            )  # fmt: skip
        return (y, index) if return_indices else y

    doc = f"""The maximum of each window over {nd} spatial dim{"s" if nd > 1 else ""}; NaN wins.

    Args:
        input: [batch, channels, sizes], or without batch.
        kernel_size, stride, padding, dilation: an int or one per dim; stride defaults to kernel_size.
        ceil_mode: also windows that reach beyond the end.
        return_indices: also the place of each maximum in its plane, int64.

    Raises:
        RuntimeError: no window fits, or padding exceeds half of the window.
    """
    return _named(max_pool, f"max_pool{nd}d", doc, top=True)


def _max_pool_with_indices(nd, plain):
    def f(
        input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True
    ):
        return plain(input, kernel_size, stride, padding, dilation, ceil_mode, True)

    name = f"max_pool{nd}d_with_indices"
    _named(f, name, f"max_pool{nd}d and the place of each maximum.")
    if nd == 1:
        FUNCTIONS[name] = f


def _average(nd):
    if nd == 1:

        def avg_pool(
            input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True
        ):
            return _avg_pool(
                input, (kernel_size, stride, padding, ceil_mode, count_include_pad, None, nd)
            )

    else:

        def avg_pool(
            input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
            divisor_override=None, *, out=None,
        ):  # fmt: skip
            spec = (
                kernel_size,
                stride,
                padding,
                ceil_mode,
                count_include_pad,
                divisor_override,
                nd,
            )
            y = _avg_pool(input, spec)
            return y if out is None else write_out(out, y, f"avg_pool{nd}d")

    doc = f"""The mean of each window over {nd} spatial dim{"s" if nd > 1 else ""}.

    Args:
        input: [batch, channels, sizes], or without batch.
        kernel_size, stride, padding: an int or one per dim; stride defaults to kernel_size.
        ceil_mode: also windows that reach beyond the end.
        count_include_pad: whether padding counts in the size of a window.
        divisor_override: divides instead of the size of the window.

    Raises:
        RuntimeError: no window fits, or padding exceeds half of the window.
    """
    return _named(avg_pool, f"avg_pool{nd}d", doc, top=nd == 1)


def _adaptive(nd):
    dims = f"{nd} spatial dim{'s' if nd > 1 else ''}"

    def adaptive_avg_pool(input, output_size):
        return _adaptive_avg_pool(input, (output_size, nd))

    _named(
        adaptive_avg_pool,
        f"adaptive_avg_pool{nd}d",
        f"The mean over windows chosen so that the last {dims} become output_size (None keeps a size).",
        top=nd == 1,
    )

    def adaptive_max_pool(input, output_size, return_indices=False):
        y, index = _C.adaptive_max_pool(input, output_size, nd)
        if y.requires_grad:
            node = record(AdaptiveMaxPool, (y, index), (input,), (index,))
            node.shape, node.nd = input.shape, nd
        return (y, index) if return_indices else y

    _named(
        adaptive_max_pool,
        f"adaptive_max_pool{nd}d",
        f"The maximum over windows chosen so that the last {dims} become output_size (None keeps a size).",
        top=nd == 1,
    )

    def with_indices(input, output_size, return_indices=True):
        return adaptive_max_pool(input, output_size, True)

    _named(
        with_indices,
        f"adaptive_max_pool{nd}d_with_indices",
        f"adaptive_max_pool{nd}d and the place of each maximum.",
    )


for _nd in (1, 2, 3):
    _max_pool_with_indices(_nd, _max_pool(_nd))
    _average(_nd)
    _adaptive(_nd)

avg_pool1d, avg_pool2d, avg_pool3d = (FUNCTIONAL[f"avg_pool{_n}d"] for _n in (1, 2, 3))


def _lp_pool(nd):
    average = FUNCTIONAL[f"avg_pool{nd}d"]

    def lp_pool(input, norm_type, kernel_size, stride=None, ceil_mode=False):
        size = kernel_size**nd if isinstance(kernel_size, int) else 1
        if size == 1 and not isinstance(kernel_size, int):
            for k in kernel_size:
                size *= k
        mean = average(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
        return (mean.sign() * mean.abs().relu() * size).pow(1.0 / norm_type)

    _named(lp_pool, f"lp_pool{nd}d", "The norm_type-th root of the sum of powers of each window.")


def _max_unpool(nd):
    def max_unpool(input, indices, kernel_size, stride=None, padding=0, output_size=None):
        shape = tuple(input.shape)
        k, p = _each(kernel_size, nd), _each(padding, nd)
        s = _each(kernel_size if stride is None else stride, nd)
        sizes = [(n - 1) * s[i] - 2 * p[i] + k[i] for i, n in enumerate(shape[-nd:])]
        if output_size is not None:
            sizes = _checked_output(list(output_size)[-nd:], sizes, s)
        if tuple(indices.shape) != shape:
            raise RuntimeError(
                f"max_unpool{nd}d(): Expected shape of indices to be same as that of the input tensor "
                f"({list(shape)}) but got indices tensor with shape: {list(indices.shape)}"
            )
        if indices.dtype is not _C.int64:
            raise RuntimeError(
                f"max_unpool{nd}d(): elements in indices should be type int64 but got: {indices.dtype}"
            )
        rows, size = 1, 1
        for n in shape[:-nd]:
            rows *= n
        for n in sizes:
            size *= n
        if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < size:
            raise RuntimeError(
                f"max_unpool{nd}d(): found an invalid max index: {int(indices.max())} (output volumes are "
                f"of size {sizes})"
            )
        flat = input.new_zeros((rows, size))
        flat = flat.scatter(1, indices.reshape((rows, -1)), input.reshape((rows, -1)))
        return flat.reshape((*shape[:-nd], *sizes))

    _named(
        max_unpool,
        f"max_unpool{nd}d",
        f"The partial inverse of max_pool{nd}d: values at their places, zero elsewhere.",
    )


def _each(value, nd):
    value = (value,) * nd if isinstance(value, int) else tuple(value)
    return value * nd if len(value) == 1 else value


def _checked_output(sizes, default, stride):
    for n, want, s in zip(sizes, default, stride):
        if not want - s < n < want + s:
            raise ValueError(
                f"invalid output_size {sizes} (each must be within a stride of {list(default)})"
            )
    return sizes


for _nd in (1, 2, 3):
    _lp_pool(_nd)
    _max_unpool(_nd)
