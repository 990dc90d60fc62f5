"""Running sums and extrema on a GPU: rows and columns, in one piece and in several."""

from __future__ import annotations

import pytest

from .cuda_helpers import compare, needs_gpu, random

pytestmark = needs_gpu


# (outer, n, inner): short columns, columns in pieces, strided rows, rows in pieces.
@pytest.mark.parametrize(
    "shape", [(3, 20, 70), (2, 300, 130), (3, 130, 4), (1, 9001, 1), (1, 33, 300)]
)
def test_scans(shape):
    x, close = random(*shape), (1e-5, 1e-4)
    compare(lambda x: x.cumsum(1), x, grad=True, tolerance=close)
    compare(lambda x: x.bfloat16().cumsum(1), x)
    compare(lambda x: (x * 0.01 + 1).cumprod(1), x, tolerance=close)
    compare(lambda x: x.logcumsumexp(1), x, tolerance=close)
    compare(lambda x: (x * 3).round().cummax(1), x)
    compare(lambda x: (x * 3).int().cummin(1), x)
    compare(lambda x: (x > 0).cumsum(1), x)
