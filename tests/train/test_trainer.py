"""The Trainer: what it computes, how it stops, and that a resumed run repeats the bits."""

from __future__ import annotations

import csv
import json
import math
import os

import pytest

import minitorch
from minitorch import nn
from minitorch.metrics import Accuracy, ConfusionMatrix, Recall
from minitorch.serialization import load
from minitorch.train import (
    Callback,
    Checkpoint,
    EarlyStopping,
    History,
    NonFiniteLossError,
    Trainer,
)
from minitorch.utils.data import DataLoader, Dataset, TensorDataset


def points(count=60, seed=0):
    g = minitorch.Generator()
    g.manual_seed(seed)
    x = minitorch.randn(count, 4, generator=g)
    return TensorDataset(x, (x[:, 0] + x[:, 1] > 0).to(minitorch.int64))


class Noisy(Dataset):
    """Points with augmentation from the global generator."""

    def __init__(self):
        self.inner = points()

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, i):
        x, y = self.inner[i]
        return x + 0.1 * minitorch.randn(4), y


def trainer(callbacks=(), lr=0.05, **options):
    model = nn.Sequential(
        nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2)
    )
    optimizer = minitorch.optim.Adam(model.parameters(), lr=lr)
    options.setdefault("metrics", {"accuracy": Accuracy(2)})
    return Trainer(model, optimizer, nn.CrossEntropyLoss(), callbacks=callbacks, **options)


def weights(t):
    return {name: value.tolist() for name, value in t.model.state_dict().items()}


def rows(t):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in t.history.rows]


def test_fit_learns_and_records():
    minitorch.manual_seed(0)
    t = trainer()
    loader = DataLoader(points(), 16, shuffle=True)
    history = t.fit(loader, DataLoader(points(40, seed=1), 16), epochs=15)
    assert history["train_loss"][-1] < 0.7 * history["train_loss"][0]
    assert history["val_accuracy"][-1] > 0.8  # chance is 0.5; 60 points leave some error
    assert history["epoch"] == list(range(1, 16)) and t.epoch == 15 and t.step == 60
    assert set(history.columns()) == {
        "epoch",
        "train_loss",
        "train_accuracy",
        "val_loss",
        "val_accuracy",
        "lr",
        "seconds",
    }
    t.fit(loader, epochs=15)
    assert t.step == 60, "all 15 epochs are done already"


def test_evaluate_is_the_mean_over_samples():
    t = trainer()
    data = points(50)
    measures = t.evaluate(DataLoader(data, 16))
    t.model.eval()
    output = t.model(data.tensors[0])
    assert measures["loss"] == pytest.approx(
        nn.CrossEntropyLoss()(output, data.tensors[1]).item(), rel=1e-5
    )
    right = (output.argmax(1) == data.tensors[1]).to(minitorch.float32).mean().item()
    assert measures["accuracy"] == pytest.approx(right)


def test_evaluation_restores_modes_and_takes_no_gradient():
    t = trainer()
    t.model[1].eval()
    t.evaluate(DataLoader(points(), 16))
    assert t.model.training and t.model[0].training and not t.model[1].training
    assert all(p.grad is None for p in t.model.parameters())


def test_predict():
    t = trainer()
    data = points(20)
    t.model.eval()
    wanted = t.model(data.tensors[0])
    for loader in (
        DataLoader(data, 6),
        DataLoader(TensorDataset(data.tensors[0]), 6),
        [data.tensors[0]],
    ):
        got = t.predict(loader)
        assert got.shape == (20, 2) and not got.requires_grad
        assert (got - wanted).abs().max().item() < 1e-5


def test_vector_metrics_are_lists():
    t = trainer(metrics={"recall": Recall(2, average="none"), "matrix": ConfusionMatrix(2)})
    row = t.fit(DataLoader(points(), 16), DataLoader(points(), 16)).rows[0]
    assert len(row["val_recall"]) == 2 and sum(map(sum, row["train_matrix"])) == 60


@pytest.mark.parametrize("size, accumulate", [(60, 2), (60, 4), (52, 3)])
def test_accumulated_gradients_are_those_of_the_whole_batch(size, accumulate):
    def run(batch, accumulate):
        minitorch.manual_seed(0)
        model = nn.Linear(4, 2)
        optimizer = minitorch.optim.SGD(model.parameters(), lr=0.5)
        t = Trainer(model, optimizer, nn.CrossEntropyLoss(), accumulate=accumulate)
        t.fit(DataLoader(points(size), batch), epochs=2)
        return t

    parts, whole = run(4, accumulate), run(4 * accumulate, 1)
    assert parts.step == whole.step
    for a, b in zip(parts.model.parameters(), whole.model.parameters(), strict=True):
        assert (a - b).abs().max().item() < 1e-5


