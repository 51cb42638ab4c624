"""What convolutions, transposed ones and `linear` have in common: sums of products, channel by channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from ._arrays import Array

__all__ = ["Floats", "Sums"]


class Floats(Protocol):
    """The operator on floats, without bias and activation."""

    def __call__(self, x: Array, w: Array, y: Array | None = None) -> Array: ...


class Sums(NamedTuple):
    """Arrays whose shapes fit together, and what they say about one another."""

    x: Array
    w: Array
    b: Array | None
    shape: tuple[int, ...]
    """That of the result."""
    channels: int
    """Its axis of output channels."""
    grouped: tuple[int, ...]
    """The shape of the weights with their axis of grouped channels cut in two: groups, channels of each."""
    group: int
    """The first of these two."""
    outputs: int
    """The axis of a group's output channels in `grouped`."""
    floats: Floats
    dots: Callable[[Array], None] | None = None
    """Fills an array of int32 with sums of bytes that fit, where the processor has an instruction for it."""

    def check_bias(self) -> None:
        """Fail unless there is a number for each output channel."""
        expected = (self.shape[self.channels],)
        if self.b is not None and self.b.shape != expected:
            raise ValueError(
                f"bias: shape {self.b.shape}, expected {expected} for weight of shape {self.w.shape}"
            )

    def inputs(self) -> dict[str, Array | None]:
        """Return the arrays by the names of their arguments."""
        return {"input": self.x, "weight": self.w, "bias": self.b}

    def terms(self) -> int:
        """Return how many weights a sum has."""
        return self.w.size // max(self.grouped[self.group] * self.grouped[self.outputs], 1)

    def along_channels(self, b: Array) -> Array:
        """Return a number for each output channel, in a shape that broadcasts with the result's."""
        return b.reshape(-1, *[1] * (len(self.shape) - 1 - self.channels))
