"""The command line, as a user starts it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import pytest

from minitorch.__main__ import main
from minitorch.serialization import load

QUICK = ["train", "--epochs", "2", "--limit", "300", "--augment", "0", "--no-progress"]


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "minitorch", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        **options,
    )


def test_info(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    for name in ("minitorch", "instruction set", "threads", "CUDA devices"):
        assert f"{name} " in out


def test_help_and_bad_arguments():
    shown = run("--help")
    assert shown.returncode == 0 and "train" in shown.stdout
    assert run().returncode == 2
    assert run("train", "--dataset", "imagenet").returncode == 2


def test_demo_reaches_its_accuracy(tmp_path):
    pytest.importorskip("matplotlib")
    done = run("train", "--epochs", 5, "--out", tmp_path / "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["accuracy"] >= 0.97
    assert f"test accuracy    {results['accuracy']:.4f}" in done.stdout
    for word in ("macro precision", "macro recall", "support", "epoch   5/5"):
        assert word in done.stdout
    assert sum(map(sum, results["confusion_matrix"])) == 360
    wanted = {"best.pt", "last.pt", "curves.png", "confusion.png", "mistakes.png", "history.csv"}
    assert wanted <= set(os.listdir(tmp_path / "run"))
    assert os.listdir(tmp_path) == ["run"]


def test_resume_repeats_the_uninterrupted_run(tmp_path, capsys):
    # One learning rate schedule for both, so the first run is cut by hand after its first epoch.
    assert main([*QUICK, "--out", str(tmp_path / "whole"), "--seed", "3"]) == 0
    import minitorch.train.demo as demo

    class Cut(demo.EpochLines):
        def on_epoch_end(self, trainer):
            super().on_epoch_end(trainer)
            trainer.stop = True

    original = demo.EpochLines
    demo.EpochLines = Cut
    try:
        assert main([*QUICK, "--out", str(tmp_path / "cut"), "--seed", "3"]) == 0
    finally:
        demo.EpochLines = original
    assert load(tmp_path / "cut" / "last.pt")["epoch"] == 1
    assert main([*QUICK, "--out", str(tmp_path / "cut"), "--seed", "9", "--resume"]) == 0
    whole, cut = (load(tmp_path / name / "last.pt")["model"] for name in ("whole", "cut"))
    assert {k: v.tolist() for k, v in whole.items()} == {k: v.tolist() for k, v in cut.items()}
    with open(tmp_path / "cut" / "history.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]


@pytest.mark.parametrize("model", ["lenet", "mlp"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_models_and_optimizers(model, optimizer, tmp_path, capsys):
    arguments = [*QUICK, "--model", model, "--optimizer", optimizer, "--out", str(tmp_path)]
    arguments += ["--epochs", "5", "--batch-size", "16"]
    assert main(arguments) == 0
    assert json.loads((tmp_path / "results.json").read_text())["accuracy"] > 0.15


def test_errors_are_one_message(tmp_path):
    done = run("train", "--dataset", "mnist", "--data", tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "train-images-idx3-ubyte" in done.stderr and str(tmp_path) in done.stderr
    done = run("train", "--resume", "--out", tmp_path)
    assert done.returncode == 1 and "nothing to resume" in done.stderr
