"""A model as plain data: nodes with their attributes, constants, and what is known of every value."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
import onnx
import onnx.checker
import onnx.inliner
import onnx.numpy_helper
import onnx.shape_inference
from numpy.typing import NDArray

from fastconv._typing import Activation
from fastconv.onnx.errors import ModelError, check_size
from fastconv.onnx.weights import Constant, Piece, cut, initializers, is_small, value_of

__all__ = ["Graph", "Node", "Source", "Tensor", "read"]

Source: TypeAlias = "str | os.PathLike[str] | bytes | onnx.ModelProto"

STANDARD = {"", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training"}
"""The domains whose operators `onnx.reference` knows."""


class Tensor(NamedTuple):
    """An input or output of a model.

    Parameters
    ----------
    name : str
        Its name.
    shape : tuple of int, str or None, or None
        Extents; a name or None where any extent will do. None if the model does not tell.
    dtype : dtype or None
        None for what is no tensor, and where the model does not tell.
    """

    name: str
    shape: tuple[int | str | None, ...] | None
    dtype: np.dtype[Any] | None


@dataclass(slots=True, eq=False)
class Node:
    """One operator of a graph."""

    proto: onnx.NodeProto
    domain: str
    op: str
    inputs: list[str]  # "" where an optional one is left out
    outputs: list[str]
    attributes: dict[str, Any]
    opset: int
    constants: dict[str, Constant]  # those of the graph
    types: dict[str, onnx.TypeProto]  # what is known of its values
    captured: list[str]  # values of the graph that its subgraphs read
    activation: Activation | None = None  # one that was a node of its own
    residual: bool = False  # whether the fourth input is added before that

    def __str__(self) -> str:
        return f"node {self.proto.name or ', '.join(filter(None, self.outputs))!r} ({self.op})"

    def given(self, index: int) -> bool:
        """Say whether an optional input is there."""
        return index < len(self.inputs) and bool(self.inputs[index])

    def constant(self, index: int) -> NDArray[Any] | None:
        """Return the value of an input that is the same in every run, None of any other."""
        found = self.unread(index)
        return None if found is None else value_of(found)

    def unread(self, index: int) -> Constant | None:
        """Return the same for who may want no more than its shape and dtype."""
        return self.constants.get(self.inputs[index]) if self.given(index) else None

    def is_prepared_conv(self) -> bool:
        """Say whether this is a Conv whose weights can be packed before it runs."""
        weight = self.unread(1) if self.op == "Conv" and not self.domain else None
        if weight is None or (self.given(2) and self.unread(2) is None):
            return False
        return 3 <= len(weight.shape) <= 5 and weight.dtype in (np.float32, np.float64)

    def image_shape(self) -> tuple[int, ...] | None:
        """Return the shape of the first input for one image, None if the model does not tell the rest."""
        kind = self.types.get(self.inputs[0], onnx.TypeProto())
        shape = (_tensor(onnx.ValueInfoProto(type=kind)).shape or ())[1:]
        extents = tuple(extent for extent in shape if isinstance(extent, int))
        return (1, *extents) if extents and len(extents) == len(shape) else None

    def leave_out(self, *indices: int) -> None:
        """Read constants no more: the node's function keeps them in a form of its own."""
        for index in filter(self.given, indices):
            self.inputs[index] = ""

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of an attribute."""
        return self.attributes.get(name, default)


@dataclass(slots=True)
class Graph:
    """What a model is once it is read."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    nodes: list[Node]
    constants: dict[str, Constant]
    types: dict[str, onnx.TypeProto]
    opsets: dict[str, int]
    names: set[str] = field(default_factory=set)

    def consumers(self) -> dict[str, list[Node]]:
        """Return who reads each value; the graph's outputs are read by nobody here."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in [*node.inputs, *node.captured]:
                found.setdefault(name, []).append(node)
        return found

    def tensor(self, name: str) -> Tensor:
        """Return what the model tells of a value."""
        return _tensor(onnx.ValueInfoProto(name=name, type=self.types.get(name, onnx.TypeProto())))

    def add_constant(self, name: str, value: Constant) -> str:
        """Keep a constant under a name like this one that is free."""
        while name in self.names:
            name += "'"
        self.names.add(name)
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
        self.constants[name] = value
        return name


@contextmanager
def read(source: Source) -> Iterator[Graph]:
    """Read and check a model, and infer shapes. Its large constants can be read until the context ends."""
    if isinstance(source, onnx.ModelProto):
        yield _read("model", source, [], None, None)
    elif isinstance(source, bytes):
        with io.BytesIO(source) as file:
            yield _read("model", *_parse(file, "model", None), file, None)
    elif isinstance(source, str | os.PathLike):
        label = os.fspath(source)
        with open(source, "rb") as opened:
            yield _read(label, *_parse(opened, label, label), opened, os.path.dirname(label))
    else:
        raise TypeError(f"model: {type(source).__name__}, expected a path, bytes or onnx.ModelProto")


def _parse(file: BinaryIO, label: str, path: str | None) -> tuple[onnx.ModelProto, list[Piece | None]]:
    content, pieces = cut(file)
    try:
        if pieces:
            return onnx.load_model_from_string(content), pieces
        file.seek(0)
        return onnx.load(file if path is None else path, load_external_data=False), []
    except Exception as error:  # protobuf's, of several kinds
        raise ModelError(f"{label}: not an ONNX model: {error}") from error


def _read(
    label: str,
    model: onnx.ModelProto,
    pieces: list[Piece | None],
    file: BinaryIO | None,
    folder: str | None,
) -> Graph:
    try:
        values = dict(initializers(model.graph.initializer, pieces, file, folder or ""))
        return _graph(_inlined(model), values, folder)
    except (ModelError, UnicodeDecodeError) as error:  # the latter where a name is no text
        raise ModelError(f"{label}: {error}") from error


def _inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace calls of the model's own functions by their bodies."""
    if not model.functions:
        return model
    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:
        raise ModelError(f"its functions cannot be inlined: {error}") from error


