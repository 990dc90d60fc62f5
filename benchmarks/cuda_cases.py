"""What cuda_compare.py times: functions of a PyTorch-like module, with their work and their kind."""

from __future__ import annotations

from functools import partial

CACHE_BYTES = 128 << 20  # more than any second-level cache


class Case:
    """What is timed.

    Args:
        make: (module, device) -> function of no arguments; called once per set of operands.
        flops, bytes: least work of one call.
        kind: "fp32", "tf32", "bf16" ... (the ceiling of its flops), or "memory".
        footprint: bytes of one set of operands.
    """

    def __init__(self, make, flops, bytes, kind, footprint):
        self.make, self.flops, self.bytes, self.kind = make, float(flops), float(bytes), kind
        self.footprint = footprint


CASES: dict[str, Case] = {}
M = 1 << 20


def normal(m, *shape, dtype="float32"):
    return m.randn(*shape, device="cuda").to(getattr(m, dtype))


def memory_case(name, make, reads, writes, itemsize=4):
    total = (reads + writes) * itemsize
    CASES[name] = Case(make, 0, total, "memory", total)


def elementwise(m, f, n, inputs=1, dtype="float32"):
    xs = [normal(m, n, dtype=dtype) for _ in range(inputs)]
    return lambda: f(m, *xs)


def along(m, f, rows, n, dtype="float32"):
    x = normal(m, rows, n, dtype=dtype)
    return lambda: f(m, x)


def backward(m, f, *shapes):
    xs = [normal(m, *s).requires_grad_() for s in shapes]
    y = f(m, *xs)
    dy = m.randn(*y.shape, device="cuda")
    return lambda: m.autograd.grad(y, xs, dy, retain_graph=True)


for _n in (1 * M, 16 * M, 128 * M):
    memory_case(f"copy {_n // M}M", partial(elementwise, f=lambda m, x: x.clone(), n=_n), _n, _n)
    memory_case(
        f"add {_n // M}M", partial(elementwise, f=lambda m, x, y: x + y, n=_n, inputs=2), 2 * _n, _n
    )
memory_case(
    "gelu 16M",
    partial(elementwise, f=lambda m, x: m.nn.functional.gelu(x), n=16 * M),
    16 * M,
    16 * M,
)
memory_case(
    "add 64M bfloat16",
    partial(elementwise, f=lambda m, x, y: x + y, n=64 * M, inputs=2, dtype="bfloat16"),
    128 * M,
    64 * M,
    2,
)
memory_case(
    "transpose 4096",
    partial(along, f=lambda m, x: x.t().contiguous(), rows=4096, n=4096),
    16 * M,
    16 * M,
)
for _rows, _n in ((65536, 256), (8192, 4096), (1024, 65536)):
    _e = _rows * _n
    memory_case(
        f"softmax {_rows}x{_n}",
        partial(along, f=lambda m, x: m.softmax(x, -1), rows=_rows, n=_n),
        _e,
        _e,
    )
    memory_case(
        f"sum dim 1 {_rows}x{_n}",
        partial(along, f=lambda m, x: x.sum(1), rows=_rows, n=_n),
        _e,
        _rows,
    )
    memory_case(
        f"sum dim 0 {_rows}x{_n}", partial(along, f=lambda m, x: x.sum(0), rows=_rows, n=_n), _e, _n
    )
    memory_case(
        f"layer_norm {_rows}x{_n}",
        partial(along, f=lambda m, x: m.nn.functional.layer_norm(x, (x.shape[1],)), rows=_rows, n=_n), _e, _e,
    )  # fmt: skip
memory_case("sum 128M", partial(elementwise, f=lambda m, x: x.sum(), n=128 * M), 128 * M, 1)
memory_case(
    "softmax 8192x4096 bwd",
    lambda m: backward(m, lambda m, x: m.softmax(x, -1), (8192, 4096)),
    2 * 32 * M,
    32 * M,
)
memory_case(
    "cumsum 4096x4096",
    partial(along, f=lambda m, x: x.cumsum(1), rows=4096, n=4096),
    16 * M,
    16 * M,
)
memory_case(
    "sort 1024x16384",
    partial(along, f=lambda m, x: x.sort(1)[0], rows=1024, n=16384),
    16 * M,
    48 * M,
)
memory_case("rand 64M", lambda m: lambda: m.rand(64 * M, device="cuda"), 0, 64 * M)


def embedding(m):
    table, i = normal(m, 50000, 768), m.randint(0, 50000, (16384,)).cuda()
    return lambda: m.nn.functional.embedding(i, table)


memory_case("embedding 16384x768", embedding, 16384 * 768, 16384 * 768)


def gemm(m, rows, cols, inner, dtype, ta=False, tb=False):
    a = normal(m, inner, rows, dtype=dtype).t() if ta else normal(m, rows, inner, dtype=dtype)
    b = normal(m, cols, inner, dtype=dtype).t() if tb else normal(m, inner, cols, dtype=dtype)
    return lambda: a @ b


def allow_tf32(m, run):
    """A call with TF32 products allowed."""

    def f():
        m.backends.cuda.matmul.allow_tf32 = True
        run()
        m.backends.cuda.matmul.allow_tf32 = False

    return f


