"""The table of a run, and what it comes to."""

from rich.console import Console
from rich.table import Table

from fastconv import bench as suite
from fastconv._explanation import duration
from fastconv.bench.parts import LAYERS
from fastconv.bench.summary import choices, doubts, standings
from fastconv.cli.display import make_console, make_table, print_machine


def show(report: suite.Report, every_way: bool = False) -> None:
    """Print a line for each problem, or for each way of each library, and what they come to."""
    console = make_console()
    print_machine(console, report)
    cases = report.cases(LAYERS) or report.cases()
    console.print(_ways(cases) if every_way else _problems(cases, report.measured_libraries[1:]))
    for row in report.failures:
        line = f"{row.name} {row.library} {row.way}: {row.note}"
        console.print(line, style="red", markup=False, soft_wrap=True)
    _sum_up(console, report)


def _problems(cases: list[suite.Case], others: list[str]) -> Table:
    """Return fastconv's own choice on each problem, and how many times as long each library takes."""
    table = make_table()
    for heading in ("problem", "algorithm"):
        table.add_column(heading, no_wrap=True)
    for heading in ("time", "GFLOP/s", "of limit"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for library in others:
        table.add_column(library, justify="right", no_wrap=True)
    for case in cases:
        ours = case.default
        if ours is None:
            status = next((row.status for row in case.rows if row.is_default), case.rows[0].status)
            table.add_row(case.name, f"[red]{status}")
            continue
        rivals = [case.best(library) for library in others]
        table.add_row(
            case.name,
            ours.chosen,
            duration(ours.seconds),
            f"{ours.gflops:.1f}",
            f"{ours.share:.0%}",
            ours.limit,
            *("" if row is None else _times(row.ratio) for row in rivals),
        )
    return table


def _times(ratio: float) -> str:
    text = f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
    return f"[bold red]{text}" if ratio < 1 else text


def _ways(cases: list[suite.Case]) -> Table:
    """Return a line for each way of each library."""
    table = make_table()
    for heading in ("problem", "library", "way"):
        table.add_column(heading, no_wrap=True)
    for heading in ("time", "±", "GFLOP/s", "of limit"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for heading in ("times fastconv", "between", "error"):
        table.add_column(heading, justify="right", no_wrap=True)
    for case in cases:
        for row in case.rows:
            first = case.name if row is case.rows[0] else ""
            way = f"{row.way}: {row.chosen}" if row.chosen not in ("", row.way) else row.way
            if row.status != "ok":
                table.add_row(first, row.library, way, f"[red]{row.status}")
                continue
            table.add_row(
                first,
                row.library,
                way,
                duration(row.seconds),
                f"{row.spread:.0%}",
                f"{row.gflops:.1f}",
                f"{row.share:.0%}",
                row.limit,
                f"{row.ratio:.2f}",
                f"{row.ratio_low:.2f} {row.ratio_high:.2f}",
                f"{row.difference:.0e}",
                style="bold" if row.is_default else "",
            )
    return table


def _sum_up(console: Console, report: suite.Report) -> None:
    """Print how far and how often fastconv is ahead of each library, and how well "auto" chooses."""
    count = sum(case.default is not None for case in report.cases())
    console.print(f"{count} problems in {report.seconds:.0f} s; fastconv is so many times as fast as")
    table = make_table()
    table.add_column("")
    for heading in ("mean", "least", "most", "faster on", "slower on", "equal on"):
        table.add_column(heading, justify="right")
    for standing in standings(report):
        table.add_row(
            standing.library or "the fastest",
            f"{standing.mean:.2f}",
            f"{standing.least:.2f}",
            f"{standing.most:.1f}",
            *map(str, (standing.faster, standing.slower, standing.equal)),
        )
    console.print(table)
    if sentence := choices(report):
        console.print(sentence, soft_wrap=True)
    for sentence in doubts(report):
        console.print(sentence, style="yellow", soft_wrap=True)
