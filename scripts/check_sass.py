"""Checks what nvcc made of the CUDA sources, without a GPU.

Compiles each file of a table for each architecture that it names, then fails on register spills, on
ptxas dropping setmaxnreg (C7508) or serialising wgmma (C7510, C7511), and on kernels whose machine
code lacks an instruction that the table promises. --report reads what ptxas said of every kernel
in the log of a whole build, and fails on the same but for the instructions.

    {"cuda/kernels/x.cu": {"sm_90a": {"x_kernel": {"has": ["HGMMA"], "registers": 168}}}}

A promise holds for every instantiation whose name contains the key; "registers" is an upper bound.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WARNINGS = {
    "C7508": "setmaxnreg ignored",
    "C7510": "wgmma serialised",
    "C7511": "wgmma serialised",
}


def compile_cubin(nvcc: str, source: str, arch: str, cubin: Path) -> str:
    """Returns ptxas's report."""
    virtual = arch.replace("sm_", "compute_")
    command = [
        nvcc,
        "-std=c++20",
        "-O3",
        "--expt-relaxed-constexpr",
        "-cubin",
        "-Xptxas",
        "-v",
        "-DMT_CUDA_KERNELS",
    ]
    command += [f"-gencode=arch={virtual},code={arch}", f"-I{ROOT}", f"-I{ROOT / 'csrc'}"]
    command += ["-o", str(cubin), str(ROOT / source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{source} ({arch}): nvcc failed\n{done.stderr}")
    return done.stdout + done.stderr


def resources(report: str, one_arch: bool = True) -> dict[str, dict[str, int]]:
    """Registers, spilled and stack bytes, static shared memory of each kernel by mangled name."""
    kernels: dict[str, dict[str, int]] = {}
    name = ""
    for line in report.splitlines():
        if match := re.search(r"Compiling entry function '(\w+)' for '(\w+)'", line):
            name = match[1] if one_arch else f"{match[1]} ({match[2]})"
            while name in kernels:  # instantiated in several files
                name += "'"
            kernels[name] = {"registers": 0, "spills": 0, "stack": 0, "shared": 0}
        elif name and (
            match := re.search(
                r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line
            )
        ):
            kernels[name]["stack"] = int(match[1])
            kernels[name]["spills"] = int(match[2]) + int(match[3])
        elif name and (match := re.search(r"Used (\d+) registers", line)):
            kernels[name]["registers"] = int(match[1])
            if match := re.search(r"(\d+) bytes smem", line):
                kernels[name]["shared"] = int(match[1])
    return kernels


def opcodes(cuobjdump: str, cubin: Path) -> dict[str, set[str]]:
    """The opcodes, with their modifiers, of each kernel by mangled name."""
    # cuobjdump looks for nvdisasm in PATH.
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(cuobjdump).parent}{os.pathsep}{environment.get('PATH', '')}"
    done = subprocess.run(
        [cuobjdump, "-sass", str(cubin)], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise SystemExit(f"cuobjdump failed\n{done.stderr}")
    kernels: dict[str, set[str]] = {}
    current: set[str] = set()
    for line in done.stdout.splitlines():
        if match := re.search(r"Function : (\w+)", line):
            current = kernels.setdefault(match[1], set())
        elif match := re.search(
            r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.a-z]+)", line
        ):
            current.add(match[1])
    return kernels


def has(found: set[str], wanted: str) -> bool:
    """Whether an opcode equals `wanted` or continues it with modifiers."""
    return any(op == wanted or op.startswith(wanted + ".") for op in found)


def find_cuobjdump() -> str | None:
    """In PATH, or where `pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm` puts it."""
    if found := shutil.which("cuobjdump"):
        return found
    site = Path(sysconfig.get_paths()["platlib"])
    return next((str(path) for path in sorted(site.glob("nvidia/*/bin/cuobjdump"))), None)


def warnings(where: str, report: str) -> list[str]:
    return [
        f"{where}: {meaning} ({number})" for number, meaning in WARNINGS.items() if number in report
    ]


def check_report(path: Path) -> list[str]:
    report = path.read_text()
    kernels = resources(report, one_arch=False)
    print(f"{len(kernels)} kernels in {path}")
    if not kernels:
        return [f"{path}: no report of ptxas"]
    spilled = [(used["spills"], name) for name, used in kernels.items() if used["spills"]]
    return warnings(str(path), report) + [
        f"{path}: {name} spills {size} bytes" for size, name in sorted(spilled, reverse=True)
    ]


def check(source: str, arch: str, promises: dict, nvcc: str, cuobjdump: str | None) -> list[str]:
    errors = []
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "out.cubin"
        report = compile_cubin(nvcc, source, arch, cubin)
        code = opcodes(cuobjdump, cubin) if cuobjdump else None
    where = f"{source} ({arch})"
    errors += warnings(where, report)
    for name, used in resources(report).items():
        print(
            f"{arch:7} {used['registers']:4} registers {used['spills']:4} spilled "
            f"{used['stack']:4} stack {used['shared']:6} shared  {name}"
        )
        if used["spills"]:
            errors.append(f"{where}: {name} spills {used['spills']} bytes")
        for key, promise in promises.items():
            limit = promise.get("registers")
            if key in name and limit is not None and used["registers"] > limit:
                errors.append(f"{where}: {name} uses {used['registers']} registers, not {limit}")
    for key, promise in promises.items() if code is not None else ():
        kernels = [name for name in code if key in name]
        if not kernels:
            errors.append(f"{where}: no kernel named *{key}*")
        for name in kernels:
            missing = [op for op in promise.get("has", []) if not has(code[name], op)]
            present = [op for op in promise.get("lacks", []) if has(code[name], op)]
            if missing:
                errors.append(f"{where}: {name} lacks {', '.join(missing)}")
            if present:
                errors.append(f"{where}: {name} has {', '.join(present)}")
    return errors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", default=str(ROOT / "cuda" / "sass.json"))
    parser.add_argument("--nvcc", default=shutil.which("nvcc"))
    parser.add_argument("--cuobjdump", default=find_cuobjdump())
    parser.add_argument("--only", default="", help="files whose name contains this")
    parser.add_argument("--report", type=Path, help="the log of a build with -Xptxas=-v")
    options = parser.parse_args()
    errors = check_report(options.report) if options.report else []
    if not options.nvcc:
        print("nvcc was not found")
        return 2
    if not options.cuobjdump:
        print("cuobjdump was not found: only registers, spills and warnings are checked")
    for source, archs in json.loads(Path(options.table).read_text()).items():
        if options.only in source:
            for arch, promises in archs.items():
                errors += check(source, arch, promises, options.nvcc, options.cuobjdump)
    print("\n".join(errors) if errors else "ok")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