def test_clipping():
    def change(**options):
        minitorch.manual_seed(0)
        model = nn.Linear(4, 2)
        before = [p.detach().clone() for p in model.parameters()]
        optimizer = minitorch.optim.SGD(model.parameters(), lr=1.0)
        Trainer(model, optimizer, nn.CrossEntropyLoss(), **options).fit(DataLoader(points(), 60))
        moves = [(a - b).detach() for a, b in zip(model.parameters(), before, strict=True)]
        return minitorch.cat([m.reshape(-1) for m in moves])

    free = change()
    short = change(clip_grad_norm=0.01)
    assert short.norm().item() == pytest.approx(0.01, rel=1e-3) and free.norm().item() > 0.02
    assert change(clip_grad_value=0.001).abs().max().item() == pytest.approx(0.001, rel=1e-3)


def test_schedulers():
    for every, steps in (("epoch", 3), ("step", 12)):
        t = trainer(schedule_every=every, lr=1.0)
        t.scheduler = minitorch.optim.lr_scheduler.StepLR(t.optimizer, step_size=1, gamma=0.5)
        t.fit(DataLoader(points(), 16), epochs=3)
        assert t.optimizer.param_groups[0]["lr"] == pytest.approx(0.5**steps)
    t = trainer(lr=0.0)
    t.scheduler = minitorch.optim.lr_scheduler.ReduceLROnPlateau(t.optimizer, patience=0)
    assert t.fit(DataLoader(points(), 16), DataLoader(points(), 16), epochs=4)


class Script(Callback):
    """Replaces measures by given values, to test what follows from them."""

    def __init__(self, values):
        self.values = values

    def on_epoch_end(self, trainer):
        trainer.history.rows[-1]["val_loss"] = self.values[trainer.epoch - 1]


def test_early_stopping_restores_the_best():
    kept = {}

    class Keep(Callback):
        def on_epoch_end(self, trainer):
            kept[trainer.epoch] = weights(trainer)

    stopping = EarlyStopping(patience=2, min_delta=0.05)
    t = trainer([Script([1.0, 0.5, 0.48, 0.47, 0.1]), Keep(), stopping])
    t.fit(DataLoader(points(), 16), epochs=5)
    assert t.epoch == 4 and stopping.stopped
    assert weights(t) == kept[2] != kept[4]
    t = trainer([Script([1.0, 2.0, 2.0]), EarlyStopping(patience=1, restore_best=False), Keep()])
    t.fit(DataLoader(points(), 16), epochs=3)
    assert t.epoch == 2 and weights(t) == kept[2]


def test_early_stopping_names_the_missing_measure():
    t = trainer([EarlyStopping(monitor="val_recall")])
    with pytest.raises(KeyError, match="val_recall.*train_loss"):
        t.fit(DataLoader(points(), 16))


def test_best_checkpoint(tmp_path):
    t = trainer([Checkpoint(tmp_path, monitor="val_loss", keep_all=True), Script([1.0, 0.2, 0.3])])
    t.fit(DataLoader(points(), 16), epochs=3)
    assert sorted(os.listdir(tmp_path)) == [
        "best.pt",
        "epoch_1.pt",
        "epoch_2.pt",
        "epoch_3.pt",
        "last.pt",
    ]
    assert load(tmp_path / "best.pt")["epoch"] == 2 and load(tmp_path / "last.pt")["epoch"] == 3
    assert t.callbacks[-1].last == str(tmp_path / "last.pt")


class Interrupt(Callback):
    def __init__(self, step=None, epoch=None):
        self.step, self.epoch = step, epoch

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            raise KeyboardInterrupt

    def on_epoch_end(self, trainer):
        if trainer.epoch == self.epoch:
            raise KeyboardInterrupt


SETTINGS = {
    "plain": {},
    "own generator": {"own": True},
    "workers": {"workers": 2},
    "augmented": {"noisy": True},
    "augmented in workers": {"noisy": True, "workers": 2},
    "accumulated": {"accumulate": 2, "clip_grad_norm": 0.5},
    "scheduled": {"schedule": True},
}


def build(
    folder, seed, noisy=False, workers=0, own=False, schedule=False, interrupt=None, **options
):
    minitorch.manual_seed(seed)
    callbacks = [
        Checkpoint(folder, every_steps=1, monitor="val_loss"),
        EarlyStopping(patience=9),
        Interrupt(epoch=1) if interrupt == "epoch end" else Interrupt(interrupt),
    ]
    t = trainer(callbacks, **options)
    if schedule:
        t.scheduler = minitorch.optim.lr_scheduler.CosineAnnealingLR(t.optimizer, T_max=20)
        t.schedule_every = "step"
    generator = None
    if own:
        generator = minitorch.Generator()
        generator.manual_seed(seed + 1)
    data = Noisy() if noisy else points()
    loader = DataLoader(data, 8, shuffle=True, num_workers=workers, generator=generator)
    return t, loader, DataLoader(points(30, seed=2), 10)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("interrupt", [2, "epoch end", 9, 12])
