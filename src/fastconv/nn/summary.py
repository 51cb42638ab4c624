"""What `Sequential.summary` returns: a network as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Row", "Summary"]


class Row(NamedTuple):
    """One layer.

    Attributes
    ----------
    name : str
        Its place, the beginning of the names of its parameters.
    layer : str
        What it is.
    output_shape : tuple of int
        Shape of its result.
    parameters : int
        Numbers that are trained.
    operations : int
        As in `Plan`.
    algorithm : str
        Of a convolution.
    """

    name: str
    layer: str
    output_shape: tuple[int, ...]
    parameters: int
    operations: int
    algorithm: str


@dataclass(frozen=True)
class Summary:
    """A network, layer by layer.

    Its ``str`` is a table of plain text; printed by Rich it is one of Rich's.

    Attributes
    ----------
    input_shape : tuple of int
        Shape of the input.
    rows : tuple of Row
        The layers.
    """

    input_shape: tuple[int, ...]
    rows: tuple[Row, ...]

    @property
    def parameters(self) -> int:
        """Numbers that are trained, in all layers."""
        return sum(row.parameters for row in self.rows)

    @property
    def operations(self) -> int:
        """Operations of all layers."""
        return sum(row.operations for row in self.rows)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return self.rows[-1].output_shape if self.rows else self.input_shape

    def _cells(self) -> list[tuple[str, ...]]:
        """Return the table: its head, the input, the layers, the total."""
        cells: list[tuple[str, ...]] = [
            ("", *Row._fields[1:]),
            ("input", "", str(self.input_shape), "", "", ""),
        ]
        cells[0] = ("", "layer", "output", *Row._fields[3:])
        cells += [tuple(map(str, row)) for row in self.rows]
        total = (str(self.output_shape), str(self.parameters), str(self.operations))
        return [*cells, ("total", "", *total, "")]

    def __str__(self) -> str:
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = []
        for row in cells:
            aligned = [
                cell.ljust(width) if column < 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(aligned).rstrip())
        return "\n".join(lines)

    def __rich__(self) -> Any:
        """Return the table as one of Rich's, which asks for it."""
        from rich import box
        from rich.table import Table

        head, *body, total = self._cells()
        table = Table(box=box.SIMPLE_HEAD, show_footer=True, pad_edge=False, show_edge=False)
        for column, (title, foot) in enumerate(zip(head, total, strict=True)):
            table.add_column(title, footer=foot, justify="left" if column < 2 else "right")
        for row in body:
            table.add_row(*row)
        return table
