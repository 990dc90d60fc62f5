"""Runs the engines in turn, each in its own process, and reports times, ratios, floors and memory."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

PEERS = ("torch", "numpy", "jax")
SIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "side.py")


def installed(peers: list[str]) -> dict[str, str]:
    """Versions of those peers that can be imported."""
    import importlib.metadata

    versions = {}
    for peer in peers:
        try:
            versions[peer] = importlib.metadata.version(peer)
        except importlib.metadata.PackageNotFoundError:
            print(f"{peer} is not installed", file=sys.stderr)
    return versions


def side(engine: str, threads: int, budget: float, only: str, mode: str) -> dict[str, float]:
    """The results of one engine, measured in a process of its own."""
    env = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        env[name] = str(threads)
    if engine == "minitorch":
        root = os.path.dirname(os.path.dirname(os.path.dirname(SIDE)))
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [root, env.get("PYTHONPATH")]))
    command = [sys.executable, SIDE, engine, str(threads), str(budget), only, mode]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        raise RuntimeError(f"{engine} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def machine() -> str:
    """Name of the processor."""
    import platform

    try:
        with open("/proc/cpuinfo") as f:
            return next(line.split(":")[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def raise_to(ceilings: dict[str, Any], others: dict[str, Any]) -> None:
    """The best of two measurements: on a shared machine each may have had a bad moment."""
    ceilings["flops"] = max(ceilings["flops"], others["flops"])
    for name, level in ceilings["levels"].items():
        for kind in ("copy", "read"):
            level[kind] = max(level[kind], others["levels"][name][kind])


def floor_of(case: Any, ceilings: dict[str, Any]) -> dict[str, Any]:
    """The least seconds that the measured roofs allow, and which roof that is."""
    import minitorch

    if not case.flops and not case.bytes:
        return {"seconds": 0.0, "bound": "none"}
    level = minitorch._C._memory_level(case.bytes, ceilings["threads"])
    rates = ceilings["levels"][level]
    compute = case.flops / ceilings["flops"]
    memory = case.bytes / rates["read" if case.only_reads else "copy"]
    if compute >= memory:
        return {"seconds": compute, "bound": "compute"}
    return {"seconds": memory, "bound": f"{level} bandwidth"}


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything that the report needs, as it goes to the JSON file."""
    import platform

    import minitorch

    from .cases import CASES

    threads = arguments.threads
    only = arguments.only or ""
    if not any(only in name for name in CASES):
        raise ValueError(f"no case's name contains {only!r}")
    peers = installed(arguments.peers)
    engines = ["minitorch", *peers]
    ceilings = minitorch._C._measure_ceilings(threads)
    rounds: list[dict[str, dict[str, float]]] = []
    for i in range(arguments.rounds):
        print(f"round {i + 1} of {arguments.rounds}", file=sys.stderr)
        # Every other round runs the other way round, so that a drift favours nobody.
        order = engines if i % 2 == 0 else engines[::-1]
        rounds.append({e: side(e, threads, arguments.budget, only, "time") for e in order})
        raise_to(ceilings, minitorch._C._measure_ceilings(threads))
    cases = {
        name: case_result(name, CASES[name], rounds, list(peers), ceilings)
        for name in rounds[0]["minitorch"]
    }
    memory: dict[str, dict[str, float]] = {}
    if arguments.memory:
        for name, case in CASES.items():
            if case.group == "training" and only in name:
                memory[name] = {
                    e: side(e, threads, 0, name, "memory")[name]
                    for e in engines
                    if e in ("minitorch", "torch")
                }
    return {
        "machine": machine(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "isa": minitorch._C.isa(),
        "threads": threads,
        "versions": {"minitorch": minitorch.__version__, **peers},
        "rounds": arguments.rounds,
        "ceilings": ceilings,
        "cases": cases,
        "memory": memory,
        "summary": {peer: summary(cases, peer) for peer in peers if any_ratio(cases, peer)},
    }


def case_result(name, case, rounds, peers, ceilings) -> dict[str, Any]:
    import statistics

    seconds = {
        engine: statistics.median(r[engine][name] for r in rounds)
        for engine in ["minitorch", *peers]
        if name in rounds[0][engine]
    }
    ratios = {
        peer: statistics.median(r["minitorch"][name] / r[peer][name] for r in rounds)
        for peer in peers
        if name in rounds[0][peer]
    }
    floor = floor_of(case, ceilings)
    return {
        "group": case.group,
        "flops": case.flops,
        "bytes": case.bytes,
        "seconds": seconds,
        "ratio": ratios,
        "floor": floor,
        "percent_of_ceiling": 100 * floor["seconds"] / seconds["minitorch"],
    }


def any_ratio(cases: dict[str, Any], peer: str) -> bool:
    return any(peer in c["ratio"] for c in cases.values())


def summary(cases: dict[str, Any], peer: str) -> dict[str, Any]:
    ratios = {name: c["ratio"][peer] for name, c in cases.items() if peer in c["ratio"]}
    worst = max(ratios, key=lambda name: ratios[name])
    return {
        "cases": len(ratios),
        "geomean": geometric_mean(list(ratios.values())),
        "worst": ratios[worst],
        "worst_case": worst,
        "above_one": [name for name, r in ratios.items() if r > 1],
    }


def time_text(seconds: float) -> str:
    return f"{seconds * 1e6:.3g} us" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"


def reason(case: dict[str, Any]) -> str:
    """Where the time of a case goes, judged by its floor."""
    floor, ours = case["floor"], case["seconds"]["minitorch"]
    if floor["bound"] == "none":
        return "no arithmetic to speak of: the cost of the call"
    share = 100 * floor["seconds"] / ours
    if share >= 60:
        return f"at {share:.0f}% of the floor set by {floor['bound']}: little is left"
    if ours < 20e-6:
        return f"short: the call and waking threads count beside the floor set by {floor['bound']}"
    return f"at {share:.0f}% of the floor set by {floor['bound']}"


def print_report(result: dict[str, Any]) -> None:
    """The tables."""
    ceilings, cases = result["ceilings"], result["cases"]
    peers = [e for e in result["versions"] if e != "minitorch"]
    print(
        f"{result['machine']}, {result['threads']} threads, instruction set {result['isa']}, "
        + ", ".join(f"{n} {v}" for n, v in result["versions"].items())
    )
    print(
        f"ceilings: {ceilings['flops'] * 1e-9:.0f} GFLOP/s float32; copy and read in GB/s: ", end=""
    )
    levels = ceilings["levels"].items()
    print(", ".join(f"{n} {v['copy'] * 1e-9:.0f} {v['read'] * 1e-9:.0f}" for n, v in levels))
    width = max(map(len, cases)) + 2
    head = "".join(f"{p:>11}{'ratio':>7}" for p in peers)
    print(f"\n{'case':{width}}{'minitorch':>11}{head}{'GFLOP/s':>9}{'GB/s':>7}{'ceiling':>9}")
    for name, c in cases.items():
        ours = c["seconds"]["minitorch"]
        line = f"{name:{width}}{time_text(ours):>11}"
        for p in peers:
            if p in c["ratio"]:
                line += f"{time_text(c['seconds'][p]):>11}{c['ratio'][p]:7.2f}"
            else:
                line += f"{'':18}"
        line += f"{c['flops'] / ours * 1e-9:9.1f}{c['bytes'] / ours * 1e-9:7.1f}"
        print(line + (f"{c['percent_of_ceiling']:8.0f}%" if c["floor"]["seconds"] else ""))
    print()
    for peer, s in result["summary"].items():
        print(
            f"minitorch/{peer}: {s['cases']} cases, geomean {s['geomean']:.2f}, "
            f"worst {s['worst']:.2f} ({s['worst_case']}), above 1.0: {len(s['above_one'])}"
        )
    for peer, s in result["summary"].items():
        if s["above_one"]:
            print(f"\nslower than {peer}:")
        for name in s["above_one"]:
            c = cases[name]
            print(
                f"  {name}: ratio {c['ratio'][peer]:.2f}, floor {time_text(c['floor']['seconds'])}, "
                f"ours {time_text(c['seconds']['minitorch'])}; {reason(c)}"
            )
    print_memory(result["memory"])


def print_memory(memory: dict[str, dict[str, float]]) -> None:
    if not memory:
        return
    print("\npeak resident memory over that after the import, MiB")
    width = max(map(len, memory)) + 2
    for name, sizes in memory.items():
        line = "".join(f"{engine:>12}{size / 2**20:9.1f}" for engine, size in sizes.items())
        if "torch" in sizes:
            line += f"   ratio {sizes['minitorch'] / max(sizes['torch'], 1):.2f}"
        print(f"{name:{width}}{line}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``minitorch bench``."""

    def peers(text: str) -> list[str]:
        names = [n for n in text.split(",") if n]
        unknown = sorted(set(names) - set(PEERS))
        if unknown:
            raise argparse_error(f"unknown peers {unknown}: choose among {', '.join(PEERS)}")
        return names

    from argparse import ArgumentTypeError as argparse_error

    parser.add_argument("--only", metavar="TEXT", help="cases whose name contains this")
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of every engine"
    )
    parser.add_argument("--rounds", type=int, default=3, help="times that the engines take turns")
    parser.add_argument("--budget", type=float, default=0.3, help="seconds per case and round")
    parser.add_argument(
        "--peers", type=peers, default=list(PEERS), metavar="LIST", help="torch,numpy,jax"
    )
    parser.add_argument("--json", metavar="FILE", help="write the results here")
    parser.add_argument("--roofline", metavar="FILE", help="draw a roofline, .svg or .png")
    parser.add_argument(
        "--memory", action="store_true", help="also the peak memory of the training cases"
    )
    parser.add_argument("--from-json", metavar="FILE", help="report earlier results")


def run(arguments: argparse.Namespace) -> None:
    """``minitorch bench``: measure, print, write."""
    if arguments.threads < 1 or arguments.rounds < 1:
        raise ValueError("--threads and --rounds must be positive")
    if arguments.from_json:
        with open(arguments.from_json) as f:
            result = json.load(f)
    else:
        result = measure(arguments)
    print_report(result)
    if arguments.json:
        with open(arguments.json, "w") as f:
            json.dump(result, f, indent=1)
            f.write("\n")
    if arguments.roofline:
        from . import roofline

        roofline.write(result, arguments.roofline)
