"""``fastconv bench compare``: what changed between two runs beyond noise."""

from pathlib import Path

import click
from rich.table import Table

from fastconv import bench as suite
from fastconv._explanation import duration
from fastconv.cli.display import make_console, make_table

_NAMED = 6  # rows of other libraries
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

    Each of fastconv's ways is measured by the other libraries that took turns with it, so that a slower
    machine slows both. A change counts if its interval leaves out 1; all intervals hold together at 95 %
    confidence, those of single rows and those of each algorithm over all its rows, which are much narrower.
    How much processes differ tells a change from chance, so each library must have had several.
    """
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise click.BadParameter(f"{json_file}: there is no such folder", param_hint="--json")
    found = suite.compare(suite.Report.read(before), suite.Report.read(after))
    slower, faster, same = (found.of(verdict) for verdict in ("slower", "faster", "same"))
    console = make_console()
    console.print(_ways(found.ways))
    if shown := [*slower, *faster, *(same if show_all else [])]:
        console.print(_table(shown))
    console.print(
        f"{len(found.changes)} rows: {len(slower)} slower, {len(faster)} faster, "
        f"{len(same)} within noise; geometric mean {found.mean:.3f} times as fast"
    )
    if found.others:
        changed = [change for change in found.others if change.verdict != "same"]
        names = "".join(f"; {it.verdict} {it.name} {it.library} {it.way}" for it in changed[:_NAMED])
        console.print(
            f"{len(found.others)} rows of other libraries: {len(changed)} changed{names}",
            markup=False,
            soft_wrap=True,
        )
    for rows, file in ((found.only_before, before), (found.only_after, after)):
        if rows:
            console.print(f"only in {file}: {', '.join(rows)}", style="dim", markup=False, soft_wrap=True)
    for difference in found.differences:
        console.print(f"the runs differ in more than the library: {difference}", style="yellow", markup=False)
    if json_file:
        found.write(json_file)
    worse = [*slower, *(change for change in found.ways if change.verdict == "slower")]
    if fail_below is not None and any(change.ratio < fail_below for change in worse):
        ctx.exit(1)


_STYLES = {"slower": "red", "faster": "green", "same": "dim"}


def _ways(changes: list[suite.WayChange]) -> Table:
    table = make_table()
    table.add_column("all rows of", no_wrap=True)
    for heading in ("rows", "times as fast", "between"):
        table.add_column(heading, justify="right", no_wrap=True)
    for change in changes:
        figures = f"{change.ratio:.3f}", f"{change.low:.3f} {change.high:.3f}"
        table.add_row(change.way, str(change.rows), *figures, style=_STYLES[change.verdict])
    return table


def _table(changes: list[suite.RowChange]) -> Table:
    table = make_table()
    for heading in ("problem", "way"):
        table.add_column(heading, no_wrap=True)
    for heading in ("before", "after", "times as fast", "between"):
        table.add_column(heading, justify="right", no_wrap=True)
    for change in changes:
        chosen = dict.fromkeys([change.chosen_before, change.chosen_after])
        table.add_row(
            change.name,
            f"auto: {', then '.join(chosen)}" if change.way == "auto" else change.way,
            duration(change.seconds_before),
            duration(change.seconds_after),
            f"{change.ratio:.3f}",
            f"{change.low:.3f} {change.high:.3f}",
            style=_STYLES[change.verdict],
        )
    return table
