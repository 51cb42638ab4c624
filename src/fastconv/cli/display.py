"""What the tables of measurements share, and the machine above them."""

from rich import box
from rich.console import Console
from rich.table import Table

from fastconv.bench import Report


def make_console() -> Console:
    """Return a console as wide as the terminal, or wide enough for every row."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=160)


def make_table() -> Table:
    """Return a table that spends few of the eighty characters of a terminal that nobody widened."""
    return Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False, show_edge=False)


def print_machine(console: Console, report: Report) -> None:
    """Print the machine that figures belong to, its limits, and the versions."""
    machine = report.machine
    threads = f"{machine.threads} thread" + "s" * (machine.threads > 1)
    console.print(f"{machine.processor}, {machine.instruction_set}, {threads}, {machine.date}")
    if limits := report.limits_with(machine.threads):
        peaks = limits.gflops[machine.instruction_set].items()
        arithmetic = ", ".join(f"{value:.0f} GFLOP/s {dtype}" for dtype, value in peaks)
        levels = ", ".join(f"{level} {value:.0f}" for level, value in limits.gbytes.items())
        console.print(f"limits: {arithmetic}; GB/s {levels}", style="dim")
    versions = ", ".join(f"{name} {version}" for name, version in report.libraries.items())
    console.print(versions, style="dim", markup=False)
