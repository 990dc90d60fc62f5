"""Weights by address, from local files."""

from __future__ import annotations

import hashlib

import pytest

import minitorch
from minitorch import hub
from minitorch.utils import model_zoo

URL = "https://example.org/models/net.pth?download=1"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "_folder", None)
    monkeypatch.setenv("MINITORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


def test_finds_the_file(folder, tmp_path):
    minitorch.save({"w": minitorch.ones(2)}, folder / "net.pth")
    assert hub.get_dir() == str(tmp_path / "hub")
    for load in (hub.load_state_dict_from_url, model_zoo.load_url):
        assert load(URL, progress=False)["w"].tolist() == [1, 1]
    assert hub.load_state_dict_from_url("x", model_dir=str(folder), file_name="net.pth")
    hub.set_dir(tmp_path / "other")
    assert hub.get_dir() == str(tmp_path / "other")


def test_absent_file_is_explained(folder):
    with pytest.raises(FileNotFoundError) as caught:
        hub.load_state_dict_from_url(URL)
    assert URL in str(caught.value) and str(folder / "net.pth") in str(caught.value)


def test_hash(folder):
    minitorch.save({"w": minitorch.ones(2)}, folder / "net.pth")
    content = (folder / "net.pth").read_bytes()
    good = hashlib.sha256(content).hexdigest()[:8]
    (folder / f"net-{good}.pth").write_bytes(content)
    (folder / "net-00000000.pth").write_bytes(content)
    assert hub.load_state_dict_from_url(f"u/net-{good}.pth", check_hash=True)["w"].shape == (2,)
    with pytest.raises(RuntimeError, match="SHA-256"):
        hub.load_state_dict_from_url("u/net-00000000.pth", check_hash=True)
