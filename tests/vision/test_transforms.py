"""Transforms: tensors against Pillow, hand-worked values, and seeds."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import minitorch
from minitorch.vision import transforms as T
from minitorch.vision.transforms import functional as F

Image = pytest.importorskip("PIL.Image")
MODES = T.InterpolationMode


def picture(height=13, width=17, channels=3, seed=0):
    """Smooth colours plus noise, bytes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    planes = [120 + 60 * np.sin(x / 3 + c) + 60 * np.cos(y / 2 - c) for c in range(channels)]
    noise = rng.integers(-10, 10, (channels, height, width))
    return minitorch.from_numpy((np.stack(planes) + noise).clip(0, 255).astype(np.uint8))


def array(image):
    if isinstance(image, minitorch.Tensor):
        return image.numpy().astype(np.float64)
    return (
        np.array(image).reshape(image.height, image.width, -1).transpose(2, 0, 1).astype(np.float64)
    )


def assert_close(a, b, tolerance=0.0):
    a, b = array(a), array(b)
    assert a.shape == b.shape
    assert np.abs(a - b).max() <= tolerance


BOTH_WAYS = {
    "crop": (lambda i: F.crop(i, 2, 3, 5, 6), 0),
    "crop outside": (lambda i: F.crop(i, -2, 12, 9, 9), 0),
    "center_crop": (lambda i: F.center_crop(i, (6, 9)), 0),
    "center_crop larger": (lambda i: F.center_crop(i, (16, 9)), 0),
    "hflip": (F.hflip, 0),
    "vflip": (F.vflip, 0),
    "pad": (lambda i: F.pad(i, (1, 2, 3, 4), (5, 6, 7)), 0),
    "pad edge": (lambda i: F.pad(i, 3, padding_mode="edge"), 0),
    "pad negative": (lambda i: F.pad(i, (-1, 2)), 0),
    "resize bilinear down": (lambda i: F.resize(i, (5, 7)), 1),
    "resize bilinear up": (lambda i: F.resize(i, (30, 20)), 1),
    "resize bicubic down": (lambda i: F.resize(i, 6, MODES.BICUBIC), 1),
    "resize bicubic up": (lambda i: F.resize(i, (20, 40), MODES.BICUBIC), 1),
    "resize nearest-exact": (lambda i: F.resize(i, (7, 40), MODES.NEAREST_EXACT), 0),
    "rotate 90": (lambda i: F.rotate(i, 90, expand=True), 0),
    "rotate 180": (lambda i: F.rotate(i, 180), 0),
    "grayscale": (lambda i: F.rgb_to_grayscale(i), 1),
    "grayscale 3": (lambda i: F.rgb_to_grayscale(i, 3), 1),
    "brightness": (lambda i: F.adjust_brightness(i, 1.4), 1),
    "contrast": (lambda i: F.adjust_contrast(i, 0.6), 1),
    "saturation": (lambda i: F.adjust_saturation(i, 1.7), 2),
    "hue": (lambda i: F.adjust_hue(i, 0.25), 8),
    "gamma": (lambda i: F.adjust_gamma(i, 1.7), 1),
    "invert": (F.invert, 0),
}


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_tensors_and_pil_images_agree(name):
    function, tolerance = BOTH_WAYS[name]
    tensor = picture()
    on_tensor, on_pil = function(tensor), function(F.to_pil_image(tensor))
    assert on_tensor.dtype == minitorch.uint8
    assert_close(on_tensor, on_pil, tolerance)
    floats = function(tensor.to(minitorch.float32) / 255) if name != "pad" else None
    if floats is not None:
        assert np.abs(array(floats) * 255 - array(on_tensor)).max() <= 1.5


