"""save and load: round trips, other programs' files, damage, and what must not be executed."""

from __future__ import annotations

import argparse
import io
import json
import os
import pathlib
import pickle
import types
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

import minitorch
from minitorch import nn
from minitorch.serialization import load, save

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


def round_trip(obj, **options):
    buffer = io.BytesIO()
    save(obj, buffer)
    buffer.seek(0)
    return load(buffer, **options)


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, minitorch.Tensor):
        assert a.dtype == b.dtype and tuple(a.shape) == tuple(b.shape)
        assert a.requires_grad == b.requires_grad and a.tolist() == b.tolist()
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert a == b or (a != a and b != b)


def model():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 4)])
def test_tensors(dtype, shape):
    tensor = (minitorch.rand(shape) * 4 - 1).to(getattr(minitorch, dtype))
    assert_same(round_trip(tensor), tensor)


def test_views_are_stored_by_value():
    x = minitorch.arange(12.0).reshape(3, 4)
    obj = {"t": x.t(), "slice": x[1:, ::2], "expanded": x[:, :1].expand(3, 5)}
    loaded = round_trip(obj)
    assert_same(loaded, obj)
    assert all(t.is_contiguous() for t in loaded.values())


def test_nested_structures():
    obj = {
        "ints": {0: "a", -5: None, True: 2**70},
        "floats": [0.1, 1e-320, float("nan"), float("inf"), -float("inf"), -0.0],
        "tuple": (1, (2.5, [True, False]), ()),
        "ordered": OrderedDict([("b", 1), ("a", minitorch.ones(2))]),
        "bytes": b"\x00\xff",
        "complex": complex(1, -2),
        "set": {1, 2},
        "args": argparse.Namespace(lr=0.1, sizes=[1, 2]),
        "record": types.SimpleNamespace(w=1.5),
        "path": pathlib.Path("a/b"),
        "size": minitorch.ones(2, 3).shape,
        "dtype": minitorch.int32,
        "device": minitorch.device("cpu"),
        (1, "x"): "tuple key",
        "": minitorch.zeros(1),
        "__metadata__": minitorch.ones(1),
        "a.b": minitorch.full((1,), 2.0),
        "a": {"b": minitorch.full((1,), 3.0)},
        "unicode é": minitorch.zeros(2),
        "param": nn.Parameter(minitorch.ones(2)),
        "frozen": nn.Parameter(minitorch.ones(2), requires_grad=False),
        "leaf": minitorch.ones(2, requires_grad=True),
    }
    assert_same(round_trip(obj), obj)
    for scalar in (None, 3, "s", 2.5, [], {}):
        assert_same(round_trip(scalar), scalar)


def test_numpy_values():
    obj = {
        "a": np.arange(4, dtype=np.uint32),
        "f": np.float32(1.5),
        "be": np.arange(3, dtype=">i2"),
    }
    loaded = round_trip(obj)
    assert loaded["a"].dtype == np.uint32 and loaded["a"].tolist() == [0, 1, 2, 3]
    assert loaded["f"] == 1.5 and loaded["be"].tolist() == [0, 1, 2]
    with pytest.raises(TypeError):
        round_trip(np.array(["text"]))


