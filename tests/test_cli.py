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
from fastconv.bench import machine, runner
from fastconv.cli.app import app

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
    """No pauses after NumPy's calls: nobody reads the figures."""
    monkeypatch.setattr(runner, "settling_seconds", lambda: 0.0)


@pytest.mark.usefixtures("quick")
def test_bench(tmp_path: Path) -> None:
    result = invoke(
        "bench", "--only", "lenet.s2,lenet.c5", "--rounds", 2, "--threads", 1,
        "--json", tmp_path / "bench.json", "--plot", tmp_path / "bench.png",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert fastconv.instruction_set() in lines[0]
    assert "1 thread," in lines[0]
    for word in ("lenet.s2", "pool", "auto: ", "direct", "im2col", "2 problems in"):
        assert word in result.stdout
    data = json.loads((tmp_path / "bench.json").read_text())
    assert data["complete"]
    assert data["machine"]["threads"] == 1
    assert {row["name"] for row in data["rows"]} == {"lenet.s2", "lenet.c5"}
    with Image.open(tmp_path / "bench.png") as image:
        assert image.format == "PNG"


@pytest.mark.usefixtures("quick")
def test_bench_reports_a_wrong_result_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        runner, "kernel_call", lambda problem, *_: lambda: np.zeros(problem.output_shape, "f4")
    )
    result = invoke("bench", "--only", "lenet.s2", "--rounds", 1)
    assert result.exit_code == 1
    assert "differs from float64" in result.stdout
    assert "1 results were refused" in result.stdout


@pytest.mark.usefixtures("quick")
def test_bench_interrupted_keeps_what_was_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measure = runner.measure

    def interrupted(name: str, *arguments: Any) -> Any:
        if name == "pool.global":
            raise KeyboardInterrupt
        return measure(name, *arguments)

    monkeypatch.setattr(runner, "measure", interrupted)
    file = tmp_path / "bench.json"
    result = invoke("bench", "--only", "lenet.s2,pool.global", "--rounds", 1, "--json", file)
    assert result.exit_code == 130
    assert "interrupted" in result.stdout
    assert "lenet.s2" in result.stdout
    data = json.loads(file.read_text())
    assert not data["complete"]
    assert {row["name"] for row in data["rows"]} == {"lenet.s2"}
    monkeypatch.setattr(runner, "measure", measure)
    arguments = ("bench", "--only", "lenet.s2,pool.global", "--rounds", 1, "--resume", file)
    assert invoke(*arguments, "--csv", tmp_path / "bench.csv").exit_code == 0
    data = json.loads(file.read_text())
    assert data["complete"]
    assert [row["name"] for row in data["rows"]] == ["lenet.s2", "pool.global"]
    assert len((tmp_path / "bench.csv").read_text().splitlines()) == 3
    assert "made otherwise" in refused(*arguments, "--unprepared")
    assert "begins anew" in refused("bench", "--selection", "--resume", file)


def test_bench_selection(tmp_path: Path) -> None:
    file = tmp_path / "selection.json"
    result = invoke(
        "bench", "--selection", "--only", "lenet", "--rounds", 1, "--threads", 1, "--json", file
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "1 thread," in result.stdout.splitlines()[0]
    for word in ("chosen", "fastest", "lenet.c1", "lenet.c5", "within 2% of it, for", "of 3 problems"):
        assert word in result.stdout
    data = json.loads(file.read_text())
    assert data["complete"]
    assert [row["name"] for row in data["rows"]] == ["lenet.c1", "lenet.c3", "lenet.c5"]


def test_bench_list_and_types() -> None:
    lines = invoke("bench", "--list", "--dtype", "float64").stdout.splitlines()
    assert lines
    assert all(line.split()[0].endswith("f64") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "no such thing"], "no problem contains 'no such thing'"),
        (["--isa", "mmx"], "'mmx' is not usable here"),
        (["--threads", "0"], "--threads"),
        (["--dtype", "int8"], "--dtype"),
        (["--json", "nowhere/bench.json"], "there is no such folder"),
        (["--selection", "--only", "pool."], "no convolution contains 'pool.'"),
        (["--selection", "--plot", "bench.png"], "there is no picture of --selection"),
        (["--plot", "bench.bmp"], "bench.bmp does not end in .png"),
    ],
)
def test_bench_refuses_before_measuring(arguments: list[str], message: str) -> None:
    assert message in refused("bench", *arguments)


class RestartedError(Exception):
    """Instead of leaving the process."""


def test_bench_starts_anew_with_a_fair_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    def execve(*arguments: Any) -> None:
        started.append(arguments)
        raise RestartedError

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.delenv(machine.SPIN, raising=False)
    with pytest.raises(RestartedError):
        invoke("bench", "--only", "lenet.s2", "--threads", 1, obj={"script": True})
    ((executable, arguments, environment),) = started
    assert executable == arguments[0] == sys.executable
    assert environment["OPENBLAS_NUM_THREADS"] == "1"
    assert machine.SPIN in environment
