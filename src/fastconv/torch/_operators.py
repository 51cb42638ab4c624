"""The operators of the namespace ``fastconv``, as PyTorch's compiler, exporter and autograd know them.

Each is a kernel on batches with a description of its result (for tracing) and its gradient. Convolution, its
gradient with respect to the input and that with respect to the weights are the three sides of one trilinear
form, so the gradient of each is the other two: they may be differentiated any number of times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from .. import _fastconv
from .._typing import PaddingMode
from ._tensors import (
    Rank,
    arranged,
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


def small(weight: Tensor, images: Tensor) -> bool:
    """Whether weights are the fewer numbers, which shall change their order where channels are last."""
    return bool(weight.numel() <= images.numel())


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
    turned = last and small(weight, input)
    y = _fastconv.conv(
        rank(input),
        image(input, turned),
        taps(weight, turned),
        None if bias is None else array(bias),
        stride,
        pairs(padding),
        dilation,
        groups,
        padding_mode,
        layout(turned),
        None,  # activation
        "auto",
        None,  # out
    )
    return arranged(batch(y, turned), last)


def _conv_shape(
    input: Tensor, weight: Tensor, bias: Any, stride: Ints, padding: Ints, dilation: Ints, *_: Any
) -> Tensor:
    window = zip(input.shape[2:], weight.shape[2:], stride, pairs(padding), dilation, strict=True)
    extents = [extent(i, k, s, sum(p), d) for i, k, s, p, d in window]
    return empty(input, (input.shape[0], weight.shape[0], *extents), channels_last(input))


def _conv_input(
    input_size: Ints,
    weight: Tensor,
    grad: Tensor,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    groups: int,
    padding_mode: PaddingMode,
    last: bool,
) -> Tensor:
    turned = last and small(weight, grad)
    dx = _fastconv.conv_input_gradient(
        rank(grad),
        image_size(input_size, turned),
        taps(weight, turned),
        image(grad, turned),
        stride,
        pairs(padding),
        dilation,
        groups,
        padding_mode,
        layout(turned),
        "auto",
        None,
    )
    return arranged(batch(dx, turned), last)


def _conv_weight(
    input: Tensor,
    weight_size: Ints,
    grad: Tensor,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    groups: int,
    padding_mode: PaddingMode,
    last: bool,
) -> Tensor:
    turned = last and math.prod(weight_size) <= input.numel()
    size = [*weight_size[2:], weight_size[1], weight_size[0]] if turned else weight_size
    dw = _fastconv.conv_weight_gradient(
        rank(input),
        image(input, turned),
        size,
        image(grad, turned),
        stride,
        pairs(padding),
        dilation,
        groups,
        padding_mode,
        layout(turned),
        "auto",
        None,
    )
    return arranged(weights(dw, turned), last)


def _conv_bias(grad: Tensor) -> Tensor:
    last = channels_last(grad)
    return tensor(_fastconv.conv_bias_gradient(image(grad, last), layout(last), None))


conv = Operator(f"(Tensor input, Tensor weight, Tensor? bias, {HOW}) -> Tensor", _conv, _conv_shape)
conv_input = Operator(
    f"(SymInt[] input_size, Tensor weight, Tensor grad, {HOW}, bool last) -> Tensor",
    _conv_input,
    lambda input_size, weight, grad, *how: empty(grad, input_size, how[-1]),
)
conv_weight = Operator(
    f"(Tensor input, SymInt[] weight_size, Tensor grad, {HOW}, bool last) -> Tensor",
    _conv_weight,
    lambda input, weight_size, grad, *how: empty(grad, weight_size, how[-1]),
)
conv_bias = Operator("(Tensor grad) -> Tensor", _conv_bias, lambda grad: grad.new_empty(grad.shape[1]))


def _keep_conv(ctx: Any, inputs: Any, output: Tensor) -> None:
    input, weight, _, *how = inputs
    ctx.how = *how, channels_last(input)
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
        conv(grad, weight, None, *ctx.how[:-1]) if needed[2] else None,
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
        conv(input, grad, None, *ctx.how[:-1]) if needed[2] else None,
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
    turned = last and small(weight, input)
    y = _fastconv.conv_transpose(
        rank(input),
        image(input, turned),
        taps(weight, turned),
        None if bias is None else array(bias),
        stride,
        padding,
        output_padding,
        groups,
        dilation,
        layout(turned),
        None,
        "auto",
        None,
    )
    return arranged(batch(y, turned), last)


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
    return empty(input, (input.shape[0], weight.shape[1] * groups, *extents), channels_last(input))


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
    ctx.last = channels_last(input)
    # An output padding beyond the stride, which a dilation allows, is room for windows of no input.
    ctx.beyond = [o // s for o, s in zip(output_padding, stride, strict=True)]


def _conv_transpose_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    """By the convolution that is transposed: its result is our input, its input our result."""
    input, weight = ctx.saved_tensors
    sizes, needed = ctx.sizes, ctx.needs_input_grad
    dx = dw = None
    if needed[0]:
        dx = conv(arranged(grad, ctx.last), weight, None, *ctx.how)
        for axis, beyond in enumerate(ctx.beyond, 2):
            dx = dx.narrow(axis, 0, sizes[0][axis]) if beyond else dx
    if needed[1]:
        ends = [n for beyond in reversed(ctx.beyond) for n in (0, beyond)]
        dy = torch.nn.functional.pad(input, ends) if any(ends) else input
        dw = conv_weight(grad, sizes[1], dy, *ctx.how, ctx.last)
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
    last = channels_last(input)
    return empty(input, shape, last), empty(input, shape, last, torch.int64)


def _avg_pool_fake(
    input: Tensor, kernel_size: Ints, stride: Ints, padding: Ints, ceil_mode: bool, *_: Any
) -> Tensor:
    shape = _pool_shape(input, kernel_size, stride, padding, [1] * len(kernel_size), ceil_mode)
    return empty(input, shape, channels_last(input))


def _max_pool_input(grad: Tensor, indices: Tensor, input_size: Ints, last: bool) -> Tensor:
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
    last: bool,
) -> Tensor:
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


def _adaptive_avg_pool_input(grad: Tensor, input_size: Ints, last: bool) -> Tensor:
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
    last = channels_last(input)
    return empty(input, shape, last), empty(input, shape, last, torch.int64)


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
    "(Tensor grad, Tensor indices, SymInt[] input_size, bool last) -> Tensor",
    _max_pool_input,
    lambda grad, indices, input_size, last: empty(grad, input_size, last),
)
avg_pool = Operator(f"(Tensor input, {MEAN}) -> Tensor", _avg_pool, _avg_pool_fake)
avg_pool_input = Operator(
    f"(Tensor grad, SymInt[] input_size, {MEAN}, bool last) -> Tensor",
    _avg_pool_input,
    lambda grad, input_size, *how: empty(grad, input_size, how[-1]),
)
adaptive_avg_pool = Operator(
    "(Tensor input, SymInt[] output_size) -> Tensor",
    _adaptive_avg_pool,
    lambda input, output_size: empty(input, (*input.shape[:2], *output_size), channels_last(input)),
)
adaptive_avg_pool_input = Operator(
    "(Tensor grad, SymInt[] input_size, bool last) -> Tensor",
    _adaptive_avg_pool_input,
    lambda grad, input_size, last: empty(grad, input_size, last),
)


def _keep_indices(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(output[1])
    ctx.shape, ctx.last = inputs[0].shape, channels_last(inputs[0])


def _max_pool_backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Any, ...]:
    (indices,) = ctx.saved_tensors
    return (max_pool_input(grad, indices, ctx.shape, ctx.last),)


def _keep_second(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(inputs[1])


def _max_pool_input_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    (indices,) = ctx.saved_tensors
    places = indices.flatten(2)
    taken = grad.flatten(2).gather(2, places.clamp(min=0)) * (places >= 0)  # -1: a window of nothing
    return (taken.view(indices.shape),)


def _keep_rest(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.shape, ctx.how = inputs[0].shape, inputs[1:]
    ctx.last = channels_last(inputs[0])


def _avg_pool_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return (avg_pool_input(grad, ctx.shape, *ctx.how, ctx.last),)


def _avg_pool_input_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return (avg_pool(grad, *ctx.how[1:-1]),)


def _adaptive_avg_pool_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return (adaptive_avg_pool_input(grad, ctx.shape, ctx.last),)


def _adaptive_avg_pool_input_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return (adaptive_avg_pool(grad, ctx.shape[2:]),)


max_pool.differentiate(_keep_indices, _max_pool_backward)
adaptive_max_pool.differentiate(_keep_indices, _max_pool_backward)
max_pool_input.differentiate(_keep_second, _max_pool_input_backward)
avg_pool.differentiate(_keep_rest, _avg_pool_backward)
avg_pool_input.differentiate(_keep_rest, _avg_pool_input_backward)
adaptive_avg_pool.differentiate(_keep_rest, _adaptive_avg_pool_backward)
adaptive_avg_pool_input.differentiate(_keep_rest, _adaptive_avg_pool_input_backward)
