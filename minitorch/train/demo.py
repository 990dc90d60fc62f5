"""``minitorch train``: train an image classifier, then say and show what it gets right and wrong."""

from __future__ import annotations

import os

import minitorch
from minitorch import nn
from minitorch.metrics import Accuracy, classification_report, confusion_matrix

from .callbacks import Callback, Checkpoint
from .trainer import Trainer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LEARNING_RATES = {"adam": 2e-3, "adamw": 2e-3, "sgd": 0.05}


def load_images(name: str, root: str) -> tuple[Any, Any, list[str]]:
    """Training part, test part and class names of a data set.

    Args:
        name: one of the command line's data sets.
        root: folder of its files.

    Returns:
        ((images, labels), (images, labels), names); images are float32 (N, C, H, W), normalized per channel with the
        training part's mean and deviation.
    """
    from minitorch.vision import datasets

    kinds = {
        "digits": datasets.Digits,
        "mnist": datasets.MNIST,
        "fashion-mnist": datasets.FashionMNIST,
        "kmnist": datasets.KMNIST,
        "cifar10": datasets.CIFAR10,
    }
    parts: list[tuple[minitorch.Tensor, minitorch.Tensor]] = []
    names: list[str] = []
    for train in (True, False):
        dataset: Any = kinds[name](root, train=train)
        data = dataset.data
        if not isinstance(data, minitorch.Tensor):
            data = minitorch.from_numpy(data).permute(0, 3, 1, 2)
        images = data.to(minitorch.float32) / 255
        images = images.unsqueeze(1) if images.dim() == 3 else images.contiguous()
        parts.append((images, minitorch.as_tensor(dataset.targets, dtype=minitorch.int64)))
        names = list(dataset.classes)
    first = parts[0][0]
    mean, std = first.mean((0, 2, 3), keepdim=True), first.std((0, 2, 3), keepdim=True)
    return *[((images - mean) / std, labels) for images, labels in parts], names  # type: ignore[return-value]


def warped_copies(images: minitorch.Tensor, copies: int) -> minitorch.Tensor:
    """The images followed by copies that are turned, moved, scaled and sheared a little, each at random.

    Args:
        images: float tensor (N, C, H, W).
        copies: warped copies per image.

    Returns:
        Tensor ((1 + copies) N, C, H, W).
    """
    from minitorch.vision.transforms import InterpolationMode
    from minitorch.vision.transforms.compose import uniform
    from minitorch.vision.transforms.functional import affine

    size, background = images.shape[-1], images.min().item()
    warped = [
        affine(
            image,
            angle=uniform(-10, 10),
            translate=(uniform(-0.08, 0.08) * size, uniform(-0.08, 0.08) * size),
            scale=uniform(0.9, 1.1),
            shear=uniform(-10, 10),
            interpolation=InterpolationMode.BILINEAR,
            fill=background,
        )
        for _ in range(copies)
        for image in images
    ]
    return minitorch.cat([images, minitorch.stack(warped, 0)], 0) if warped else images


