"""``fastconv bench report``: a result once more, as a table, a page, pictures."""

from pathlib import Path

import click

from fastconv import bench as suite
from fastconv.cli.output import check_folders, report_outputs, write_outputs
from fastconv.cli.table import show


@click.command()
@click.argument("result", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@report_outputs
@click.option("--all", "every_way", is_flag=True, help="A line for every way of every library.")
def report(
    result: Path, csv_file: Path | None, html_file: Path | None, plots: Path | None, every_way: bool
) -> None:
    """Show a result of `fastconv bench --json` once more and write what is asked for; nothing is measured."""
    check_folders(csv_file, html_file, plots)
    found = suite.Report.read(result)
    show(found, every_way)
    write_outputs(found, csv_file, html_file, plots)
