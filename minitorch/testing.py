"""Comparison of tensors in tests."""

from __future__ import annotations

from ._load import _C

# (rtol, atol) by dtype, as PyTorch's.
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
}


def assert_close(
    actual, expected, *, rtol=None, atol=None, equal_nan=False, check_dtype=True, check_device=True,
    check_stride=False, allow_subclasses=True, check_layout=True, msg=None,
):  # fmt: skip
    """Asserts |actual - expected| <= atol + rtol * |expected|, and equal shapes and dtypes.

    Args:
        actual, expected: tensors, numbers, or sequences and dicts of them.
        rtol, atol: tolerances; by dtype where None.
        equal_nan: NaNs compare equal.

    Raises:
        AssertionError: they differ; the text says where and by how much.
    """
    options = {
        "rtol": rtol,
        "atol": atol,
        "equal_nan": equal_nan,
        "check_dtype": check_dtype,
        "msg": msg,
    }
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys(), (
            f"The keys differ: {list(actual)} != {list(expected)}"
        )
        for key in expected:
            assert_close(actual[key], expected[key], **options)
        return
    if isinstance(expected, (list, tuple)):
        assert len(actual) == len(expected), f"The lengths differ: {len(actual)} != {len(expected)}"
        for a, e in zip(actual, expected):
            assert_close(a, e, **options)
        return
    import numpy as np

    def array(v):
        if isinstance(v, _C.TensorBase):
            v = v.detach()
            return v.double().numpy() if v.dtype.is_floating_point else v.numpy()
        return np.asarray(v)

    name = "float64"
    if isinstance(actual, _C.TensorBase) and isinstance(expected, _C.TensorBase):
        if check_dtype:
            assert actual.dtype is expected.dtype, (
                f"The dtypes differ: {actual.dtype} != {expected.dtype}"
            )
        name = min(
            (actual.dtype.__reduce__(), expected.dtype.__reduce__()),
            key=lambda n: list(_TOLERANCES).index(n) if n in _TOLERANCES else 9,
        )
    a, e = array(actual), array(expected)
    assert a.shape == e.shape, f"The shapes differ: {a.shape} != {e.shape}"
    default = _TOLERANCES.get(name, (0.0, 0.0))
    np.testing.assert_allclose(
        a,
        e,
        rtol=default[0] if rtol is None else rtol,
        atol=default[1] if atol is None else atol,
        equal_nan=equal_nan,
        err_msg=msg or "",
    )
