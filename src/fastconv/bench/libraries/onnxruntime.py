"""ONNX Runtime on the CPU: a session for a model of one node."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fastconv import Problem
from fastconv.bench.data import Arrays
from fastconv.bench.libraries._channels_first import input_first, output_as
from fastconv.bench.libraries._onnx import expressible, model
from fastconv.bench.libraries.library import Library, Prepared

_ONLY_ERRORS = 3


class ONNXRuntime(Library):
    """Weights are part of the model, so that there is nothing to measure without preparing."""

    name = "onnxruntime"
    settling = 0.06  # its threads wait for 27 ms

    def __init__(self, threads: int, instruction_set: str) -> None:
        super().__init__(threads, instruction_set)
        onnxruntime.disable_telemetry_events()  # nothing but the problem runs while it is timed

    def version(self) -> str:
        return str(onnxruntime.__version__)

    def ways(self, problem: Problem, prepared: bool) -> list[str]:
        # Of these operators it has a kernel for float64 only for maxima.
        dtypes = ("float32", "float64") if problem.op.startswith("max") else ("float32",)
        return ["session"] if prepared and expressible(problem, *dtypes) else []

    def prepare(self, way: str, problem: Problem, arrays: Arrays, prepared: bool) -> Prepared:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = _ONLY_ERRORS
        session = onnxruntime.InferenceSession(
            model(problem, arrays), options, providers=["CPUExecutionProvider"]
        )
        inputs = {"x": input_first(problem, arrays.x)}

        def array(outputs: list[Any]) -> NDArray[Any]:
            return output_as(problem, np.asarray(outputs[0]))

        return Prepared(lambda: session.run(None, inputs), array)
