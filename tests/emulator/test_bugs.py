"""Every check reports its planted bug, in every schedule, and names the place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "bugs.cu"
SCHEDULES = ["forward", "reverse", "random:1", "random:2"]

# Pattern of the report; `LINE` is looked up in the source: the marked lines of the bug.
BUGS = {
    "global_past_end": r"kernel global_past_end_kernel, block \(3,0,0\), thread \(\d+,0,0\): out of "
    r"bounds: (writes|touches) \d+ bytes past the end of an allocation of 400 bytes \(number \d+\)\n  at LINE",
    "global_before_start": r"kernel global_before_start_kernel, block \(0,0,0\), thread \(\d+,0,0\): "
    r"out of bounds: (reads|touches) \d+ bytes (before the start|past the end) of an? .*\n  at LINE",
    "canary": r"kernel canary_kernel: written outside of an allocation: byte 2 past the end of an "
    r"allocation of 100 bytes",
    "use_after_free": r"thread \(\d+,0,0\): out of bounds: (writes|touches) \d+ bytes into a freed allocation of "
    r"400 bytes .*\n  at LINE",
    "null_pointer": r"thread \(5,0,0\): (writes|touches) a null pointer\n  at LINE",
    "host_argument": r"kernel null_kernel: argument 1 is 0x[0-9a-f]+, a pointer to memory of the host",
    "shared_bounds": r"block \(0,\d,0\), thread \(6[0-3],0,0\): out of bounds: 4 bytes at shared "
    r"first\[6[4-7]\], an array of 64 elements of 4 bytes\n  at LINE",
    "dynamic_bounds": r"thread \(0,0,0\): out of bounds: 4 bytes at shared tile\[-1\], an array of 32 "
    r"elements of 4 bytes\n  at LINE",
    "misaligned": r"shared_cast of shared tile\[1\]: the address is not aligned to 16 bytes\n  at LINE",
    "uninitialised": r"thread \(54,0,0\): reads shared tile\[9\], which nobody has written\n  at LINE",
    "race_barrier": r"race: (reads|writes) shared tile\[\d+\], which thread \(\d+,0,0\) (wrote|read) "
    r"with no barrier in between\n  at LINE",
    "race_reuse": r"race: (reads|writes) shared tile\[\d+\], which thread \(\d+,0,0\) (wrote|read) "
    r"with no barrier in between\n  at LINE",
    "race_lanes": r"race: (reads|writes) shared tile\[\d+\], which thread \(\d+,0,0\) (wrote|read) "
    r"with no barrier in between\n  at LINE",
    "race_atomic": r"race: (reads|atomically updates) shared sum\[0\], which thread \(\d+,0,0\) "
    r"(wrote|read) with no barrier in between\n  at LINE",
    "race_named": r"race: (reads|writes) shared tile\[\d+\], which thread \(\d+,0,0\) (wrote|read) "
    r"with no barrier in between\n  at LINE",
    "divergent_barrier": r"divergent barrier: this thread is at the __syncthreads\(\) of LINE while "
    r"\d+ threads of its block wait at the one of LINE\n  at LINE",
    "divergent_warp": r"divergent warp: lane \d+ is at the __shfl_xor_sync of LINE while other lanes of "
    r"mask 0xffffffff wait at the one of LINE\n  at LINE",
    "missing_lane": r"deadlock, no thread can go on\n  block \(0,0,0\): __shfl_xor_sync of LINE waits "
    r"for lane 3 of its mask 0xffffffff, thread \(3,0,0\), which waits at __syncthreads\(\) of LINE",
    "exited_lane": r"__shfl_down_sync: lane 16 reads from lane 20, which has exited .*\n  at LINE",
    "own_mask": r"thread \(31,0,0\): __ballot_sync: lane 31 is not in its own mask 0x7fffffff\n  at LINE",
    "barrier_count": r"barrier 2: expects (64|96) threads here, but others wait for (64|96) of them",
    "deadlock": r"deadlock, no thread can go on\n  block \(0,0,0\), threads .*\(32 threads\): exited\n"
    r"  block \(0,0,0\), threads .*\(32 threads\): waits at named barrier of LINE",
    "spin_deadlock": r"deadlock, threads spin for ever\n  block \(0,0,0\), threads .*: exited\n"
    r"  block \(0,0,0\), threads .*\(7 threads\): waits at a spin loop of LINE",
    "stack_overflow": r"thread \(\d+,0,0\): stack overflow: the local variables",
    "assertion": r"thread \(7,0,0\): assertion failed: threadIdx.x != 7\n  at LINE",
    "static_limit": r"static shared memory: 49160 bytes with big, more than the 48 KiB of a block",
    "exception": r"thread \(3,0,0\): the kernel threw an exception: thrown on purpose",
    "trap": r"block \(1,0,0\), thread \(2,0,0\): __trap\(\)\n  at LINE",
}


@pytest.fixture(scope="module")
def reports(run):
    result = run("bugs")
    assert result.returncode == 0, result.stdout + result.stderr
    found = {}
    for part in result.stdout.split("== ")[1:]:
        head, _, text = part.partition("\n")
        schedule, bug, error = head.split()
        found[schedule, bug] = error, text
    return found


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_bug_is_reported(reports, schedule, bug):
    error, text = reports[schedule, bug]
    assert error == "cudaErrorLaunchFailure"
    lines = [
        str(number)
        for number, line in enumerate(SOURCE.read_text().splitlines(), 1)
        if re.search(rf"// LINE {bug}\b", line)
    ]
    pattern = BUGS[bug].replace("LINE", rf"\S*bugs\.cu:({'|'.join(lines)})\b")
    assert re.search(pattern, text), text
    # So that the order can be had again.
    if bug not in ("canary", "host_argument"):
        assert (f"in schedule {schedule}" in text) == (schedule != "forward"), text


def test_every_bug_has_a_test(reports):
    assert {bug for _, bug in reports} == set(BUGS)