def _graph(model: onnx.ModelProto, constants: dict[str, Constant], folder: str | None) -> Graph:
    opsets = {_domain(entry.domain): entry.version for entry in model.opset_import}
    for proto in model.graph.node:
        _check_operator(proto, opsets)
    bare = _bare(model)
    types = _types(bare, model, folder)
    if model.graph.sparse_initializer:
        raise ModelError("sparse initializers are not supported")
    # Not the model's own, by which all its weights would stay in memory.
    nodes = [_node(proto, opsets, constants, types) for proto in bare.graph.node]
    inputs = [_tensor(value) for value in model.graph.input if value.name not in constants]
    names = {value.name for value in model.graph.input} | constants.keys()
    names.update(name for node in nodes for name in node.outputs)
    outputs = [_tensor(value, types) for value in model.graph.output]
    return Graph(inputs, outputs, nodes, constants, types, opsets, names)


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _check_operator(proto: onnx.NodeProto, opsets: dict[str, int]) -> None:
    for text in [proto.name, proto.op_type, proto.domain, *proto.input, *proto.output]:
        if not isinstance(text, str):  # as protobuf hands out what is no UTF-8
            raise ModelError(f"{text!r} in a node: expected UTF-8")
    domain = _domain(proto.domain)
    label = f"node {proto.name or ', '.join(filter(None, proto.output))!r}"
    if domain not in STANDARD:
        raise ModelError(f"{label}: operator {proto.op_type} of the unknown domain {domain!r}")
    if domain not in opsets:
        raise ModelError(f"{label}: the model does not import the domain {domain!r}")
    try:
        onnx.defs.get_schema(proto.op_type, opsets[domain], domain)
    except onnx.defs.SchemaError as error:
        known = f"opset {opsets[domain]}" + (f" of {domain}" if domain else "")
        raise ModelError(f"{label}: {known} has no operator {proto.op_type}") from error
    _check_windows(proto, label)


_LEAST = {"strides": 1, "dilations": 1, "kernel_shape": 1, "group": 1, "pads": 0, "output_padding": 0}


def _check_windows(proto: onnx.NodeProto, label: str) -> None:
    """Refuse windows of no extent and the like, by which ONNX's inference of some versions divides."""
    if "Conv" not in proto.op_type and "Pool" not in proto.op_type:
        return
    for item in proto.attribute:
        values = [item.i] if item.name == "group" else list(item.ints)
        if item.name in _LEAST and values and min(values) < _LEAST[item.name]:
            shown = values[0] if item.name == "group" else values
            raise ModelError(
                f"{label} ({proto.op_type}): {item.name}={shown}: expected at least {_LEAST[item.name]}"
            )


