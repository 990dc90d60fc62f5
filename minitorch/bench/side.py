"""One engine in a process of its own: times, or memory, as JSON on the last line of stdout.

Run by its path, so that a process which times another engine does not import minitorch.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TENSOR_ENGINES = ("minitorch", "torch")
BATCH_SECONDS = 2e-4  # what is timed at once; the clock costs about 1e-7


def load_cases() -> Any:
    """minitorch.bench.cases without minitorch."""
    here = os.path.dirname(os.path.abspath(__file__))
    spec = importlib.util.spec_from_file_location(
        "bench_files", os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    assert spec and spec.loader
    package = importlib.util.module_from_spec(spec)
    sys.modules["bench_files"] = package
    spec.loader.exec_module(package)
    return importlib.import_module("bench_files.cases").CASES


def load_engine(name: str, threads: int) -> Any:
    if name not in TENSOR_ENGINES:
        return importlib.import_module("jax.numpy" if name == "jax" else name)
    engine = importlib.import_module(name)
    for part in ("nn", "optim"):
        importlib.import_module(f"{name}.{part}")
    engine.set_num_threads(threads)
    engine.manual_seed(0)
    return engine


def make_call(case: Any, name: str, engine: Any) -> Any:
    """The function to time, or None where the engine has no such thing."""
    if name in TENSOR_ENGINES:
        return case.make(engine)
    if case.array is None:
        return None
    numpy = importlib.import_module("numpy")
    generator = numpy.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return engine.asarray(generator.standard_normal(shape, dtype=numpy.float32))

    run = case.array(engine, normal)
    if name != "jax":
        return run
    return lambda: run().block_until_ready()


def best_seconds(run: Any, budget: float) -> float:
    run()
    begin = time.perf_counter()
    run()
    once = time.perf_counter() - begin
    repeat = max(1, min(1000, int(BATCH_SECONDS / max(once, 1e-8))))
    best, count, start = math.inf, 0, time.perf_counter()
    while time.perf_counter() - start < budget or count < 3:
        begin = time.perf_counter()
        for _ in range(repeat):
            run()
        best = min(best, (time.perf_counter() - begin) / repeat)
        count += 1
    return best


def memory_field(name: str) -> int:
    """A field of /proc/self/status, in bytes."""
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")


def peak_growth(case: Any, name: str, engine: Any) -> int:
    """Bytes by which the peak of resident memory grows over that after the import."""
    before = memory_field("VmRSS")
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")  # the peak starts again from here
    run = make_call(case, name, engine)
    for _ in range(5):
        run()
    return memory_field("VmHWM") - before


def main() -> None:
    name, threads, budget, only, mode = sys.argv[1:]
    cases = load_cases()
    engine = load_engine(name, int(threads))
    result: dict[str, float] = {}
    for title, case in cases.items():
        if mode == "memory":
            if title == only:
                result[title] = peak_growth(case, name, engine)
            continue
        if only and only not in title:
            continue
        run = make_call(case, name, engine)
        if run is not None:
            result[title] = best_seconds(run, float(budget))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
