"""One Case drives everything an op is tested for.

    CASES = [Case("softmax", lambda m, x: m.softmax(x, dim=-1), shapes=[[(3, 5)], [(0, 3)]])]
    globals().update(make_tests(CASES))

`m` is minitorch or torch (its functional module is m.nn.functional). Every case is checked for:
forward against torch where it is installed, or against `numpy=`; inputs that are transposed, sliced
and expanded; each dtype in `dtypes`; gradients by finite differences in float64 and against torch;
second derivatives by finite differences (`gradgrad=False` where an op refuses them); and, where a
GPU can be used (a real one, or the emulator of a build with MINITORCH_CUDA=EMULATE), values, layouts
and gradients there against the CPU's.
"""

from __future__ import annotations

import importlib
import zlib
from dataclasses import dataclass, field

import numpy as np
import pytest

import minitorch

minitorch.backends.cudnn.allow_tf32 = False  # float32 is compared as float32
FLOATS = ("float32", "float64", "bfloat16", "float16")
# Relative and absolute tolerance per dtype; 16-bit types keep 8 and 11 bits of mantissa.
TOLERANCES = {
    "float64": (1e-7, 1e-8),
    "float32": (2e-5, 2e-6),
    "float16": (2e-3, 2e-3),
    "bfloat16": (1.6e-2, 1e-2),
}


@dataclass
class Case:
    """An op and how to test it.

    name: unique within the file.
    f: (module, *tensors) -> tensor or tuple of tensors.
    shapes: per sample, one shape per tensor argument.
    dtypes: dtypes of the tensor arguments; the first floating one is used for layouts.
    low, high: range of the random values.
    make: (rng, shapes) -> list of NumPy arrays, instead of uniform random values.
    numpy: reference on NumPy arrays (float64), used beside torch.
    grad, gradgrad: check first and second derivatives (floating arguments).
    tolerance: dtype -> (rtol, atol) that replaces the default.
    cuda: whether the case runs on a GPU, too.
    """

    name: str
    f: object
    shapes: list
    dtypes: tuple = ("float32", "float64", "bfloat16")
    low: float = -2.0
    high: float = 2.0
    make: object = None
    numpy: object = None
    grad: bool = True
    gradgrad: bool = True
    tolerance: dict = field(default_factory=dict)
    cuda: bool = True


def torch_or_none():
    """torch, or None where it is not installed."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        return None


def arrays(case, shapes):
    """The sample's arguments as NumPy arrays, the same in every run."""
    rng = np.random.default_rng(zlib.crc32(f"{case.name}{shapes}".encode()))
    if case.make is not None:
        return [np.asarray(a) for a in case.make(rng, shapes)]
    return [rng.uniform(case.low, case.high, s) for s in shapes]


def to(m, array, dtype):
    """array as a tensor of module m; integer and bool arrays keep their dtype."""
    t = m.tensor(array)
    return t.to(getattr(m, dtype)) if np.issubdtype(array.dtype, np.floating) else t


def numbers(t):
    """A tensor as NumPy, 16-bit floats as float64."""
    t = t.detach().cpu()
    return t.double().numpy() if "float" in str(t.dtype) else t.numpy()


def flat(out):
    """The tensors of a result."""
    if isinstance(out, (tuple, list)):
        return [t for o in out for t in flat(o)]
    return [out]


def assert_same(ours, theirs, dtype, case, what):
    """Same number of results, shapes, dtypes and values."""
    ours, theirs = flat(ours), flat(theirs)
    assert len(ours) == len(theirs), what
    rtol, atol = case.tolerance.get(dtype, TOLERANCES.get(dtype, (0, 0)))
    for a, b in zip(ours, theirs):
        assert tuple(a.shape) == tuple(b.shape), f"{what}: shape {a.shape} against {b.shape}"
        assert str(a.dtype).split(".")[-1] == str(b.dtype).split(".")[-1], (
            f"{what}: dtype {a.dtype}"
        )
        np.testing.assert_allclose(numbers(a), numbers(b), rtol=rtol, atol=atol, err_msg=what)


def weighted_sum(m, out):
    """A scalar whose gradient is different for every element of every floating result."""
    total = None
    for i, t in enumerate(flat(out)):
        if "float" not in str(t.dtype):
            continue
        w = np.cos(np.arange(t.numel(), dtype=np.float64) + i).reshape(tuple(t.shape))
        term = (t * m.tensor(w).to(t.dtype).to(t.device)).sum()
        total = term if total is None else total + term
    return total


def rearranged(x, how):
    """x with the same values in another layout."""
    if how == "transposed" and x.dim() >= 2:
        return x.transpose(0, -1).contiguous().transpose(0, -1)
    if how == "sliced" and x.dim() >= 1:
        wide = x.new_empty((*x.shape[:-1], 2 * x.shape[-1] + 1))
        wide[..., 1::2] = x
        return wide[..., 1::2]
    return x


def _samples(cases):
    return [pytest.param(c, s, id=f"{c.name}-{i}") for c in cases for i, s in enumerate(c.shapes)]


def _gpu(f, *args):
    """f(*args) with new tensors on the GPU; skips where a kernel has no CUDA twin (test_layout.py
    lists those that may)."""
    try:
        with minitorch.device("cuda"):
            return f(*args)
    except NotImplementedError as error:
        if "runs on the CPU only" in str(error):
            pytest.skip(str(error))
        raise


