"""``fastconv bench``: every kernel beside its NumPy baseline, and two such runs beside each other."""

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

import fastconv
from fastconv import bench as suite
from fastconv._explanation import duration
from fastconv.bench.machine import fair_environment
from fastconv.bench.problems import OPERATORS
from fastconv.cli.compare import compare
from fastconv.cli.display import make_console, make_table, print_doubts, print_machine
from fastconv.cli.selection import show_selection

_FILE = click.Path(dir_okay=False, path_type=Path)
_GIVEN = click.Path(exists=True, dir_okay=False, path_type=Path)
_PICTURES = (".png", ".svg", ".pdf")
_KERNELS = ("auto", "pool", *fastconv.algorithms())


@click.group(invoke_without_command=True)
@click.option("--network", type=click.Choice(list(suite.NETWORKS)), help="The layers of a whole network.")
@click.option(
    "--file", "problem_file", type=_GIVEN, help="Problem strings, a line each, perhaps with a name."
)
@click.option("--problem", "texts", multiple=True, metavar="STRING", help="This one; as often as wanted.")
@click.option("--only", default="", metavar="TEXT,...", help="Only problems with this in name or string.")
@click.option("--op", type=click.Choice(OPERATORS), help="Only this operator.")
@click.option("--layout", type=click.Choice(["NCHW", "NHWC"], case_sensitive=False), help="Only this one.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="Only this type.")
@click.option("--algorithm", metavar="NAME", help="Only this algorithm, or auto, see `fastconv explain`.")
@click.option("--batch", type=click.IntRange(1), help="So many images at a time, whatever a problem says.")
@click.option("--threads", type=click.IntRange(1), help="For fastconv and for NumPy's matrix product.")
@click.option("--isa", metavar="NAME", help="Instruction set, see `fastconv info`.")
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True, help="Rounds at most.")
@click.option("--unprepared", is_flag=True, help="conv2d instead of Conv2d: weights packed at every call.")
@click.option("--json", "json_file", type=_FILE, help="Write everything here.")
@click.option("--csv", "csv_file", type=_FILE, help="Write the rows here, a line each.")
@click.option("--resume", type=_GIVEN, help="Go on with this result of --json that stopped early.")
@click.option("--plot", "plot_file", type=_FILE, help="Draw the speed-ups here: PNG, SVG or PDF.")
@click.option("--selection", is_flag=True, help='How good the choices of "auto" are, instead.')
@click.option("--list", "only_list", is_flag=True, help="List the problems and stop.")
@click.pass_context
def bench(
    ctx: click.Context,
    network: str | None,
    problem_file: Path | None,
    texts: tuple[str, ...],
    only: str,
    op: str | None,
    layout: str | None,
    dtype: str | None,
    algorithm: str | None,
    batch: int | None,
    threads: int | None,
    isa: str | None,
    rounds: int,
    unprepared: bool,
    json_file: Path | None,
    csv_file: Path | None,
    resume: Path | None,
    plot_file: Path | None,
    selection: bool,
    only_list: bool,
) -> None:
    """Time every kernel beside its NumPy baseline.

    On a photograph, on layers of networks, on signals and volumes; or on the layers of one network, or on
    problems of your own. Each result is verified against float64 first; one that differs is reported and not
    timed. fastconv and NumPy take turns, and the speed-up is the median of the ratios within the turns, over
    the fastest NumPy baseline. GFLOP/s count the operations of the definition: Winograd's algorithm needs
    fewer and can pass 100 % of peak.

    With --selection the algorithms that "auto" may choose take turns, without NumPy: what the model of their
    costs chose is compared with what was fastest.

    Ctrl-C keeps what was measured; --resume goes on from there, and writes its file again without --json.
    Exits with 1 if a result was refused, with 130 after Ctrl-C.
    """
    if ctx.invoked_subcommand:
        return
    if algorithm not in (None, *_KERNELS):
        raise click.BadParameter(f"{algorithm!r}: expected {', '.join(_KERNELS)}", param_hint="--algorithm")
    problems = {
        name: problem
        for name, problem in suite.select(only, dtype or "", _given(network, problem_file, texts)).items()
        if op in (None, problem.op)
        and layout in (None, problem.layout)
        and (algorithm is None or algorithm in suite.kernel_names(problem))
        and not (selection and "pool" in problem.op)
    }
    if not problems:
        kind = "convolution" if selection else "problem"
        what = f"contains {only!r}" if only else "is of that kind"
        raise click.UsageError(f"no {kind} {what}; --list shows them")
    if batch:
        problems = suite.with_batch(problems, batch)
    if only_list:
        width = max(17, *map(len, problems))
        for name, problem in problems.items():
            click.echo(f"{name:{width}} {problem}")
        return
    # Whatever can be wrong is found now, not after a minute of measuring.
    for path in (json_file, csv_file, plot_file):
        if path is not None and not path.absolute().parent.is_dir():
            raise click.BadParameter(f"{path}: there is no such folder")
    if plot_file is not None and selection:
        raise click.BadParameter("there is no picture of --selection", param_hint="--plot")
    if selection and (csv_file or resume or algorithm):
        raise click.UsageError("--selection takes every algorithm, writes --json alone, and begins anew")
    begun = suite.Report.read(resume) if resume else None
    if plot_file is not None and plot_file.suffix.lower() not in _PICTURES:
        raise click.BadParameter(f"{plot_file} does not end in {', '.join(_PICTURES)}", param_hint="--plot")
    if isa and isa not in fastconv.instruction_sets():
        usable = ", ".join(fastconv.instruction_sets())
        raise click.BadParameter(f"{isa!r} is not usable here, expected one of {usable}", param_hint="--isa")
    if (ctx.obj or {}).get("script"):
        _restart_fair(threads or fastconv.get_num_threads())

    settings = suite.Settings(
        rounds=rounds,
        prepared=not unprepared,
        threads=threads,
        instruction_set=isa,
        algorithm=algorithm,
    )
    if selection:
        with _progress(len(problems)) as tell:
            choices = suite.run_selection(problems, settings, tell)
        show_selection(choices)
        if json_file:
            choices.write(json_file)
        ctx.exit(0 if choices.complete else 130)
    with _progress(len(problems)) as tell:
        report = suite.run(problems, settings, tell, begun)
    show(report)
    if (written := json_file or resume) is not None:
        report.write(written)
    if csv_file:
        report.write_csv(csv_file)
    if plot_file and report.defaults:
        from fastconv.bench.plot import plot

        plot(report, plot_file)
    if not report.complete:
        ctx.exit(130)
    ctx.exit(1 if report.failures else 0)


