"""OpenVINO on the CPU: a compiled model of one node, in single precision."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from fastconv import Problem
from fastconv.bench.data import Arrays
from fastconv.bench.libraries._channels_first import input_first, output_as
from fastconv.bench.libraries._onnx import expressible, model
from fastconv.bench.libraries.library import Library, Prepared


class OpenVINO(Library):
    """Weights are part of the model, so that there is nothing to measure without preparing."""

    name = "openvino"
    settling = 0.005

    def version(self) -> str:
        return str(openvino.get_version()).partition("-")[0]

    def ways(self, problem: Problem, prepared: bool) -> list[str]:
        # It divides by the size of the window where that reaches beyond the padding.
        overhangs = problem.ceil_mode and problem.op.startswith("avg") and problem.count_include_pad
        return ["compiled"] if prepared and expressible(problem, "float32") and not overhangs else []

    def prepare(self, way: str, problem: Problem, arrays: Arrays, prepared: bool) -> Prepared:
        core = openvino.Core()
        settings = {
            "INFERENCE_NUM_THREADS": self.threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        compiled = core.compile_model(core.read_model(model(problem, arrays)), "CPU", settings)
        request = compiled.create_infer_request()
        x = input_first(problem, arrays.x)
        request.set_input_tensor(openvino.Tensor(x, shared_memory=True))
        return Prepared(partial(_infer, request, x), lambda y: output_as(problem, y.copy()))


def _infer(request: Any, borrowed: NDArray[Any]) -> NDArray[Any]:
    """Compute, and return a view of the request's own memory; the request does not keep its input alive."""
    request.infer()
    return np.asarray(request.get_output_tensor().data)
