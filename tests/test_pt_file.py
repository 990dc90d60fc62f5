"""Files that PyTorch wrote: their tensors are read, and nothing in them is run."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

import minitorch
from minitorch import nn
from minitorch.serialization import load

DTYPES = [
    "float64",
    "float32",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
]


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def from_torch(torch, obj, **options):
    buffer = io.BytesIO()
    torch.save(obj, buffer, **options)
    buffer.seek(0)
    return load(buffer)


def test_torch_state_dict(torch, tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    torch.save(net.state_dict(), tmp_path / "m.pt")
    loaded = load(tmp_path / "m.pt")
    assert type(loaded) is OrderedDict and list(loaded) == list(net.state_dict())
    for key, value in net.state_dict().items():
        assert isinstance(loaded[key], minitorch.Tensor)
        assert str(loaded[key].dtype).endswith(str(value.dtype).rpartition(".")[2])
        assert loaded[key].tolist() == value.tolist()


@pytest.mark.parametrize("dtype", DTYPES)
def test_torch_dtypes(torch, dtype):
    x = (torch.rand(2, 3) * 4 - 1).to(getattr(torch, dtype))
    got = from_torch(torch, x)
    assert got.dtype == getattr(minitorch, dtype) and got.tolist() == x.tolist()


def test_torch_views_share_their_storage(torch):
    x = torch.arange(12.0).reshape(3, 4)
    loaded = from_torch(
        torch, {"x": x, "t": x.t(), "part": x[1:, 1:3], "one": x[2, 2], "none": x[:0]}
    )
    assert loaded["t"].tolist() == x.t().tolist() and loaded["part"].tolist() == x[1:, 1:3].tolist()
    assert loaded["one"].item() == 10 and loaded["none"].shape == (0, 4)
    assert loaded["t"].stride() == (1, 4)
    loaded["x"][1, 1] = -1
    assert loaded["part"][0, 0].item() == -1 and loaded["t"][1, 1].item() == -1


def test_torch_checkpoint(torch):
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([parameter])
    parameter.sum().backward()
    optimizer.step()
    loaded = from_torch(
        torch,
        {
            "opt": optimizer.state_dict(),
            "p": parameter,
            "best": np.float64(0.5),
            "arr": np.arange(3),
            "size": parameter.shape,
            "dtype": torch.float16,
            "device": torch.device("cpu"),
            "raw": b"\x01\xff",
            "set": {1},
        },
    )
    assert loaded["opt"]["state"][0]["exp_avg"].tolist() == pytest.approx([0.1] * 3)
    assert isinstance(loaded["p"], nn.Parameter) and loaded["p"].requires_grad
    assert loaded["best"] == 0.5 and loaded["arr"].tolist() == [0, 1, 2]
    assert loaded["size"] == (3,) and loaded["dtype"] == minitorch.float16
    assert loaded["raw"] == b"\x01\xff" and loaded["set"] == {1}


def test_torch_module_is_refused(torch):
    with pytest.raises(RuntimeError, match=r"Linear.*state_dict"):
        from_torch(torch, torch.nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match=r"before version 1\.6"):
        from_torch(torch, {"a": 1}, _use_new_zipfile_serialization=False)


def torch_zip(data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/data/0", bytes(16))
    buffer.seek(0)
    return buffer


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_in_a_pickle_is_not_run(tmp_path):
    target = str(tmp_path / "made")
    with pytest.raises(RuntimeError, match="mkdir"):
        load(torch_zip(pickle.dumps({"x": Evil(target)})))
    assert not os.path.exists(target)
    for module, name in [
        ("builtins", "eval"),
        ("os", "system"),
        ("torch", "load"),
        ("numpy", "save"),
    ]:
        program = f"c{module}\n{name}\n.".encode()
        with pytest.raises(RuntimeError, match=name):
            load(torch_zip(program))


def test_tensor_outside_its_storage():
    start = b"ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI4\ntQ"
    for size, stride, offset in [
        ((5,), (1,), 0),
        ((2,), (4,), 0),
        ((2,), (1,), 3),
        ((2,), (-1,), 1),
    ]:
        program = start + f"I{offset}\n(I{size[0]}\nt(I{stride[0]}\ntI00\nNtR.".encode()
        with pytest.raises(RuntimeError, match="size"):
            load(torch_zip(program))
    assert load(torch_zip(start + b"I1\n(I3\nt(I1\ntI00\nNtR.")).tolist() == [0, 0, 0]


def test_damaged_torch_file(torch):
    buffer = io.BytesIO()
    torch.save({"w": torch.arange(1000.0)}, buffer)
    whole = buffer.getvalue()
    for length in (10, len(whole) // 2, len(whole) - 1):
        with pytest.raises(RuntimeError, match="load"):
            load(io.BytesIO(whole[:length]))
    at = whole.index(np.arange(1000, dtype=np.float32).tobytes()[400:440])
    broken = bytearray(whole)
    broken[at] ^= 0xFF
    with pytest.raises(RuntimeError, match="damaged"):
        load(io.BytesIO(bytes(broken)))
