"""softmax, log_softmax, softmin, gumbel_softmax, logsumexp."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
import minitorch.nn.functional as F
from tests.ops.harness import Case, make_tests

SHAPES = [
    [(3, 5)],
    [(2, 3, 4)],
    [(3, 70, 5)],
    [(5, 300)],
    [(2, 17, 40)],
    [()],
    [(0, 3)],
    [(4, 9, 3)],
]
ALL = ("float32", "float64", "bfloat16", "float16")
CASES = [
    Case("softmax", lambda m, x: m.softmax(x, -1), SHAPES, dtypes=ALL, low=-5, high=5),
    Case("softmax_dim0", lambda m, x: x.softmax(0), SHAPES, dtypes=ALL),
    Case(
        "softmax_middle",
        lambda m, x: m.nn.functional.softmax(x, dim=1),
        [s for s in SHAPES if len(s[0]) > 1],
    ),
    Case(
        "softmax_dtype", lambda m, x: m.softmax(x, 0, dtype=m.float64), SHAPES[:2], gradgrad=False
    ),
    Case("log_softmax", lambda m, x: m.log_softmax(x, -1), SHAPES, dtypes=ALL, low=-5, high=5),
    Case("log_softmax_dim0", lambda m, x: x.log_softmax(0), SHAPES, dtypes=ALL),
    Case("softmin", lambda m, x: m.nn.functional.softmin(x, dim=0), SHAPES[:3]),
    Case("logsumexp", lambda m, x: m.logsumexp(x, -1), [*SHAPES[:5], [(130, 70)]], dtypes=ALL),
    Case("logsumexp_dims", lambda m, x: x.logsumexp((0, 1), keepdim=True), SHAPES[:5]),
]
globals().update(make_tests(CASES))


@pytest.mark.parametrize("n", [1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 1000, 4097])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_accuracy_around_vector_edges(n, dtype):
    x = (np.random.default_rng(n).standard_normal((4, n)) * 20).astype(dtype)
    # The difference to the maximum is rounded in the dtype itself.
    e = np.exp((x - x.max(1, keepdims=True)).astype(np.longdouble))
    want = e / e.sum(1, keepdims=True)
    tolerance = 2e-6 if dtype == np.float32 else 1e-14
    for t, dim in ((minitorch.tensor(x), 1), (minitorch.tensor(x.T.copy()), 0)):
        y = t.softmax(dim).numpy()
        np.testing.assert_allclose(
            y if dim else y.T, want.astype(dtype), rtol=tolerance, atol=1e-37
        )
        z = t.log_softmax(dim).numpy()
        # log of the probabilities, which underflow where the logarithms do not.
        log = x - x.max(1, keepdims=True) - np.log(e.sum(1, keepdims=True))
        np.testing.assert_allclose(
            z if dim else z.T, log.astype(dtype), rtol=10 * tolerance, atol=tolerance
        )


def test_exponential_is_within_two_ulp_everywhere():
    x = np.linspace(-87.3, 0, 200_001, dtype=np.float32)
    # softmax of (0, x) is exp(x) / (1 + exp(x)), and its ratio is exp(x).
    y = minitorch.tensor(np.stack([np.zeros_like(x), x], 1)).softmax(1).numpy().astype(np.float64)
    np.testing.assert_allclose(y[:, 1] / y[:, 0], np.exp(x.astype(np.float64)), rtol=4e-7)


def test_extreme_values():
    inf, nan = float("inf"), float("nan")
    x = minitorch.tensor(
        [[0.0, -inf, -1000.0], [1e30, 0.0, -inf], [nan, 0.0, 1.0], [-inf, -inf, -inf]]
    )
    for y in (x.softmax(1), x.t().contiguous().softmax(0).t()):
        assert y[0].tolist() == [1, 0, 0] and y[1].tolist() == [1, 0, 0]
        assert y[2].isnan().all().item() and y[3].isnan().all().item()
    assert minitorch.logsumexp(x[3], 0).item() == -inf
    assert minitorch.logsumexp(minitorch.tensor([inf, 1.0]), 0).item() == inf
    assert minitorch.logsumexp(minitorch.tensor([1e4, 1e4]), 0).item() == pytest.approx(
        1e4 + np.log(2)
    )


def test_logsumexp_gradient_where_everything_is_minus_infinity():
    x = minitorch.full((2, 3), float("-inf"), requires_grad=True)
    minitorch.logsumexp(x, 1).sum().backward()
    assert x.grad.tolist() == [[0] * 3] * 2


def test_the_same_bits_for_any_number_of_threads():
    x = minitorch.tensor(np.random.default_rng(0).standard_normal((500, 600)).astype(np.float32))
    threads = minitorch.get_num_threads()
    results = []
    for k in (1, 2, 3):
        minitorch.set_num_threads(k)
        results.append((x.softmax(0).numpy(), x.softmax(1).numpy()))
    minitorch.set_num_threads(threads)
    for a, b in results[1:]:
        assert (a == results[0][0]).all() and (b == results[0][1]).all()


def test_gumbel_softmax():
    minitorch.manual_seed(0)
    logits = minitorch.zeros(2000, 3)
    logits[:, 1] = 1.0
    logits.requires_grad_()
    y = F.gumbel_softmax(logits, tau=0.5)
    np.testing.assert_allclose(y.sum(1).detach().numpy(), 1, rtol=1e-5)
    hard = F.gumbel_softmax(logits, hard=True)
    assert set(hard.detach().round().unique().tolist()) == {0, 1}
    share = hard.detach().mean(0).numpy()
    np.testing.assert_allclose(share, np.exp([0, 1, 0]) / np.exp([0, 1, 0]).sum(), atol=0.05)
    (hard * hard.detach()).sum().backward()
    assert logits.grad.abs().sum().item() > 0


def test_wrong_arguments():
    with pytest.raises(IndexError, match="Dimension out of range"):
        minitorch.zeros(2, 3).softmax(2)
    with pytest.raises(RuntimeError, match="floating"):
        minitorch.tensor([1, 2]).softmax(0)
    with pytest.warns(UserWarning, match="implicit dimension"):
        F.softmax(minitorch.zeros(2, 3))
