"""Times minitorch against PyTorch, where it is installed, in alternating processes.

    python benchmarks/compare.py [--only TEXT] [--rounds 3] [--threads N] [--json FILE]

Prints the median time of each side and their ratio (below 1: minitorch is faster), the median over the
rounds of the ratio of best times. Machines are noisy: compare ratios, not times.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def measure(module, only, budget, threads):
    """Best seconds per case of one side, in this process."""
    sys.path.insert(0, HERE)
    from cases import CASES

    m = importlib.import_module(module)
    for name in ("nn", "optim"):
        importlib.import_module(f"{module}.{name}")
    m.set_num_threads(threads)
    m.manual_seed(0)
    times = {}
    for name, (make, repeat) in CASES.items():
        if only and only not in name:
            continue
        run = make(m)
        run()
        best, start, count = math.inf, time.perf_counter(), 0
        while time.perf_counter() - start < budget or count < 5:
            begin = time.perf_counter()
            for _ in range(repeat):
                run()
            best = min(best, (time.perf_counter() - begin) / repeat)
            count += 1
        times[name] = best
    return times


def in_process(module, args):
    """measure() in a process of its own."""
    command = [sys.executable, __file__, "--module", module, "--budget", str(args.budget)]
    command += ["--threads", str(args.threads), "--only", args.only or ""]
    env = {**os.environ, "OMP_NUM_THREADS": str(args.threads), "MKL_NUM_THREADS": str(args.threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        sys.exit(f"{module} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def machine():
    """Name of the processor."""
    try:
        with open("/proc/cpuinfo") as f:
            return next(line.split(":")[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main():
    """Runs the comparison and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="cases whose name contains this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--budget", type=float, default=0.3, help="seconds per case and round")
    parser.add_argument("--json", help="write the results here")
    parser.add_argument("--module", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.module:
        print(json.dumps(measure(args.module, args.only, args.budget, args.threads)))
        return
    try:
        peer = importlib.import_module("torch").__version__
    except ImportError:
        peer = None
    import minitorch

    rounds = [
        (in_process("minitorch", args), in_process("torch", args) if peer else None)
        for _ in range(args.rounds)
    ]
    print(f"{machine()}, {args.threads} threads, instruction set {minitorch._C.isa()}")
    print(f"minitorch {minitorch.__version__}, torch {peer or 'not installed'}\n")
    print(f"{'case':28}{'minitorch':>12}{'torch':>12}{'ratio':>8}")
    rows = {}
    for name in rounds[0][0]:
        ours = statistics.median(r[0][name] for r in rounds)
        if not peer:
            print(f"{name:28}{ours * 1e6:9.1f} us")
            continue
        theirs = statistics.median(r[1][name] for r in rounds)
        ratio = statistics.median(r[0][name] / r[1][name] for r in rounds)
        rows[name] = {"minitorch": ours, "torch": theirs, "ratio": ratio}
        print(f"{name:28}{ours * 1e6:9.1f} us{theirs * 1e6:9.1f} us{ratio:8.2f}")
    if rows:
        mean = math.exp(statistics.fmean(math.log(r["ratio"]) for r in rows.values()))
        print(f"\ngeometric mean of the ratios: {mean:.2f}")
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"machine": machine(), "torch": peer, "cases": rows}, f, indent=1)


if __name__ == "__main__":
    main()