for _n in (512, 1024, 2048, 4096, 8192):
    for _kind, _dtype in (
        ("fp32", "float32"),
        ("tf32", "float32"),
        ("bf16", "bfloat16"),
        ("fp16", "float16"),
    ):
        _size = 2 if "16" in _kind else 4

        def _make(m, n=_n, dtype=_dtype, kind=_kind):
            run = gemm(m, n, n, n, dtype)
            return allow_tf32(m, run) if kind == "tf32" else run

        CASES[f"gemm {_kind} {_n}"] = Case(
            _make, 2 * _n**3, 3 * _n * _n * _size, _kind, 3 * _n * _n * _size
        )
CASES["gemm bf16 4096x4096x4096 NT"] = Case(
    partial(gemm, rows=4096, cols=4096, inner=4096, dtype="bfloat16", tb=True),
    2 * 4096**3,
    0,
    "bf16",
    96 * M,
)
CASES["gemm bf16 16x4096x4096"] = Case(
    partial(gemm, rows=16, cols=4096, inner=4096, dtype="bfloat16", tb=True),
    2 * 16 * 4096**2,
    2 * 4096**2,
    "bf16",
    32 * M,
)


def conv(m, batch, i, o, size, k, stride=1, dtype="float32", back=False):
    x = normal(m, batch, i, size, size, dtype=dtype).contiguous(memory_format=m.channels_last)
    w = normal(m, o, i, k, k, dtype=dtype).contiguous(memory_format=m.channels_last)
    f = partial(m.nn.functional.conv2d, stride=stride, padding=k // 2)
    if not back:
        return lambda: f(x, w)
    x.requires_grad_(), w.requires_grad_()
    y = f(x, w)
    dy = m.randn_like(y)
    return lambda: m.autograd.grad(y, (x, w), dy, retain_graph=True)


for _kind, _dtype in (("tf32", "float32"), ("bf16", "bfloat16")):
    for _i, _o, _size, _k, _s in (
        (64, 64, 56, 3, 1),
        (128, 128, 28, 3, 1),
        (256, 256, 14, 3, 1),
        (256, 64, 56, 1, 1),
        (3, 64, 224, 7, 2),
    ):
        _out = _size // _s
        _flops = 2 * 32 * _o * _i * _k * _k * _out * _out
        _foot = 32 * (_i * _size**2 + _o * _out**2) * (2 if _kind == "bf16" else 4)
        _args = {
            "batch": 32,
            "i": _i,
            "o": _o,
            "size": _size,
            "k": _k,
            "stride": _s,
            "dtype": _dtype,
        }
        _name = f"conv {_kind} {_i}->{_o} {_k}x{_k} s{_s} {_size}"
        CASES[_name] = Case(partial(conv, **_args), _flops, _foot, _kind, _foot)
        CASES[_name + " bwd"] = Case(
            partial(conv, **_args, back=True), 2 * _flops, 2 * _foot, _kind, _foot
        )


def attention(m, b, h, t, d, dtype, causal, back):
    q, k, v = (normal(m, b, h, t, d, dtype=dtype).requires_grad_(back) for _ in range(3))
    f = partial(m.nn.functional.scaled_dot_product_attention, is_causal=causal)
    if not back:
        return lambda: f(q, k, v)
    y = f(q, k, v)
    dy = m.randn_like(y)
    return lambda: m.autograd.grad(y, (q, k, v), dy, retain_graph=True)


for _t in (512, 2048, 8192):
    for _kind, _dtype in (("fp32", "float32"), ("bf16", "bfloat16")):
        for _causal in (False, True):
            _b = max(1, 16384 // _t)
            _flops = 4 * _b * 16 * _t * _t * 64 * (0.5 if _causal else 1)
            _foot = 4 * _b * 16 * _t * 64 * (2 if _kind == "bf16" else 4)
            for _back in (False, True):
                _name = f"attention {_kind} t{_t}{' causal' if _causal else ''}{' bwd' if _back else ''}"
                CASES[_name] = Case(
                    partial(attention, b=_b, h=16, t=_t, d=64, dtype=_dtype, causal=_causal, back=_back),
                    _flops * (2.5 if _back else 1), _foot, _kind, _foot,
                )  # fmt: skip


def training(m, name, captured):
    from minitorch.bench import models

    make = {
        "LeNet b128": partial(models.lenet, batch=128),
        "GPT": models.gpt_step,
        "MLP": models.mlp,
    }[name]
    m.set_default_device("cuda")
    try:
        step = make(m)
    finally:
        m.set_default_device("cpu")

    def run():
        m.set_default_device("cuda")
        step()
        m.set_default_device("cpu")

    if not captured:
        return run
    stream = m.cuda.Stream()
    with m.cuda.stream(stream):
        for _ in range(3):
            run()
    m.cuda.synchronize()
    graph = m.cuda.CUDAGraph()
    m.set_default_device("cuda")
    with m.cuda.graph(graph):
        step()
    m.set_default_device("cpu")

    def replay(_alive=step):  # the graph reads the parameters, which live as long as the step does
        graph.replay()

    return replay


for _name in ("MLP", "LeNet b128", "GPT"):
    CASES[f"step {_name}"] = Case(
        partial(training, name=_name, captured=False), 0, 0, "none", CACHE_BYTES
    )
    CASES[f"step {_name}, graph"] = Case(
        partial(training, name=_name, captured=True), 0, 0, "none", CACHE_BYTES
    )