def test_checkpoint_of_model_and_optimizer():
    def build():
        net = model()
        return net, minitorch.optim.Adam(net.parameters(), lr=0.01)

    net, optimizer = build()
    net(minitorch.rand(5, 3)).sum().backward()
    optimizer.step()
    checkpoint = {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    loaded = round_trip(checkpoint)
    assert_same(loaded["optimizer"], checkpoint["optimizer"])
    other, other_optimizer = build()
    other.load_state_dict(loaded["model"])
    other_optimizer.load_state_dict(loaded["optimizer"])
    x = minitorch.rand(4, 3)
    net.eval(), other.eval()
    assert other(x).tolist() == net(x).tolist()


def test_tied_tensors_are_stored_once_and_stay_tied(tmp_path):
    weight = minitorch.rand(100, 10)
    obj = {"encoder": weight, "decoder": weight.detach(), "row": weight[0]}
    save(obj, tmp_path / "tied.pt")
    assert (tmp_path / "tied.pt").stat().st_size < 1.5 * 4000
    loaded = load(tmp_path / "tied.pt")
    assert_same(loaded, {k: v.detach() for k, v in obj.items()})
    loaded["encoder"][0, 0] = 7
    assert loaded["decoder"][0, 0].item() == 7


def test_other_readers_see_the_names(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    state = model().state_dict()
    save(state, tmp_path / "m.safetensors")
    seen = safetensors.load_file(tmp_path / "m.safetensors")
    assert set(seen) == set(state)
    assert all(seen[k].tolist() == state[k].tolist() for k in state)


def test_reads_other_writers(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    arrays = {"w": np.arange(6.0).reshape(2, 3), "b": np.ones(3, np.int8), "z": np.zeros((0, 2))}
    safetensors.save_file(arrays, tmp_path / "x.safetensors", metadata={"by": "someone"})
    loaded = load(tmp_path / "x.safetensors")
    assert type(loaded) is dict and set(loaded) == set(arrays)
    for key, array in arrays.items():
        assert loaded[key].shape == array.shape and loaded[key].tolist() == array.tolist()


class Plain:
    def __init__(self):
        self.x = 1


@pytest.mark.parametrize(
    "obj, text",
    [
        ({"net": {"a": model}}, "'net.a'"),
        ([Plain()], r"vars\(\)"),
        ({"m": nn.Linear(1, 1)}, "state_dict"),
        ({frozenset(): 1}, "not a scalar"),
    ],
)
def test_what_is_not_data_is_refused(obj, text, tmp_path):
    with pytest.raises(TypeError, match=text):
        save(obj, tmp_path / "x.pt")
    assert os.listdir(tmp_path) == []


def test_arguments_of_older_programs(tmp_path):
    save({"a": 1}, tmp_path / "x.pt", pickle_protocol=4, _use_new_zipfile_serialization=True)
    assert load(tmp_path / "x.pt", "cpu", pickle, weights_only=False, encoding="latin1") == {"a": 1}


def test_cycles_are_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(TypeError, match="contains itself"):
        round_trip(loop)


def test_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "c.pt"
    save({"epoch": 1}, path)

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        save({"epoch": 2}, path)
    monkeypatch.undo()
    assert load(path) == {"epoch": 1} and os.listdir(tmp_path) == ["c.pt"]
    save({"epoch": 3}, path)
    assert load(path) == {"epoch": 3}


def test_map_location():
    x = minitorch.ones(2)
    assert round_trip(x, map_location="cpu").device.type == "cpu"
    assert round_trip(x, map_location=minitorch.device("cpu")).tolist() == [1, 1]
    assert round_trip(x, map_location={"cuda:0": "cpu"}).tolist() == [1, 1]
    assert round_trip(x, map_location=lambda tensor, location: tensor).tolist() == [1, 1]
    if not minitorch.cuda.is_available():
        with pytest.raises(RuntimeError, match="map_location='cpu'"):
            round_trip(x, map_location="cuda")


def test_truncation_at_every_length(tmp_path):
    path = tmp_path / "t.pt"
    save({"w": minitorch.arange(10.0), "n": [1, 2]}, path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(RuntimeError, match=r"t\.pt"):
            load(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(RuntimeError, match="longer"):
        load(path)


def test_foreign_files(tmp_path):
    for name, content in {"a.pt": b"hello world", "b.pt": b"\x93NUMPY" * 9, "c.pt": b""}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RuntimeError, match=name):
            load(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "d.pt", "w") as archive:
        archive.writestr("readme", "hi")
    with pytest.raises(RuntimeError, match=r"d\.pt.*torch\.save"):
        load(tmp_path / "d.pt")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "absent.pt")


def header_file(header, data=b""):
    text = json.dumps(header).encode()
    return io.BytesIO(len(text).to_bytes(8, "little") + text + data)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]},
        {"dtype": "F33", "shape": [2], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
        {"dtype": "F32", "shape": "2", "data_offsets": [0]},
        {"shape": [2]},
        [],
    ],
)
def test_inconsistent_headers(entry):
    with pytest.raises(RuntimeError, match="load"):
        load(header_file({"x": entry}, bytes(8)))


def test_damaged_structure():
    for tree in (
        '["dict", 3]',
        '["nonsense", 1]',
        '["tensor", "absent"]',
        "{",
        '["dtype", "save"]',
    ):
        with pytest.raises(RuntimeError, match="structure"):
            load(header_file({"__metadata__": {"minitorch": tree}}))
