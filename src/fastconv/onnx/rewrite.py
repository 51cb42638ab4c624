"""What is made simpler before a model runs. Every rewriting leaves results as they are, within rounding."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import onnx
import onnx.helper
from numpy.typing import NDArray

import fastconv
from fastconv._typing import Activation
from fastconv.onnx import weights
from fastconv.onnx.errors import ModelError, UnsupportedError
from fastconv.onnx.graph import Graph, Node
from fastconv.onnx.table import TABLE

__all__ = [
    "activate",
    "convolve_normalizations",
    "drop_identities",
    "fold_constants",
    "fold_scales",
    "fuse_activations",
    "fuse_residuals",
    "fuse_shuffles",
    "rewrite",
]

Array = NDArray[Any]

_BUDGET = 2 << 30  # bytes of all folded constants together


def rewrite(graph: Graph) -> Graph:
    """Apply all of them."""
    fold_constants(graph)
    drop_identities(graph)
    fold_scales(graph)
    convolve_normalizations(graph)
    fuse_residuals(graph)
    fuse_activations(graph)
    fuse_shuffles(graph)
    return graph


def fold_constants(graph: Graph) -> None:
    """Compute nodes of the table whose inputs are all constants; together they may take `_BUDGET` bytes."""
    left, kept = _BUDGET, []
    for node in graph.nodes:
        known = all(name in node.constants or not name for name in node.inputs)
        if not known or node.captured or node.domain or node.op not in TABLE:
            kept.append(node)
            continue
        if _bytes(node, graph) > left:
            kept.append(node)
            continue
        arguments = [node.constant(place) for place in range(len(node.inputs))]
        try:
            with np.errstate(all="ignore"):
                found = TABLE[node.op](node)(*arguments)
        except UnsupportedError:
            kept.append(node)
            continue
        except Exception as error:
            raise ModelError(f"{node}: {error}") from error
        for name, value in zip(node.outputs, found if isinstance(found, tuple) else (found,), strict=False):
            array = np.asarray(value)
            left -= array.nbytes
            array.setflags(write=False)
            graph.constants[name] = array
    graph.nodes = kept


def _bytes(node: Node, graph: Graph) -> int:
    """Return the size of a node's first output, 0 if it is not known before."""
    if node.op == "ConstantOfShape":
        shape = node.constant(0)
        assert shape is not None
        value = node.get("value")
        return int(np.prod([float(n) for n in shape])) * (4 if value is None else value.dtype.itemsize)
    kind = graph.types.get(node.outputs[0])
    if kind is None or not kind.HasField("tensor_type"):
        return 0
    return int(np.prod([float(extent.dim_value) for extent in kind.tensor_type.shape.dim])) * 8


def drop_identities(graph: Graph) -> None:
    """Let those who read the output of Identity, or of Dropout at inference, read its input."""
    results = {tensor.name for tensor in graph.outputs}
    captured = {name for node in graph.nodes for name in node.captured}
    renamed: dict[str, str] = {}
    kept = []
    for node in graph.nodes:
        node.inputs = [renamed.get(name, name) for name in node.inputs]
        first, *others = node.outputs
        used = any(name and name not in results and _is_read(graph, name) for name in others)
        if _passes(node) and first not in results | captured and not used and not results & set(others):
            renamed[first] = node.inputs[0]
        else:
            kept.append(node)
    graph.nodes = kept


def _is_read(graph: Graph, name: str) -> bool:
    return any(name in node.inputs or name in node.captured for node in graph.nodes)


def _passes(node: Node) -> bool:
    if node.domain or node.op not in ("Identity", "Dropout"):
        return False
    try:
        TABLE[node.op](node)
    except UnsupportedError:  # it trains
        return False
    return True


def _follower(graph: Graph, node: Node, consumers: dict[str, list[Node]]) -> Node | None:
    """Return the only reader of a node's only output, if that is no output of the graph."""
    if len([name for name in node.outputs if name]) != 1:
        return None
    output = node.outputs[0]
    readers = consumers.get(output, [])
    if len(readers) != 1 or output in {tensor.name for tensor in graph.outputs}:
        return None
    reader = readers[0]
    return None if reader.domain or reader.captured else reader


