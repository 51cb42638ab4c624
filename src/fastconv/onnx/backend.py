"""fastconv as a backend of ONNX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import onnx.backend.base
import onnx.helper
import onnx.shape_inference

from fastconv.onnx.errors import ModelError
from fastconv.onnx.session import Session, load

__all__ = ["Backend", "BackendRep"]


class BackendRep(onnx.backend.base.BackendRep):
    """A model that `Backend.prepare` made ready.

    Parameters
    ----------
    session : Session
        What runs it.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Run the model.

        Parameters
        ----------
        inputs : sequence or mapping
            Values in the order of the model's inputs, or by name; a single array for a single input.
        **kwargs
            Ignored, as the interface has them.

        Returns
        -------
        tuple
            The outputs.
        """
        names = [tensor.name for tensor in self.session.inputs]
        if isinstance(inputs, Mapping):
            feeds = dict(inputs)
        else:
            several = inputs if isinstance(inputs, list | tuple) else [inputs]
            if len(several) != len(names):
                raise ModelError(f"{len(several)} inputs: expected {len(names)}: {', '.join(names)}")
            feeds = dict(zip(names, several, strict=True))
        return tuple(self.session.run(feeds).values())


def _results(
    node: onnx.NodeProto, arguments: list[onnx.ValueInfoProto], version: int
) -> list[onnx.ValueInfoProto]:
    """Infer the types of a node's outputs, which a graph has to declare."""
    try:
        schema = onnx.defs.get_schema(node.op_type, version, node.domain)
        types = {value.name: value.type for value in arguments}
        found = onnx.shape_inference.infer_node_outputs(
            schema, node, types, opset_imports=[onnx.helper.make_opsetid(node.domain, version)]
        )
    except (onnx.defs.SchemaError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"node {node.op_type}: {error}") from error
    return [onnx.ValueInfoProto(name=name, type=found.get(name)) for name in node.output if name]


class Backend(onnx.backend.base.Backend):
    """The interface ``onnx.backend.base.Backend``, on the processor alone.

    Examples
    --------
    >>> import numpy as np
    >>> import onnx.helper
    >>> from fastconv.onnx import Backend
    >>> node = onnx.helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2])
    >>> Backend.run_node(node, [np.array([[[1, 3, 2]]], np.float32)])
    (array([[[3., 3.]]], dtype=float32),)
    """

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Say whether a model can be loaded."""
        if not cls.supports_device(device):
            return False
        try:
            load(model)
        except ModelError:
            return False
        return True

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> BackendRep:
        """Make a model ready to run."""
        cls._check_device(device)
        return BackendRep(load(model))

    @classmethod
    def run_model(
        cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any
    ) -> tuple[Any, ...]:
        """Run a model once."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[Any, tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Run a single node, of the newest opset or of ``opset_version``."""
        cls._check_device(device)
        version = kwargs.get("opset_version", onnx.defs.onnx_opset_version())
        named = [name for name in node.input if name]
        values = [inputs[name] for name in named] if isinstance(inputs, Mapping) else list(inputs)
        if len(values) != len(named):
            raise ModelError(f"{len(values)} inputs: expected {len(named)}: {', '.join(named)}")
        arguments = [
            onnx.helper.make_tensor_value_info(
                name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in zip(named, values, strict=True)
        ]
        results = _results(node, arguments, version)
        graph = onnx.helper.make_graph([node], "node", arguments, results)
        opset = onnx.helper.make_opsetid(node.domain, version)
        model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=onnx.IR_VERSION)
        return BackendRep(load(model)).run(values)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Say whether this is the processor."""
        return device.partition(":")[0] == "CPU"

    @classmethod
    def _check_device(cls, device: str) -> None:
        if not cls.supports_device(device):
            raise ValueError(f"device={device!r}: expected 'CPU'")
