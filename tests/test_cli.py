"""The command line: what it prints, writes, refuses, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import fastconv
from fastconv.bench import LIBRARIES, runner
from fastconv.bench.libraries.registry import Entry
from fastconv.cli.app import app

from .bench_libraries import TINY, make_quick

PROBLEM = "conv2d n1 ic64 ih56 iw56 oc64 kh3 kw3 s1 p1 nchw f32"


def invoke(*arguments: Any, **options: Any) -> Result:
    """Run the command line in this process; an exception that is no exit is a failure of the test."""
    return CliRunner().invoke(
        app, [str(argument) for argument in arguments], catch_exceptions=False, **options
    )


def refused(*arguments: Any) -> str:
    """The error of a call that must fail: one line, no traceback."""
    result = invoke(*arguments)
    assert result.exit_code != 0, result.output
    *usage, message = result.stderr.strip().splitlines()
    assert message.startswith("Error: "), result.stderr
    assert not [line for line in usage if not line.startswith(("Usage:", "Try ")) and line], result.stderr
    return message


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter that finds the same fastconv."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60
    )


# ---------------------------------------------------------------- the extra


def test_import_needs_numpy_alone() -> None:
    done = python("import sys, fastconv; print({'click', 'rich', 'PIL', 'matplotlib'} & set(sys.modules))")
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


@pytest.mark.parametrize("missing", ["click", "rich", "PIL"])
def test_without_the_extra_one_line_says_what_to_install(missing: str) -> None:
    done = python(f"import sys; sys.modules[{missing!r}] = None; from fastconv.cli import main; main()")
    assert done.returncode == 1
    assert done.stderr == f"fastconv: the command line needs {missing}: pip install 'fastconv[cli]'\n"


def test_another_missing_module_is_not_mistaken_for_the_extra() -> None:
    done = python("import sys; sys.modules['fastconv.filters'] = None; from fastconv.cli import main; main()")
    assert done.returncode == 1
    assert "pip install" not in done.stderr


# ---------------------------------------------------------------- info and explain


def test_info() -> None:
    output = invoke("info").stdout
    assert fastconv.__version__ in output
    assert fastconv.instruction_set() in output
    assert "GFLOP/s float32" in output


def test_info_as_json() -> None:
    facts = json.loads(invoke("info", "--json").stdout)
    assert facts["fastconv"] == fastconv.__version__
    assert facts["instruction_sets"] == list(fastconv.instruction_sets())
    assert facts["peak_gflops"]["1"]["float32"] > facts["peak_gflops"]["1"]["float64"] / 2 > 0


def test_version() -> None:
    assert invoke("--version").stdout.strip() == f"fastconv {fastconv.__version__}"


@pytest.mark.parametrize("words", [[PROBLEM], PROBLEM.split()])
def test_explain(words: list[str]) -> None:
    assert invoke("explain", *words).stdout.strip() == str(fastconv.explain(PROBLEM))


def test_explain_one_algorithm_as_json() -> None:
    data = json.loads(invoke("explain", PROBLEM, "--algorithm", "direct", "--json").stdout)
    assert data == fastconv.explain(PROBLEM, "direct").as_dict()


@pytest.mark.parametrize("arguments", [["conv9d n1"], [PROBLEM, "--algorithm", "magic"]])
def test_explain_refuses_what_the_library_refuses(arguments: list[str]) -> None:
    assert any(word in refused("explain", *arguments) for word in ("conv9d", "magic"))


# ---------------------------------------------------------------- bench


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads the figures: no limits are measured, and the canary sings."""
    make_quick(monkeypatch)