def fold_scales(graph: Graph) -> None:
    """Fold BatchNormalization, and Mul and Add of one constant a channel, into the Conv before.

    The weights of an output channel are multiplied, its bias is multiplied and added to. Where there is no
    Conv before a BatchNormalization, that takes the Mul and Add after it.
    """
    consumers = graph.consumers()
    gone: set[int] = set()
    for node in graph.nodes:
        if id(node) in gone:
            continue
        fold = _scale_conv if node.is_prepared_conv() else _scale_normalization
        rank = _rank(graph, node)
        own = _normalization(node) if fold is _scale_normalization else None
        if rank is None or (fold is _scale_normalization and own is None):
            continue
        channels = cast(weights.Constant, node.unread(1)).shape[0]
        while (after := _follower(graph, node, consumers)) is not None:
            scale = _channel_scale(after, node.outputs[0], channels, rank)
            if scale is None:
                break
            fold(graph, node, *scale)
            node.outputs = [after.outputs[0]]
            gone.add(id(after))
    graph.nodes = [node for node in graph.nodes if id(node) not in gone]


def _rank(graph: Graph, node: Node) -> int | None:
    """Return the number of axes of a node's output, None if the model does not tell."""
    kind = graph.types.get(node.outputs[0])
    if kind is None or not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    return len(kind.tensor_type.shape.dim)


def _normalization(node: Node) -> tuple[Array, Array] | None:
    """Return the factor and the summand of every channel of a BatchNormalization at inference, in float64."""
    if node.op != "BatchNormalization" or node.domain or node.get("training_mode"):
        return None
    values = [node.constant(place) for place in (1, 2, 3, 4)]
    fixed = [value.astype(np.float64) for value in values if value is not None and value.ndim == 1]
    if len(fixed) < 4 or len([name for name in node.outputs if name]) > 1:
        return None
    if len({value.shape for value in fixed}) > 1:
        return None
    factor = fixed[0] / np.sqrt(fixed[3] + node.get("epsilon", 1e-5))
    return factor, fixed[1] - fixed[2] * factor


def _channel_scale(node: Node, of: str, channels: int, rank: int) -> tuple[Array, Array] | None:
    """Return the factor and the summand of every channel if that is all that a node does to a value."""
    if node.op == "BatchNormalization":
        scale = _normalization(node) if node.inputs[0] == of else None
        return scale if scale is not None and scale[0].shape == (channels,) else None
    if node.op not in ("Mul", "Add") or node.opset < 7 or node.inputs.count(of) != 1:
        return None
    value = node.constant(1 - node.inputs.index(of))
    if value is None or value.dtype.kind != "f" or value.ndim > rank:
        return None
    shape = (1,) * (rank - value.ndim) + value.shape
    if shape[0] != 1 or shape[1] not in (1, channels) or any(extent != 1 for extent in shape[2:]):
        return None
    vector = np.broadcast_to(value.reshape(-1), (channels,)).astype(np.float64)
    return (vector, np.zeros(channels)) if node.op == "Mul" else (np.ones(channels), vector)


def _scale_conv(graph: Graph, conv: Node, factor: Array, summand: Array) -> None:
    weight = cast(weights.Constant, conv.unread(1))
    bias = conv.constant(2)
    moved = summand if bias is None else bias * factor + summand
    conv.inputs = [
        conv.inputs[0],
        graph.add_constant(f"{conv.inputs[1]} scaled", weights.scaled(weight, factor)),
        graph.add_constant(f"{conv.inputs[1]} bias", moved.astype(weight.dtype)),
    ]


