"""Models, grids and image files."""

from __future__ import annotations

import io

import numpy as np
import pytest

import minitorch
import minitorch.vision as torchvision
from minitorch.vision import models, utils


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def test_lenet():
    tutorial, gray = models.LeNet(), models.LeNet(in_channels=1, image_size=28)
    assert parameters(tutorial) == 62006
    assert tutorial(minitorch.rand(2, 3, 32, 32)).shape == (2, 10)
    assert gray(minitorch.rand(2, 1, 28, 28)).shape == (2, 10)
    with pytest.raises(ValueError, match="image_size"):
        models.LeNet(image_size=30)


@pytest.mark.parametrize("size", [8, 28])
def test_convnet(size):
    model = models.ConvNet(num_classes=7, image_size=size)
    assert parameters(model) < 500_000
    out = model(minitorch.rand(3, 1, size, size))
    assert out.shape == (3, 7)
    out.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


# The counts are those published with the architectures for 1000 classes.
@pytest.mark.parametrize(
    "name, count", [("resnet18", 11_689_512), ("resnet34", 21_797_672), ("resnet50", 25_557_032)]
)
def test_resnet_sizes(name, count):
    model = getattr(models, name)()
    assert parameters(model) == count
    names = set(model.state_dict())
    assert {"conv1.weight", "bn1.running_mean", "layer2.0.downsample.0.weight", "fc.bias"} <= names


def test_resnet_forward():
    model = models.resnet18(num_classes=5, zero_init_residual=True)
    assert model(minitorch.rand(1, 3, 64, 64)).shape == (1, 5)
    assert model.layer1[0].bn2.weight.abs().max().item() == 0
    assert models.cifar_resnet18()(minitorch.rand(1, 3, 32, 32)).shape == (1, 10)
    with pytest.raises(ValueError, match="load_state_dict"):
        models.resnet18(weights="DEFAULT")
    with pytest.raises(ValueError, match="load_state_dict"):
        models.resnet18(pretrained=True)


def test_make_grid_layout():
    images = minitorch.arange(3.0).reshape(3, 1, 1, 1).expand(3, 1, 2, 2)
    grid = utils.make_grid(images, nrow=2, padding=1, pad_value=9)
    assert grid.shape == (3, 7, 7)
    assert grid[0].tolist() == [
        [9, 9, 9, 9, 9, 9, 9],
        [9, 0, 0, 9, 1, 1, 9],
        [9, 0, 0, 9, 1, 1, 9],
        [9, 9, 9, 9, 9, 9, 9],
        [9, 2, 2, 9, 9, 9, 9],
        [9, 2, 2, 9, 9, 9, 9],
        [9, 9, 9, 9, 9, 9, 9],
    ]
    assert utils.make_grid([minitorch.zeros(3, 4, 4)] * 3, padding=0).shape == (3, 4, 12)
    assert utils.make_grid(minitorch.zeros(3, 4, 5)).shape == (3, 4, 5)
    assert utils.make_grid(minitorch.zeros(4, 5)).shape == (3, 4, 5)
    with pytest.raises(ValueError, match="make_grid"):
        utils.make_grid(minitorch.zeros(3))


def test_make_grid_normalize():
    images = minitorch.tensor([1.0, 3.0, 5.0, 9.0]).reshape(2, 1, 1, 2)
    whole = utils.make_grid(images, padding=0, normalize=True)
    assert whole[0, 0].tolist() == pytest.approx([0, 0.25, 0.5, 1])
    each = utils.make_grid(images, padding=0, normalize=True, scale_each=True)
    assert each[0, 0].tolist() == pytest.approx([0, 1, 0, 1])
    ranged = utils.make_grid(images, padding=0, normalize=True, value_range=(0, 4))
    assert ranged[0, 0].tolist() == pytest.approx([0.25, 0.75, 1, 1])
    assert images[0, 0, 0, 0].item() == 1


def test_save_image(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    pixels = np.array([[0, 51, 255]], np.uint8)
    utils.save_image(minitorch.from_numpy(pixels) / 255, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "RGB" and np.array(image)[:, :, 1].tolist() == pixels.tolist()
    buffer = io.BytesIO()
    utils.save_image(minitorch.rand(4, 3, 5, 5), buffer, format="PNG", nrow=2)
    assert Image.open(buffer).size == (16, 16)


def test_names_of_torchvision():
    assert torchvision.transforms.ToTensor and torchvision.utils.make_grid
    assert torchvision.datasets.CIFAR10 and torchvision.models.resnet18
    with pytest.raises(AttributeError):
        torchvision.absent  # noqa: B018
