"""``fastconv bench``: every kernel beside NumPy and other libraries, and what is made of such runs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
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

import fastconv
from fastconv import Problem
from fastconv import bench as suite
from fastconv.bench.problems import OPERATORS
from fastconv.cli.compare import compare
from fastconv.cli.output import FILE, check_folders, report_outputs, write_outputs
from fastconv.cli.report import report as report_command
from fastconv.cli.table import show

_GIVEN = click.Path(exists=True, dir_okay=False, path_type=Path)
_WAYS = ("auto", "pool", *fastconv.algorithms())


@click.group(invoke_without_command=True)
@click.option("--quick", is_flag=True, help="A few problems, one process for each library: under a minute.")
@click.option("--network", type=click.Choice(list(suite.NETWORKS)), help="The layers of a whole network.")
@click.option(
    "--file", "problem_file", type=_GIVEN, help="Problem strings, a line each, perhaps with a name."
)
@click.option("--problem", "texts", multiple=True, metavar="STRING", help="This one; as often as wanted.")
@click.option("--only", default="", metavar="TEXT,...", help="Only problems with this in name or string.")
@click.option("--op", type=click.Choice(OPERATORS), help="Only this operator.")
@click.option("--layout", type=click.Choice(["NCHW", "NHWC"], case_sensitive=False), help="Only this one.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="Only this type.")
@click.option("--batch", type=click.IntRange(1), help="So many images at a time, whatever a problem says.")
@click.option("--part", "wanted", multiple=True, type=click.Choice(suite.PARTS), help="Only these parts.")
@click.option(
    "--libraries",
    metavar="NAME,...",
    default="",
    help="Beside fastconv; or module:Class; -NAME leaves one out. All that are installed.",
)
@click.option("--algorithm", metavar="NAME", help="Of fastconv only this one, see `fastconv explain`.")
@click.option("--threads", type=click.IntRange(1), help="For every library.")
@click.option("--isa", metavar="NAME", help="fastconv's instruction set, see `fastconv info`.")
@click.option("--processes", type=click.IntRange(1), help="How often each library is begun anew.  [6]")
@click.option("--rounds", type=click.IntRange(1), help="Rounds in each process.  [1]")
@click.option("--unprepared", is_flag=True, help="Weights arrive with every call.")
@click.option("--cold", is_flag=True, help="Caches are filled with something else before each call.")
@report_outputs
@click.option("--json", "json_file", type=FILE, help="Write everything here.")
@click.option("--resume", type=_GIVEN, help="Go on with this result of --json that stopped early.")
@click.option("--all", "every_way", is_flag=True, help="A line for every way of every library.")
@click.option("--list", "only_list", is_flag=True, help="List the problems and stop.")
@click.pass_context
def bench(
    ctx: click.Context,
    quick: bool,
    network: str | None,
    problem_file: Path | None,
    texts: tuple[str, ...],
    only: str,
    op: str | None,
    layout: str | None,
    dtype: str | None,
    batch: int | None,
    wanted: tuple[str, ...],
    libraries: str,
    algorithm: str | None,
    threads: int | None,
    isa: str | None,
    processes: int | None,
    rounds: int | None,
    unprepared: bool,
    cold: bool,
    csv_file: Path | None,
    html_file: Path | None,
    plots: Path | None,
    json_file: Path | None,
    resume: Path | None,
    every_way: bool,
    only_list: bool,
) -> None:
    """Time every kernel beside NumPy and every other library that is installed.

    On a photograph, on layers of networks, on signals and volumes; or on the layers of one network, or on
    problems of your own. Each library has a process of its own. Each result is verified against float64
    first; one that differs is reported and not timed. Then all take turns, and a ratio is the median of those
    within the turns. GFLOP/s count the operations of the definition: Winograd's algorithm needs fewer and can
    pass 100 % of its limit.

    Without a choice of problems there are further parts: which algorithm is fastest where, and what batch,
    size and threads do to the time of an operation.

    Ctrl-C keeps what was measured; --resume goes on from there, and writes its file again without --json.
    Exits with 1 if a result of fastconv was refused, with 130 after Ctrl-C.
    """
    if ctx.invoked_subcommand:
        return
    if algorithm not in (None, *_WAYS):
        raise click.BadParameter(f"{algorithm!r}: expected {', '.join(_WAYS)}", param_hint="--algorithm")
    if isa and isa not in fastconv.instruction_sets():
        usable = ", ".join(fastconv.instruction_sets())
        raise click.BadParameter(f"{isa!r} is not usable here, expected one of {usable}", param_hint="--isa")
    given = _given(quick, network, problem_file, texts)
    problems = _problems(given, only, op, layout, dtype, batch, algorithm)
    chosen = any((quick, network, problem_file, texts, only, op, layout, dtype, batch, algorithm))
    parts = [suite.layers(problems)]
    if wanted or not chosen:
        parts += suite.sweeps(threads or fastconv.get_num_threads())
        parts = [part for part in parts if not wanted or part.name in wanted]
    names = _libraries(libraries)
    if only_list:
        _list(parts)
        return
    # Whatever can be wrong is found now, not after minutes of measuring.
    check_folders(json_file, csv_file, html_file, plots)
    begun = suite.Report.read(resume) if resume else None
    settings = suite.Settings(
        processes=processes or (1 if quick else 6),
        rounds=rounds or (5 if quick else 1),
        prepared=not unprepared,
        cold=cold,
        threads=threads,
        instruction_set=isa,
        way=algorithm,
    )
    with _progress() as tell:
        report = suite.run(parts, names, settings, tell, begun)
    show(report, every_way)
    if (written := json_file or resume) is not None:
        report.write(written)
    write_outputs(report, csv_file, html_file, plots)
    if not report.complete:
        ctx.exit(130)
    ctx.exit(1 if any(row.ours for row in report.failures) else 0)


bench.add_command(compare)
bench.add_command(report_command)


def _given(quick: bool, network: str | None, file: Path | None, texts: tuple[str, ...]) -> Mapping[str, str]:
    """Return the problem strings that are asked for, by name."""
    if sum(map(bool, (quick, network, file, texts))) > 1:
        raise click.UsageError("--quick, --network, --file and --problem exclude each other")
    if quick:
        return suite.quick()
    if network:
        return suite.of_network(network)
    if file:
        return suite.of_file(file)
    return {f"problem {number}": text for number, text in enumerate(texts, 1)} or suite.LAYERS


def _problems(
    given: Mapping[str, str],
    only: str,
    op: str | None,
    layout: str | None,
    dtype: str | None,
    batch: int | None,
    algorithm: str | None,
) -> dict[str, Problem]:
    """Return those of the given problems that are of the kind that is asked for."""
    problems = {
        name: problem
        for name, problem in suite.select(only, dtype or "", given).items()
        if op in (None, problem.op)
        and layout in (None, problem.layout)
        and (algorithm is None or algorithm in suite.kernel_names(problem))
    }
    if not problems:
        what = f"contains {only!r}" if only else "is of that kind"
        raise click.UsageError(f"no problem {what}; --list shows them")
    return suite.with_batch(problems, batch) if batch else problems


def _libraries(text: str) -> list[str]:
    """Return the libraries that are asked for, fastconv first."""
    there = suite.installed()
    given = [name.strip() for name in text.split(",") if name.strip()]
    names = [name for name in given if not name.startswith("-")]
    without = [name[1:] for name in given if name.startswith("-")]
    for name in [*names, *without]:
        if name in names and name in suite.LIBRARIES and name not in there:
            packages = " and ".join(it for it in suite.LIBRARIES[name].packages if not find_spec(it))
            raise click.BadParameter(f"{name} needs the package {packages}", param_hint="--libraries")
        if name not in suite.LIBRARIES and ":" not in name:
            known = ", ".join(suite.LIBRARIES)
            raise click.BadParameter(f"{name!r}: expected {known} or module:Class", param_hint="--libraries")
    wanted = dict.fromkeys(["fastconv", *names] if names else there)
    return [name for name in wanted if name not in without]


def _list(parts: list[suite.Part]) -> None:
    """Print problems as `--file` takes them."""
    problems = {name: problem for part in parts for name, problem in part.problems.items()}
    width = max(17, *map(len, problems))
    for name, problem in problems.items():
        click.echo(f"{name:{width}} {problem}")


@contextmanager
def _progress() -> Iterator[Callable[[suite.Progress], None]]:
    """Show a bar while the run goes, on the error stream so that a pipe gets the table alone."""
    columns = (
        TextColumn("{task.description:17}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, speed_estimate_period=120) as display:
        task = display.add_task("", total=None)

        def tell(now: suite.Progress) -> None:
            display.update(task, completed=now.done, total=now.total, description=now.name, refresh=True)

        yield tell
