"""Builds a test program (one .cu file with a main) against the emulator with the host's compiler."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
CACHE = ROOT / "build" / "emulator-tests"
FLAGS = [
    "-std=gnu++20",
    "-O1",
    "-g1",
    "-pthread",
    "-DMT_EMULATE",
    "-DMT_CUDA_KERNELS",
    "-Wno-unknown-pragmas",
]
FLAGS += [f"-I{ROOT / folder}" for folder in ("", "csrc", "cuda/emulator")]


GPU_FLAGS = ["-std=c++20", "-O3", "--expt-relaxed-constexpr", "-DMT_CUDA_KERNELS", "-x", "cu"]
GPU_FLAGS += [f"-I{ROOT}", f"-I{ROOT / 'csrc'}"]
for arch in ("80", "90a"):
    GPU_FLAGS.append(f"-gencode=arch=compute_{arch},code=sm_{arch}")


def _digest(paths: list[Path]) -> str:
    state = hashlib.sha256(" ".join(FLAGS).encode())
    for path in sorted(paths):
        state.update(path.name.encode() + path.read_bytes())
    return state.hexdigest()[:16]


def _headers() -> list[Path]:
    folders = [ROOT / "cuda" / name for name in ("core", "emulator", "kernels")]
    folders += [ROOT / "csrc" / name for name in ("core", "ops")] + [HERE]
    return [p for f in folders for p in f.iterdir() if p.suffix in (".h", ".cuh")]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, " ".join(command) + "\n" + done.stdout + done.stderr


def _compile(source: Path, headers: str, compiler: list[str]) -> Path:
    target = CACHE / f"{source.stem}-{_digest([source])}-{headers}.o"
    if not target.exists():
        part = target.with_suffix(f".{os.getpid()}.o")
        language = ["-x", "c++"] if source.suffix == ".cu" else []
        command = [*compiler, *FLAGS, *language, "-c", str(source), "-o", str(part)]
        _run(command)
        part.rename(target)
    return target


def build(name: str, *patterns: str) -> Path:
    """Returns the program `name`.cu of this folder, with the sources that `patterns` name."""
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    ccache = shutil.which("ccache")
    CACHE.mkdir(parents=True, exist_ok=True)
    sources = [HERE / f"{name}.cu", ROOT / "cuda" / "core" / "tensor_map.cpp"]
    sources += sorted((ROOT / "cuda" / "emulator").glob("*.cpp"))
    for pattern in patterns:
        sources += sorted(ROOT.glob(pattern))
    headers = _digest(_headers())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        command = [ccache, compiler] if ccache else [compiler]
        objects = list(pool.map(lambda source: _compile(source, headers, command), sources))
    program = CACHE / f"{name}-{_digest(objects)}"
    if not program.exists():
        part = program.with_suffix(f".{os.getpid()}")
        command = [compiler, "-pthread", *map(str, objects), "-o", str(part), "-ldl"]
        _run(command)
        part.rename(program)
    return program


def build_for_gpu(name: str, *patterns: str) -> Path:
    """The same program by nvcc; skips where there is no nvcc or no GPU."""
    nvcc = shutil.which("nvcc")
    if nvcc is None or not Path("/dev/nvidia0").exists():
        pytest.skip("needs nvcc and a GPU")
    CACHE.mkdir(parents=True, exist_ok=True)
    sources = [HERE / f"{name}.cu", ROOT / "cuda" / "core" / "tensor_map.cpp"]
    for pattern in patterns:
        sources += sorted(ROOT.glob(pattern))
    headers = _digest(_headers())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        command = [nvcc, *GPU_FLAGS]

        def compile_one(source: Path) -> Path:
            target = CACHE / f"gpu-{source.stem}-{_digest([source])}-{headers}.o"
            if not target.exists():
                _run([*command, "-c", str(source), "-o", str(target)])
            return target

        objects = list(pool.map(compile_one, sources))
    program = CACHE / f"gpu-{name}-{_digest(objects)}"
    if not program.exists():
        _run([nvcc, *map(str, objects), "-o", str(program)])
    return program
