"""The emulated PTX instructions and the tensor-core kernels, as small CUDA programs.

Each program runs its cases under three schedules, with early and with late asynchronous work, and
compares with plain arithmetic.
"""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.emulator.ptx.build import build, build_for_gpu

GEMM = [f"cuda/kernels/gemm_{part}.cu" for part in ("mma_*", "wgmma_*", "pack", "tensor_core")]
WRAPPERS = ["ptx_copy", "ptx_mma", "ptx_barrier", "ptx_tma", "ptx_wgmma", "ptx_cluster"]


def run(program, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(program), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrappers_agree_with_plain_arithmetic(name):
    done = run(build(name))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "ok\n"


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrappers_on_a_gpu(name):
    done = run(build_for_gpu(name))
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stdout + done.stderr


@pytest.mark.parametrize("path", ["mma", "wgmma", "auto"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "tf32"])
def test_gemm_on_a_gpu(path, dtype):
    done = run(build_for_gpu("gemm", *GEMM), path, dtype)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stdout + done.stderr


@pytest.mark.parametrize("path", ["mma", "wgmma", "auto"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "tf32"])
def test_gemm_agrees_with_float64(path, dtype):
    done = run(build("gemm", *GEMM), path, dtype)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "ok\n"


# Mistake, when the asynchronous work happens, and what is said: a report, or a wrong result.
MISTAKES = [
    ("missing_wait", "late", "nobody has written"),
    ("reused_too_soon", "early", "race"),
    ("missing_proxy_fence", "early", "fence_proxy_async"),
    ("missing_proxy_fence", "late", "fence_proxy_async"),
    ("wrong_expect_tx", "early", "16 bytes announced and not landed"),
    ("wrong_expect_tx", "late", "16 bytes announced and not landed"),
    ("missing_barrier_wait", "early", "race|nobody has written"),
    ("missing_barrier_wait", "late", "nobody has written"),
    ("refilled_too_soon", "early", "race"),
    ("refilled_too_soon", "late", "race"),
    ("used_before_init", "early", "race|no mbarrier was initialised"),
    ("too_many_arrivals", "early", "more arrivals in one phase"),
    ("accumulator_read_early", "early", "wrong"),
    ("accumulator_read_early", "late", "wrong"),
    ("accumulator_written_early", "early", "accumulators were written before wgmma_wait"),
    ("missing_wgmma_fence", "early", "wgmma_fence is missing"),
    ("missing_fence_before_wgmma", "early", "fence_proxy_async"),
    ("operand_freed_early", "late", "race"),
]


@pytest.mark.parametrize("schedule", ["forward", "reverse", "random:3"])
@pytest.mark.parametrize(("mistake", "when", "says"), MISTAKES)
def test_mistakes_are_found(mistake, when, says, schedule):
    program = build("ptx_bugs")
    settings = {"MINITORCH_EMULATOR_ASYNC": when, "MINITORCH_EMULATOR_SCHEDULE": schedule}
    done = run(program, mistake, **settings)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(says, done.stdout), done.stdout + done.stderr
    done = run(program, mistake, "right", **settings)
    assert done.stdout == "right\n", done.stdout + done.stderr
