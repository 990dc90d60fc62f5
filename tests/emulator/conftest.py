"""Builds the test programs once per session, and only when a source has changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
EMULATOR = ROOT / "cuda" / "emulator"
FLAGS = ["-std=c++20", "-O1", "-g1", "-Wall", "-Wextra", "-Werror", "-DMT_EMULATE"]
INCLUDES = [f"-I{ROOT}", f"-I{EMULATOR}"]


def _digest(sources: list[Path], flags: list[str]) -> str:
    digest = hashlib.sha256(" ".join(flags).encode())
    for path in sorted(sources):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:20]


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(" ".join(command) + "\n" + result.stdout + result.stderr)


class Builder:
    """Compiles objects of the emulator and test programs into a cache of the user's temp folder."""

    def __init__(self) -> None:
        self.compiler = os.environ.get("CXX", "g++")
        self.cache = Path(tempfile.gettempdir()) / f"minitorch-emulator-tests-{os.getuid()}"
        self.cache.mkdir(exist_ok=True)
        self.headers = [*EMULATOR.glob("*.h"), *(ROOT / "cuda" / "core").glob("*.h")]

    def compile(self, source: Path, flags: list[str]) -> Path:
        flags = [self.compiler, *FLAGS, *flags]
        local = list(source.parent.glob("*.h"))
        target = self.cache / f"{source.stem}-{_digest([source, *self.headers, *local], flags)}.o"
        if not target.exists():
            partial = target.with_suffix(f".{os.getpid()}.tmp")
            _run([*flags, *INCLUDES, "-x", "c++", "-c", str(source), "-o", str(partial)])
            partial.replace(target)
        return target

    def program(self, source: Path, flags: tuple[str, ...] = ()) -> Path:
        sources = [source, *sorted(EMULATOR.glob("*.cpp"))]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(lambda path: self.compile(path, list(flags)), sources))
        name = hashlib.sha256(" ".join(map(str, objects)).encode()).hexdigest()[:20]
        target = self.cache / f"{source.stem}-{name}"
        if not target.exists():
            partial = target.with_suffix(f".{os.getpid()}.tmp")
            _run([self.compiler, *flags, *map(str, objects), "-o", str(partial), "-pthread"])
            partial.replace(target)
        return target


@pytest.fixture(scope="session")
def builder() -> Builder:
    if not shutil.which(os.environ.get("CXX", "g++")):
        pytest.skip("no C++ compiler")
    return Builder()


@pytest.fixture(scope="session")
def run(builder):
    """run(program, *names, flags=(), **environment) -> CompletedProcess of a test program."""

    def call(program: str, *names: str, flags: tuple[str, ...] = (), **environment: str):
        path = builder.program(HERE / f"{program}.cu", flags)
        # Fibers that a report abandons do not run their destructors.
        variables = {"ASAN_OPTIONS": "detect_leaks=0"} if program == "bugs" else {}
        variables |= {f"MINITORCH_EMULATOR_{key}": value for key, value in environment.items()}
        return subprocess.run(
            [str(path), *names],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **variables},
        )

    return call