@pytest.mark.usefixtures("quick")
def test_bench(tmp_path: Path) -> None:
    result = invoke(
        "bench", "--only", "lenet.s2,lenet.c5", "--rounds", 2, "--processes", 1, "--threads", 1,
        "--libraries", "numpy",
        "--json", tmp_path / "bench.json", "--html", tmp_path / "bench.html", "--plots", tmp_path / "plots",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert fastconv.instruction_set() in lines[0]
    assert "1 thread," in lines[0]
    for word in ("lenet.s2", "pool", "im2col", "2 problems in", "numpy", "of 1 problems"):
        assert word in result.stdout
    data = json.loads((tmp_path / "bench.json").read_text())
    assert data["complete"]
    assert data["machine"]["threads"] == 1
    assert data["libraries"] == {"fastconv": fastconv.__version__, "numpy": np.__version__}
    assert {row["name"] for row in data["rows"]} == {"lenet.s2", "lenet.c5"}
    assert "</html>" in (tmp_path / "bench.html").read_text()
    with Image.open(tmp_path / "plots" / "speedups.png") as image:
        assert image.format == "PNG"
    again = ("bench", "report", tmp_path / "bench.json", "--csv", tmp_path / "bench.csv", "--all")
    result = invoke(*again)
    assert result.exit_code == 0, result.output
    assert "windows" in result.stdout
    assert len((tmp_path / "bench.csv").read_text().splitlines()) == len(data["rows"]) + 1


@pytest.mark.usefixtures("quick")
def test_bench_reports_a_wrong_result_and_fails() -> None:
    """Fails only where it was fastconv's own: here one that stands in its place."""
    common = ("bench", "--problem", TINY, "--rounds", 1, "--processes", 1, "--threads", 1, "--libraries")
    for libraries, code in (("OneElement", 0), ("Planted,-fastconv", 1)):
        result = invoke(*common, f"tests.bench_libraries:{libraries}")
        assert result.exit_code == code
        assert "differs from float64" in result.stdout
        assert "1 result is not that of the definition" in result.stdout


@pytest.mark.usefixtures("quick")
def test_bench_interrupted_keeps_what_was_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    exact = runner.exact_result

    def interrupted(problem: fastconv.Problem, arrays: Any) -> Any:
        if problem.ic == 2048:
            raise KeyboardInterrupt
        return exact(problem, arrays)

    monkeypatch.setattr(runner, "exact_result", interrupted)
    file = tmp_path / "bench.json"
    common = (
        "bench",
        "--only",
        "lenet.s2,pool.global",
        "--rounds",
        1,
        "--processes",
        1,
        "--libraries",
        "numpy",
    )
    result = invoke(*common, "--json", file)
    assert result.exit_code == 130
    assert "interrupted" in result.stdout
    assert "lenet.s2" in result.stdout
    data = json.loads(file.read_text())
    assert not data["complete"]
    assert {row["name"] for row in data["rows"] if row["samples"]} == {"lenet.s2"}
    monkeypatch.setattr(runner, "exact_result", exact)
    arguments = (*common, "--resume", file)
    assert invoke(*arguments, "--csv", tmp_path / "bench.csv").exit_code == 0
    again = json.loads(file.read_text())
    assert again["complete"]
    assert list(dict.fromkeys(row["name"] for row in again["rows"])) == ["lenet.s2", "pool.global"]
    assert again["rows"][0]["samples"] == data["rows"][0]["samples"]
    assert "made otherwise" in refused(*arguments, "--unprepared")


def test_bench_list_and_types() -> None:
    lines = invoke("bench", "--list", "--dtype", "float64").stdout.splitlines()
    assert lines
    assert all(line.split()[0].endswith("f64") for line in lines)
    every = [line.split()[0] for line in invoke("bench", "--list").stdout.splitlines()]
    assert {"r50.conv1", "64@28", "batch.32", "size.224", "depthwise"} <= set(every)
    assert len(invoke("bench", "--list", "--quick").stdout.splitlines()) == 12
    only = invoke("bench", "--list", "--part", "batch").stdout.splitlines()
    assert {line.split()[0].partition(".")[0] for line in only} == {"batch"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "no such thing"], "no problem contains 'no such thing'"),
        (["--isa", "mmx"], "'mmx' is not usable here"),
        (["--threads", "0"], "--threads"),
        (["--dtype", "int8"], "--dtype"),
        (["--json", "nowhere/bench.json"], "there is no such folder"),
        (["--html", "nowhere/bench.html"], "there is no such folder"),
        (["--libraries", "abacus"], "'abacus': expected fastconv, numpy, "),
        (["--quick", "--network", "vgg16"], "exclude each other"),
    ],
)
def test_bench_refuses_before_measuring(arguments: list[str], message: str) -> None:
    assert message in refused("bench", *arguments)


def test_a_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry("nowhere:Library", ("no_such_package_at_all",))
    monkeypatch.setitem(LIBRARIES, "missing", entry)
    message = "missing needs the package no_such_package_at_all"
    assert message in refused("bench", "--libraries", "numpy,missing")
    assert invoke("bench", "--list", "--libraries", "-missing,-numpy").exit_code == 0