def _scale_normalization(graph: Graph, node: Node, factor: Array, summand: Array) -> None:
    x, scale, bias, *statistics = node.inputs
    values = cast(Array, node.constant(1)), cast(Array, node.constant(2))
    scaled = graph.add_constant(f"{scale} scaled", (values[0] * factor).astype(values[0].dtype))
    moved = graph.add_constant(f"{bias} scaled", (values[1] * factor + summand).astype(values[1].dtype))
    node.inputs = [x, scaled, moved, *statistics]


def convolve_normalizations(graph: Graph) -> None:
    """Let a BatchNormalization that is left be a depthwise convolution of single pixels.

    That reads and writes each value once, and applies the activation after it.
    """
    for node in graph.nodes:
        scale = _normalization(node)
        rank = _rank(graph, node)
        dtype = _dtype(graph, node)
        if scale is None or rank not in (3, 4, 5) or dtype not in (np.float32, np.float64):
            continue
        channels = scale[0].shape[0]
        weight = scale[0].reshape((channels, 1) + (1,) * (rank - 2)).astype(dtype)
        inputs = [
            node.inputs[0],
            graph.add_constant(f"{node.inputs[1]} weight", weight),
            graph.add_constant(f"{node.inputs[2]} bias", scale[1].astype(dtype)),
        ]
        node.op, node.attributes = "Conv", {"group": channels}
        node.inputs, node.outputs = inputs, node.outputs[:1]
        node.proto = onnx.helper.make_node("Conv", inputs, node.outputs, name=node.proto.name, group=channels)


def _dtype(graph: Graph, node: Node) -> np.dtype[Any] | None:
    """Return the type of a node's output, None if the model does not tell."""
    kind = graph.types.get(node.outputs[0])
    if kind is None or not kind.HasField("tensor_type") or not kind.tensor_type.elem_type:
        return None
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.tensor_type.elem_type))


def fuse_residuals(graph: Graph) -> None:
    """Let Conv add what an Add or Sum after it adds, if that has the same shape and is known before it.

    Where both inputs are convolutions, as at the beginning of a stage, it is the later one.
    """
    consumers = graph.consumers()
    order = {name: place for place, node in enumerate(graph.nodes) for name in node.outputs}
    producers = {node.outputs[0]: node for node in graph.nodes if node.is_prepared_conv()}
    gone: set[int] = set()
    for node in graph.nodes:
        if node.op not in ("Add", "Sum") or node.domain or len(node.inputs) != 2:
            continue
        for output, other in (node.inputs, node.inputs[::-1]):
            conv = producers.get(output)
            if conv is None or conv.residual or _follower(graph, conv, consumers) is not node:
                continue
            if order.get(other, -1) < order[output] and _same_type(graph, output, other):
                conv.inputs = [*conv.inputs, *[""] * (3 - len(conv.inputs)), other]
                conv.residual = True
                conv.outputs = node.outputs
                order[node.outputs[0]] = order[output]
                gone.add(id(node))
                break
    graph.nodes = [node for node in graph.nodes if id(node) not in gone]


def _same_type(graph: Graph, first: str, second: str) -> bool:
    """Say whether two values are known to have the same type, and extents that are the same or named so."""
    a, b = graph.tensor(first), graph.tensor(second)
    known = a.dtype is not None and a.shape is not None and None not in a.shape
    return known and (a.dtype, a.shape) == (b.dtype, b.shape)


def fuse_activations(graph: Graph) -> None:
    """Let Conv, and Gemm of float32 or float64, apply the activation after them as they store."""
    consumers = graph.consumers()
    gone: set[int] = set()
    for node in graph.nodes:
        if not (node.is_prepared_conv() or _is_prepared_gemm(node)):
            continue
        gated = _gate(graph, node, consumers)
        if gated is not None:
            node.activation = "silu"
            node.outputs = gated[1].outputs
            gone.update(map(id, gated))
            continue
        after = _follower(graph, node, consumers)
        activation = None if after is None or after.inputs[0] != node.outputs[0] else _activation(after)
        if after is not None and activation is not None:
            node.activation = activation
            node.outputs = after.outputs
            gone.add(id(after))
    graph.nodes = [node for node in graph.nodes if id(node) not in gone]


