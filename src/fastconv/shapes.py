"""Shapes without arrays: what an operator returns, and what one output of a stack of layers sees."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import index
from typing import Any, Final, NamedTuple, SupportsIndex, TypeAlias

from . import _fastconv
from ._typing import Shape
from .activation import leaky_relu, relu, sigmoid, silu, softmax, tanh
from .conv import Conv1d, Conv2d, Conv3d, conv1d, conv2d, conv3d
from .linear import linear
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

__all__ = ["ReceptiveField", "output_shape", "receptive_field"]

Layer: TypeAlias = Conv1d | Conv2d | Conv3d | Mapping[str, Any] | Sequence[Any]


def output_shape(
    operator: Callable[..., Any] | str, input_shape: Shape, *args: Any, **kwargs: Any
) -> tuple[int, ...]:
    """Shape of what an operator returns, without computing it.

    Parameters
    ----------
    operator : function or str
        A convolution, pool, `linear` or activation function of fastconv, or its name.
    input_shape : sequence of int
        Shape of the input, batched or unbatched.
    *args, **kwargs
        The operator's other arguments, with shapes in place of arrays. Those that do not change the shape,
        such as ``bias`` and ``out``, are not looked at.

    Returns
    -------
    tuple of int
        The shape. With ``return_indices=True``, that of the values, which the indices share.

    Raises
    ------
    TypeError
        Arguments that the operator does not take.
    ValueError
        An unknown operator, or shapes and parameters that the operator would refuse.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.output_shape(fastconv.conv2d, (1, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3)
    (1, 64, 112, 112)
    >>> fastconv.output_shape("max_pool2d", (1, 3, 8, 8), 2)
    (1, 3, 4, 4)
    >>> fastconv.output_shape("adaptive_avg_pool2d", (1, 7, 7, 512), 1, layout="NHWC")
    (1, 1, 1, 512)
    """
    name = operator if isinstance(operator, str) else getattr(operator, "__name__", "")
    function, shape_of = _OPERATORS.get(name, (None, None))
    if function is None or shape_of is None or operator not in (name, function):
        known = ", ".join(_OPERATORS)
        raise ValueError(f"operator must be one of these functions or its name: {known}; got {operator!r}")
    arguments = inspect.signature(function).bind(input_shape, *args, **kwargs)
    arguments.apply_defaults()
    return shape_of(arguments.arguments)


def _conv_shape(rank: int, a: Mapping[str, Any]) -> tuple[int, ...]:
    return _fastconv.conv_output_shape(
        rank, a["input"], a["weight"], a["stride"], a["padding"], a["dilation"], a["groups"], a["layout"]
    )


def _pool_shape(rank: int, a: Mapping[str, Any]) -> tuple[int, ...]:
    dilation = a.get("dilation", 1)  # average pools have none
    return _fastconv.pool_output_shape(
        rank, a["input"], a["kernel_size"], a["stride"], a["padding"], dilation, a["ceil_mode"], a["layout"]
    )


def _adaptive_pool_shape(rank: int, a: Mapping[str, Any]) -> tuple[int, ...]:
    # A pool of one position changes nothing, and checks the input's shape and the layout.
    shape = list(_fastconv.pool_output_shape(rank, a["input"], 1, 1, 0, 1, False, a["layout"]))
    sizes = a["output_size"]
    if not _is_sequence(sizes):
        sizes = (sizes,) * rank
    if len(sizes) != rank:
        raise ValueError(f"output_size must be one number or {rank}, got {a['output_size']!r}")
    first = len(shape) - rank - (1 if a["layout"].endswith("C") else 0)
    for axis, size in enumerate(sizes, first):
        if size is not None:
            shape[axis] = _at_least(0, "output_size", size)
    return tuple(shape)


def _linear_shape(a: Mapping[str, Any]) -> tuple[int, ...]:
    shape, weight = _checked("input_shape", a["input"]), _checked("weight", a["weight"])
    if len(weight) != 2 or shape[-1:] != weight[1:]:
        raise ValueError(
            "weight must have shape (out_features, in_features), and input (..., in_features); "
            f"got {weight} and {shape}"
        )
    return (*shape[:-1], weight[0])


def _same_shape(a: Mapping[str, Any]) -> tuple[int, ...]:
    return _checked("input_shape", a["x"])


def _softmax_shape(a: Mapping[str, Any]) -> tuple[int, ...]:
    shape = _checked("input_shape", a["x"])
    if not -len(shape) <= index(a["axis"]) < len(shape):
        raise ValueError(f"axis must be within the {len(shape)} axes of x, got {a['axis']}")
    return shape


def _checked(name: str, shape: Shape) -> tuple[int, ...]:
    if not _is_sequence(shape):
        raise TypeError(f"{name} must be a sequence of ints, got {shape!r}")
    return tuple(_at_least(0, name, extent) for extent in shape)


def _at_least(least: int, name: str, value: SupportsIndex) -> int:
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} must be made of ints, got {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    return number


def _is_sequence(value: object) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str)


_Rule: TypeAlias = Callable[[Mapping[str, Any]], tuple[int, ...]]
_RANKED: Final[list[tuple[Callable[[int, Mapping[str, Any]], tuple[int, ...]], list[Callable[..., Any]]]]] = [
    (_conv_shape, [conv1d, conv2d, conv3d]),
    (_pool_shape, [max_pool1d, max_pool2d, max_pool3d]),
    (_pool_shape, [avg_pool1d, avg_pool2d, avg_pool3d]),
    (_adaptive_pool_shape, [adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d]),
    (_adaptive_pool_shape, [adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d]),
]
_OPERATORS: Final[dict[str, tuple[Callable[..., Any], _Rule]]] = {
    function.__name__: (function, partial(rule, rank))
    for rule, functions in _RANKED
    for rank, function in enumerate(functions, 1)
}
_OPERATORS["linear"] = (linear, _linear_shape)
_OPERATORS["softmax"] = (softmax, _softmax_shape)
for _function in (relu, leaky_relu, sigmoid, tanh, silu):
    _OPERATORS[_function.__name__] = (_function, _same_shape)


class ReceptiveField(NamedTuple):
    """What one output of a stack of layers sees, along each axis.

    Output ``i`` sees the input positions ``offset + i * stride`` to ``offset + i * stride + size - 1``.

    Attributes
    ----------
    size : int or tuple of int
        Number of positions from the first to the last.
    stride : int or tuple of int
        Step of the window from one output to the next.
    offset : int or tuple of int
        Where the window of output 0 begins; negative if it begins in padding.
    """

    size: int | tuple[int, ...]
    stride: int | tuple[int, ...]
    offset: int | tuple[int, ...]


def receptive_field(layers: Iterable[Layer]) -> ReceptiveField:
    """Find the window of the input that one output of a stack of layers depends on.

    With kernel extent ``k``, stride ``s``, padding before ``p`` and dilation ``d`` of each layer, and
    ``jump`` the product of the strides of the layers before it::

        size = 1 + sum of (k - 1) * d * jump        stride = product of s        offset = -sum of p * jump

    Parameters
    ----------
    layers : iterable
        In the order they are applied. Each is a `Conv1d`, `Conv2d` or `Conv3d`; or a mapping with
        ``kernel_size`` and, where they differ from 1, 0 and 1, ``stride``, ``padding`` and ``dilation``; or a
        tuple of these four in this order, where trailing ones may be left out. Values are those that the
        convolutions take. Pools are given by their mapping or tuple.

    Returns
    -------
    ReceptiveField
        ``size``, ``stride`` and ``offset``: one per axis, or plain ints if all values are plain.

    Raises
    ------
    TypeError, ValueError
        A layer that is not one of these, layers of different ranks, or ``padding="same"`` at a stride above
        1, which pads by the extent of the input.

    References
    ----------
    .. [1] A. Araujo, W. Norris, J. Sim, "Computing receptive fields of convolutional neural networks",
       Distill, 2019, doi:10.23915/distill.00021.

    Examples
    --------
    The 7x7 convolution and the 3x3 pool that begin a ResNet:

    >>> import fastconv
    >>> fastconv.receptive_field([(7, 2, 3), {"kernel_size": 3, "stride": 2, "padding": 1}])
    ReceptiveField(size=11, stride=4, offset=-5)
    >>> fastconv.receptive_field([((3, 5),)])
    ReceptiveField(size=(3, 5), stride=(1, 1), offset=(0, 0))
    """
    stack = [_parameters(f"layers[{number}]", layer) for number, layer in enumerate(layers)]
    ranks = {len(value) for layer in stack for value in layer.values() if _is_sequence(value)}
    if len(ranks) > 1 or 0 in ranks:
        raise ValueError(f"layers must agree in their number of axes, at least 1; got {sorted(ranks)}")
    rank = ranks.pop() if ranks else None
    size, jump, offset = [1] * (rank or 1), [1] * (rank or 1), [0] * (rank or 1)
    for number, layer in enumerate(stack):
        for axis in range(rank or 1):
            value = {name: v[axis] if _is_sequence(v) else v for name, v in layer.items()}
            k, s, d = (
                _at_least(1, f"layers[{number}] {name}", value[name])
                for name in ("kernel_size", "stride", "dilation")
            )
            reach = (k - 1) * d
            before = _padding_before(f"layers[{number}] padding", value["padding"], reach, s)
            size[axis] += reach * jump[axis]
            offset[axis] -= before * jump[axis]
            jump[axis] *= s
    if rank is None:
        return ReceptiveField(size[0], jump[0], offset[0])
    return ReceptiveField(tuple(size), tuple(jump), tuple(offset))


def _parameters(where: str, layer: Layer) -> dict[str, Any]:
    """Bring the three ways to write a layer into one."""
    values: dict[str, Any] = {"kernel_size": None, "stride": 1, "padding": 0, "dilation": 1}
    if isinstance(layer, Conv1d | Conv2d | Conv3d):
        return {name: getattr(layer, name) for name in values}
    if isinstance(layer, Mapping):
        if not {"kernel_size"} <= set(layer) <= set(values):
            raise ValueError(f"{where} must have kernel_size and none but {list(values)}, got {layer}")
        return values | dict(layer)
    if isinstance(layer, Sequence) and not isinstance(layer, str):
        if not 1 <= len(layer) <= len(values):
            raise ValueError(f"{where} must be ({', '.join(values)}) or the first of these, got {layer}")
        return values | dict(zip(values, layer, strict=False))
    raise TypeError(f"{where} must be a Conv object, a mapping or a tuple, got {layer!r}")


def _padding_before(name: str, padding: Any, reach: int, stride: int) -> int:
    """Find the padding before the input on one axis, of a kernel that spans ``reach + 1`` positions."""
    if padding == "valid":
        return 0
    if padding == "same":
        if stride > 1 and reach > 0:
            raise ValueError(f'{name}="same" with a stride of {stride} depends on the extent of the input')
        return reach // 2
    before, _ = padding if _is_sequence(padding) and len(padding) == 2 else (padding, padding)
    return _at_least(0, name, before)
