"""``fastconv`` and its smaller commands: ``info`` and ``explain``."""

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

import fastconv
from fastconv import _fastconv
from fastconv.bench import measure_peak
from fastconv.cli.bench import bench
from fastconv.cli.filter import filter_file
from fastconv.cli.run import run_network


class OneLineErrors(click.Group):
    """What the library says about a wrong value, or the system about a file, is the error: no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (ValueError, OSError) as error:
            text = str(error)
            if isinstance(error, OSError) and error.filename is not None:
                text = f"{error.filename}: {error.strerror}"
            raise click.ClickException(" ".join(text.split())) from error


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(fastconv.__version__, prog_name="fastconv", message="%(prog)s %(version)s")
def app() -> None:
    """Fast, trusted convolution for NumPy."""


app.add_command(bench)
app.add_command(filter_file)
app.add_command(run_network)


@app.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(as_json: bool) -> None:
    """Show the version, the build, the processor and its peak.

    The peak is measured by bare multiply-adds, in under a second.
    """
    cpu: dict[str, Any] = {**_fastconv.cpu_info()}
    build: dict[str, Any] = {**_fastconv.build_info()}
    most = fastconv.get_num_threads()
    peaks = {threads: measure_peak(threads) for threads in sorted({1, most})}
    if as_json:
        facts = {
            "fastconv": build["version"],
            "build": {key: value for key, value in build.items() if key != "version"},
            "processor": cpu,
            "instruction_sets": list(fastconv.instruction_sets()),
            "instruction_set": fastconv.instruction_set(),
            "threads": most,
            "peak_gflops": {str(threads): peak for threads, peak in peaks.items()},
        }
        click.echo(json.dumps(facts, indent=1))
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    built = ", ".join(build["instruction_sets"])
    table.add_row("fastconv", str(build["version"]))
    table.add_row("build", f"{build['compiler']}, for {built}")
    table.add_row("flags", str(build["flags"]))
    table.add_row("processor", f"{cpu['model']}, {cpu['cores']} cores to use")
    table.add_row("caches", ", ".join(f"{name} {_kibibytes(cpu[key])}" for name, key in _CACHES.items()))
    usable = ", ".join(fastconv.instruction_sets())
    table.add_row("instructions", f"{fastconv.instruction_set()} (usable here: {usable})")
    table.add_row("threads", str(most))
    for threads, peak in peaks.items():
        label = f"peak, {threads} thread" + "s" * (threads > 1)
        table.add_row(label, f"{peak['float32']:.0f} GFLOP/s float32, {peak['float64']:.0f} GFLOP/s float64")
    Console(highlight=False).print(table)


_CACHES = {"L1d": "l1d", "L2": "l2", "L3": "l3"}


def _kibibytes(size: int) -> str:
    if size <= 0:
        return "unknown"
    return f"{size / 2**20:g} MiB" if size >= 2**20 else f"{size / 2**10:g} KiB"


@app.command()
@click.argument("problem", nargs=-1, required=True)
@click.option("--algorithm", default="auto", show_default=True, help="Explain this one instead of the best.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(problem: tuple[str, ...], algorithm: str, as_json: bool) -> None:
    """Say how PROBLEM would be computed, and why.

    PROBLEM is a problem string, such as: conv2d n1 ic64 ih56 iw56 oc64 kh3 kw3 s1 p1 nchw f32
    """
    explanation = fastconv.explain(" ".join(problem), algorithm=algorithm)
    click.echo(json.dumps(explanation.as_dict(), indent=1) if as_json else str(explanation))