def test_resumed_run_gives_the_same_bits(name, interrupt, tmp_path):
    settings = SETTINGS[name]
    t, loader, val = build(tmp_path / "whole", 0, **settings)
    t.fit(loader, val, epochs=3)

    cut, loader, val = build(tmp_path / "cut", 0, interrupt=interrupt, **settings)
    with pytest.raises(KeyboardInterrupt):
        cut.fit(loader, val, epochs=3)

    resumed, loader, val = build(tmp_path / "cut", 1234, **settings)
    resumed.fit(loader, val, epochs=3, resume=tmp_path / "cut" / "last.pt")
    assert weights(resumed) == weights(t)
    assert rows(resumed) == rows(t) and resumed.step == t.step
    assert (
        resumed.optimizer.state_dict()["state"].keys() == t.optimizer.state_dict()["state"].keys()
    )


def test_resume_at_the_end_of_an_epoch(tmp_path):
    for own in (False, True):
        t, loader, val = build(tmp_path / "a", 0, own=own)
        t.fit(loader, val, epochs=4)
        cut, loader, val = build(tmp_path / "b", 0, own=own)
        cut.fit(loader, val, epochs=2)
        resumed, loader, val = build(tmp_path / "b", 99, own=own)
        resumed.fit(loader, val, epochs=4, resume=tmp_path / "b" / "last.pt")
        assert weights(resumed) == weights(t) and rows(resumed) == rows(t)


def test_resume_with_a_list_of_batches(tmp_path):
    x, y = points(48).tensors
    batches = [(x[i : i + 8], y[i : i + 8]) for i in range(0, 48, 8)]
    whole, _, _ = build(tmp_path / "a", 0)
    whole.fit(batches, batches, epochs=2)
    cut, _, _ = build(tmp_path / "b", 0, interrupt=4)
    with pytest.raises(KeyboardInterrupt):
        cut.fit(batches, batches, epochs=2)
    resumed, _, _ = build(tmp_path / "b", 5)
    resumed.fit(batches, batches, epochs=2, resume=tmp_path / "b" / "last.pt")
    assert weights(resumed) == weights(whole)


def test_resume_refuses_another_loader(tmp_path):
    cut, loader, val = build(tmp_path, 0, interrupt=2)
    with pytest.raises(KeyboardInterrupt):
        cut.fit(loader, val)
    resumed, _, val = build(tmp_path, 0)
    with pytest.raises(ValueError, match="had 8 batches, this one has 4"):
        resumed.fit(DataLoader(points(), 16, shuffle=True), val, resume=tmp_path / "last.pt")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_loss(value, tmp_path):
    t = trainer([Checkpoint(tmp_path, every_steps=1)])
    plain, calls = t.loss_fn, []

    def loss_fn(output, target):
        calls.append(1)
        loss = plain(output, target)
        return loss * value if len(calls) == 7 else loss

    t.loss_fn = loss_fn
    with pytest.raises(
        NonFiniteLossError, match=r"epoch 2, batch 3 \(optimizer step 7\).*last\.pt"
    ):
        t.fit(DataLoader(points(), 16), epochs=3)
    saved = load(tmp_path / "last.pt")
    assert saved["step"] == 6
    assert all(math.isfinite(v) for v in saved["model"]["0.weight"].flatten().tolist())
    parameters = {name: p.tolist() for name, p in t.model.named_parameters()}
    assert parameters == {name: saved["model"][name].tolist() for name in parameters}


def test_history_files(tmp_path):
    t = trainer()
    t.fit(DataLoader(points(), 16), DataLoader(points(), 16), epochs=2)
    t.history.to_csv(tmp_path / "h.csv")
    t.history.to_json(tmp_path / "h.json")
    with open(tmp_path / "h.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in table] == t.history["val_loss"]
    assert json.loads((tmp_path / "h.json").read_text())["train_loss"] == t.history["train_loss"]
    with pytest.raises(KeyError, match="val_loss"):
        t.history["absent"]


def test_history_plot(tmp_path):
    pytest.importorskip("matplotlib")
    Image = pytest.importorskip("PIL.Image")
    history = History(
        [{"epoch": i, "train_loss": 1 / i, "val_loss": 2 / i, "lr": 0.1} for i in (1, 2)]
    )
    history.plot(tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.format == "PNG" and image.width > image.height > 100
    History().plot(tmp_path / "empty.png")


def test_progress_bar(capsys):
    pytest.importorskip("tqdm")
    trainer(progress=True).fit(DataLoader(points(), 16), epochs=2)
    shown = capsys.readouterr()
    assert "epoch 2/2" in shown.err + shown.out and "train_accuracy" in shown.err + shown.out
    trainer().fit(DataLoader(points(), 16), epochs=1)
    shown = capsys.readouterr()
    assert shown.err == shown.out == "", "no bar where there is no terminal"


def test_bad_options(tmp_path):
    with pytest.raises(ValueError, match="accumulate"):
        trainer(accumulate=0)
    with pytest.raises(ValueError, match="schedule_every"):
        trainer(schedule_every="day")
    with pytest.raises(ValueError, match="every_epochs"):
        Checkpoint(tmp_path, every_epochs=0)
    with pytest.raises(ValueError, match="mode"):
        EarlyStopping(mode="best")
