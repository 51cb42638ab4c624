"""Convolution, pooling and their relatives on NumPy arrays, as fast as the processor allows."""

from . import grad, ndimage, nn, quantized, signal, tf_nn
from ._explanation import Explanation
from ._fastconv import Problem, build_info
from ._profile import Profile, Stage
from .activation import leaky_relu, relu, sigmoid, silu, softmax, tanh
from .border import pad1d, pad2d, pad3d
from .c_api import get_cmake_dir, get_include
from .columns import fold, unfold
from .conv import Conv1d, Conv2d, Conv3d, conv1d, conv2d, conv3d
from .conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from .linear import linear
from .loss import cross_entropy
from .lp_pool import lp_pool1d, lp_pool2d, lp_pool3d
from .one_dimensional import convolve, correlate
from .pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from .routing import FunctionCounts, Routed, install, installed, routed, uninstall
from .runtime import (
    algorithms,
    explain,
    get_num_threads,
    instruction_set,
    instruction_sets,
    set_instruction_set,
    set_num_threads,
    show_config,
    show_runtime,
    threads,
)
from .shapes import ReceptiveField, output_shape, receptive_field
from .tuning import Tuning, autotune, forget_tuning, load_tuning
from .unpool import max_unpool1d, max_unpool2d, max_unpool3d

__version__: str = build_info()["version"]

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Explanation",
    "FunctionCounts",
    "Problem",
    "Profile",
    "ReceptiveField",
    "Routed",
    "Stage",
    "Tuning",
    "__version__",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "algorithms",
    "autotune",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolve",
    "correlate",
    "cross_entropy",
    "explain",
    "fold",
    "forget_tuning",
    "get_cmake_dir",
    "get_include",
    "get_num_threads",
    "grad",
    "install",
    "installed",
    "instruction_set",
    "instruction_sets",
    "leaky_relu",
    "linear",
    "load_tuning",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "ndimage",
    "nn",
    "output_shape",
    "pad1d",
    "pad2d",
    "pad3d",
    "quantized",
    "receptive_field",
    "relu",
    "routed",
    "set_instruction_set",
    "set_num_threads",
    "show_config",
    "show_runtime",
    "sigmoid",
    "signal",
    "silu",
    "softmax",
    "tanh",
    "tf_nn",
    "threads",
    "unfold",
    "uninstall",
]
