"""minitorch against PyTorch (cuBLAS, cuDNN, flash attention) on a GPU, in one process.

    python benchmarks/cuda_compare.py [--only TEXT] [--json FILE] [--quick]

Each case runs on both engines in turns, timed by CUDA events around enough calls to fill 2 ms, after
a warm-up, on random data, with as many sets of operands as it takes to leave the second-level cache.
Printed are the medians, TFLOP/s or GB/s, per cent of the ceiling measured in this run (copy bandwidth;
PyTorch's 8192 product of that dtype), and the ratio of the times, below 1 where minitorch is faster.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
from pathlib import Path

from cuda_cases import CACHE_BYTES, CASES

BATCH_MS = 2.0


# --- timing


def event_ms(m, runs, count):
    """Milliseconds per call over `count` calls that go round the sets of operands."""
    start, end = m.cuda.Event(enable_timing=True), m.cuda.Event(enable_timing=True)
    start.record()
    for i in range(count):
        runs[i % len(runs)]()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / count


def prepare(m, case):
    sets = max(1, min(8, -(-CACHE_BYTES // max(case.footprint, 1))))
    runs = [case.make(m) for _ in range(sets)]
    for run in runs:
        run()
    m.cuda.synchronize()
    once = event_ms(m, runs, 3)
    return runs, max(3, min(200, int(BATCH_MS / max(once, 1e-3))))


def measure(case, engines, rounds):
    """Median milliseconds per engine, measured in turns; None where a case fails, with the reason."""
    ready, failed = {}, {}
    for m in engines:
        try:
            ready[m.__name__] = (m, *prepare(m, case))
        except (RuntimeError, NotImplementedError, AttributeError, TypeError) as error:
            failed[m.__name__] = f"{type(error).__name__}: {error}".splitlines()[0]
    times: dict[str, list] = {name: [] for name in ready}
    for i in range(rounds):
        for name, (m, runs, count) in sorted(ready.items(), reverse=bool(i % 2)):
            times[name].append(event_ms(m, runs, count))
    return {name: statistics.median(t) for name, t in times.items()}, failed


def text(case, ms, ceilings):
    """Rate and per cent of the measured ceiling."""
    if case.kind == "none":
        return f"{'':9}  {'':5}"
    if case.kind == "memory":
        rate = case.bytes / ms * 1e-6
        return f"{rate:7.0f} GB {100 * rate / ceilings['memory']:4.0f}%"
    rate = case.flops / ms * 1e-9
    share = f"{100 * rate / ceilings[case.kind]:4.0f}%" if case.kind in ceilings else ""
    return f"{rate:7.1f} TF {share:>5}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--json", help="write the results here")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="fewer sizes, for a first look")
    arguments = parser.parse_args()
    import minitorch

    engines = [minitorch]
    try:
        engines.append(importlib.import_module("torch"))
    except ImportError:
        print("torch is not installed: no comparison", file=sys.stderr)
    device = minitorch.cuda.get_device_name()
    print(f"{device}; " + ", ".join(f"{m.__name__} {m.__version__}" for m in engines))
    if minitorch.cuda.is_emulated():
        print("this build emulates CUDA: its times say nothing about a GPU")
    ceilings, results = {}, {}
    reference = engines[-1]
    for kind, name in (
        ("memory", "copy 128M"),
        *((k, f"gemm {k} 8192") for k in ("fp32", "tf32", "bf16", "fp16")),
    ):
        got, _ = measure(CASES[name], [reference], 3)
        case, ms = CASES[name], got[reference.__name__]
        ceilings[kind] = case.bytes / ms * 1e-6 if kind == "memory" else case.flops / ms * 1e-9
    print(
        "ceilings: "
        + ", ".join(
            f"{k} {v:.0f} {'GB/s' if k == 'memory' else 'TFLOP/s'}" for k, v in ceilings.items()
        )
    )
    chosen = {n: c for n, c in CASES.items() if arguments.only in n}
    if arguments.quick:
        chosen = {n: c for i, (n, c) in enumerate(chosen.items()) if i % 3 == 0}
    width = max(map(len, chosen)) + 2
    for name, case in chosen.items():
        got, failed = measure(case, engines, arguments.rounds)
        results[name] = {
            "ms": got,
            "flops": case.flops,
            "bytes": case.bytes,
            "kind": case.kind,
            "failed": failed,
        }
        line = f"{name:{width}}"
        ours, theirs = got.get("minitorch"), got.get("torch")
        if ours:
            line += f"{ours * 1e3:10.1f} us {text(case, ours, ceilings)}"
        if ours and theirs:
            results[name]["ratio"] = ours / theirs
            line += f"   torch {theirs * 1e3:10.1f} us   ratio {ours / theirs:5.2f}"
        print(line + "".join(f"   {n} failed: {e}" for n, e in failed.items()), flush=True)
    ratios = [r["ratio"] for r in results.values() if "ratio" in r]
    if ratios:
        print(f"{len(ratios)} cases, geomean of the ratios {statistics.geometric_mean(ratios):.2f}")
    if arguments.json:
        Path(arguments.json).write_text(
            json.dumps({"device": device, "versions": {m.__name__: m.__version__ for m in engines},
                        "ceilings": ceilings, "cases": results}, indent=1) + "\n"
        )  # fmt: skip


if __name__ == "__main__":
    main()
