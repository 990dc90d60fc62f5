"""The runtime API of the emulator, and what it says about wrong use of it."""

from __future__ import annotations

import re
import signal

import pytest

SCHEDULES = ["forward", "reverse", "random:3"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_runtime(run, schedule):
    result = run("runtime", SCHEDULE=schedule)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("ok\n") == 8 and result.stderr == ""


@pytest.mark.parametrize("schedule", ["forward", "reverse"])
def test_results_do_not_depend_on_the_number_of_threads(run, schedule):
    sums = {
        run("runtime", "float_atomics", SCHEDULE=schedule, THREADS=str(n)).stdout
        for n in (1, 2, 3, 4, 4, 4)
    }
    assert len(sums) == 1 and "ok" in sums.pop()


@pytest.fixture(scope="module")
def emulated(run):
    result = run("emulated")
    assert result.returncode == 0, result.stdout + result.stderr
    return dict(re.findall(r"^(\w+): (.*?)ok$", result.stdout, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize(
    "name",
    ["leaks", "memory_limit", "cluster", "fresh_memory", "clocks", "idle_work", "warpgroup", "parallel_failure",
     "host_threads"],
)  # fmt: skip
def test_emulated(emulated, name):
    assert emulated[name] == ""


def test_wrong_frees(emulated):
    lines = emulated["frees"].splitlines()
    expected = [
        r"cudaErrorInvalidValue; cudaFree\(0x\w+\): an allocation of 100 bytes \(number \d+\) that "
        r"was freed before",
        r"cudaErrorInvalidValue; cudaFree\(0x\w+\): 4 bytes into an allocation of 100 bytes",
        r"cudaErrorInvalidValue; cudaFree\(0x\w+\): no device memory",
        r"cudaSuccess; $",
    ]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected):
        assert re.match(pattern, line), line


def test_wrong_copies(emulated):
    lines = emulated["copies"].splitlines()
    expected = [
        r"cudaMemcpy: the destination 0x\w+ \(256 bytes\) must be device memory of that size, it is "
        r"memory of the host",
        r"cudaMemcpy: the source 0x\w+ \(256 bytes\) must be device memory of that size, it is memory "
        r"of the host",
        r"cudaMemcpy: the destination 0x\w+ \(256 bytes\) must be memory of the host, it is 0 bytes "
        r"into an allocation of 256 bytes",
        r"cudaMemcpy: the destination 0x\w+ \(256 bytes\) must be device memory of that size, it is 4 "
        r"bytes into an allocation of 256 bytes",
        r"cudaMemset: the destination 0x\w+ \(257 bytes\) must be device memory of that size",
        r"cudaMemset: the destination 0x\w+ \(4 bytes\) must be device memory of that size, it is "
        r"memory of the host",
    ]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected):
        assert re.match("cudaErrorInvalidValue; " + pattern, line), line


def test_host_access_is_noticed(run):
    result = run("emulated", "host_access", HOST_CHECK="1")
    assert result.returncode == -signal.SIGSEGV
    assert re.search(
        r"the host reads device memory at 0x\w+, 12 bytes into an allocation of 128 bytes",
        result.stderr,
    ), result.stderr
    assert "not noticed" not in result.stdout


@pytest.mark.parametrize("variable", ["SCHEDULE", "ASYNC", "MEMORY"])
def test_wrong_settings_are_refused(run, variable):
    result = run("kernels", "add", **{variable: "sideways"})
    assert result.returncode == 2
    assert f"MINITORCH_EMULATOR_{variable}=sideways: expected" in result.stderr
