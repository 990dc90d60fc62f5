"""`minitorch bench`, its roofline and the comparison of instruction counts. Nothing here judges times."""

import importlib.util
import json
from pathlib import Path
from xml.dom import minidom

import pytest

import minitorch
from minitorch.__main__ import main
from minitorch.bench import compare, roofline
from minitorch.bench.cases import CASES
from minitorch.bench.side import peak_growth

ROOT = Path(__file__).resolve().parents[1]
KERNELS = {
    "matmul 64": (524288, 49152, 4e-6, "compute"),
    "matmul 65": (524288, 49152, 4.1e-6, "compute"),
    "sum & <more>": (4096, 16384, 1e-6, "L1 bandwidth"),
    "add": (4096, 49152, 1e-6, "memory bandwidth"),
}


def result_of(ratio):
    level = {"copy": 1e11, "read": 2e11, "working_set": 1}
    cases = {
        name: {
            "group": "kernel",
            "flops": flops,
            "bytes": bytes_,
            "seconds": {"minitorch": seconds, "torch": seconds / ratio},
            "ratio": {"torch": ratio},
            "floor": {"seconds": seconds / 4, "bound": bound},
            "percent_of_ceiling": 25.0,
        }
        for name, (flops, bytes_, seconds, bound) in KERNELS.items()
    }
    return {
        "machine": "a machine",
        "isa": "avx2",
        "threads": 2,
        "versions": {"minitorch": "1", "torch": "2"},
        "ceilings": {
            "threads": 2,
            "flops": 3e11,
            "levels": {name: dict(level) for name in ("L1", "L2", "L3", "memory")},
        },
        "cases": cases,
        "memory": {"MLP": {"minitorch": 2**20, "torch": 2**21}},
        "summary": {"torch": compare.summary(cases, "torch")},
    }


def test_command_measures_and_writes(tmp_path, capsys):
    out, picture = tmp_path / "r.json", tmp_path / "r.svg"
    arguments = [
        "bench",
        "--only",
        "matmul 64",
        "--rounds",
        "1",
        "--budget",
        "0.001",
        "--peers",
        "numpy",
    ]
    assert main([*arguments, "--json", str(out), "--roofline", str(picture)]) == 0
    result = json.loads(out.read_text())
    case = result["cases"]["matmul 64"]
    assert case["flops"] == 2 * 64**3
    assert case["bytes"] == 3 * 4 * 64**2
    assert case["seconds"].keys() == {"minitorch", "numpy"}
    assert case["ratio"]["numpy"] == pytest.approx(
        case["seconds"]["minitorch"] / case["seconds"]["numpy"]
    )
    levels = result["ceilings"]["levels"]
    assert list(levels) == ["L1", "L2", "L3", "memory"]
    assert all(v["copy"] > 0 and v["read"] > 0 for v in levels.values())
    minidom.parse(str(picture))
    assert "geomean" in capsys.readouterr().out


def test_report_names_what_is_slower(tmp_path, capsys):
    stored = tmp_path / "stored.json"
    stored.write_text(json.dumps(result_of(1.25)))
    assert main(["bench", "--from-json", str(stored)]) == 0
    out = capsys.readouterr().out
    assert "4 cases, geomean 1.25, worst 1.25" in out
    assert "above 1.0: 4" in out
    assert "matmul 64: ratio 1.25, floor 1 us, ours 4 us" in out
    assert "ratio 0.50" in out  # memory
    stored.write_text(json.dumps(result_of(0.5)))
    assert main(["bench", "--from-json", str(stored)]) == 0
    assert "slower than" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "no such case"], "no case's name contains"),
        (["--rounds", "0"], "must be positive"),
        (["--from-json", "absent.json"], "absent.json"),
    ],
)
def test_bad_arguments(arguments, message, capsys):
    assert main(["bench", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_unknown_peer(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "--peers", "abacus"])
    assert "unknown peers" in capsys.readouterr().err


def test_roofline_has_every_dot_once_and_escapes_names():
    text = roofline.svg(result_of(1))
    document = minidom.parseString(text)
    assert len(document.getElementsByTagName("circle")) == len(KERNELS)
    assert "sum &amp; &lt;more&gt;" in text


def test_roofline_file_types(tmp_path):
    with pytest.raises(ValueError, match=r"\.svg or \.png"):
        roofline.write(result_of(1), str(tmp_path / "x.pdf"))
    pytest.importorskip("matplotlib")
    roofline.write(result_of(1), str(tmp_path / "x.png"))
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_labels_keep_apart():
    points = [(300.0 + 3 * i, 300.0 + 2 * i) for i in range(8)]
    texts = [f"label number {i}" for i in range(8)]
    places = roofline.place_labels(points, texts, 100.0, 120.0)
    boxes = [(x, y - 9, x + 6.0 * len(t), y + 2) for (x, y), t in zip(places, texts)]
    for i, a in enumerate(boxes):
        assert all(roofline.overlap(a, b) == 0 for b in boxes[:i])


def test_floor_is_the_larger_roof():
    ceilings = result_of(1)["ceilings"]
    case = CASES["matmul 1024"]
    floor = compare.floor_of(case, ceilings)
    assert floor == {"seconds": pytest.approx(2 * 1024**3 / 3e11), "bound": "compute"}
    floor = compare.floor_of(CASES["sum 4M"], ceilings)
    assert floor["seconds"] == pytest.approx(4 * (4 << 20) / 2e11)
    assert floor["bound"].endswith("bandwidth")


@pytest.mark.parametrize(
    "name", [n for n, c in CASES.items() if c.group == "call" or n in ("LeNet SGD b4", "LSTM Adam")]
)
def test_cases_run(name):
    CASES[name].make(minitorch)()


def test_memory_counts_what_a_case_allocates():
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("needs Linux")

    class Filler:
        @staticmethod
        def make(engine):
            return lambda: engine.ones(32 << 20).sum()

    assert peak_growth(Filler, "minitorch", minitorch) > 100 << 20


def test_growing_instruction_counts_fail(capsys):
    script = ROOT / "scripts/count_instructions.py"
    if not script.exists():
        pytest.skip("needs the source tree")
    spec = importlib.util.spec_from_file_location("count_instructions", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    recorded = {"gemm": 1000, "add": 1000, "exp": 1000}
    grown = module.compare({"gemm": 1060, "add": 1049, "exp": 900, "new": 5}, recorded)
    assert grown == ["gemm"]
    assert "+6.00%" in capsys.readouterr().out
    names = json.loads((ROOT / "benchmarks/results/instructions.json").read_text())
    assert len(names["instructions"]) >= 10