def _bare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy without the large constants, of which nothing is left but their shapes."""
    bare = onnx.ModelProto(ir_version=max(model.ir_version, 4) if model.ir_version > 0 else 0)
    bare.opset_import.extend(model.opset_import)
    graph = bare.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    # ONNX's check refuses an output that declares no shape, as exporters leave it where ranks vary.
    shaped = [value for value in model.graph.output if not _has_no_shape(value)]
    graph.output.extend(shaped)
    graph.value_info.extend(model.graph.value_info)
    named = {value.name for value in model.graph.input}
    for tensor in model.graph.initializer:
        if is_small(tensor):
            graph.initializer.append(tensor)
        elif tensor.name not in named:
            extents = list(tensor.dims)
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, extents))
    return bare


def _types(bare: onnx.ModelProto, model: onnx.ModelProto, folder: str | None) -> dict[str, onnx.TypeProto]:
    """Check a model, of which there is a copy without large constants, and infer the types of its values."""
    graph = bare.graph
    try:
        if folder is not None:  # external data of attributes, and of small constants
            onnx.load_external_data_for_model(bare, folder)
        onnx.checker.check_model(bare)
        del graph.output[:]
        graph.output.extend(model.graph.output)
        inferred = _infer(bare).graph
    except Exception as error:  # of several kinds, none of them a subclass of another
        raise ModelError(" ".join(str(error).split())) from error
    types = {value.name: value.type for value in [*inferred.value_info, *inferred.input, *inferred.output]}
    for name, value in types.items():
        tensor_type = _tensor(onnx.ValueInfoProto(name=name, type=value))
        if tensor_type.shape is not None and tensor_type.dtype is not None:
            extents = [extent for extent in tensor_type.shape if isinstance(extent, int)]
            try:
                check_size(tuple(extents), tensor_type.dtype)
            except ModelError as error:
                raise ModelError(f"value {name!r}: {error}") from error
    return types


def _has_no_shape(value: onnx.ValueInfoProto) -> bool:
    return value.type.HasField("tensor_type") and not value.type.tensor_type.HasField("shape")


def _infer(model: onnx.ModelProto) -> onnx.ModelProto:
    """Infer types; shapes that do not fit are errors."""
    try:
        return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        # Some operators that ONNX defines as functions have a body that its own inference refuses.
        ops = set(re.findall(r"op_type:(\w+)", str(error)))
        functions = {schema.name for schema in onnx.defs.get_all_schemas() if schema.has_function}  # type: ignore[attr-defined]
        if not ops & functions:
            raise
        return onnx.shape_inference.infer_shapes(model)


def _node(
    proto: onnx.NodeProto,
    opsets: dict[str, int],
    constants: dict[str, Constant],
    types: dict[str, onnx.TypeProto],
) -> Node:
    domain = _domain(proto.domain)
    attributes = {item.name: _attribute(item) for item in proto.attribute}
    captured = sorted(
        {name for item in proto.attribute for graph in _subgraphs(item) for name in _free(graph)}
    )
    return Node(
        proto,
        domain,
        proto.op_type,
        list(proto.input),
        list(proto.output),
        attributes,
        opsets[domain],
        constants,
        types,
        captured,
    )


def _attribute(item: onnx.AttributeProto) -> Any:
    kinds = onnx.AttributeProto
    if item.type in (kinds.GRAPH, kinds.GRAPHS, kinds.SPARSE_TENSOR, kinds.SPARSE_TENSORS, kinds.TYPE_PROTO):
        return None  # for onnx.reference, which reads the node itself
    if item.type == kinds.TENSOR:
        try:
            return np.asarray(onnx.numpy_helper.to_array(item.t))
        except Exception as error:
            raise ModelError(f"attribute {item.name!r}: {error}") from error
    value = onnx.helper.get_attribute_value(item)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, int | float) else list(value)


def _subgraphs(item: onnx.AttributeProto) -> list[onnx.GraphProto]:
    return [*item.graphs, *([item.g] if item.HasField("g") else [])]


def _free(graph: onnx.GraphProto) -> set[str]:
    """Return the names that a subgraph reads from the graphs around it."""
    own = {value.name for value in [*graph.input, *graph.initializer]}
    own.update(name for node in graph.node for name in node.output)
    read = {name for node in graph.node for name in node.input}
    read.update(value.name for value in graph.output)
    for node in graph.node:
        for item in node.attribute:
            for inner in _subgraphs(item):
                read |= _free(inner)
    return read - own - {""}


def _tensor(value: onnx.ValueInfoProto, types: dict[str, onnx.TypeProto] | None = None) -> Tensor:
    kind = value.type
    if types is not None and value.name in types:
        kind = types[value.name]
    if not kind.HasField("tensor_type"):
        return Tensor(value.name, None, None)
    dtype = None
    if kind.tensor_type.elem_type:
        try:
            dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.tensor_type.elem_type))
        except KeyError as error:
            raise ModelError(f"value {value.name!r}: unknown type {kind.tensor_type.elem_type}") from error
    if not kind.tensor_type.HasField("shape"):
        return Tensor(value.name, None, dtype)
    shape = tuple(
        extent.dim_value if extent.HasField("dim_value") else extent.dim_param or None
        for extent in kind.tensor_type.shape.dim
    )
    return Tensor(value.name, shape, dtype)