bench.add_command(compare)


def _given(network: str | None, file: Path | None, texts: tuple[str, ...]) -> Mapping[str, str]:
    """Return the problem strings that are asked for, by name."""
    if sum(map(bool, (network, file, texts))) > 1:
        raise click.UsageError("--network, --file and --problem exclude each other")
    if network:
        return suite.of_network(network)
    if file:
        return suite.of_file(file)
    return {f"problem {number}": text for number, text in enumerate(texts, 1)} or suite.LAYERS


def _restart_fair(threads: int) -> None:
    """Start this process anew if the environment is not fair yet: NumPy reads it only when it is imported."""
    fair = fair_environment(threads)
    if any(os.environ.get(name) != value for name, value in fair.items()):
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **fair})


@contextmanager
def _progress(total: int) -> Iterator[Callable[[suite.Progress], None]]:
    """Show a bar while the run goes, on the error stream so that a pipe gets the table alone."""
    columns = (
        TextColumn("{task.description:16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("peak", total=total)
        yield lambda now: display.update(task, completed=now.done, description=now.name, refresh=True)


def show(report: suite.Report) -> None:
    """Print the table of a report, the machine it belongs to, and what it comes to."""
    console = make_console()
    print_machine(console, report.machine, report.prepared)
    console.print(_table(report))
    for row in report.failures:
        console.print(f"{row.name} {row.algorithm}: {row.note}", style="red", markup=False, soft_wrap=True)
    if measured := [row.speedup for row in report.defaults if row.speedup > 0]:
        mean = math.exp(sum(map(math.log, measured)) / len(measured))
        slowest = min((row for row in report.defaults if row.speedup > 0), key=lambda row: row.speedup)
        console.print(
            f"{len(measured)} problems in {report.seconds:.0f} s: geometric mean {mean:.1f} times NumPy, "
            f"least {slowest.speedup:.2f} times ({slowest.name})"
        )
    if report.failures:
        console.print(f"{len(report.failures)} results were refused, see above", style="bold red")
    print_doubts(console, report.machine, report.complete)


def _table(report: suite.Report) -> Table:
    table = make_table()
    table.add_column("problem", no_wrap=True)
    table.add_column("algorithm", no_wrap=True)
    for heading in ("time", "GFLOP/s", "peak", "NumPy"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("baseline", no_wrap=True)
    table.add_column("speed-up", justify="right", no_wrap=True)
    previous = ""
    for row in report.rows:
        algorithm = f"auto: {row.chosen}" if row.algorithm == "auto" else row.algorithm
        first = "" if row.name == previous else row.name
        previous = row.name
        if row.status != "ok":
            table.add_row(first, algorithm, f"[red]{row.status}")
            continue
        table.add_row(
            first,
            algorithm,
            duration(row.seconds),
            f"{row.gflops:.1f}",
            "" if row.peak_share is None else f"{row.peak_share:.0%}",
            duration(row.baseline_seconds) if row.baseline else "",
            row.baseline,
            f"{row.speedup:.2f}" if row.speedup < 10 else f"{row.speedup:.1f}",
            style="bold" if row.is_default else "dim" if row.speedup < 1 else "",
        )
    return table
