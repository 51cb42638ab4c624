"""What is written of a run: options that `fastconv bench` and `fastconv bench report` share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from fastconv.bench import Report

FILE = click.Path(dir_okay=False, path_type=Path)


def report_outputs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options."""
    options = (
        click.option("--csv", "csv_file", type=FILE, help="Write the rows here, a line each."),
        click.option("--html", "html_file", type=FILE, help="Write a page with tables and pictures here."),
        click.option(
            "--plots",
            type=click.Path(file_okay=False, path_type=Path),
            help="Write each picture into this folder, as PNG and SVG.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def check_folders(*paths: Path | None) -> None:
    """Refuse paths in folders that do not exist."""
    for path in paths:
        if path is not None and not path.absolute().parent.is_dir():
            raise click.BadParameter(f"{path}: there is no such folder")


def write_outputs(report: Report, csv_file: Path | None, html_file: Path | None, plots: Path | None) -> None:
    """Write what is asked for."""
    if csv_file:
        report.write_csv(csv_file)
    if html_file:
        from fastconv.bench.html import write_html

        write_html(report, html_file)
    if plots:
        from fastconv.bench.plots import save

        save(report, plots)
