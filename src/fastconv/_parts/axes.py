"""Along one axis: which part of the input a part of the result is computed from.

Each class tells for outputs ``begin`` to ``end`` which runs of the input to read, one behind the other, and
at which output of those computed from them the wanted ones begin.

Some kernels work on several outputs together, whose rounding depends on where they stand among them:
Winograd's tiles, sums of tall windows. For a part to have the bits of the whole, what is computed begins at a
multiple of `unit`, and is at least `least` long, if the axis is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

__all__ = ["Axis", "AxisPart", "FilteredAxis", "Run", "WholeAxis", "WindowedAxis"]

Run = tuple[int, int]  # from, to


@dataclass(frozen=True)
class AxisPart:
    """What a part of an axis is computed from."""

    runs: tuple[Run, ...]
    first: int  # which of the outputs of these runs is the first of the part
    before: bool = False  # the runs begin where the input does, and windows reach beyond,
    after: bool = False  # or end where it does

    @property
    def size(self) -> int:
        """Elements that are read."""
        return sum(end - begin for begin, end in self.runs)


class Axis(Protocol):
    """An axis of the result, and the same of the input."""

    @property
    def outputs(self) -> int:
        """Extent of the result."""

    def part(self, begin: int, end: int) -> AxisPart:
        """Tell what outputs `begin` to `end`, at least one, are computed from."""

    @property
    def least(self) -> int:
        """How many outputs are computed together at least, if there are as many."""

    @property
    def undivided(self) -> bool:
        """Whether every output needs all of the input."""

    def right_in(self, begin: int, end: int) -> Run:
        """Tell which outputs `begin` to `end` of the input alone give, computed as an array of its own."""

    def output_of(self, position: int) -> int:
        """Return the output at which to cut the result where the input is cut at `position`."""


@dataclass(frozen=True)
class WholeAxis:
    """An axis of which every output needs all, such as channels."""

    size: int
    outputs: int
    undivided: ClassVar = True
    least: ClassVar = 1

    def part(self, begin: int, end: int) -> AxisPart:
        return AxisPart(((0, self.size),), begin)

    def right_in(self, begin: int, end: int) -> Run:
        return (0, self.outputs) if (begin, end) == (0, self.size) else (0, 0)

    def output_of(self, position: int) -> int:
        return self.outputs if position == self.size else 0


@dataclass(frozen=True)
class FilteredAxis:
    """An axis along which a filter sees `before` elements before each output and `after` behind it.

    What is read is filtered as an array of its own: beyond the ends of the input by the mode that is asked
    for, elsewhere by any, and what that spoils is cut off.
    """

    outputs: int
    before: int = 0
    after: int = 0
    wraps: bool = False  # beyond the ends the input begins again
    unit: int = 1
    least: int = 1
    undivided: ClassVar = False

    def part(self, begin: int, end: int) -> AxisPart:
        n = self.outputs
        low, high = begin - self.before, max(end + self.after, self._complete(end))
        if self.wraps:
            low = low // self.unit * self.unit
            high = max(high, low + self.least)
        else:
            # An end that is mirrored shows as many elements as windows reach beyond it, or one more.
            reach = max(self.before, self.after) + 1
            if high > n:
                low = min(low, n - reach)
            if low < 0:
                high = max(high, reach)
            low = max(min(low, n - self.least), 0) // self.unit * self.unit
            high = min(max(high, low + self.least), n)
        if high - low >= n:
            return AxisPart(((0, n),), begin)
        return AxisPart(_around(low, high, n), begin - low)

    def right_in(self, begin: int, end: int) -> Run:
        if (begin, end) == (0, self.outputs):
            return begin, end
        if begin % self.unit or end - begin < max(self.least, self.before + self.after + 1):
            return 0, 0
        low = begin if begin == 0 and not self.wraps else begin + self.before
        high = end if end == self.outputs and not self.wraps else end - self.after
        return low, min(high, end if end == self.outputs else end // self.unit * self.unit)

    def _complete(self, end: int) -> int:
        """Return where those end that are computed together with the last."""
        return min(-(-end // self.unit) * self.unit, self.outputs)

    def output_of(self, position: int) -> int:
        return position


@dataclass(frozen=True)
class WindowedAxis:
    """An axis along which output ``o`` sees `extent` elements from ``o * stride - before`` on.

    There is padding where that is outside. What is read is padded as the input is where it begins or ends
    with it, and not elsewhere.
    """

    size: int
    outputs: int
    extent: int = 1
    stride: int = 1
    before: int = 0
    after: int = 0
    wraps: bool = False  # padding shows the other end
    mirrors: bool = False  # padding shows this end, as much of it as is padded
    unit: int = 1
    least: int = 1
    undivided: ClassVar = False

    def part(self, begin: int, end: int) -> AxisPart:
        if self.outputs <= self.least:
            return AxisPart(((0, self.size),), begin, before=True, after=True)
        first = begin // self.unit * self.unit
        last = min(max(-(-end // self.unit) * self.unit, first + self.least), self.outputs)
        first = max(min(first, last - self.least), 0) // self.unit * self.unit
        low, high = self._seen(first, last)
        if self.wraps:
            return AxisPart(_around(low, high, self.size), begin - first)
        shown = self.after if self.mirrors else 0
        after = high > self.size
        if after:
            # At least a whole window of what is read and its padding, and what the padding shows.
            nearest = min(self.size - 1 - shown, self.size + self.after - self.extent)
            first = min(first, max(nearest + self.before, 0) // self.stride) // self.unit * self.unit
            low, high = self._seen(first, last)[0], self.size
        before = low < 0
        if before:
            first, low = 0, 0
            shown = self.before + 1 if self.mirrors else 1
            high = min(max(high, shown, self.extent - self.before), self.size)
        return AxisPart(((low, high),), begin - first, before, after)

    def right_in(self, begin: int, end: int) -> Run:
        return 0, 0  # parts are padded as they need it

    def output_of(self, position: int) -> int:
        return min(-(-position // self.stride), self.outputs) if position < self.size else self.outputs

    def _seen(self, first: int, last: int) -> Run:
        low = first * self.stride - self.before
        return low, (last - 1) * self.stride - self.before + self.extent


def _around(low: int, high: int, n: int) -> tuple[Run, ...]:
    """Return the runs of an axis that goes on with its beginning after its end."""
    runs = []
    while low < high:
        start = low % n
        stop = min(start + high - low, n)
        runs.append((start, stop))
        low += stop - start
    return tuple(runs)
