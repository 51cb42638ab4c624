"""The compiled module. Arguments are positional; it checks every one and words every error."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias, TypedDict, final, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._explanation import Alternative
from ._typing import (
    Activation,
    Axes,
    FloatArray,
    IndexArray,
    Layout,
    NumberArray,
    OutputSize,
    Padding,
    PaddingMode,
    Shape,
)

_C_API: object
_cython_functions: dict[str, object]

_Rank: TypeAlias = Literal[1, 2, 3]
_PoolKind: TypeAlias = Literal["max", "avg"]

class _BuildInfo(TypedDict):
    version: str
    compiler: str
    instruction_sets: list[str]
    flags: str

class _CpuInfo(TypedDict):
    model: str
    cores: int
    l1d: int
    l2: int
    l3: int

class _Peak(TypedDict):
    float32: float
    float64: float

class _Explain(TypedDict):
    problem: str
    algorithm: str
    reason: str
    alternatives: list[Alternative]
    instruction_set: str
    input: str
    input_bytes: int
    tile: str
    blocking: dict[str, int]
    threads: int
    tasks: int
    flops: int
    bytes: int
    packed_weight_bytes: int
    workspace_bytes: int
    estimate_us: float

def conv(
    rank: _Rank,
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    stride: Axes,
    padding: Padding,
    dilation: Axes,
    groups: int,
    padding_mode: PaddingMode,
    layout: Layout,
    activation: Activation | None,
    algorithm: str,
    out: NumberArray | None,
    /,
) -> NumberArray: ...
def method(problem: Problem, algorithm: str, /) -> tuple[str, tuple[int, ...]]: ...
def conv_transpose(
    rank: _Rank,
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    stride: Axes,
    padding: Padding,
    output_padding: Axes,
    groups: int,
    dilation: Axes,
    layout: Layout,
    activation: Activation | None,
    algorithm: str,
    out: NumberArray | None,
    /,
) -> NumberArray: ...
def conv_input_gradient(
    rank: _Rank,
    input_size: Shape,
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: Axes,
    padding: Padding,
    dilation: Axes,
    groups: int,
    padding_mode: PaddingMode,
    layout: Layout,
    algorithm: str,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def conv_weight_gradient(
    rank: _Rank,
    input: ArrayLike,
    weight_size: Shape,
    grad_output: ArrayLike,
    stride: Axes,
    padding: Padding,
    dilation: Axes,
    groups: int,
    padding_mode: PaddingMode,
    layout: Layout,
    algorithm: str,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def conv_transpose_input_gradient(
    rank: _Rank,
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: Axes,
    padding: Padding,
    dilation: Axes,
    groups: int,
    layout: Layout,
    algorithm: str,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def conv_transpose_weight_gradient(
    rank: _Rank,
    input: ArrayLike,
    weight_size: Shape,
    grad_output: ArrayLike,
    stride: Axes,
    padding: Padding,
    dilation: Axes,
    groups: int,
    layout: Layout,
    algorithm: str,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def conv_bias_gradient(grad_output: ArrayLike, layout: Layout, out: FloatArray | None, /) -> FloatArray: ...

class Conv:
    def __init__(
        self,
        rank: _Rank,
        weight: ArrayLike,
        bias: ArrayLike | None,
        stride: Axes,
        padding: Padding,
        dilation: Axes,
        groups: int,
        padding_mode: PaddingMode,
        layout: Layout,
        activation: Activation | None,
        algorithm: str,
        /,
    ) -> None: ...
    def __call__(
        self, x: ArrayLike, out: FloatArray | None = None, residual: ArrayLike | None = None
    ) -> FloatArray: ...
    def _explain(self, input_shape: Shape, /) -> _Explain: ...
    def _profile(self, x: ArrayLike, /) -> list[tuple[str, int, float, str]]: ...
    def output_shape(self, input_shape: Shape, /) -> tuple[int, ...]: ...
    @property
    def weight(self) -> FloatArray: ...
    @property
    def bias(self) -> FloatArray | None: ...
    @property
    def rank(self) -> int: ...
    @property
    def weight_shape(self) -> tuple[int, ...]: ...
    @property
    def kernel_size(self) -> tuple[int, ...]: ...
    @property
    def in_channels(self) -> int: ...
    @property
    def out_channels(self) -> int: ...
    @property
    def stride(self) -> tuple[int, ...]: ...
    @property
    def padding(self) -> tuple[tuple[int, int], ...] | Literal["same"]: ...
    @property
    def padding_mode(self) -> PaddingMode: ...
    @property
    def dilation(self) -> tuple[int, ...]: ...
    @property
    def groups(self) -> int: ...
    @property
    def layout(self) -> Literal["NCHW", "NHWC"]: ...
    @property
    def activation(self) -> Activation | None: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def dtype(self) -> np.dtype[np.floating[Any]]: ...

@overload
def pool(
    rank: _Rank,
    kind: _PoolKind,
    input: ArrayLike,
    kernel_size: Axes,
    stride: Axes | None,
    padding: Padding,
    dilation: Axes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    return_indices: Literal[False],
    layout: Layout,
    out: NumberArray | None,
    /,
) -> NumberArray: ...
@overload
def pool(
    rank: _Rank,
    kind: _PoolKind,
    input: ArrayLike,
    kernel_size: Axes,
    stride: Axes | None,
    padding: Padding,
    dilation: Axes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    return_indices: bool,
    layout: Layout,
    out: NumberArray | None,
    /,
) -> NumberArray | tuple[NumberArray, IndexArray]: ...
@overload
def adaptive_pool(
    rank: _Rank,
    kind: _PoolKind,
    input: ArrayLike,
    output_size: OutputSize,
    return_indices: Literal[False],
    layout: Layout,
    out: NumberArray | None,
    /,
) -> NumberArray: ...
@overload
def adaptive_pool(
    rank: _Rank,
    kind: _PoolKind,
    input: ArrayLike,
    output_size: OutputSize,
    return_indices: bool,
    layout: Layout,
    out: NumberArray | None,
    /,
) -> NumberArray | tuple[NumberArray, IndexArray]: ...
def avg_pool_gradient(
    rank: _Rank,
    grad_output: ArrayLike,
    input_size: Shape,
    kernel_size: Axes,
    stride: Axes | None,
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    layout: Layout,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def adaptive_avg_pool_gradient(
    rank: _Rank, grad_output: ArrayLike, input_size: Shape, layout: Layout, out: FloatArray | None, /
) -> FloatArray: ...
def max_pool_gradient(
    rank: _Rank,
    grad_output: ArrayLike,
    indices: ArrayLike,
    input_size: Shape,
    layout: Layout,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def max_unpool(
    rank: _Rank,
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: Axes,
    stride: Axes | None,
    padding: Axes,
    output_size: Shape | None,
    layout: Layout,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def max_unpool_gradient(
    rank: _Rank, grad_output: ArrayLike, indices: ArrayLike, layout: Layout, out: FloatArray | None, /
) -> FloatArray: ...
def lp_pool(
    rank: _Rank,
    input: ArrayLike,
    norm_type: float,
    kernel_size: Axes,
    stride: Axes | None,
    padding: Padding,
    ceil_mode: bool,
    layout: Layout,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def lp_pool_gradient(
    rank: _Rank,
    grad_output: ArrayLike,
    input: ArrayLike,
    output: ArrayLike,
    norm_type: float,
    kernel_size: Axes,
    stride: Axes | None,
    padding: Padding,
    ceil_mode: bool,
    layout: Layout,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def unfold(
    input: ArrayLike,
    kernel_size: Axes,
    dilation: Axes,
    padding: Padding,
    stride: Axes,
    layout: Layout,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def fold(
    input: ArrayLike,
    output_size: Axes,
    kernel_size: Axes,
    dilation: Axes,
    padding: Padding,
    stride: Axes,
    layout: Layout,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def pad(
    rank: _Rank,
    input: ArrayLike,
    padding: Padding,
    mode: PaddingMode,
    layout: Layout,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def pad_gradient(
    rank: _Rank,
    grad_output: ArrayLike,
    input_size: Shape,
    padding: Padding,
    mode: PaddingMode,
    layout: Layout,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def weight_copy(weight: ArrayLike, /) -> FloatArray: ...
def channel_shuffle(input: ArrayLike, groups: int, out: FloatArray | None, /) -> FloatArray: ...
def linear(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    activation: Activation | None,
    out: NumberArray | None,
    /,
) -> NumberArray: ...
def activate(
    name: Literal["relu", "leaky_relu", "sigmoid", "tanh", "silu"],
    input: ArrayLike,
    parameter: float,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def activate_gradient(
    activation: Activation | None,
    grad_output: ArrayLike,
    value: ArrayLike,
    parameter: float | None,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def softmax_gradient(
    grad_output: ArrayLike, output: ArrayLike, axis: SupportsIndex, out: FloatArray | None, /
) -> FloatArray: ...
def cross_entropy(
    logits: ArrayLike,
    target: ArrayLike,
    axis: SupportsIndex,
    gradient: bool,
    scale: float,
    out: FloatArray | None,
    /,
) -> FloatArray: ...
def filter(
    op: str,
    input: NDArray[Any],
    output: NDArray[Any],
    weights: NDArray[Any],
    windows: Sequence[tuple[int, int]],
    outside: float,
) -> None: ...
def filter_axes(
    op: str,
    input: NDArray[Any],
    output: NDArray[Any],
    filters: Sequence[tuple[int, Any, int, int]],
    outside: float,
) -> None: ...
def softmax(input: ArrayLike, axis: SupportsIndex, out: FloatArray | None, /) -> FloatArray: ...
def conv_output_shape(
    rank: int,
    input_shape: Shape,
    weight_shape: Shape,
    stride: Axes,
    padding: Padding,
    dilation: Axes,
    groups: int,
    layout: Layout,
    /,
) -> tuple[int, ...]: ...
def conv_transpose_output_shape(
    rank: int,
    input_shape: Shape,
    weight_shape: Shape,
    stride: Axes,
    padding: Padding,
    output_padding: Axes,
    groups: int,
    dilation: Axes,
    layout: Layout,
    /,
) -> tuple[int, ...]: ...
def pool_output_shape(
    rank: int,
    input_shape: Shape,
    kernel_size: Axes,
    stride: Axes | None,
    padding: Padding,
    dilation: Axes,
    ceil_mode: bool,
    layout: Layout,
    /,
) -> tuple[int, ...]: ...

@final
class Problem:
    """What is asked, without arrays: parsed from a problem string, printed as the canonical one."""

    def __init__(self, text: str, /) -> None: ...
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    @property
    def op(self) -> str: ...
    @property
    def rank(self) -> int: ...
    @property
    def n(self) -> int: ...
    @property
    def ic(self) -> int: ...
    @property
    def oc(self) -> int: ...
    @property
    def input_size(self) -> tuple[int, ...]: ...
    @property
    def kernel_size(self) -> tuple[int, ...]: ...
    @property
    def stride(self) -> tuple[int, ...]: ...
    @property
    def padding(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def padding_mode(self) -> PaddingMode: ...
    @property
    def dilation(self) -> tuple[int, ...]: ...
    @property
    def output_size(self) -> tuple[int, ...]: ...
    @property
    def groups(self) -> int: ...
    @property
    def layout(self) -> Literal["NCHW", "NHWC"]: ...
    @property
    def dtype(self) -> Literal["float32", "float64", "float16", "bfloat16"]: ...
    @property
    def bias(self) -> bool: ...
    @property
    def activation(self) -> Literal["", "relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu"]: ...
    @property
    def ceil_mode(self) -> bool: ...
    @property
    def count_include_pad(self) -> bool: ...
    @property
    def divisor_override(self) -> int | None: ...
    @property
    def return_indices(self) -> bool: ...
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def weight_shape(self) -> tuple[int, ...] | None: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...
    @property
    def flops(self) -> int: ...
    @property
    def bytes(self) -> int: ...

def explain(problem: str | Problem, algorithm: str = "auto", /) -> _Explain: ...
def remember_choice(problem: str | Problem, algorithm: str, /) -> None: ...
def forget_choices() -> None: ...
def algorithms() -> dict[str, str]: ...
def supports(algorithm: str, problem: str | Problem, /) -> str: ...
def set_num_threads(n: SupportsIndex, /) -> None: ...
def get_num_threads() -> int: ...
def push_threads(n: SupportsIndex, /) -> None: ...
def pop_threads() -> None: ...
def memory(bytes: int, /) -> NDArray[np.uint8]: ...
def instruction_set() -> str: ...
def instruction_sets() -> list[str]: ...
def set_instruction_set(name: str, /) -> None: ...
def x86_level(cpuid: Mapping[str, int], xcr0: int, /) -> int: ...
def build_info() -> _BuildInfo: ...
def cpu_info() -> _CpuInfo: ...
def measure_peak(seconds: float, threads: int, /) -> _Peak: ...
def measure_bandwidth(bytes: int, seconds: float, threads: int, /) -> float: ...
def has_dot() -> bool: ...
def use_matrices(wanted: bool, /) -> None: ...
def check_convolution(
    rank: _Rank,
    weight_shape: Shape,
    stride: Axes,
    padding: Padding,
    dilation: Axes,
    groups: SupportsIndex,
    layout: Layout,
) -> None: ...

@final
class DotConv:
    def __init__(
        self,
        rank: _Rank,
        weight: NDArray[np.int8],
        stride: Axes,
        padding: Padding,
        dilation: Axes,
        groups: SupportsIndex,
        layout: Layout,
    ) -> None: ...
    def run(
        self,
        x: NDArray[np.int8] | NDArray[np.uint8],
        zero_point: int,
        start: NDArray[np.int32] | None,
        scale: NDArray[np.float32] | None,
        zero: int,
        low: int,
        high: int,
        y: NDArray[Any],
    ) -> None: ...
