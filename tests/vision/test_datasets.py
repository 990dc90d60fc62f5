"""Image data sets: contents, where files are looked for, and damaged files."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile

import numpy as np
import pytest

import minitorch
from minitorch.utils.data import DataLoader
from minitorch.vision import datasets, transforms

Image = pytest.importorskip("PIL.Image")


def test_digits():
    train, test, both = (datasets.Digits(train=part) for part in (True, False, None))
    assert (len(train), len(test), len(both)) == (1437, 360, 1797)
    assert train.data.shape == (1437, 8, 8) and train.data.dtype == minitorch.uint8
    assert train.targets[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert test.targets[-3:].tolist() == [8, 9, 8]
    assert minitorch.cat([train.data, test.data]).tolist() == both.data.tolist()
    assert both.data.max().item() == 255 and both.data.min().item() == 0
    image, label = train[3]
    assert image.mode == "L" and image.size == (8, 8) and label == 3


def test_digits_equal_their_source():
    sklearn = pytest.importorskip("sklearn.datasets")
    source = sklearn.load_digits()
    digits = datasets.Digits(train=None)
    assert (digits.targets.numpy() == source.target).all()
    assert (np.rint(digits.data.numpy() / 255 * 16) == source.images).all()


def idx(array):
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim)
    return head + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_mnist(folder, images, labels, part="train", pack=bytes, suffix=""):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{part}-images-idx3-ubyte{suffix}").write_bytes(pack(idx(images)))
    (folder / f"{part}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(labels)))


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (6, 28, 28), np.uint8), np.arange(6, dtype=np.uint8)


@pytest.mark.parametrize("place", ["", "raw", "FashionMNIST/raw"])
@pytest.mark.parametrize("packed", [False, True])
def test_mnist_files(tmp_path, arrays, place, packed):
    options = {"pack": gzip.compress, "suffix": ".gz"} if packed else {}
    write_mnist(tmp_path / place, *arrays, **options)
    dataset = datasets.FashionMNIST(tmp_path, transform=transforms.ToTensor())
    assert (dataset.data.numpy() == arrays[0]).all() and dataset.targets.tolist() == list(range(6))
    image, label = dataset[4]
    assert label == 4 and (image[0].mul(255).round().numpy() == arrays[0][4]).all()
    assert dataset.classes[4] == "Coat" and dataset.class_to_idx["Coat"] == 4
    assert "6" in repr(dataset)
    batch, labels = next(iter(DataLoader(dataset, 3)))
    assert batch.shape == (3, 1, 28, 28) and labels.tolist() == [0, 1, 2]
    with pytest.raises(datasets.DatasetNotFoundError):
        datasets.FashionMNIST(tmp_path, train=False)


def test_missing_files_are_named(tmp_path):
    for error in (FileNotFoundError, RuntimeError):
        with pytest.raises(error) as caught:
            datasets.MNIST(tmp_path, train=False, download=True)
    text = str(caught.value)
    for part in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", "MNIST/raw", "no downloader"):
        assert part in text
    with pytest.raises(FileNotFoundError, match="data_batch_5"):
        datasets.CIFAR10(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        datasets.ImageFolder(tmp_path / "absent")


def test_damaged_mnist(tmp_path, arrays):
    write_mnist(tmp_path, *arrays)
    path = tmp_path / "train-images-idx3-ubyte"
    good = path.read_bytes()
    for bad in (good[:-1], good + b"x", b"GIF89a", b"", good[:9]):
        path.write_bytes(bad)
        with pytest.raises(RuntimeError, match="train-images-idx3-ubyte"):
            datasets.MNIST(tmp_path)
    path.unlink()
    packed = gzip.compress(good)
    for bad in (packed[:-20], b"not gzip", packed[:200] + b"\0" * 50 + packed[250:]):
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(bad)
        with pytest.raises(RuntimeError, match="train-images-idx3-ubyte.gz"):
            datasets.MNIST(tmp_path)
    write_mnist(tmp_path, arrays[0], arrays[1][:5])
    with pytest.raises(RuntimeError, match="belong together"):
        datasets.MNIST(tmp_path)


def cifar_files(rng):
    files = {}
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        files[name] = {
            "data": rng.integers(0, 256, (4, 3072), np.uint8),
            "labels": [3, 1, 9, 0],
            "batch_label": name,
        }
    files["batches.meta"] = {"label_names": [f"class{i}" for i in range(10)], "num_vis": 3072}
    return {name: pickle.dumps(content, 2) for name, content in files.items()}, files


@pytest.mark.parametrize("form", ["folder", "inside", "archive"])
def test_cifar10(tmp_path, form):
    packed, files = cifar_files(np.random.default_rng(0))
    if form == "archive":
        with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as tar:
            for name, content in packed.items():
                member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    else:
        folder = tmp_path if form == "inside" else tmp_path / "cifar-10-batches-py"
        folder.mkdir(exist_ok=True)
        for name, content in packed.items():
            (folder / name).write_bytes(content)
    train, test = datasets.CIFAR10(tmp_path), datasets.CIFAR10(str(tmp_path), train=False)
    assert len(train) == 20 and len(test) == 4 and train.data.shape == (20, 32, 32, 3)
    image, label = train[6]
    assert label == 9 and image.mode == "RGB"
    pixels = files["data_batch_2"]["data"][2].reshape(3, 32, 32)
    assert (np.array(image).transpose(2, 0, 1) == pixels).all()
    assert train.classes[9] == "class9"


def test_cifar100(tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    content = {"data": np.zeros((2, 3072), np.uint8), "fine_labels": [99, 5]}
    (folder / "test").write_bytes(pickle.dumps(content, 2))
    names = {"fine_label_names": [str(i) for i in range(100)]}
    (folder / "meta").write_bytes(pickle.dumps(names, 2))
    assert datasets.CIFAR100(tmp_path, train=False).targets == [99, 5]


class Evil:
    def __reduce__(self):
        return print, ("ran",)


def test_cifar_pickles_run_no_code(tmp_path, capsys):
    packed, _ = cifar_files(np.random.default_rng(0))
    packed["data_batch_1"] = pickle.dumps({"data": Evil()}, 2)
    for name, content in packed.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RuntimeError, match=r"data_batch_1.*print"):
        datasets.CIFAR10(tmp_path)
    assert capsys.readouterr().out == ""
    (tmp_path / "data_batch_1").write_bytes(packed["data_batch_2"][:100])
    with pytest.raises(RuntimeError, match=r"data_batch_1.*truncated"):
        datasets.CIFAR10(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({"x": 1}))
    with pytest.raises(RuntimeError, match="no field 'data'"):
        datasets.CIFAR10(tmp_path)


def test_damaged_cifar_archive(tmp_path):
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz"):
        pass
    with pytest.raises(RuntimeError, match="incomplete"):
        datasets.CIFAR10(tmp_path)
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"\x1f\x8b damaged")
    with pytest.raises(RuntimeError, match="damaged"):
        datasets.CIFAR10(tmp_path)


def test_image_folder(tmp_path):
    for name, colour in {
        "dog/a.png": 10,
        "cat/b.PNG": 20,
        "cat/deep/c.jpg": 30,
        "cat/x.txt": 0,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("txt"):
            path.write_text("no image")
        else:
            Image.new("L", (3, 2), colour).save(path)
    dataset = datasets.ImageFolder(tmp_path, target_transform=lambda t: -t)
    assert dataset.classes == ["cat", "dog"] and dataset.targets == [0, 0, 1] and len(dataset) == 3
    image, label = dataset[2]
    assert image.mode == "RGB" and image.getpixel((0, 0)) == (10, 10, 10) and label == -1
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty"):
        datasets.ImageFolder(tmp_path)
    assert len(datasets.ImageFolder(tmp_path, allow_empty=True)) == 3


def test_fake_data():
    dataset = datasets.FakeData(5, (3, 8, 6), 4, transform=transforms.PILToTensor())
    before = minitorch.get_rng_state().tolist()
    (x, a), (y, b), (z, _) = dataset[1], dataset[1], dataset[2]
    assert x.tolist() == y.tolist() and a == b and 0 <= a < 4
    assert x.shape == (3, 8, 6) and x.tolist() != z.tolist()
    assert minitorch.get_rng_state().tolist() == before
    with pytest.raises(IndexError):
        dataset[5]


def test_transforms_of_pairs():
    dataset = datasets.FakeData(2, (3, 4, 4))
    dataset.transforms = lambda image, target: ("image", "target")
    assert dataset[0] == ("image", "target")
    with pytest.raises(ValueError, match="not both"):
        datasets.VisionDataset(transforms=print, transform=print)
