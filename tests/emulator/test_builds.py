"""Other builds of the emulator: the C library's context switch, sanitizers, the example."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "cuda_kernel" / "softmax.cu"
VARIANTS = {
    "ucontext": ("-O0", "-DMT_EMU_UCONTEXT"),
    "sanitizers": ("-O0", "-fsanitize=address"),
}


@pytest.fixture(scope="module", params=VARIANTS)
def flags(request, builder):
    if request.param == "sanitizers":
        probe = builder.cache / "probe.cpp"
        probe.write_text("int main() {}\n")
        command = [builder.compiler, VARIANTS["sanitizers"][1], str(probe), "-o", str(probe) + ".x"]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("no sanitizers")
    return VARIANTS[request.param]


def test_kernels(run, flags):
    result = run("kernels", flags=flags)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count(": ok\n") >= 12 and result.stderr == ""


def test_a_report_leaves_the_emulator_usable(run, flags):
    names = ["shared_bounds", "global_past_end", "divergent_warp", "missing_lane"]
    result = run("bugs", *names, flags=flags)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("cudaErrorLaunchFailure") == 4 * len(names)


@pytest.fixture(scope="module")
def example(builder):
    return builder.program(EXAMPLE)


def test_example(example):
    result = subprocess.run([str(example)], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and result.stderr == ""
    assert result.stdout == "".join(f"row {r} sums to 1.000000\n" for r in range(3))


def test_example_with_the_bug(example):
    result = subprocess.run([str(example), "bug"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert re.search(
        r"kernel softmax_kernel<true>, block \(0,0,0\), thread \(\d+,0,0\): reads shared "
        r"scratch\[1\], which nobody has written\n  at \S*softmax\.cu:\d+",
        result.stderr,
    ), result.stderr
