"""The table of ``fastconv bench --selection``: what "auto" chose beside what was fastest."""

from fastconv._explanation import duration
from fastconv.bench import Selection
from fastconv.bench.selection import WITHIN
from fastconv.cli.display import make_console, make_table, print_doubts, print_machine


def show_selection(selection: Selection) -> None:
    """Print a row for each choice, and what the choices come to."""
    console = make_console()
    print_machine(console, selection.machine, selection.prepared)
    table = make_table()
    for heading in ("problem", "chosen", "fastest"):
        table.add_column(heading, no_wrap=True)
    for heading in ("cost", "time of chosen", "estimate, 1 thread"):
        table.add_column(heading, justify="right")
    for row in selection.rows:
        right = row.cost <= WITHIN
        table.add_row(
            row.name,
            row.chosen,
            row.fastest,
            f"{row.cost:.2f}",
            duration(row.seconds[row.chosen]),
            duration(row.estimate),
            style="" if right else "bold",
        )
    console.print(table)
    if worst := selection.worst:
        console.print(
            f"the fastest, or within {WITHIN - 1:.0%} of it, for {selection.right} of {len(selection.rows)} "
            f"problems in {selection.seconds:.0f} s; cost: geometric mean {selection.mean_cost:.3f}, "
            f"worst {worst.cost:.2f} ({worst.name})"
        )
    print_doubts(console, selection.machine, selection.complete)
