"""What is timed: the same functions on any PyTorch-like module, with the work that they are.

``flops`` counts additions, multiplications and divisions of the formula as it is written; ``bytes``
each input read once and each output written once. For training steps ``bytes`` is the traffic of
the parameters, their gradients and states alone. Both are least values: a floor of the time.
"""

from __future__ import annotations

from functools import partial

from . import models

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

M4 = 4 << 20


class Case:
    """One thing to time.

    Args:
        group: "call" (what calling costs), "training" or "kernel".
        make: from a PyTorch-like module to a function of no arguments.
        flops, bytes: least work of one call.
        only_reads: whether the result is too small to count.
        array: the same for NumPy-like modules (module, generator), where there is such a thing.
    """

    __slots__ = ("array", "bytes", "flops", "group", "make", "only_reads")

    def __init__(
        self,
        group: str,
        make: Callable[[Any], Callable[[], Any]],
        flops: float = 0.0,
        bytes: float = 0.0,
        only_reads: bool = False,
        array: Callable[[Any, Any], Callable[[], Any]] | None = None,
    ) -> None:
        self.group = group
        self.make = make
        self.flops = float(flops)
        self.bytes = float(bytes)
        self.only_reads = only_reads
        self.array = array


CASES: dict[str, Case] = {}


def call(name, make):
    CASES[name] = Case("call", make)


def training(name, make, flops, parameters, states):
    """Weights are read forward and backward; the update reads gradients and touches each state twice."""
    CASES[name] = Case("training", make, flops, 4 * parameters * (2 + 1 + 1 + 2 + 2 * states))


def tiny_add(m, grad=False):
    x, y = m.ones(4, requires_grad=grad), m.ones(4)
    return lambda: x + y


def tiny_chain(m):
    x = m.ones(4, requires_grad=True)

    def run():
        y = x
        for _ in range(10):
            y = y * 1.01
        y.sum().backward()
        x.grad = None

    return run


def tiny_view(m, f):
    x = m.ones(4, 4)
    return lambda: f(x)


call("add 4", tiny_add)
call("add 4, grad", partial(tiny_add, grad=True))
call("reshape", partial(tiny_view, f=lambda x: x.reshape(16)))
call("slice", partial(tiny_view, f=lambda x: x[1:3]))
call("chain of 10, fwd+bwd", tiny_chain)

training("linear regression", models.linear_regression, 400, 2, 0)
training("MLP Adam b64", models.mlp, 2 * 2 * 64 * 784 * 128 + 3 * 2 * 64 * 1280, 101770, 2)
for _b in (4, 128):
    _c1, _rest = 6 * 784 * 75, 16 * 100 * 150 + 48000 + 10080 + 840
    training(
        f"LeNet SGD b{_b}",
        partial(models.lenet, batch=_b),
        2 * _b * (2 * _c1 + 3 * _rest),
        62006,
        1,
    )
training("ResNet-18 SGD b32", models.resnet_step, 3 * 32 * 1.1113e9, 11_173_962, 1)
training(
    "GPT 4x192 AdamW",
    models.gpt_step,
    6 * 1024 * (4 * (12 * 192 * 192 + 128 * 192) + 192 * 65),
    1_822_785,
    2,
)
training("LSTM Adam", models.lstm_step, 6 * 1024 * 4 * 128 * 192, 107_018, 2)
CASES["ResNet-18 inference b32"] = Case(
    "kernel", models.resnet_inference, 32 * 1.1113e9, 4 * 11_173_962
)


def matmul(m, rows, cols, inner):
    a, b = m.randn(rows, inner), m.randn(inner, cols)
    return lambda: a @ b


def array_matmul(np, normal, rows, cols, inner):
    a, b = normal(rows, inner), normal(inner, cols)
    return lambda: a @ b


def add_matmul(rows, cols, inner):
    name = f"matmul {rows}" if rows == cols == inner else f"matmul {rows}x{cols}x{inner}"
    CASES[name] = Case(
        "kernel",
        partial(matmul, rows=rows, cols=cols, inner=inner),
        2 * rows * cols * inner,
        4 * (rows * inner + inner * cols + rows * cols),
        array=partial(array_matmul, rows=rows, cols=cols, inner=inner),
    )


