#!/usr/bin/env python3
"""Counts the instructions of key kernels under callgrind and compares them with the recorded ones.

    python scripts/count_instructions.py [--program build/bench/minitorch_count] [--record]

Instruction counts repeat exactly where times do not, so a change that makes a kernel worse shows on
any machine. Counts depend on the compiler: where its version is not the recorded one, differences
are printed and do not fail.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RECORD = os.path.join(ROOT, "benchmarks", "results", "instructions.json")
ISA = "avx2"  # callgrind does not know AVX-512
LIMIT = 1.05


def compiler_version() -> str:
    """The first line of `c++ --version`, without the name that it was called by."""
    compiler = os.environ.get("CXX", "c++")
    line = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
    return line.stdout.splitlines()[0].split(" ", 1)[1]


def count(program: str, kernel: str) -> int:
    """Instructions inside of count_region."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--collect-atstart=no"]
        command += ["--toggle-collect=count_region", f"--callgrind-out-file={folder}/out"]
        done = subprocess.run(
            [*command, program, kernel],
            capture_output=True,
            text=True,
            env={**os.environ, "MINITORCH_ISA": ISA},
            check=False,
        )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found or int(found[1]) == 0:
        sys.exit(f"{kernel}: callgrind counted nothing\n{done.stderr[-2000:]}")
    return int(found[1])


def compare(counts: dict[str, int], recorded: dict[str, int]) -> list[str]:
    """Prints the table; returns the kernels that grew beyond the limit."""
    grown = []
    for kernel, now in counts.items():
        before = recorded.get(kernel)
        if before is None:
            print(f"{kernel:22}{now:14,}   not recorded")
            continue
        change = now / before
        print(f"{kernel:22}{now:14,}{before:14,}{100 * (change - 1):+8.2f}%")
        if change > LIMIT:
            grown.append(kernel)
    return grown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=os.path.join(ROOT, "build/bench/minitorch_count"))
    parser.add_argument("--record", action="store_true", help="write the counts to the record")
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: instructions are not counted")
        return 0
    names = subprocess.run([arguments.program], capture_output=True, text=True, check=True)
    counts = {name: count(arguments.program, name) for name in names.stdout.split()}
    compiler = compiler_version()
    if arguments.record:
        with open(RECORD, "w") as f:
            json.dump({"compiler": compiler, "isa": ISA, "instructions": counts}, f, indent=1)
            f.write("\n")
    with open(RECORD) as f:
        recorded = json.load(f)
    print(f"{'kernel':22}{'instructions':>14}{'recorded':>14}{'change':>9}")
    grown = compare(counts, recorded["instructions"])
    if grown and recorded["compiler"] != compiler:
        print(f"recorded with {recorded['compiler']}, built with {compiler}: not a failure")
        return 0
    if grown:
        print(
            f"more than {100 * (LIMIT - 1):.0f}% up: {', '.join(grown)}. If that is wanted, record the"
            " counts with scripts/count_instructions.py --record"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