def _gate(graph: Graph, node: Node, consumers: dict[str, list[Node]]) -> tuple[Node, Node] | None:
    """Return the Sigmoid of a node's output and the Mul of both: together they are silu."""
    output = node.outputs[0]
    results = {tensor.name for tensor in graph.outputs}
    readers = consumers.get(output, [])
    if len(readers) != 2 or output in results:
        return None
    for sigmoid, product in (readers, readers[::-1]):
        if sigmoid.op != "Sigmoid" or product.op != "Mul" or sigmoid.domain or product.domain:
            continue
        gate = sigmoid.outputs[0]
        if (
            consumers.get(gate, []) == [product]
            and gate not in results
            and {*product.inputs} == {output, gate}
        ):
            return sigmoid, product
    return None


def _is_prepared_gemm(node: Node) -> bool:
    weight, bias = node.unread(1) if node.op == "Gemm" and not node.domain else None, node.unread(2)
    if weight is None or weight.dtype not in (np.float32, np.float64):
        return False
    return len(bias.shape) == 1 if bias is not None else not node.given(2)


def _activation(node: Node) -> Activation | None:
    """Return what fastconv calls the activation that a node is."""
    if node.op == "Relu":
        return "relu"
    if node.op == "Sigmoid":
        return "sigmoid"
    if node.op == "Tanh":
        return "tanh"
    if node.op == "LeakyRelu":
        # The fused slope is 0.01 and no other; models hold it as a float32.
        return "leaky_relu" if np.float32(node.get("alpha", 0.01)) == np.float32(0.01) else None
    if node.op != "Clip":
        return None
    if node.opset < 11:
        return _clamp(node.get("min"), node.get("max"))
    bounds = [node.constant(1), node.constant(2)]
    if any(bound is None and node.given(place + 1) for place, bound in enumerate(bounds)):
        return None
    low, high = (None if bound is None else float(bound.reshape(-1)[0]) for bound in bounds)
    return _clamp(low, high)


def _clamp(low: float | None, high: float | None) -> Activation | None:
    if low is None and high is None:
        return None
    ordered = low is None or high is None or low <= high  # also false for NaN
    return (low, high) if ordered else None


def fuse_shuffles(graph: Graph) -> None:
    """Let a Reshape, a Transpose and a Reshape that deal out the channels of groups in turn be one node."""
    consumers = graph.consumers()
    gone: set[int] = set()
    for node in graph.nodes:
        turned = _follower(graph, node, consumers) if node.op == "Reshape" and not node.domain else None
        joined = _follower(graph, turned, consumers) if turned is not None else None
        if turned is None or joined is None or turned.op != "Transpose" or joined.op != "Reshape":
            continue
        if turned.get("perm") != [0, 2, 1, 3, 4]:
            continue
        whole, split = graph.tensor(node.inputs[0]), graph.tensor(node.outputs[0])
        back = graph.tensor(joined.outputs[0])
        if whole.dtype not in (np.float32, np.float64) or whole.shape is None or split.shape is None:
            continue
        n, *image = whole.shape
        known = len(image) == 3 and len(split.shape) == 5 and None not in whole.shape
        if known and back.shape == whole.shape and (split.shape[0], *split.shape[3:]) == (n, *image[1:]):
            node.op, node.attributes = "channel shuffle", {"groups": split.shape[1]}
            node.inputs, node.outputs = node.inputs[:1], joined.outputs
            gone.update({id(turned), id(joined)})
    graph.nodes = [node for node in graph.nodes if id(node) not in gone]


def activate(x: Array, activation: Activation) -> Array:
    """Apply a fused activation to the result of a node that fastconv did not compute."""
    if isinstance(activation, tuple):
        low, high = activation
        y = x if low is None else np.maximum(x, x.dtype.type(low))
        return np.asarray(y if high is None else np.minimum(y, x.dtype.type(high)))
    function = getattr(fastconv, activation)
    return cast(Array, function(x))
