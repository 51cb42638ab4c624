"""What the tables of measurements share: the machine above, times, and what to doubt below."""

from rich import box
from rich.console import Console
from rich.table import Table

from fastconv.bench import Machine

_DISTURBED = 0.7  # load average: more than this is another process at work, or one that has just ended


def make_console() -> Console:
    """Return a console as wide as the terminal, or wide enough for every row."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=120)


def make_table() -> Table:
    """Return a table that spends few of the eighty characters of a terminal that nobody widened."""
    return Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False, show_edge=False)


def print_machine(console: Console, machine: Machine, prepared: bool) -> None:
    """Print the machine that figures belong to, and the versions."""
    threads = f"{machine.threads} thread" + "s" * (machine.threads > 1)
    console.print(f"{machine.processor}, {machine.instruction_set}, {threads}, {machine.date}")
    peak = ", ".join(f"{value:.0f} GFLOP/s {dtype}" for dtype, value in machine.peak_gflops.items())
    weights = "packed once" if prepared else "packed at every call"
    versions = f"fastconv {machine.fastconv}, weights {weights}; NumPy {machine.numpy}"
    console.print(f"peak {peak}; {versions}", style="dim")


def print_doubts(console: Console, machine: Machine, complete: bool) -> None:
    """Print why figures may be wrong or missing."""
    if machine.load > _DISTURBED:
        console.print(
            f"other processes kept the machine busy when this began (load {machine.load}): "
            "do not trust these figures, repeat them on a quiet machine",
            style="yellow",
            soft_wrap=True,
        )
    if not complete:
        console.print("interrupted: these are the rows measured until then", style="yellow")
