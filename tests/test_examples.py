"""Each example runs as its docstring says, and learns."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "examples")
FASHION = "/usr/share/datasets/fashion-mnist"


def run(name, *arguments):
    done = subprocess.run(
        [sys.executable, os.path.join(EXAMPLES, name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers(pattern, text):
    found = [float(n) for n in re.findall(pattern + r"\s+(-?\d+\.\d+)", text)]
    assert found, f"no {pattern!r} in {text!r}"
    return found


def test_linear_regression():
    out = run("linear_regression.py")
    losses = numbers("loss", out)
    assert losses[-1] < 0.02 < losses[0]
    learned, exact = (
        [float(n) for n in re.search(rf"{word}\s+y = (\S+) x \+ (\S+)", out).groups()]
        for word in ("learned", "exact")
    )
    assert learned == pytest.approx(exact, abs=1e-3)
    assert exact == pytest.approx([3, -1], abs=0.05)


def test_logistic_regression():
    assert numbers("test accuracy", run("logistic_regression.py"))[0] > 0.95
    line = numbers("test accuracy", run("logistic_regression.py", "--data", "rings"))[0]
    network = run("logistic_regression.py", "--data", "rings", "--hidden", 16)
    assert line < 0.7 < 0.97 < numbers("test accuracy", network)[0]


def test_tutorial_cnn(tmp_path):
    pytest.importorskip("PIL")
    out = run(
        "tutorial_cnn.py",
        "--lr",
        0.005,
        "--batch-size",
        8,
        "--save",
        tmp_path / "net.pt",
        "--epochs",
        3,
    )
    losses = numbers("loss:", out)
    assert losses[-1] < 0.5 * losses[0]
    assert numbers("Accuracy of the network on the 360 test images:", out)[0] > 70
    assert os.path.exists(tmp_path / "net.pt")


@pytest.mark.skipif(not os.path.isdir(FASHION), reason="needs dataset-fashion-mnist")
def test_fashion_mnist():
    out = run("fashion_mnist.py", "--quick")
    assert "104426 parameters" in out
    assert numbers(r"\ntest accuracy", out)[-1] > 0.75


def test_char_gpt():
    out = run("char_gpt.py", "--quick")
    losses = numbers("held-out loss", out)
    assert losses[-1] < 0.8 * losses[0]
    assert len(out.split("--- written by the network:\n")[1]) >= 80