def build_model(name: str, channels: int, size: int, classes: int) -> nn.Module:
    """A network for images of the given channels, height and width."""
    from minitorch.vision import models

    if name == "convnet":
        return models.ConvNet(classes, channels, size)
    if name == "lenet":
        # LeNet wants 28 or 32 pixels; the 8 pixels of Digits are enlarged.
        enlarge = [nn.Upsample(scale_factor=32 // size)] if size < 28 else []
        return nn.Sequential(*enlarge, models.LeNet(classes, channels, 28 if size == 28 else 32))
    if name == "resnet18":
        return models.cifar_resnet18(classes, channels)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(channels * size * size, 256), nn.ReLU(), nn.Linear(256, classes)
    )


def build_optimizer(name: str, model: nn.Module, lr: float | None) -> Any:
    """An optimizer over the model's parameters, with the usual settings."""
    rate = lr if lr is not None else _LEARNING_RATES[name]
    if name == "sgd":
        return minitorch.optim.SGD(
            model.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4, nesterov=True
        )
    kind = minitorch.optim.AdamW if name == "adamw" else minitorch.optim.Adam
    return kind(model.parameters(), lr=rate)


class EpochLines(Callback):
    """Prints a line per epoch where there is no progress bar."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_epoch_end(self, trainer: Trainer) -> None:
        row = trainer.history.rows[-1]
        print(
            f"epoch {row['epoch']:>3}/{self.epochs}  train loss {row['train_loss']:.4f}  test loss "
            f"{row['val_loss']:.4f}  test accuracy {row['val_accuracy']:.4f}  {row['seconds']:.1f} s",
            flush=True,
        )


def run(options: Any) -> dict[str, float]:
    """Train as the command line says.

    Args:
        options: the parsed arguments.

    Returns:
        Test accuracy, and macro precision, recall and F1.
    """
    import json
    import sys
    import time

    from minitorch.metrics import f1_score, precision, recall
    from minitorch.utils.data import DataLoader, TensorDataset

    start = time.perf_counter()
    minitorch.manual_seed(options.seed)
    (images, labels), (test_images, test_labels), names = load_images(options.dataset, options.data)
    images, labels = images[: options.limit], labels[: options.limit]
    copies = options.augment
    if copies is None:
        copies = 4 if options.dataset == "digits" else 0
    count = len(images)
    images, labels = warped_copies(images, copies), minitorch.cat([labels] * (1 + copies), 0)
    model = build_model(options.model, images.shape[1], images.shape[2], len(names))
    out = options.out or os.path.join("runs", f"{options.dataset}-{options.model}")
    os.makedirs(out, exist_ok=True)
    train_loader: Any = DataLoader(
        TensorDataset(images, labels), options.batch_size, shuffle=True, num_workers=options.workers
    )
    test_loader: Any = DataLoader(TensorDataset(test_images, test_labels), 250)
    optimizer = build_optimizer(options.optimizer, model, options.lr)
    scheduler = minitorch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=optimizer.param_groups[0]["lr"],
        total_steps=max(options.epochs * len(train_loader), 1),
    )
    bar = options.progress if options.progress is not None else sys.stderr.isatty()
    checkpoint = Checkpoint(out, monitor="val_accuracy")
    trainer = Trainer(
        model,
        optimizer,
        nn.CrossEntropyLoss(),
        scheduler,
        metrics={"accuracy": Accuracy(len(names))},
        callbacks=[checkpoint] if bar else [EpochLines(options.epochs), checkpoint],
        device=options.device,
        schedule_every="step",
        progress=bar,
    )
    parameters = sum(p.numel() for p in model.parameters())
    print(
        f"{options.dataset}: {count} training images (and {copies} warped copies of each), "
        f"{len(test_images)} test images; "
        f"{options.model}: {parameters} parameters"
    )
    resume = checkpoint.last if options.resume else None
    if resume is not None and not os.path.exists(resume):
        raise FileNotFoundError(f"nothing to resume: {resume} does not exist")
    history = trainer.fit(train_loader, test_loader, options.epochs, resume=resume)

    scores = trainer.predict(test_loader).softmax(1)
    matrix = confusion_matrix(scores, test_labels, len(names))
    results = {
        "accuracy": (scores.argmax(1) == test_labels).to(minitorch.float64).mean().item(),
        "precision": precision(scores, test_labels, num_classes=len(names)).item(),
        "recall": recall(scores, test_labels, num_classes=len(names)).item(),
        "f1": f1_score(scores, test_labels, num_classes=len(names)).item(),
    }
    print()
    print(classification_report(matrix, names))
    print()
    print(f"test accuracy    {results['accuracy']:.4f}")
    print(f"macro precision  {results['precision']:.4f}")
    print(f"macro recall     {results['recall']:.4f}")
    print(f"time             {time.perf_counter() - start:.1f} s")
    history.to_csv(os.path.join(out, "history.csv"))
    with open(os.path.join(out, "results.json"), "w") as file:
        json.dump({**results, "confusion_matrix": matrix.tolist(), "classes": names}, file)
    try:
        draw(out, history, matrix, names, test_images, test_labels, scores)
    except ImportError as error:
        print(f"no pictures drawn: {error}; pip install 'minitorch[plots]' adds them")
    print(f"files            {out}: {', '.join(sorted(os.listdir(out)))}")
    return results


def draw(
    out: str,
    history: Any,
    matrix: minitorch.Tensor,
    names: list[str],
    images: minitorch.Tensor,
    labels: minitorch.Tensor,
    scores: minitorch.Tensor,
) -> None:
    """Write curves.png, confusion.png and mistakes.png."""
    history.plot(os.path.join(out, "curves.png"))
    _draw_matrix(os.path.join(out, "confusion.png"), matrix.tolist(), names)
    _draw_mistakes(os.path.join(out, "mistakes.png"), names, images, labels, scores)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _draw_matrix(path: str, matrix: list[list[int]], names: list[str]) -> None:
    figure = _figure(1.6 + 0.5 * len(names), 1.4 + 0.45 * len(names))
    axes = figure.subplots()
    axes.imshow(matrix, cmap="Blues")
    largest = max(map(max, matrix))
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            if count:
                colour = "white" if count > largest / 2 else "black"
                axes.text(j, i, str(count), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 2 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true")
    figure.savefig(path, dpi=120)


def _draw_mistakes(
    path: str,
    names: list[str],
    images: minitorch.Tensor,
    labels: minitorch.Tensor,
    scores: minitorch.Tensor,
    limit: int = 24,
) -> None:
    """The surest mistakes; the least sure right answers if there are none."""
    confidence, guesses = scores.max(1)
    sure, guess, label = confidence.tolist(), guesses.tolist(), labels.tolist()
    wrong = [i for i in range(len(label)) if guess[i] != label[i]]
    picks = sorted(wrong, key=lambda i: -sure[i])
    title = f"{len(wrong)} of {len(label)} test images are misclassified"
    if not wrong:
        picks = sorted(range(len(label)), key=lambda i: sure[i])
        title = "no mistakes; the least certain right answers"
    picks = picks[:limit]
    columns = min(8, len(picks))
    rows = -(-len(picks) // columns)
    figure = _figure(1.5 * columns, 1.8 * rows + 0.6)
    figure.suptitle(title)
    for k, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.axis("off")
        if k >= len(picks):
            continue
        i = picks[k]
        image = images[i]
        image = (image - image.min()) / (image.max() - image.min()).clamp(min=1e-6)
        picture = image.permute(1, 2, 0).numpy()
        axes.imshow(picture[:, :, 0] if picture.shape[2] == 1 else picture, cmap="gray_r")
        axes.set_title(
            f"true {names[label[i]]}\npredicted {names[guess[i]]} ({sure[i]:.0%})", fontsize=8
        )
    figure.savefig(path, dpi=120)