for _n in (32, 64, 128, 256, 512, 1024, 2048):
    add_matmul(_n, _n, _n)
for _rows, _cols, _inner in ((1, 4096, 4096), (8, 4096, 1024), (4096, 64, 64), (64, 10, 4096)):
    add_matmul(_rows, _cols, _inner)
add_matmul(3136, 64, 576)
add_matmul(64, 3136, 576)


def conv(m, shape, o, k, stride, padding, groups=1, backward=False):
    x = m.randn(*shape, requires_grad=backward)
    w = m.randn(o, shape[1] // groups, k, k, requires_grad=backward)
    b = m.randn(o, requires_grad=backward)
    f = m.nn.functional.conv2d
    if not backward:
        return lambda: f(x, w, b, stride=stride, padding=padding, groups=groups)

    def run():
        y = f(x, w, b, stride=stride, padding=padding, groups=groups)
        y.backward(m.ones_like(y))
        x.grad = w.grad = b.grad = None

    return run


def add_conv(name, shape, o, k, stride, padding, groups=1):
    n, c, size, _ = shape
    side = (size + 2 * padding - k) // stride + 1
    nx, ny, nw = n * c * size * size, n * o * side * side, o * (c // groups) * k * k
    flops = 2 * ny * (c // groups) * k * k
    args = {"shape": shape, "o": o, "k": k, "stride": stride, "padding": padding, "groups": groups}
    CASES[f"conv {name}"] = Case("kernel", partial(conv, **args), flops, 4 * (nx + ny + nw))
    if groups == 1:
        CASES[f"conv {name}, fwd+bwd"] = Case(
            "kernel",
            partial(conv, backward=True, **args),
            3 * flops,
            4 * (3 * nx + 3 * ny + 3 * nw),
        )


add_conv("5x5 3@32", (32, 3, 32, 32), 6, 5, 1, 0)
add_conv("7x7s2 3@224", (4, 3, 224, 224), 64, 7, 2, 3)
for _c, _s in ((64, 56), (128, 28), (256, 14), (512, 7)):
    add_conv(f"3x3 {_c}@{_s}", (4, _c, _s, _s), _c, 3, 1, 1)
add_conv("1x1 256@56", (4, 256, 56, 56), 64, 1, 1, 0)
add_conv("3x3s2 64@56", (4, 64, 56, 56), 128, 3, 2, 1)
add_conv("3x3 depthwise 128@56", (4, 128, 56, 56), 128, 3, 1, 1, groups=128)


def apply(m, shapes, f):
    """f(module, *random tensors)"""
    tensors = [m.randn(*shape) for shape in shapes]
    return lambda: f(m, *tensors)


def array_apply(np, normal, shapes, f):
    """f(numpy or jax.numpy, *random arrays); JAX's as users run it, compiled."""
    arrays = [normal(*shape) for shape in shapes]
    call = partial(f, np)
    if np.__name__ == "jax.numpy":
        import jax

        call = jax.jit(call)
    return lambda: call(*arrays)


def array_transpose(np, x):
    """A copy in which the columns of x are rows; JAX has no other kind."""
    return np.ascontiguousarray(x.T) if np.__name__ == "numpy" else np.copy(x.T)


def kernel(name, shapes, f, flops, bytes, only_reads=False, array=None):
    if array:
        array = partial(array_apply, shapes=shapes, f=array)
    make = partial(apply, shapes=shapes, f=f)
    CASES[name] = Case("kernel", make, flops, bytes, only_reads, array)


def array_softmax(np, x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


_flat, _square = [(M4,)], [(2048, 2048)]
kernel("add 4M", _flat * 2, lambda m, x, y: x + y, M4, 12 * M4, array=lambda np, x, y: x + y)
kernel(
    "add broadcast 2048",
    [(2048, 2048), (2048, 1)],
    lambda m, x, y: x + y,
    M4,
    8 * M4,
    array=lambda np, x, y: x + y,
)
kernel("exp 4M", _flat, lambda m, x: x.exp(), 22 * M4, 8 * M4, array=lambda np, x: np.exp(x))
kernel("tanh 4M", _flat, lambda m, x: x.tanh(), 43 * M4, 8 * M4, array=lambda np, x: np.tanh(x))
kernel("gelu 4M", _flat, lambda m, x: m.nn.functional.gelu(x), 45 * M4, 8 * M4)
kernel("sum 4M", _flat, lambda m, x: x.sum(), M4, 4 * M4, True, array=lambda np, x: x.sum())
kernel("sum dim 0", _square, lambda m, x: x.sum(dim=0), M4, 4 * M4, True, lambda np, x: x.sum(0))
kernel("argmax", _square, lambda m, x: x.argmax(1), M4, 4 * M4, True, lambda np, x: x.argmax(1))
kernel(
    "transpose 2048",
    _square,
    lambda m, x: x.t().contiguous(),
    0,
    8 * M4,
    array=array_transpose,
)
kernel("cumsum", _square, lambda m, x: x.cumsum(1), M4, 8 * M4, array=lambda np, x: x.cumsum(1))
kernel("sort 1M", [(1 << 20,)], lambda m, x: m.sort(x), 0, 16 << 20)
kernel("randn 4M", [], lambda m: m.randn(M4), 0, 4 * M4)

_n = 4096 * 1000
for _name, _shape, _dim in (("softmax", (4096, 1000), 1), ("softmax dim 0", (1000, 4096), 0)):
    kernel(
        _name,
        [_shape],
        lambda m, x, dim=_dim: m.nn.functional.softmax(x, dim=dim),
        25 * _n,
        8 * _n,
        array=partial(array_softmax, axis=_dim),
    )


def layer_norm(m, backward):
    x = m.randn(4096, 768, requires_grad=backward)
    w, b = (m.ones(768, requires_grad=backward) for _ in range(2))
    f = m.nn.functional.layer_norm
    if not backward:
        return lambda: f(x, (768,), w, b)
    dy = m.randn(4096, 768)

    def run():
        f(x, (768,), w, b).backward(dy)
        x.grad = w.grad = b.grad = None

    return run


_n = 4096 * 768
CASES["layer_norm"] = Case("kernel", partial(layer_norm, backward=False), 8 * _n, 8 * _n)
CASES["layer_norm, fwd+bwd"] = Case("kernel", partial(layer_norm, backward=True), 22 * _n, 20 * _n)

_image = (16, 64, 56, 56)
_n = 16 * 64 * 56 * 56
kernel("max_pool 2x2", [_image], lambda m, x: m.nn.functional.max_pool2d(x, 2), _n, 5 * _n)
kernel(
    "avg_pool 3x3s2",
    [_image],
    lambda m, x: m.nn.functional.avg_pool2d(x, 3, 2, 1),
    9 * _n / 4,
    5 * _n,
)


def batch_norm(m):
    x, layer = m.randn(*_image), m.nn.BatchNorm2d(64)
    return lambda: layer(x)


CASES["batch_norm, training"] = Case("kernel", batch_norm, 8 * _n, 8 * _n)

_heads = [(4, 8, 512, 64)] * 3
_n = 4 * 8 * 512 * 64
kernel(
    "attention, causal",
    _heads,
    lambda m, q, k, v: m.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
    2 * _n * 512,
    16 * _n,
)


def embedding(m):
    w, i = m.randn(32000, 256), m.randint(0, 32000, (8192,))
    return lambda: m.nn.functional.embedding(i, w)


def adam(m):
    sizes = [(512, 512, 3, 3)] * 4 + [(512,)] * 64
    ps = [m.nn.Parameter(m.randn(*s)) for s in sizes]
    for p in ps:
        p.grad = m.randn(*p.shape)
    return m.optim.Adam(ps).step


CASES["embedding 8192x256"] = Case("kernel", embedding, 0, 8 * 8192 * 256)
CASES["Adam 9.5M"] = Case("kernel", adam, 14 * 9_469_952, 28 * 9_469_952)
