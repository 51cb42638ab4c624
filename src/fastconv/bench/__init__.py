"""fastconv beside NumPy on the same problems: what `fastconv bench` and `benchmarks/` run.

Needs NumPy alone, but for the photograph (Matplotlib, Pillow) and the picture of the results (Matplotlib).
"""

from fastconv.bench.baselines import baselines
from fastconv.bench.comparison import Change, Comparison, compare
from fastconv.bench.data import Arrays, make_arrays
from fastconv.bench.kernels import kernel_call, kernel_names
from fastconv.bench.machine import Machine, describe_machine
from fastconv.bench.networks import NETWORKS, network
from fastconv.bench.photo import PhotoMissingError, photograph
from fastconv.bench.problems import LAYERS, of_file, of_network, select, with_batch
from fastconv.bench.report import Report, Row
from fastconv.bench.runner import Progress, Settings, in_turn, run
from fastconv.bench.selection import Selected, Selection, estimates, run_selection, time_algorithms

__all__ = [
    "LAYERS",
    "NETWORKS",
    "Arrays",
    "Change",
    "Comparison",
    "Machine",
    "PhotoMissingError",
    "Progress",
    "Report",
    "Row",
    "Selected",
    "Selection",
    "Settings",
    "baselines",
    "compare",
    "describe_machine",
    "estimates",
    "in_turn",
    "kernel_call",
    "kernel_names",
    "make_arrays",
    "network",
    "of_file",
    "of_network",
    "photograph",
    "run",
    "run_selection",
    "select",
    "time_algorithms",
    "with_batch",
]
