"""Measure, and write what was found: docs/results.md, results.json and the pictures of both and the README.

python docs/make_results.py                 measures first: some minutes on a quiet machine
python docs/make_results.py result.json     takes what `fastconv bench --json` wrote
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import jinja2

from fastconv._explanation import duration
from fastconv.bench import Report, Row
from fastconv.bench.parts import LAYERS
from fastconv.bench.plots import save
from fastconv.bench.summary import choices, doubts, standings

HERE = Path(__file__).resolve().parent
RESULT, PAGE = HERE / "results.json", HERE / "results.md"


def ratio(row: Row | None) -> str:
    """Write how many times as long a library takes: bold where it is faster, empty where it has nothing."""
    if row is None:
        return ""
    text = f"{row.ratio:.2f}" if row.ratio < 10 else f"{row.ratio:.0f}"
    return f"**{text}**" if row.ratio < 1 else text


def page(report: Report) -> str:
    """Fill in the template."""
    libraries = report.measured_libraries[1:]
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters.update(duration=duration, ratio=ratio)
    template = environment.from_string(PAGE.with_suffix(".md.jinja").read_text(encoding="utf-8"))
    return template.render(
        report=report,
        machine=report.machine,
        libraries=libraries,
        others=[f"{name} {version}" for name, version in report.libraries.items() if name in libraries],
        doubts=doubts(report),
        standings=standings(report),
        choices=choices(report),
        cases=[(case, case.default) for case in report.cases(LAYERS) if case.default],
    )


def main() -> None:
    """Measure unless a result is given, and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("result", nargs="?", type=Path, help="a file that `fastconv bench --json` wrote")
    given = parser.parse_args().result
    if given is None:
        subprocess.run([sys.executable, "-m", "fastconv.cli", "bench", "--json", str(RESULT)], check=True)
    elif given.resolve() != RESULT:
        RESULT.write_bytes(given.read_bytes())
    report = Report.read(RESULT)
    PAGE.write_text(page(report), encoding="utf-8")
    save(report, HERE / "images" / "bench", formats=("png",))


if __name__ == "__main__":
    main()
