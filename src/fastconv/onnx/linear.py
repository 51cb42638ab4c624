"""Gemm and MatMul."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastconv
from fastconv import _fastconv
from fastconv.onnx.errors import ModelError
from fastconv.onnx.graph import Node
from fastconv.onnx.table import Function, operator

Array = NDArray[Any]

_FLOATS = (np.float32, np.float64)
_LARGE = 32 << 20  # bytes; glibc maps what is larger by itself, where pages can be huge


def _in_huge_pages(weight: Array) -> Array:
    """Copy weights to where they are read fastest; NumPy itself asks for huge pages for large arrays."""
    return weight if weight.nbytes >= _LARGE else _fastconv.weight_copy(weight)


@operator("Gemm")
def gemm(node: Node) -> Function:
    """``alpha * A @ B + beta * C``, as a linear layer where C is no more than a bias."""
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    first, second = bool(node.get("transA")), bool(node.get("transB"))
    known, known_c = node.constant(1), node.constant(2)

    def weight(b: Array) -> Array:
        rows = b if second else b.T
        return np.ascontiguousarray(rows if alpha == 1 else (alpha * rows).astype(b.dtype))

    def bias(c: Array | None, outputs: int) -> Array | None:
        if c is None or c.size not in (1, outputs) or c.ndim > 2 or (c.ndim == 2 and c.shape[0] > 1):
            return None
        scaled = c if beta == 1 else (beta * c).astype(c.dtype)
        return np.ascontiguousarray(np.broadcast_to(scaled.reshape(-1), (outputs,)))

    def check(a: Array, b: Array) -> None:
        if a.ndim != 2 or b.ndim != 2:
            raise ModelError(f"inputs of shapes {a.shape} and {b.shape}: expected matrices")

    kept = None
    if known is not None and known.ndim == 2 and known.dtype in _FLOATS:
        kept = _in_huge_pages(weight(known))
    kept_bias = None if kept is None or known_c is None else bias(known_c, kept.shape[0])
    node.leave_out(*[place for place, own in ((1, kept), (2, kept_bias)) if own is not None])

    def run(a: Array, b: Any, c: Array | None = None) -> Array:
        check(a, b if kept is None else kept)
        a = a.T if first else a
        if kept is None and a.dtype not in _FLOATS:
            product = a @ (b.T if second else b)
            product = product if alpha == 1 else alpha * product
            return np.asarray(product if c is None else product + beta * c).astype(a.dtype)
        w = weight(b) if kept is None else kept
        added = kept_bias if kept_bias is not None else bias(c, w.shape[0])
        if c is None or added is not None:
            return fastconv.linear(a, w, added, activation=node.activation)
        y = fastconv.linear(a, w)
        y += c if beta == 1 else beta * c
        return y

    return run


@operator("MatMul")
def matmul(node: Node) -> Function:
    """Products of matrices, as a linear layer where the second is a constant."""
    known = node.constant(1)
    if known is None or known.ndim != 2 or known.dtype not in _FLOATS:
        return lambda a, b: np.asarray(np.matmul(a, b)).astype(a.dtype, copy=False)
    kept = _in_huge_pages(np.ascontiguousarray(known.T))
    node.leave_out(1)
    return lambda a, b: fastconv.linear(a, kept)
