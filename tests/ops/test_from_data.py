"""NumPy arrays and buffers."""

import numpy as np
import pytest

import minitorch as mt


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
)
def test_round_trip_shares_memory(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    t = mt.from_numpy(array)
    assert str(t.dtype) == f"minitorch.{dtype}"
    t.fill_(0)
    assert not array.any()
    back = t.numpy()
    assert back.dtype == array.dtype and np.shares_memory(back, array)


def test_layouts_of_arrays():
    array = np.arange(12.0).reshape(3, 4)
    assert mt.from_numpy(array.T).stride() == (1, 4)
    assert mt.from_numpy(array[:, ::2]).tolist() == array[:, ::2].tolist()
    with pytest.raises(ValueError, match="negative"):
        mt.from_numpy(array[::-1])
    assert mt.tensor(array[::-1]).tolist() == array[::-1].tolist()
    assert mt.as_tensor(array[::-1].copy()).dtype is mt.float64


def test_array_outlives_its_name():
    t = mt.from_numpy(np.arange(1000.0))
    assert t.tolist()[999] == 999.0


def test_numpy_of_a_tensor_keeps_the_memory_alive():
    array = mt.ones(1000).numpy()
    mt.zeros(1000)
    assert (array == 1).all()


def test_numpy_protocols():
    t = mt.arange(3).float()
    assert np.asarray(t).tolist() == [0.0, 1.0, 2.0]
    assert np.add(t.numpy(), 1).tolist() == [1.0, 2.0, 3.0]
    assert mt.tensor(np.float32(2.5)).item() == 2.5
    assert (t * np.float64(2)).tolist() == [0.0, 2.0, 4.0]
    assert mt.zeros(0, 3).numpy().shape == (0, 3)


def test_errors():
    with pytest.raises(TypeError, match=r"np.ndarray \(got list\)"):
        mt.from_numpy([1, 2])
    with pytest.raises(TypeError, match="complex"):
        mt.from_numpy(np.zeros(2, dtype=complex))
    with pytest.raises(RuntimeError, match="requires grad"):
        mt.ones(2, requires_grad=True).numpy()
    with pytest.raises(TypeError, match="bfloat16"):
        mt.ones(2, dtype=mt.bfloat16).numpy()


def test_frombuffer():
    data = bytearray(np.arange(4, dtype=np.int16).tobytes())
    t = mt.frombuffer(data, dtype=mt.int16, offset=2)
    assert t.tolist() == [1, 2, 3]
    t.fill_(7)
    assert data[2] == 7


def test_arrays_that_are_not_a_tensors():
    read_only = np.arange(3.0)
    read_only.setflags(write=False)
    with pytest.warns(UserWarning, match="not writable"):
        assert mt.from_numpy(read_only).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="negative"):
        mt.from_numpy(np.arange(3.0)[::-1])
    with pytest.raises(TypeError, match="can't convert np.ndarray of type"):
        mt.from_numpy(np.array([1j]))
    with pytest.raises((TypeError, ValueError)):
        mt.from_numpy(np.array([1.0], dtype=">f8"))
    with pytest.raises(TypeError, match=r"expected np.ndarray \(got list\)"):
        mt.from_numpy([1.0])


def test_numpy_array_writes_to_the_tensor():
    x = mt.zeros(3, 4)
    array = np.asarray(x.t())
    array[3, 1] = 5
    assert x[1, 3].item() == 5
    with pytest.raises(RuntimeError, match="requires grad"):
        np.asarray(x.requires_grad_())