def test_rotation_and_affine_of_smooth_images_agree_with_pil():
    y, x = np.mgrid[:40, :50]
    smooth = minitorch.from_numpy((2 * x + 3 * y).astype(np.uint8)[None])
    pil = F.to_pil_image(smooth)
    inner = slice(12, -12)
    for angle in (10, -35):
        a = F.rotate(smooth, angle, MODES.BILINEAR), F.rotate(pil, angle, MODES.BILINEAR)
        assert np.abs(array(a[0]) - array(a[1]))[:, inner, inner].max() <= 1.5
        arguments = (angle, (3, -2), 1.2, (8, -5), MODES.BILINEAR)
        b = F.affine(smooth, *arguments), F.affine(pil, *arguments)
        assert np.abs(array(b[0]) - array(b[1]))[:, inner, inner].max() <= 1.5


def test_affine_by_hand():
    image = minitorch.arange(12.0).reshape(1, 3, 4)
    moved = F.affine(image, 0, (1, 0), 1.0, 0)
    assert moved[0].tolist() == [[0, 0, 1, 2], [0, 4, 5, 6], [0, 8, 9, 10]]
    filled = F.affine(image, 0, (0, 1), 1.0, 0, fill=-1)
    assert filled[0].tolist() == [[-1] * 4, [0, 1, 2, 3], [4, 5, 6, 7]]
    half = F.affine(image, 0, (0.5, 0), 1.0, 0, MODES.BILINEAR)
    assert half[0, 1].tolist() == [2.0, 4.5, 5.5, 6.5]
    with pytest.raises(ValueError, match="scale"):
        F.affine(image, 0, (0, 0), 0, 0)


def test_rotation_turns_counter_clockwise():
    image = minitorch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    assert F.rotate(image, 90)[0].tolist() == [[2, 4], [1, 3]]


def test_resize_sizes():
    image = picture(20, 40)
    assert F.resize(image, 10).shape == (3, 10, 20)
    assert F.resize(image, 10, max_size=15).shape == (3, 7, 15)
    assert F.resize(F.to_pil_image(image), 10).size == (20, 10)
    assert T.Resize((4, 5))(image).shape == (3, 4, 5)
    batch = minitorch.rand(2, 3, 8, 8)
    assert F.resize(batch, 4).shape == (2, 3, 4, 4)
    for bad in ({"size": 0}, {"size": (1, 2, 3)}, {"size": 9, "max_size": 9}):
        with pytest.raises(ValueError, match="resize"):
            F.resize(image, **bad)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(5, 7), (21, 9)])
@pytest.mark.parametrize("antialias", [False, True])
def test_resize_against_torch(mode, size, antialias):
    torch = pytest.importorskip("torch")
    if antialias and mode == "nearest":
        pytest.skip("nearest has no antialiasing")
    x = picture().to(minitorch.float32) / 255
    options = {} if mode == "nearest" else {"align_corners": False, "antialias": antialias}
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(x.numpy())[None], size, mode=mode, **options
    )[0]
    got = F.resize(x, size, MODES(mode), antialias=antialias)
    np.testing.assert_allclose(got.numpy(), wanted.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    "mode, wanted",
    [
        ("edge", [1, 1, 1, 2, 3, 3, 3]),
        ("reflect", [3, 2, 1, 2, 3, 2, 1]),
        ("symmetric", [2, 1, 1, 2, 3, 3, 2]),
        ("constant", [9, 9, 1, 2, 3, 9, 9]),
    ],
)
def test_pad_modes(mode, wanted):
    row = minitorch.tensor([[[1, 2, 3]]], dtype=minitorch.uint8)
    assert F.pad(row, (2, 0), 9, mode)[0, 0].tolist() == wanted
    assert np.array(F.pad(F.to_pil_image(row), (2, 0), 9, mode))[0].tolist() == wanted
    with pytest.raises(ValueError, match="padding_mode"):
        F.pad(row, 1, padding_mode="wrap")


