"""The networks that ONNX's own package carries, without their weights: with random ones in their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.backend.test
import onnx.numpy_helper
from numpy.typing import NDArray

FOLDER = Path(onnx.backend.test.__file__).parent / "data" / "light"
LARGE = {"bvlc_alexnet", "vgg19", "zfnet512"}  # 240 to 570 MiB of weights
NAMES = sorted(path.stem.removeprefix("light_") for path in FOLDER.glob("*.onnx"))


def network(name: str) -> onnx.ModelProto:
    """Read a network; its weights are nodes that fill arrays with one number."""
    return onnx.load(FOLDER / f"light_{name}.onnx")


def randomized(name: str, seed: int = 0) -> onnx.ModelProto:
    """Return a network with random weights, whose output is what goes into the last softmax.

    Weights of convolutions and matrices have the variance 2 / fan-in, which keeps that of the values that run
    through rectifiers; vectors (biases, statistics, factors) are between 0.5 and 1.5, so that variances are
    positive. The softmax is left out because it would hide the differences of all but the largest outputs.
    """
    random = np.random.default_rng(seed)
    model = network(name)
    graph = model.graph
    shapes = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = tuple(int(extent) for extent in shapes[node.input[0]])
        weights = onnx.numpy_helper.from_array(_weights(random, shape), node.output[0])
        graph.initializer.append(weights)
        graph.input.append(onnx.helper.make_tensor_value_info(node.output[0], weights.data_type, shape))
    if kept[-1].op_type == "Softmax":
        graph.output[0].name = kept.pop().input[0]
    del graph.node[:]
    graph.node.extend(kept)
    return model


def _weights(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    if len(shape) < 2:
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    # Gemm of these networks has (outputs, inputs), as convolutions have.
    scale = np.float32(np.sqrt(2 / np.prod(shape[1:])))
    return random.standard_normal(shape, np.float32) * scale
