"""Which function computes an operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from fastconv.onnx.graph import Node

__all__ = ["TABLE", "Bindable", "Builder", "Function", "operator"]

Function: TypeAlias = Callable[..., Any]
"""From the values of a node's inputs, None for one left out, to its output, or to a tuple of several."""


@dataclass(frozen=True, slots=True)
class Bindable:
    """A function that need not look anything up once it is known which arrays it is called with.

    Parameters
    ----------
    bind : callable
        With the values of a node's inputs, and `out`: what computes from these arrays, as they are then, into
        that one, or into a new one for None.
    """

    bind: Callable[..., Callable[[], Any]]

    def __call__(self, *values: Any, out: Any = None) -> Any:
        """Compute once."""
        return self.bind(*values, out=out)()


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
