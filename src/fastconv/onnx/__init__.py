"""Convolutional networks in ONNX's format, run by fastconv. Needs the package ``onnx``: the extra ``onnx``.

Examples
--------
>>> import fastconv.onnx
>>> session = fastconv.onnx.load("network.onnx")  # doctest: +SKIP
>>> outputs = session.run({"image": image})  # doctest: +SKIP
"""

# The files of operators enter their functions into the table.
from fastconv.onnx import convolution, elementwise, linear, normalization, pooling, resize, shape
from fastconv.onnx.backend import Backend, BackendRep
from fastconv.onnx.errors import ModelError
from fastconv.onnx.graph import Tensor
from fastconv.onnx.session import Session, load
from fastconv.onnx.step import Step

__all__ = ["Backend", "BackendRep", "ModelError", "Session", "Step", "Tensor", "load"]

del convolution, elementwise, linear, normalization, pooling, resize, shape
