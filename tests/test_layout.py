"""The rules of the tree: stems, include directions, file sizes, imports."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(
    not (ROOT / "csrc").is_dir(), reason="needs the source tree, not an installed package"
)


def sources(*patterns):
    return sorted(p for pattern in patterns for p in ROOT.glob(pattern))


@pytest.mark.parametrize(
    "path",
    sources(
        "csrc/**/*.[ch]*",
        "minitorch/**/*.py",
        "tests/**/*.py",
        "examples/*.py",
        "benchmarks/**/*.py",
    ),
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_file_size(path):
    lines = len(path.read_text().splitlines())
    assert lines <= 400, f"{path.name} has {lines} lines: a room is missing"


def includes(path):
    return re.findall(r'#include "([^"]+)"', path.read_text())


def test_includes_point_downwards():
    """core knows nobody but the door to CUDA; kernels know core, the contracts in ops/*.h and, for
    formulas of both sides, CUDA's functions; ops know all of them."""
    for path in sources("csrc/core/*.*"):
        allowed = ("core/", "cuda/core/device.h")
        assert all(i.startswith(allowed) for i in includes(path)), path
    contracts = {f"ops/{p.stem}.h" for p in sources("csrc/kernels/*.cpp")}
    for path in sources("csrc/kernels/*.*"):
        for i in includes(path):
            allowed = i.startswith(("core/", "kernels/", "ops/")) or i == "cuda/core/math.h"
            assert allowed and i != "core/tensor.h" and not i.startswith("python/"), f"{path}: {i}"
            if i.startswith("ops/"):
                text = (ROOT / "csrc" / i).read_text()
                assert "MT_KERNEL" in text or i in contracts, f"{path}: {i} is not a contract"


def test_pybind_stays_in_its_rooms():
    for path in sources("csrc/core/*.*", "csrc/kernels/*.*"):
        text = path.read_text()
        assert "pybind11" not in text and "Python.h" not in text, path


def test_kernels_use_no_containers():
    banned = re.compile(r"#include <(vector|string|map|unordered_map|memory|functional|algorithm)>")
    for path in sources("csrc/kernels/*.*"):
        assert not banned.search(path.read_text()), path


def test_every_kernel_file_has_its_contract():
    """csrc/kernels/x*.cpp belongs to a contract csrc/ops/x.h."""
    contracts = {p.stem for p in sources("csrc/ops/*.h")}
    for path in sources("csrc/kernels/*.cpp"):
        parts = path.stem.split("_")
        stems = {"_".join(parts[:n]) for n in range(1, len(parts) + 1)}
        assert stems & contracts, f"{path.name} has no csrc/ops header of its stem"


def test_every_op_stem_has_a_test():
    tests = "\n".join(p.name for p in sources("tests/ops/test_*.py"))
    for path in sources("minitorch/ops/*.py"):
        if path.stem.startswith("_"):
            continue
        stem = path.stem.split("_")[0]
        assert f"test_{stem}" in tests, (
            f"minitorch/ops/{path.name} has no tests/ops/test_{stem}*.py"
        )


def test_every_node_has_a_backward():
    from minitorch.autograd.function import FunctionNode
    from minitorch.autograd.node import Node

    def walk(cls):
        for sub in cls.__subclasses__():
            yield sub
            yield from walk(sub)

    nodes = [n for n in walk(Node) if n is not FunctionNode]
    assert len(nodes) > 50
    for node in nodes:
        assert node.backward is not Node.backward, f"{node.__module__}.{node.__name__}"


def test_import_stays_light():
    code = (
        "import sys; before = set(sys.modules); import minitorch; "
        "heavy = {'numpy', 'tqdm', 'safetensors', 'PIL', 'matplotlib', 'torch', 'multiprocessing', "
        "'inspect', 'typing', 'dataclasses'} & (set(sys.modules) - before); print(*sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_no_shared_symbols_between_instruction_sets():
    """A weak function outside of the kernels' own namespaces could be merged across instruction sets."""
    objects = sorted(ROOT.glob("build/**/kernels_avx512.dir/**/*.o"))
    if not objects:
        pytest.skip("no kernel objects in build/")
    for path in objects:
        listing = subprocess.run(
            ["nm", "-C", path], capture_output=True, text=True, check=True
        ).stdout
        weak = [
            line
            for line in listing.splitlines()
            if re.search(r" [WVu] ", line)
            and "avx512" not in line
            and "__gxx_personality" not in line
        ]
        assert not weak, f"{path.name}: {weak[:3]}"
