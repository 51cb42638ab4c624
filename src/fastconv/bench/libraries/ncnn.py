"""ncnn on the CPU: a net of one layer, in single precision."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ncnn
import numpy as np
from numpy.typing import NDArray

from fastconv import Problem
from fastconv.bench.data import Arrays
from fastconv.bench.libraries._channels_first import input_first, output_as, plain, weight_first
from fastconv.bench.libraries.library import Library, Prepared

_MAGIC = "7767517"
_FLOAT32_FOLLOWS = np.zeros(1, np.int32).tobytes()

# Activations within a layer, by the numbers of its parameters; others are layers of their own.
_FUSED = {
    "": "",
    "relu": " 9=1",
    "leaky_relu": " 9=2 -23310=1,0.01",
    "relu6": " 9=3 -23310=2,0.0,6.0",
    "sigmoid": " 9=4",
}
_LAYERS = {"tanh": "TanH", "silu": "Swish"}


class NCNN(Library):
    """One image at a time, its weights packed when the net is loaded."""

    name = "ncnn"

    def version(self) -> str:
        return str(ncnn.__version__)

    def ways(self, problem: Problem, prepared: bool) -> list[str]:
        possible = prepared and plain(problem, "float32") and problem.rank == 2 and problem.n == 1
        return ["net"] if possible and ("pool" not in problem.op or _pools(problem)) else []

    def prepare(self, way: str, problem: Problem, arrays: Arrays, prepared: bool) -> Prepared:
        net = ncnn.Net()
        net.opt.num_threads = self.threads
        for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
            setattr(net.opt, f"use_{option}", False)
        for option in ("int8_inference", "int8_packed", "int8_storage", "int8_arithmetic"):
            setattr(net.opt, f"use_{option}", False)
        with TemporaryDirectory() as folder:
            text, weights = Path(folder, "net.param"), Path(folder, "net.bin")
            text.write_text(_net(problem))
            weights.write_bytes(_weights(problem, arrays))
            if net.load_param(str(text)) or net.load_model(str(weights)):
                raise RuntimeError(f"ncnn cannot load a net for {problem}")
        image = input_first(problem, arrays.x)[0]
        matrix = ncnn.Mat(image)
        # The matrix borrows its array. A result is kept until the next is there, as by programs with a place
        # for it: large ones take less time then, since their memory does not go back to the system.
        kept: dict[str, Any] = {"image": image}

        def call() -> Any:
            extractor = net.create_extractor()
            extractor.input("x", matrix)
            kept["result"] = extractor.extract("y")[1]
            return kept["result"]

        def array(y: Any) -> NDArray[Any]:
            # A result of a single row or pixel may come with fewer axes.
            return output_as(problem, np.array(y).reshape(problem.n, problem.oc, *problem.output_size))

        return Prepared(call, array)


def _pools(problem: Problem) -> bool:
    return not problem.ceil_mode and problem.divisor_override is None and set(problem.dilation) == {1}


def _net(problem: Problem) -> str:
    """Return the text that describes the net: its input, the layer, and perhaps one for the activation."""
    activation = _LAYERS.get(problem.activation)
    name = "sums" if activation else "y"
    layers = ["Input in 0 1 x", _layer(problem, name)]
    if activation:
        layers.append(f"{activation} activation 1 1 {name} y")
    return "\n".join([_MAGIC, f"{len(layers)} {len(layers)}", *layers, ""])


def _layer(problem: Problem, name: str) -> str:
    (high, wide), (down, right) = problem.kernel_size, problem.stride
    (top, bottom), (left, end) = problem.padding
    if "pool" in problem.op:
        mean = int(problem.op.startswith("avg"))
        return (
            f"Pooling layer 1 1 x {name} 0={mean} 1={wide} 11={high} 2={right} 12={down}"
            f" 3={left} 13={top} 14={end} 15={bottom} 5=1 6={int(mean and problem.count_include_pad)}"
        )
    size = high * wide * problem.oc * problem.ic // problem.groups
    kind, groups = "Convolution", ""
    if problem.groups > 1:
        kind, groups = "ConvolutionDepthWise", f" 7={problem.groups}"
    return (
        f"{kind} layer 1 1 x {name} 0={problem.oc} 1={wide} 11={high}"
        f" 2={problem.dilation[1]} 12={problem.dilation[0]} 3={right} 13={down}"
        f" 4={left} 14={top} 15={end} 16={bottom} 5={int(problem.bias)} 6={size}{groups}"
        f"{_FUSED.get(problem.activation, '')}"
    )


def _weights(problem: Problem, arrays: Arrays) -> bytes:
    if arrays.weight is None:
        return b""
    bias = b"" if arrays.bias is None else arrays.bias.tobytes()
    return _FLOAT32_FOLLOWS + weight_first(problem, arrays.weight).tobytes() + bias