def make_tests(cases):
    """The test functions of a file's cases, for its globals()."""

    @pytest.mark.parametrize(("case", "shapes"), _samples(cases))
    def test_forward(case, shapes):
        torch = torch_or_none()
        data = arrays(case, shapes)
        if case.numpy is not None:
            ours = flat(case.f(minitorch, *(to(minitorch, a, "float64") for a in data)))
            rtol, atol = case.tolerance.get("float64", TOLERANCES["float64"])
            reference = case.numpy(*data)
            for a, b in zip(ours, reference if isinstance(reference, tuple) else (reference,)):
                np.testing.assert_allclose(numbers(a), b, rtol=rtol, atol=atol)
        if torch is None:
            if case.numpy is None:
                pytest.skip("torch is the reference of this case")
            return
        for dtype in case.dtypes:
            ours = case.f(minitorch, *(to(minitorch, a, dtype) for a in data))
            theirs = case.f(torch, *(to(torch, a, dtype) for a in data))
            assert_same(ours, theirs, dtype, case, f"{case.name} {shapes} {dtype}")

    @pytest.mark.parametrize(("case", "shapes"), _samples(cases))
    @pytest.mark.parametrize("how", ["transposed", "sliced"])
    def test_layouts(case, shapes, how):
        dtype = case.dtypes[0]
        plain = [to(minitorch, a, dtype) for a in arrays(case, shapes)]
        moved = [rearranged(x, how) for x in plain]
        want = case.f(minitorch, *plain)
        assert_same(case.f(minitorch, *moved), want, dtype, case, f"{case.name} {shapes} {how}")

    @pytest.mark.parametrize(("case", "shapes"), _samples([c for c in cases if c.grad]))
    def test_gradient(case, shapes):
        data = arrays(case, shapes)

        def run(m):
            xs = [to(m, a, "float64") for a in data]
            xs = [x.requires_grad_() if "float" in str(x.dtype) else x for x in xs]
            weighted_sum(m, case.f(m, *xs)).backward()
            return [x.grad for x in xs if x.requires_grad]

        ours = run(minitorch)
        torch = torch_or_none()
        if torch is not None:
            for a, b in zip(ours, run(torch)):
                a = minitorch.zeros(tuple(b.shape)).double() if a is None and b is not None else a
                if b is None:
                    assert a is None or not numbers(a).any()
                else:
                    np.testing.assert_allclose(numbers(a), numbers(b), rtol=1e-6, atol=1e-7)
        if sum(a.size for a in data) <= 64:
            inputs = [to(minitorch, a, "float64") for a in data]
            inputs = [x.requires_grad_() if x.dtype.is_floating_point else x for x in inputs]
            if all(x.numel() for x in inputs):
                assert minitorch.autograd.gradcheck(lambda *xs: case.f(minitorch, *xs), inputs)

    @pytest.mark.parametrize(
        ("case", "shapes"), _samples([c for c in cases if c.grad and c.gradgrad])
    )
    def test_second_derivative(case, shapes):
        data = arrays(case, shapes)
        if sum(a.size for a in data) > 32 or not all(a.size for a in data):
            pytest.skip("finite differences need a small sample")
        inputs = [to(minitorch, a, "float64") for a in data]
        inputs = [x.requires_grad_() if x.dtype.is_floating_point else x for x in inputs]
        assert minitorch.autograd.gradgradcheck(
            lambda *xs: case.f(minitorch, *xs), inputs, eps=1e-5, atol=1e-4, rtol=1e-3
        )

    @pytest.mark.skipif(not minitorch.cuda.is_available(), reason="no GPU, real or emulated")
    @pytest.mark.parametrize(("case", "shapes"), _samples([c for c in cases if c.cuda]))
    def test_cuda(case, shapes):
        data = arrays(case, shapes)
        for dtype in case.dtypes:
            xs = [to(minitorch, a, dtype) for a in data]
            got = _gpu(case.f, minitorch, *(x.cuda() for x in xs))
            assert all(t.is_cuda for t in flat(got)), f"{case.name}: a result left the GPU"
            what = f"{case.name} {shapes} {dtype} on cuda"
            assert_same(got, case.f(minitorch, *xs), dtype, case, what)
        dtype = case.dtypes[0]
        for how in "transposed", "sliced":
            xs = [to(minitorch, a, dtype) for a in data]
            got = _gpu(case.f, minitorch, *(rearranged(x.cuda(), how) for x in xs))
            assert_same(got, case.f(minitorch, *xs), dtype, case, f"{case.name} {shapes} {how}")

    @pytest.mark.skipif(not minitorch.cuda.is_available(), reason="no GPU, real or emulated")
    @pytest.mark.parametrize(("case", "shapes"), _samples([c for c in cases if c.cuda and c.grad]))
    def test_cuda_gradient(case, shapes):
        data = arrays(case, shapes)

        def run(device):
            xs = [to(minitorch, a, "float64").to(device) for a in data]
            xs = [x.requires_grad_() if "float" in str(x.dtype) else x for x in xs]
            weighted_sum(minitorch, case.f(minitorch, *xs)).backward()
            return [x.grad for x in xs if x.requires_grad]

        for got, want in zip(_gpu(run, "cuda"), run("cpu")):
            assert (got is None) == (want is None)
            if want is not None:
                assert got.is_cuda
                np.testing.assert_allclose(numbers(got), numbers(want), rtol=1e-6, atol=1e-7)

    tests = {"test_forward": test_forward, "test_layouts": test_layouts}
    if any(c.cuda for c in cases):
        tests["test_cuda"] = test_cuda
    if any(c.cuda and c.grad for c in cases):
        tests["test_cuda_gradient"] = test_cuda_gradient
    if any(c.grad for c in cases):
        tests["test_gradient"] = test_gradient
    if any(c.grad and c.gradgrad for c in cases):
        tests["test_second_derivative"] = test_second_derivative
    return tests
