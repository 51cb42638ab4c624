"""Attributes of sliding windows: strides, dilations and pads, or a rule for these."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from fastconv.onnx.errors import ModelError
from fastconv.onnx.graph import Node

__all__ = ["Pads", "Windows", "windows"]

Pads: TypeAlias = tuple[tuple[int, int], ...]
"""(before, after) of every axis."""


class Windows(NamedTuple):
    """How windows lie on an input."""

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: Pads
    rule: str  # of auto_pad

    def padding(self, extents: tuple[int, ...], kernel: tuple[int, ...]) -> Pads:
        """Return (before, after) of every axis for an input of these extents."""
        if not self.rule.startswith("SAME"):
            return self.pads
        found = []
        for extent, size, stride, dilation in zip(extents, kernel, self.strides, self.dilations, strict=True):
            outputs = -(-extent // stride)
            total = max(0, (outputs - 1) * stride + dilation * (size - 1) + 1 - extent)
            less, more = total // 2, total - total // 2
            found.append((less, more) if self.rule == "SAME_UPPER" else (more, less))
        return tuple(found)


def windows(node: Node, rank: int) -> Windows:
    """Read the attributes of a node with this many spatial axes."""

    def numbers(name: str, default: int, count: int, least: int) -> tuple[int, ...]:
        values = node.get(name)
        if not values:
            return (default,) * count
        if len(values) != count or min(values) < least:
            raise ModelError(f"{name}={values}: expected {count} numbers of at least {least}")
        return tuple(values)

    pads = numbers("pads", 0, 2 * rank, 0)
    rule = node.get("auto_pad") or "NOTSET"
    if rule not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise ModelError(f"auto_pad={rule!r}: expected NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    pairs = tuple(zip(pads[:rank], pads[rank:], strict=True))
    return Windows(
        numbers("strides", 1, rank, 1),
        numbers("dilations", 1, rank, 1),
        pairs if rule == "NOTSET" else ((0, 0),) * rank,
        rule,
    )
