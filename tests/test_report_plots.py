"""The figures of a run: there when their part is, and with everything that they are about."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from fastconv.bench.plots import DPI, FIGURES, save
from fastconv.bench.plots.inline import inline_svg
from fastconv.bench.plots.style import PALETTE, WIDTH, library_colours, spread, times
from fastconv.bench.problems import LAYERS, of_network
from fastconv.bench.report import Report

from . import synthetic_reports

PARTS = {"algorithms": {"algorithms"}, "scaling": {"batch", "size", "threads"}}  # the others draw layers
SHORT = {name: LAYERS[name] for name in ("photo.3x3", "r50.l1.3x3", "r50.l3.1x1.f64", "pool.max2x2")}


def drawn(report: Report) -> set[str]:
    return {name for name, draw in FIGURES.items() if draw(report) is not None}


def with_parts(report: Report, parts: set[str]) -> Report:
    return dataclasses.replace(report, rows=[row for row in report.rows if row.part in parts])


@pytest.fixture(scope="module")
def full() -> Report:
    return synthetic_reports.report()


def test_all_figures_of_a_full_report(full: Report) -> None:
    assert drawn(full) == set(FIGURES)


def test_figures_of_one_layer_and_of_nothing() -> None:
    minimal = synthetic_reports.minimal()
    assert drawn(minimal) == set(FIGURES) - set(PARTS)
    assert drawn(with_parts(minimal, set())) == set()


@pytest.mark.parametrize("part", ["layers", "algorithms", "batch", "size", "threads"])
def test_one_part_alone(full: Report, part: str) -> None:
    expected = {name for name in FIGURES if part in PARTS.get(name, {"layers"})}
    assert drawn(with_parts(full, {part})) == expected


def test_rows_without_figures_are_left_out(full: Report) -> None:
    """Nothing is drawn of refused results, nor does anything fail."""
    refused = [
        dataclasses.replace(row, status="differs") if number % 3 == 0 else row
        for number, row in enumerate(full.rows)
    ]
    assert drawn(dataclasses.replace(full, rows=refused)) == set(FIGURES)
    all_refused = [dataclasses.replace(row, status="error") for row in full.rows]
    assert drawn(dataclasses.replace(full, rows=all_refused)) == set()


def test_only_one_library() -> None:
    """Without a rival there is no speed-up, but all that is about fastconv itself."""
    report = synthetic_reports.report(["fastconv"], SHORT)
    assert drawn(report) == set(FIGURES) - {"speedups"}
    assert drawn(synthetic_reports.report(["numpy"], SHORT, sweeping=False)) == {"libraries"}


def test_limits_of_another_number_of_threads() -> None:
    """Without roofs there is no roofline."""
    report = synthetic_reports.report(["fastconv", "numpy"], SHORT, sweeping=False)
    others = [limits for limits in report.limits if limits.threads != report.machine.threads]
    assert "roofline" not in drawn(dataclasses.replace(report, limits=others))


def test_saved_files(full: Report, tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "new" / "folder"
    written = save(full, folder)
    assert written == [folder / f"{name}.{suffix}" for name in FIGURES for suffix in ("svg", "png")]
    for path in written[1::2]:
        with Image.open(path) as image:
            assert image.width == WIDTH * DPI
            assert 2.5 * DPI < image.height < 24 * DPI, path.name
    for name in ("speedups", "libraries"):
        text = (folder / f"{name}.svg").read_text()
        assert [layer for layer in LAYERS if f">{layer}<" not in text] == []
    assert ">openvino<" in (folder / "libraries.svg").read_text()


@pytest.mark.parametrize("name", FIGURES)
def test_everything_is_within_the_figure(full: Report, name: str) -> None:
    """Also with many layers of one network, all libraries and a slow fastconv."""
    network = synthetic_reports.report([*synthetic_reports.LIBRARIES], of_network("resnet50"))
    slow = dataclasses.replace(
        network,
        rows=[
            dataclasses.replace(
                row, ratio=row.ratio / 9, ratio_low=row.ratio_low / 9, ratio_high=row.ratio_high / 9
            )
            for row in network.rows
        ],
    )
    for report in (full, slow):
        figure = FIGURES[name](report)
        assert figure is not None
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert 0 <= box.x0 <= box.x1 <= width
        assert 0 <= box.y0 <= box.y1 <= height


@pytest.mark.parametrize("name", FIGURES)
def test_inline(full: Report, name: str) -> None:
    """Every colour has become a variable, every id is of this figure alone, and the label is escaped."""
    figure = FIGURES[name](full)
    assert isinstance(figure, Figure)
    text = inline_svg(figure, name, 'a "figure" & more')
    assert text.startswith("<svg ")
    assert 'aria-label="a &quot;figure&quot; &amp; more"' in text
    assert not re.search(r"#[0-9a-f]{6}\b", text)
    assert set(re.findall(r"var\(--(\w+)\)", text)) <= {*PALETTE, "sans"}
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert all(found.startswith(f"{name}-") for found in ids)
    assert set(re.findall(r'(?:href="|url\()#([^")]*)', text)) <= set(ids)


def test_palette() -> None:
    """A colour has one name: the page puts the name in its place."""
    light = [pair[0] for pair in PALETTE.values()]
    assert len(set(light)) == len(light)
    assert all(re.fullmatch("#[0-9a-f]{6}", shade) for pair in PALETTE.values() for shade in pair)


def test_colours_of_libraries() -> None:
    """Those of a known library do not depend on the others; unknown ones differ from each other."""
    assert library_colours(["fastconv", "ncnn"])["ncnn"] == library_colours(["ncnn"])["ncnn"]
    colours = library_colours([*synthetic_reports.LIBRARIES, "yours:Own"])
    assert len(set(colours.values())) == len(colours)


def test_numbers() -> None:
    assert [times(value) for value in (0.056, 0.7, 1.02, 2.04, 17.44, 123.4)] == [
        "0.06\N{MULTIPLICATION SIGN}",
        "0.70\N{MULTIPLICATION SIGN}",
        "1.02\N{MULTIPLICATION SIGN}",
        "2.0\N{MULTIPLICATION SIGN}",
        "17.4\N{MULTIPLICATION SIGN}",
        "123\N{MULTIPLICATION SIGN}",
    ]
    assert spread([], 1.0) == []
    assert spread([3.0, 1.0, 2.9], 1.0) == pytest.approx([3.45, 1.0, 2.45])
    assert spread([1.0, 1.0, 1.9], 1.0) == pytest.approx([0.3, 1.3, 2.3])
