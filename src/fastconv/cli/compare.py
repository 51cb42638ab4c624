"""``fastconv bench compare``: what changed between two runs beyond noise."""

from pathlib import Path

import click
from rich.table import Table

from fastconv import bench as suite
from fastconv._explanation import duration
from fastconv.cli.display import make_console, make_table

_RESULT = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("before", type=_RESULT)
@click.argument("after", type=_RESULT)
@click.option("--all", "show_all", is_flag=True, help="Also rows that chance alone may have moved.")
@click.option(
    "--fail-below",
    type=click.FloatRange(0, 1),
    metavar="RATIO",
    help="Exit with 1 if anything became slower, beyond noise, than this share of its speed.",
)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write everything here."
)
@click.pass_context
def compare(
    ctx: click.Context,
    before: Path,
    after: Path,
    show_all: bool,
    fail_below: float | None,
    json_file: Path | None,
) -> None:
    """Say what changed from one result of `fastconv bench --json` to another.

    Each kernel is measured by the NumPy baseline that took turns with it, so that a slower machine slows
    both. A change counts if its interval leaves out 1; all intervals hold together at 95 % confidence, as
    far as rounds tell: repeat a run before believing a single row.
    """
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise click.BadParameter(f"{json_file}: there is no such folder", param_hint="--json")
    found = suite.compare(suite.Report.read(before), suite.Report.read(after))
    slower, faster, same = (found.of(verdict) for verdict in ("slower", "faster", "same"))
    console = make_console()
    if shown := [*slower, *faster, *(same if show_all else [])]:
        console.print(_table(shown))
    console.print(
        f"{len(found.changes)} rows: {len(slower)} slower, {len(faster)} faster, "
        f"{len(same)} within noise; geometric mean {found.mean:.3f} times as fast"
    )
    for rows, file in ((found.only_before, before), (found.only_after, after)):
        if rows:
            console.print(f"only in {file}: {', '.join(rows)}", style="dim", markup=False, soft_wrap=True)
    for difference in found.differences:
        console.print(f"the runs differ in more than the library: {difference}", style="yellow", markup=False)
    if json_file:
        found.write(json_file)
    if fail_below is not None and any(change.ratio < fail_below for change in slower):
        ctx.exit(1)


def _table(changes: list[suite.Change]) -> Table:
    table = make_table()
    for heading in ("problem", "algorithm"):
        table.add_column(heading, no_wrap=True)
    for heading in ("before", "after", "times as fast", "between"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("measured by", no_wrap=True)
    for change in changes:
        chosen = dict.fromkeys([change.chosen_before, change.chosen_after])
        table.add_row(
            change.name,
            f"auto: {', then '.join(chosen)}" if change.algorithm == "auto" else change.algorithm,
            duration(change.seconds_before),
            duration(change.seconds_after),
            f"{change.ratio:.3f}",
            f"{change.low:.3f} {change.high:.3f}",
            change.baseline or "seconds",
            style={"slower": "red", "faster": "green", "same": "dim"}[change.verdict],
        )
    return table
