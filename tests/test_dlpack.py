"""Memory shared with other libraries through DLPack."""

import numpy as np
import pytest

import minitorch as mt
from minitorch.utils import dlpack

DTYPES = ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_shares_the_memory(dtype):
    x = mt.tensor([[0, 1, 2], [3, 4, 5]]).to(getattr(mt, dtype)).t()
    a = np.from_dlpack(x)
    assert a.dtype == dtype and a.shape == (3, 2)
    np.testing.assert_array_equal(a, x.numpy())
    x[0, 0] = 1
    assert a[0, 0] == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_from_numpy_shares_the_memory(dtype):
    a = np.arange(6).reshape(2, 3).astype(dtype)[:, ::2]
    x = mt.from_dlpack(a)
    assert x.dtype is getattr(mt, dtype) and x.tolist() == a.tolist()
    x[1, 1] = 0
    assert a[1, 1] == 0


def test_torch_both_ways():
    torch = pytest.importorskip("torch")
    x = mt.randn(3, 4).bfloat16()
    y = torch.from_dlpack(x)
    assert y.dtype is torch.bfloat16 and y.float().tolist() == x.float().tolist()
    z = mt.from_dlpack(torch.arange(6.0).reshape(2, 3).t())
    assert z.stride() == (1, 3) and z.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_memory_lives_as_long_as_it_is_used():
    x = mt.arange(1000)
    a = np.from_dlpack(x)
    del x
    mt.zeros(1000, dtype=mt.int64)
    assert a[999] == 999
    y = mt.from_dlpack(np.arange(1000))
    assert y[999].item() == 999


def test_errors():
    with pytest.raises(BufferError, match="grad"):
        np.from_dlpack(mt.ones(2, requires_grad=True))
    capsule = dlpack.to_dlpack(mt.ones(2))
    assert dlpack.from_dlpack(capsule).tolist() == [1, 1]
    with pytest.raises(TypeError, match="has not been used"):
        dlpack.from_dlpack(capsule)
    with pytest.raises(TypeError, match="capsule"):
        mt.from_dlpack(3)
    with pytest.raises(TypeError, match="type code"):
        mt.from_dlpack(np.zeros(2, np.complex64))


@pytest.mark.skipif(not mt.cuda.is_available(), reason="no GPU, real or emulated")
def test_gpu_memory():
    x = mt.arange(6.0, device="cuda").reshape(2, 3)
    assert x.__dlpack_device__() == (2, 0)
    y = mt.from_dlpack(x)
    assert y.is_cuda and y.data_ptr() == x.data_ptr()
    stream = mt.cuda.Stream()
    with mt.cuda.stream(stream):
        z = mt.from_dlpack(x)
    stream.synchronize()
    assert z.cpu().tolist() == x.cpu().tolist()