def test_to_tensor():
    pixels = np.array([[0, 51], [255, 102]], np.uint8)
    tensor = T.ToTensor()(Image.fromarray(pixels))
    assert tensor.dtype == minitorch.float32 and tensor.shape == (1, 2, 2)
    assert tensor.flatten().tolist() == pytest.approx([0, 0.2, 1, 0.4])
    assert F.to_tensor(np.zeros((2, 3, 4))).shape == (4, 2, 3)
    assert F.to_tensor(np.zeros((2, 3))).dtype == minitorch.float64
    assert F.to_tensor(Image.new("1", (2, 1), 1)).tolist() == [[[1.0, 1.0]]]
    whole = T.PILToTensor()(Image.new("RGB", (2, 1), (1, 2, 3)))
    assert whole.dtype == minitorch.uint8 and whole[:, 0, 0].tolist() == [1, 2, 3]
    assert F.pil_to_tensor(Image.new("I;16", (1, 1), 60000)).tolist() == [[[60000]]]
    with pytest.raises(TypeError, match="to_tensor"):
        F.to_tensor([1, 2])


def test_to_pil_image():
    for channels, mode in ((1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")):
        tensor = picture(channels=channels)
        image = T.ToPILImage()(tensor)
        assert image.mode == mode and F.pil_to_tensor(image).tolist() == tensor.tolist()
    assert F.to_pil_image(minitorch.full((1, 1, 1), 0.5)).getpixel((0, 0)) == 127
    assert F.to_pil_image(minitorch.zeros(2, 3, dtype=minitorch.int32)).mode == "I"
    assert F.to_pil_image(minitorch.zeros(1, 2, 3), "F").mode == "F"
    assert F.to_pil_image(picture(), "HSV").mode == "HSV"
    for bad in (minitorch.zeros(5, 2, 2), minitorch.zeros(2)):
        with pytest.raises(ValueError, match="to_pil_image"):
            F.to_pil_image(bad)
    with pytest.raises(ValueError, match="mode"):
        F.to_pil_image(picture(), "L")


def test_normalize():
    x = minitorch.ones(2, 1, 2)
    out = T.Normalize((0.5, 0.0), (0.5, 2.0))(x)
    assert out.tolist() == [[[1, 1]], [[0.5, 0.5]]] and x[0, 0, 0].item() == 1
    F.normalize(x, [1.0, 1.0], [1.0, 1.0], inplace=True)
    assert x.tolist() == [[[0, 0]], [[0, 0]]]
    with pytest.raises(ValueError, match="std"):
        F.normalize(x, [0.0], [0.0])
    with pytest.raises(TypeError, match="floating"):
        F.normalize(picture(), [0.0], [1.0])


def test_convert_image_dtype():
    levels = minitorch.tensor([[0, 1, 128, 255]], dtype=minitorch.uint8)
    floats = T.ConvertImageDtype(minitorch.float32)(levels)
    assert floats[0, 3].item() == 1.0 and floats[0, 1].item() == pytest.approx(1 / 255)
    back = F.convert_image_dtype(floats, minitorch.uint8)
    assert back.tolist() == levels.tolist()
    wide = F.convert_image_dtype(levels, minitorch.int16)
    assert wide.tolist() == [[0, 128, 16384, 32640]]
    assert F.convert_image_dtype(wide, minitorch.uint8).tolist() == levels.tolist()


def test_random_flips_and_crops():
    image = picture()
    minitorch.manual_seed(0)
    kinds = [T.RandomHorizontalFlip()(image).tolist() == image.tolist() for _ in range(200)]
    assert 60 < sum(kinds) < 140
    assert T.RandomHorizontalFlip(1.0)(image).tolist() == F.hflip(image).tolist()
    assert T.RandomVerticalFlip(1.0)(image).tolist() == F.vflip(image).tolist()
    assert T.RandomVerticalFlip(0.0)(image).tolist() == image.tolist()
    corners = {T.RandomCrop.get_params(image, (12, 16))[:2] for _ in range(100)}
    assert corners == {(y, x) for y in (0, 1) for x in (0, 1)}
    assert T.RandomCrop(32, padding=8, pad_if_needed=True)(image).shape == (3, 32, 32)
    with pytest.raises(ValueError, match="RandomCrop"):
        T.RandomCrop(32)(image)


def test_random_resized_crop():
    image = picture(40, 60)
    areas = []
    for _ in range(50):
        top, left, h, w = T.RandomResizedCrop.get_params(image, (0.2, 0.5), (0.5, 2.0))
        assert 0 <= top <= 40 - h and 0 <= left <= 60 - w and 0.4 < w / h < 2.4
        areas.append(h * w / 2400)
    assert 0.17 < min(areas) < 0.3 and 0.4 < max(areas) < 0.53
    assert T.RandomResizedCrop(9)(F.to_pil_image(image)).size == (9, 9)
    assert T.RandomResizedCrop.get_params(image, (1.0, 1.0), (1.0, 1.0)) == (0, 10, 40, 40)


def test_random_erasing():
    image = minitorch.ones(3, 20, 20)
    erased = T.RandomErasing(1.0, scale=(0.1, 0.1), ratio=(1.0, 1.0))(image)
    assert (erased == 0).sum().item() == 3 * 36 and image.min().item() == 1
    noise = T.RandomErasing(1.0, value="random")(image)
    assert 0 < (noise != 1).sum().item() < image.numel()
    coloured = T.RandomErasing(1.0, value=(2.0, 3.0, 4.0))(image)
    assert coloured.amax((1, 2)).tolist() == [2, 3, 4]
    assert T.RandomErasing(0.0)(image) is image


def test_color_jitter():
    image = picture()
    assert T.ColorJitter()(image) is image
    low = T.ColorJitter(brightness=(0.5, 0.5))(image)
    assert low.tolist() == F.adjust_brightness(image, 0.5).tolist()
    assert T.ColorJitter(0.2, 0.2, 0.2, 0.1)(F.to_pil_image(image)).size == (17, 13)
    for bad in ({"brightness": -1}, {"hue": 0.6}, {"contrast": (0.5, 0.2)}):
        with pytest.raises(ValueError, match="ColorJitter"):
            T.ColorJitter(**bad)
    with pytest.raises(ValueError, match="adjust_hue"):
        F.adjust_hue(image, 0.7)


def test_combinations():
    plus, times = T.Lambda(lambda x: x + 1), T.Lambda(lambda x: x * 10)
    assert T.Compose([plus, times])(1) == 20
    assert T.RandomApply([plus], 1.0)(1) == 2 and T.RandomApply([plus], 0.0)(1) == 1
    minitorch.manual_seed(1)
    assert {T.RandomChoice([plus, times])(1) for _ in range(40)} == {2, 10}
    assert {T.RandomChoice([plus, times], [0, 1])(1) for _ in range(20)} == {10}
    assert {T.RandomOrder([plus, times])(1) for _ in range(40)} == {20, 11}
    gray = F.rgb_to_grayscale(picture(), 3)
    assert T.RandomGrayscale(1.0)(picture()).tolist() == gray.tolist()
    text = repr(T.Compose([T.ToTensor(), T.Normalize([0.5], [0.5])]))
    assert "ToTensor()" in text and "mean=[0.5]" in text
    with pytest.raises(TypeError):
        T.Lambda(3)


RANDOM = {
    "crop": lambda: T.RandomCrop(8),
    "resized": lambda: T.RandomResizedCrop(8),
    "jitter": lambda: T.ColorJitter(0.3, 0.3, 0.3, 0.1),
    "rotation": lambda: T.RandomRotation(40),
    "affine": lambda: T.RandomAffine(30, (0.2, 0.2), (0.7, 1.3), (-10, 10, -5, 5)),
    "erasing": lambda: T.RandomErasing(1.0),
}


@pytest.mark.parametrize("name", RANDOM)
def test_random_transforms_follow_the_seed(name):
    transform = pickle.loads(pickle.dumps(RANDOM[name]()))
    image = picture()

    def run(seed):
        minitorch.manual_seed(seed)
        return [transform(image).tolist() for _ in range(3)]

    first = run(0)
    assert first == run(0) and first != run(1) and first[0] != first[1]
