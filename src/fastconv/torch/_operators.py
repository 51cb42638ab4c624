"""The operators of the namespace ``fastconv``, as PyTorch's compiler, exporter and autograd know them.

Each is a kernel on batches with a description of its result (for tracing) and its gradient. Convolution, its
gradient with respect to the input and that with respect to the weights are the three sides of one trilinear
form, so the gradient of each is the other two: they may be differentiated any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from .. import _fastconv
from .._typing import PaddingMode
from ._tensors import (
    Rank,
    array,
    batch,
    channels_last,
    empty,
    extent,
    image,
    layout,
    plain,
    taps,
    tensor,
    weights,
)

Ints = Sequence[int]


class Operator:
    """A kernel, called as it is where nothing but its values is asked for, else as an operator of PyTorch."""

    def __init__(self, schema: str, kernel: Callable[..., Any], fake: Callable[..., Any]) -> None:
        name = kernel.__name__.removeprefix("_")
        self.kernel = kernel
        self.definition = torch.library.custom_op(
            f"fastconv::{name}", kernel, mutates_args=(), device_types="cpu", schema=schema
        )
        self.definition.register_fake(fake)
        self.operator = getattr(torch.ops.fastconv, name).default

    def __call__(self, *arguments: Any) -> Any:
        tensors = [a for a in arguments if isinstance(a, Tensor)]
        return (self.kernel if plain(*tensors) else self.operator)(*arguments)

    def differentiate(self, setup: Callable[..., None], backward: Callable[..., Any]) -> None:
        """Say what to keep and how to compute the gradients, one for each argument or fewer."""

        def every(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
            found = backward(ctx, *grads)
            return (*found, *[None] * (len(ctx.needs_input_grad) - len(found)))

        self.definition.register_autograd(every, setup_context=setup)


def rank(x: Tensor) -> Rank:
    """Spatial axes of a batch."""
    return cast(Rank, x.dim() - 2)


def pairs(padding: Ints) -> list[tuple[int, int]]:
    """(before, after) of each axis, which schemas know as one list."""
    return list(zip(padding[::2], padding[1::2], strict=True))


def image_size(size: Ints, last: bool) -> Ints:
    """Order a shape as the layout of the kernels does."""
    return [size[0], *size[2:], size[1]] if last else size


# ---------------------------------------------------------------- convolution

HOW = "int[] stride, SymInt[] padding, int[] dilation, int groups, str padding_mode"


def _conv(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    groups: int,
    padding_mode: PaddingMode,
) -> Tensor:
    last = channels_last(input)
    y = _fastconv.conv(
        rank(input),
        image(input, last),
        taps(weight, last),
        None if bias is None else array(bias),
        stride,
        pairs(padding),
        dilation,
        groups,
        padding_mode,
        layout(last),
        None,  # activation
        "auto",
        None,  # out
    )
    return batch(y, last)


def _conv_shape(
    input: Tensor, weight: Tensor, bias: Any, stride: Ints, padding: Ints, dilation: Ints, *_: Any
) -> Tensor:
    window = zip(input.shape[2:], weight.shape[2:], stride, pairs(padding), dilation, strict=True)
    extents = [extent(i, k, s, sum(p), d) for i, k, s, p, d in window]
    return empty(input, (input.shape[0], weight.shape[0], *extents))


def _conv_input(
    input_size: Ints,
    weight: Tensor,
    grad: Tensor,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    groups: int,
    padding_mode: PaddingMode,
) -> Tensor:
    last = channels_last(grad)
    dx = _fastconv.conv_input_gradient(
        rank(grad),
        image_size(input_size, last),
        taps(weight, last),
        image(grad, last),
        stride,
        pairs(padding),
        dilation,
        groups,
        padding_mode,
        layout(last),
        "auto",
        None,
    )
    return batch(dx, last)


def _conv_weight(
    input: Tensor,
    weight_size: Ints,
    grad: Tensor,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    groups: int,
    padding_mode: PaddingMode,
) -> Tensor:
    last = channels_last(input)
    size = [*weight_size[2:], weight_size[1], weight_size[0]] if last else weight_size
    dw = _fastconv.conv_weight_gradient(
        rank(input),
        image(input, last),
        size,
        image(grad, last),
        stride,
        pairs(padding),
        dilation,
        groups,
        padding_mode,
        layout(last),
        "auto",
        None,
    )
    return weights(dw, last)


def _conv_bias(grad: Tensor) -> Tensor:
    last = channels_last(grad)
    return tensor(_fastconv.conv_bias_gradient(image(grad, last), layout(last), None))


conv = Operator(f"(Tensor input, Tensor weight, Tensor? bias, {HOW}) -> Tensor", _conv, _conv_shape)
conv_input = Operator(
    f"(SymInt[] input_size, Tensor weight, Tensor grad, {HOW}) -> Tensor",
    _conv_input,
    lambda input_size, weight, grad, *_: empty(grad, input_size),
)
conv_weight = Operator(
    f"(Tensor input, SymInt[] weight_size, Tensor grad, {HOW}) -> Tensor",
    _conv_weight,
    lambda input, weight_size, grad, *_: grad.new_empty(weight_size),
)
conv_bias = Operator("(Tensor grad) -> Tensor", _conv_bias, lambda grad: grad.new_empty(grad.shape[1]))


def _keep_conv(ctx: Any, inputs: Any, output: Tensor) -> None:
    input, weight, _, *ctx.how = inputs
    needed = ctx.needs_input_grad
    ctx.save_for_backward(input if needed[1] else None, weight if needed[0] else None)
    ctx.sizes = input.shape, weight.shape


def _conv_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    input, weight = ctx.saved_tensors
    sizes, needed = ctx.sizes, ctx.needs_input_grad
    return (
        conv_input(sizes[0], weight, grad, *ctx.how) if needed[0] else None,
        conv_weight(input, sizes[1], grad, *ctx.how) if needed[1] else None,
        conv_bias(grad) if needed[2] else None,
    )


def _keep_conv_input(ctx: Any, inputs: Any, output: Tensor) -> None:
    _, weight, grad, *ctx.how = inputs
    ctx.save_for_backward(weight, grad)


def _conv_input_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    weight, dy = ctx.saved_tensors
    needed = ctx.needs_input_grad
    return (
        None,
        conv_weight(grad, weight.shape, dy, *ctx.how) if needed[1] else None,
        conv(grad, weight, None, *ctx.how) if needed[2] else None,
    )


def _keep_conv_weight(ctx: Any, inputs: Any, output: Tensor) -> None:
    input, _, grad, *ctx.how = inputs
    ctx.save_for_backward(input, grad)


def _conv_weight_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    input, dy = ctx.saved_tensors
    needed = ctx.needs_input_grad
    return (
        conv_input(input.shape, grad, dy, *ctx.how) if needed[0] else None,
        None,
        conv(input, grad, None, *ctx.how) if needed[2] else None,
    )


def _keep_shape(ctx: Any, inputs: Any, output: Tensor) -> None:
    ctx.shape = inputs[0].shape


def _conv_bias_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return (grad.view(1, -1, *[1] * (len(ctx.shape) - 2)).expand(ctx.shape),)


conv.differentiate(_keep_conv, _conv_backward)
conv_input.differentiate(_keep_conv_input, _conv_input_backward)
conv_weight.differentiate(_keep_conv_weight, _conv_weight_backward)
conv_bias.differentiate(_keep_shape, _conv_bias_backward)


# ---------------------------------------------------------------- transposed convolution


def _conv_transpose(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    groups: int,
    dilation: Ints,
) -> Tensor:
    last = channels_last(input)
    y = _fastconv.conv_transpose(
        rank(input),
        image(input, last),
        taps(weight, last),
        None if bias is None else array(bias),
        stride,
        padding,
        output_padding,
        groups,
        dilation,
        layout(last),
        None,
        "auto",
        None,
    )
    return batch(y, last)


def _conv_transpose_shape(
    input: Tensor,
    weight: Tensor,
    bias: Any,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    groups: int,
    dilation: Ints,
) -> Tensor:
    axes = zip(input.shape[2:], weight.shape[2:], stride, padding, output_padding, dilation, strict=True)
    extents = [(i - 1) * s - 2 * p + d * (k - 1) + o + 1 for i, k, s, p, o, d in axes]
    return empty(input, (input.shape[0], weight.shape[1] * groups, *extents))


conv_transpose = Operator(
    "(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] output_padding, "
    "int groups, int[] dilation) -> Tensor",
    _conv_transpose,
    _conv_transpose_shape,
)


def _keep_conv_transpose(ctx: Any, inputs: Any, output: Tensor) -> None:
    input, weight, _, stride, padding, output_padding, groups, dilation = inputs
    needed = ctx.needs_input_grad
    ctx.save_for_backward(input if needed[1] else None, weight if needed[0] else None)
    ctx.sizes = input.shape, weight.shape
    ctx.how = stride, [p for p in padding for _ in range(2)], dilation, groups, "zeros"
    # An output padding beyond the stride, which a dilation allows, is room for windows of no input.
    ctx.beyond = [o // s for o, s in zip(output_padding, stride, strict=True)]


def _conv_transpose_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    """By the convolution that is transposed: its result is our input, its input our result."""
    input, weight = ctx.saved_tensors
    sizes, needed = ctx.sizes, ctx.needs_input_grad
    dx = dw = None
    if needed[0]:
        dx = conv(grad, weight, None, *ctx.how)
        for axis, beyond in enumerate(ctx.beyond, 2):
            dx = dx.narrow(axis, 0, sizes[0][axis]) if beyond else dx
    if needed[1]:
        ends = [n for beyond in reversed(ctx.beyond) for n in (0, beyond)]
        dy = torch.nn.functional.pad(input, ends) if any(ends) else input
        dw = conv_weight(grad, sizes[1], dy, *ctx.how)
    return dx, dw, conv_bias(grad) if needed[2] else None


conv_transpose.differentiate(_keep_conv_transpose, _conv_transpose_backward)


# ---------------------------------------------------------------- pooling


def _pool(
    kind: Any,
    input: Tensor,
    kernel_size: Ints,
    stride: Ints,
    padding: Ints,
    dilation: Any,
    ceil_mode: bool,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    return_indices: bool = False,
) -> Any:
    last = channels_last(input)
    y = _fastconv.pool(
        rank(input),
        kind,
        image(input, last),
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        divisor_override,
        return_indices,
        layout(last),
        None,
    )
    return tuple(batch(part, last) for part in y) if isinstance(y, tuple) else batch(y, last)


def max_values(*arguments: Any) -> Tensor:
    """Maxima without their places, for which there is no gradient."""
    return cast(Tensor, _pool("max", *arguments))


def _max_pool(
    input: Tensor, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> tuple[Tensor, Tensor]:
    found = _pool("max", input, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True)
    return cast(tuple[Tensor, Tensor], found)


def _avg_pool(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints,
    padding: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    how = kernel_size, stride, padding, 1, ceil_mode, count_include_pad, divisor_override
    return cast(Tensor, _pool("avg", input, *how))


def _pool_shape(
    input: Tensor, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> tuple[Any, ...]:
    extents = []
    for i, k, s, p, d in zip(input.shape[2:], kernel_size, stride, padding, dilation, strict=True):
        o = extent(i, k, s, 2 * p, d, ceil_mode)
        # Rounded up, the last window may begin behind the padding: then it is none.
        extents.append(o - 1 if ceil_mode and (o - 1) * s >= i + p else o)
    return (*input.shape[:2], *extents)


def _max_pool_fake(input: Tensor, *how: Any) -> tuple[Tensor, Tensor]:
    shape = _pool_shape(input, *how)
    return empty(input, shape), empty(input, shape, torch.int64)


def _avg_pool_fake(
    input: Tensor, kernel_size: Ints, stride: Ints, padding: Ints, ceil_mode: bool, *_: Any
) -> Tensor:
    return empty(input, _pool_shape(input, kernel_size, stride, padding, [1] * len(kernel_size), ceil_mode))


def _max_pool_input(grad: Tensor, indices: Tensor, input_size: Ints) -> Tensor:
    last = channels_last(indices)
    size = image_size(input_size, last)
    dx = _fastconv.max_pool_gradient(
        rank(grad), image(grad, last), image(indices, last), size, layout(last), None
    )
    return batch(dx, last)


def _avg_pool_input(
    grad: Tensor,
    input_size: Ints,
    kernel_size: Ints,
    stride: Ints,
    padding: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    last = channels_last(grad)
    dx = _fastconv.avg_pool_gradient(
        rank(grad),
        image(grad, last),
        image_size(input_size, last),
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
        layout(last),
        None,
    )
    return batch(dx, last)


def _adaptive_avg_pool(input: Tensor, output_size: Ints) -> Tensor:
    last = channels_last(input)
    y = _fastconv.adaptive_pool(
        rank(input), "avg", image(input, last), output_size, False, layout(last), None
    )
    return batch(y, last)


def _adaptive_avg_pool_input(grad: Tensor, input_size: Ints) -> Tensor:
    last = channels_last(grad)
    size = image_size(input_size, last)
    dx = _fastconv.adaptive_avg_pool_gradient(rank(grad), image(grad, last), size, layout(last), None)
    return batch(dx, last)


def _adaptive_max_pool(input: Tensor, output_size: Ints) -> tuple[Tensor, Tensor]:
    last = channels_last(input)
    values, indices = _fastconv.adaptive_pool(
        rank(input), "max", image(input, last), output_size, True, layout(last), None
    )
    return batch(values, last), batch(indices, last)


def _adaptive_max_pool_fake(input: Tensor, output_size: Ints) -> tuple[Tensor, Tensor]:
    shape = (*input.shape[:2], *output_size)
    return empty(input, shape), empty(input, shape, torch.int64)


WINDOW = "int[] kernel_size, int[] stride, int[] padding"
MEAN = f"{WINDOW}, bool ceil_mode, bool count_include_pad, int? divisor_override"

max_pool = Operator(
    f"(Tensor input, {WINDOW}, int[] dilation, bool ceil_mode) -> (Tensor, Tensor)",
    _max_pool,
    _max_pool_fake,
)
adaptive_max_pool = Operator(
    "(Tensor input, SymInt[] output_size) -> (Tensor, Tensor)", _adaptive_max_pool, _adaptive_max_pool_fake
)
max_pool_input = Operator(
    "(Tensor grad, Tensor indices, SymInt[] input_size) -> Tensor",
    _max_pool_input,
    lambda grad, indices, input_size: empty(indices, input_size, grad.dtype),
)
avg_pool = Operator(f"(Tensor input, {MEAN}) -> Tensor", _avg_pool, _avg_pool_fake)
avg_pool_input = Operator(
    f"(Tensor grad, SymInt[] input_size, {MEAN}) -> Tensor",
    _avg_pool_input,
    lambda grad, input_size, *_: empty(grad, input_size),
)
adaptive_avg_pool = Operator(
    "(Tensor input, SymInt[] output_size) -> Tensor",
    _adaptive_avg_pool,
    lambda input, output_size: empty(input, (*input.shape[:2], *output_size)),
)
adaptive_avg_pool_input = Operator(
    "(Tensor grad, SymInt[] input_size) -> Tensor",
    _adaptive_avg_pool_input,
    lambda grad, input_size: empty(grad, input_size),
)


def _keep_indices(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(output[1])
    ctx.shape = inputs[0].shape


def _max_pool_backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Any, ...]:
    (indices,) = ctx.saved_tensors
    return (max_pool_input(grad, indices, ctx.shape),)


def _keep_second(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(inputs[1])


def _max_pool_input_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    (indices,) = ctx.saved_tensors
    places = indices.flatten(2)
    taken = grad.flatten(2).gather(2, places.clamp(min=0)) * (places >= 0)  # -1: a window of nothing
    return (taken.view(indices.shape),)


def _keep_rest(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.shape, ctx.how = inputs[0].shape, inputs[1:]


def _avg_pool_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return (avg_pool_input(grad, ctx.shape, *ctx.how),)


def _avg_pool_input_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return (avg_pool(grad, *ctx.how[1:]),)


def _adaptive_avg_pool_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return (adaptive_avg_pool_input(grad, ctx.shape),)


def _adaptive_avg_pool_input_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return (adaptive_avg_pool(grad, ctx.shape[2:]),)


max_pool.differentiate(_keep_indices, _max_pool_backward)
adaptive_max_pool.differentiate(_keep_indices, _max_pool_backward)
max_pool_input.differentiate(_keep_second, _max_pool_input_backward)
avg_pool.differentiate(_keep_rest, _avg_pool_backward)
avg_pool_input.differentiate(_keep_rest, _avg_pool_input_backward)
adaptive_avg_pool.differentiate(_keep_rest, _adaptive_avg_pool_backward)
adaptive_avg_pool_input.differentiate(_keep_rest, _adaptive_avg_pool_input_backward)
