"""The public names: lazily loaded modules exist, programs find what they probe."""

from importlib import import_module

import pytest

import minitorch


@pytest.mark.parametrize("name", minitorch._LAZY)
def test_lazy_modules_exist(name):
    assert import_module(f"minitorch.{name}") is getattr(minitorch, name)


def test_unknown_names_raise():
    with pytest.raises(AttributeError, match="no attribute 'not_there'"):
        _ = minitorch.not_there


def test_everything_public_has_a_docstring():
    for name, f in {**minitorch.ops.FUNCTIONS, **minitorch.ops.METHODS}.items():
        if callable(f):
            assert f.__doc__, name


@pytest.mark.skipif(minitorch.cuda.is_available(), reason="a GPU, real or emulated")
def test_without_cuda():
    assert not minitorch.cuda.is_available() and minitorch.cuda.device_count() == 0
    minitorch.cuda.manual_seed_all(1)
    with pytest.raises(RuntimeError, match="CUDA"):
        minitorch.cuda.synchronize()
    with pytest.raises(RuntimeError, match="CUDA"):
        minitorch.ones(2).cuda()
    with pytest.raises(RuntimeError, match="CUDA"):
        minitorch.ones(2).to("cuda")


def test_compile_returns_the_model():
    model = minitorch.nn.Linear(2, 2)
    assert minitorch.compile(model) is model

    @minitorch.compile
    def f(x):
        return x + 1

    assert f(minitorch.ones(1)).item() == 2.0


def test_forced_instruction_set():
    import os
    import subprocess
    import sys

    env = {**os.environ, "MINITORCH_ISA": "quantum"}
    done = subprocess.run(
        [sys.executable, "-c", "import minitorch"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (
        done.returncode
        and "MINITORCH_ISA=quantum is not one of the instruction sets" in done.stderr
    )
    for isa in minitorch._C.available_isas().split(", "):
        env["MINITORCH_ISA"] = isa
        code = "import minitorch; print(minitorch._C.isa(), minitorch.ones(3).exp().sum().item())"
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        assert (
            done.stdout.split()[0] == isa and abs(float(done.stdout.split()[1]) - 8.154845) < 1e-5
        )
