"""Ordinary kernels give the right results, whatever the order of blocks and threads."""

from __future__ import annotations

import pytest

SCHEDULES = ["forward", "reverse", *(f"random:{seed}" for seed in range(1, 6))]


@pytest.mark.parametrize("checks", ["1", "0"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_kernels(run, schedule, checks):
    result = run("kernels", SCHEDULE=schedule, CHECKS=checks)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) >= 12 and all(line.endswith(": ok") for line in lines), result.stdout
    assert result.stderr == ""  # no report
