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
        "cuda/**/*.[ch]*",
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
    """core knows nobody; kernels know core and the contracts in ops/*.h; ops know both."""
    for path in sources("csrc/core/*.*"):
        for i in includes(path):
            assert i.startswith("core/") or i == "cuda/core/device.h", f"{path}: {i}"
    for path in sources("cuda/core/*.*"):
        assert all(not i.startswith(("ops/", "python/")) for i in includes(path)), path
    for path in sources("cuda/kernels/*.*"):
        assert all(not i.startswith("python/") for i in includes(path)), path
    contracts = {f"ops/{p.stem}.h" for p in sources("csrc/kernels/*.cpp")}
    for path in sources("csrc/kernels/*.*"):
        for i in includes(path):
            allowed = i.startswith(("core/", "kernels/", "ops/", "cuda/core/"))
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


# Kernels that have no CUDA twin: the CPU's own ceilings, a shuffle whose result is uploaded, and a
# form of memory that other kernels take on a GPU.
CPU_ONLY = {
    "peak_fma",
    "peak_stream",
    "random_permutation",
    "conv_last_forward",
    "conv_last_backward_input",
    "conv_last_backward_weight",
    "conv_last_backward_bias",
}


def test_kernels_have_a_cuda_twin():
    declared = re.compile(r"MT_KERNEL_CPU_ONLY\(\s*(\w+)")
    contracts = sources("csrc/ops/*.h")
    found = {name for path in contracts for name in declared.findall(path.read_text())}
    assert found == CPU_ONLY


def test_cuda_mirrors_the_cpu():
    """cuda/kernels/x*.cu belongs to a contract csrc/ops/x.h, as csrc/kernels/x*.cpp does."""
    contracts = {p.stem for p in sources("csrc/ops/*.h")}
    for path in sources("cuda/kernels/*.cu"):
        parts = path.stem.split("_")
        stems = {"_".join(parts[:n]) for n in range(1, len(parts) + 1)}
        assert stems & contracts, f"{path.name} has no csrc/ops header of its stem"


def test_inline_ptx_stays_in_its_room():
    for path in sources("cuda/**/*.cu", "cuda/**/*.cuh", "cuda/core/*.h"):
        if not path.name.startswith(("ptx", "simt")):
            assert not re.search(r"\basm\b", path.read_text()), path


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
