"""fastconv beside NumPy and other libraries on the same problems: what `fastconv bench` runs.

Needs NumPy alone, but for the photograph (Matplotlib, Pillow), pictures (Matplotlib), the page (Jinja) and
the comparison of two runs (SciPy).
"""

from fastconv.bench.baselines import baselines
from fastconv.bench.comparison import Comparison, RowChange, WayChange, compare
from fastconv.bench.data import Arrays, make_arrays
from fastconv.bench.kernels import estimates, kernel_call, kernel_names, time_algorithms
from fastconv.bench.libraries import LIBRARIES, Library, Prepared, installed
from fastconv.bench.limits import Limits, measure_limits, measure_peak
from fastconv.bench.machine import Machine, describe_machine
from fastconv.bench.networks import NETWORKS, network
from fastconv.bench.parts import PARTS, Part, layers, sweeps
from fastconv.bench.photo import PhotoMissingError, photograph
from fastconv.bench.problems import LAYERS, of_file, of_network, quick, select, with_batch
from fastconv.bench.report import Case, Report, Row
from fastconv.bench.runner import Progress, run
from fastconv.bench.settings import Settings
from fastconv.bench.timing import in_turn

__all__ = [
    "LAYERS",
    "LIBRARIES",
    "NETWORKS",
    "PARTS",
    "Arrays",
    "Case",
    "Comparison",
    "Library",
    "Limits",
    "Machine",
    "Part",
    "PhotoMissingError",
    "Prepared",
    "Progress",
    "Report",
    "Row",
    "RowChange",
    "Settings",
    "WayChange",
    "baselines",
    "compare",
    "describe_machine",
    "estimates",
    "in_turn",
    "installed",
    "kernel_call",
    "kernel_names",
    "layers",
    "make_arrays",
    "measure_limits",
    "measure_peak",
    "network",
    "of_file",
    "of_network",
    "photograph",
    "quick",
    "run",
    "select",
    "sweeps",
    "time_algorithms",
    "with_batch",
]
