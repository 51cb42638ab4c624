"""autotune: what is measured is remembered, kept in a file, and applied only where it holds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Problem, _fastconv
from fastconv import bench as suite

PROBLEM = "conv2d n1 ic4 ih9 iw8 oc6 kh3 kw3 s1 p1 nchw f32 bias relu"
OTHER = "conv1d n2 ic3 iw40 oc5 kw1 s1 p0 nhwc f64"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What is remembered is the process's: no test leaves its own behind."""
    yield
    fastconv.forget_tuning()


@pytest.fixture
def slow_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times that do not depend on the machine: im2col is always the fastest, direct the slowest."""
    order = {"im2col": 1e-6, "pointwise": 2e-6, "winograd2": 3e-6, "winograd4": 3e-6, "direct": 4e-6}
    monkeypatch.setattr(
        suite, "time_algorithms", lambda problem, names, *how: {name: order[name] for name in names}
    )


def tune(problem: str | Problem = PROBLEM, **options: Any) -> fastconv.Tuning:
    return fastconv.autotune(problem, **{"seconds": 0.01, **options})


# ---------------------------------------------------------------- measuring


@pytest.mark.parametrize(
    "problem", [PROBLEM, OTHER, Problem(PROBLEM), "conv3d n1 ic1 id4 ih4 iw4 oc2 kd2 kh2 kw2"]
)
def test_what_may_be_chosen_is_measured_and_the_fastest_taken(problem: str | Problem) -> None:
    tuning = tune(problem)
    assert tuning.problem == str(Problem(str(problem)))
    assert tuning.instruction_set == fastconv.instruction_set()
    assert tuning.threads == fastconv.get_num_threads()
    assert list(tuning.seconds) == list(suite.estimates(Problem(tuning.problem)))
    assert tuning.seconds[tuning.algorithm] == min(tuning.seconds.values()) > 0
    explanation = fastconv.explain(problem)
    assert (explanation.algorithm, explanation.reason) == (tuning.algorithm, "the fastest when measured")


@pytest.mark.usefixtures("slow_direct")
def test_text() -> None:
    with fastconv.threads(1):
        first, *lines = str(tune(OTHER)).splitlines()
    assert first == OTHER
    assert [" ".join(line.split()) for line in lines] == [
        f"im2col 1 us, the fastest on {fastconv.instruction_set()}, threads: 1",
        "pointwise 2 us, 2.00 times as long",
        "direct 4 us, 4.00 times as long",
    ]


def test_named_algorithms() -> None:
    """Winograd's, which "auto" does not choose by itself, can be asked for."""
    assert list(tune(algorithms=["winograd2", "direct", "direct"]).seconds) == ["winograd2", "direct"]
    assert tune(algorithms=("winograd4",)).algorithm == "winograd4"
    assert fastconv.explain(PROBLEM).algorithm == "winograd4"


def test_results_stay_within_rounding_and_bits_with_threads() -> None:
    problem = Problem("conv2d n1 ic16 ih20 iw20 oc16 kh3 kw3 s1 p1 nchw f32")
    arrays = suite.make_arrays("any", problem)
    expected = suite.kernel_call(problem, arrays, prepared=True)()
    for algorithm in suite.estimates(problem):
        tune(problem, algorithms=[algorithm])
        results = []
        for threads in (1, 2):
            with fastconv.threads(threads):
                results.append(suite.kernel_call(problem, arrays, prepared=True)())
        named = suite.kernel_call(problem, arrays, algorithm)()
        np.testing.assert_array_equal(results[0], named)
        np.testing.assert_array_equal(results[0], results[1])
        np.testing.assert_allclose(results[0], expected, rtol=0, atol=1e-4)


def test_the_plain_function_packs_weights_too_often_for_winograd() -> None:
    """What was measured with packed weights says nothing of a function that transforms them at every call."""
    problem = Problem("conv2d n1 ic64 ih4 iw4 oc64 kh3 kw3 s1 p1 nchw f32")
    arrays = suite.make_arrays("any", problem)
    direct = suite.kernel_call(problem, arrays, "direct", prepared=False)()
    tune(problem, algorithms=["winograd4"])
    np.testing.assert_array_equal(suite.kernel_call(problem, arrays, prepared=False)(), direct)


def test_strict_takes_nothing_but_sums_of_products() -> None:
    tune(algorithms=["winograd4"])
    assert fastconv.explain(PROBLEM).algorithm == "winograd4"
    assert not fastconv.explain(PROBLEM, "strict").algorithm.startswith("winograd")
    tune(algorithms=["im2col"])
    assert fastconv.explain(PROBLEM, "strict").algorithm == "im2col"


def test_a_choice_is_for_one_problem_and_one_instruction_set() -> None:
    before = fastconv.explain(OTHER)
    tune(PROBLEM)
    assert fastconv.explain(OTHER) == before
    for name in set(fastconv.instruction_sets()) - {fastconv.instruction_set()}:
        fastconv.set_instruction_set(name)
        assert "measured" not in fastconv.explain(PROBLEM).reason


def test_forget() -> None:
    before = fastconv.explain(PROBLEM)
    tune()
    fastconv.forget_tuning()
    assert fastconv.explain(PROBLEM) == before


# ---------------------------------------------------------------- the file


def content(file: Path) -> Any:
    return json.loads(file.read_text())


