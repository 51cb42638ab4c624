"""Which function computes an operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from fastconv.onnx.graph import Node

__all__ = ["TABLE", "Builder", "Function", "operator"]

Function: TypeAlias = Callable[..., Any]
"""From the values of a node's inputs, None for one left out, to its output, or to a tuple of several."""

Builder: TypeAlias = Callable[[Node], Function]
"""Binds the attributes of a node, once, or raises `UnsupportedError`."""

TABLE: dict[str, Builder] = {}


def operator(*names: str) -> Callable[[Builder], Builder]:
    """Enter a builder into the table. What an opset changed is told by ``node.opset``."""

    def enter(builder: Builder) -> Builder:
        for name in names:
            TABLE[name] = builder
        return builder

    return enter