@pytest.mark.usefixtures("slow_direct")
def test_file_keeps_earlier_results(tmp_path: Path) -> None:
    file = tmp_path / "tuning.json"
    tune(PROBLEM, file=file, algorithms=["direct"])
    tune(OTHER, file=str(file))
    tuning = tune(PROBLEM, file=file)  # replaces the first
    assert os.listdir(tmp_path) == ["tuning.json"]
    entries = content(file)["entries"]
    assert [entry["problem"] for entry in entries] == [OTHER, PROBLEM]
    assert entries[1] == {
        "processor": _fastconv.cpu_info()["model"],
        "instruction_set": tuning.instruction_set,
        "problem": PROBLEM,
        "threads": tuning.threads,
        "algorithm": "im2col",
        "seconds": dict(tuning.seconds),
    }
    fastconv.forget_tuning()
    assert fastconv.load_tuning(file) == 2
    assert fastconv.explain(PROBLEM).algorithm == fastconv.explain(OTHER).algorithm == "im2col"


@pytest.mark.parametrize("name", ["processor", "instruction_set"])
def test_entries_of_another_place_are_kept_but_not_applied(tmp_path: Path, name: str) -> None:
    file = tmp_path / "tuning.json"
    tune(file=file)
    foreign = content(file)
    foreign["entries"][0] |= {name: "another", "algorithm": "one of the future"}
    file.write_text(json.dumps(foreign))
    fastconv.forget_tuning()
    assert fastconv.load_tuning(file) == 0
    assert "measured" not in fastconv.explain(PROBLEM).reason
    tune(file=file)
    assert content(file)["entries"][0] == foreign["entries"][0]
    assert len(content(file)["entries"]) == 2
    assert fastconv.load_tuning(file) == 1


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "tuning.json")
    tune(file=link)
    assert link.is_symlink()
    assert fastconv.load_tuning(link) == 1


@pytest.mark.usefixtures("slow_direct")
def test_a_failed_write_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tuning.json"
    tune(file=file)
    before = file.read_text()

    def full(*_: Any, **__: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        tune(OTHER, file=file)
    assert os.listdir(tmp_path) == ["tuning.json"]
    assert file.read_text() == before


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"problem": 3}, TypeError, "problem=3: expected a Problem or its string"),
        ({"problem": "conv9d n1"}, ValueError, "conv9d"),
        ({"problem": "max_pool1d n1 c1 iw8 kw2 s2 p0 nchw f32"}, ValueError, "expected a convolution"),
        ({"seconds": 0}, ValueError, "seconds=0: expected a positive, finite number"),
        ({"seconds": -1.0}, ValueError, r"seconds=-1\.0: expected"),
        ({"seconds": float("nan")}, ValueError, "seconds=nan: expected"),
        ({"seconds": float("inf")}, ValueError, "seconds=inf: expected"),
        ({"seconds": "1"}, TypeError, "seconds='1': expected a number"),
        ({"seconds": True}, TypeError, "seconds=True: expected a number"),
        ({"algorithms": "direct"}, TypeError, "algorithms='direct': expected names"),
        ({"algorithms": 3}, TypeError, "algorithms=3: expected names"),
        ({"algorithms": [3]}, TypeError, r"algorithms=\[3\]: expected names .* got 3"),
        ({"algorithms": []}, ValueError, r"algorithms=\[\]: expected names .* at least one"),
        ({"algorithms": ["magic"]}, ValueError, r"algorithms=\['magic'\]: expected .* there is no 'magic'"),
        ({"algorithms": ["auto"]}, ValueError, "there is no 'auto'"),
        ({"algorithms": ["pointwise"]}, ValueError, "pointwise .* the problem is conv2d"),
        ({"file": 3}, TypeError, "file=3: expected a path"),
        ({"file": "nowhere/tuning.json"}, ValueError, "file='nowhere/tuning.json': expected .* folder"),
    ],
)
def test_refused(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tune(**arguments)
    assert "measured" not in fastconv.explain(PROBLEM).reason


FORMAT = "fastconv tuning 1"


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "{}",
        json.dumps({"format": "another", "entries": []}),
        json.dumps({"format": FORMAT}),
        json.dumps({"format": FORMAT, "entries": [3]}),
        json.dumps({"format": FORMAT, "entries": [{}]}),
        b"\xff\xfe",
    ],
)
def test_another_file_is_refused_and_left(tmp_path: Path, text: str | bytes) -> None:
    file = tmp_path / "tuning.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = file.read_bytes()
    for call in (fastconv.load_tuning, lambda file: tune(file=file)):
        with pytest.raises(
            ValueError, match=r"file='.*tuning\.json': expected a file that fastconv\.autotune wrote"
        ):
            call(file)
    assert file.read_bytes() == before
    assert "measured" not in fastconv.explain(PROBLEM).reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"algorithm": "magic"}, "there is no 'magic'"),
        ({"algorithm": "winograd"}, "there is no 'winograd'"),
        ({"algorithm": "depthwise"}, "depthwise .* the problem is conv2d"),
        ({"problem": "conv9d n1"}, "conv9d"),
        ({"threads": "2"}, "is no entry"),
        ({"colour": "blue"}, "is no entry"),
    ],
)
def test_one_wrong_entry_and_nothing_is_remembered(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    file = tmp_path / "tuning.json"
    tune(OTHER, file=file)
    tune(PROBLEM, file=file)
    fastconv.forget_tuning()
    wrong = content(file)
    wrong["entries"][1] |= change
    file.write_text(json.dumps(wrong))
    with pytest.raises(ValueError, match=message):
        fastconv.load_tuning(file)
    assert "measured" not in fastconv.explain(OTHER).reason


def test_no_file_to_load(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        fastconv.load_tuning(tmp_path / "none.json")
    with pytest.raises(ValueError, match="Is a directory"):
        fastconv.load_tuning(tmp_path)
    with pytest.raises(TypeError, match="file=None: expected a path"):
        fastconv.load_tuning(None)  # type: ignore[arg-type]
