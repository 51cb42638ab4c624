"""Which tiles are done, in a file beside the result: a run that was stopped goes on from it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

__all__ = ["Journal"]


class Journal:
    """A line of JSON that says what is computed, then one for each tile that is stored for good.

    Parameters
    ----------
    path : path-like
        Where it is, or will be.
    run : dict
        What is computed. A journal of something else is refused.
    count : int
        How many tiles there are.
    """

    def __init__(self, path: str | os.PathLike[str], run: dict[str, Any], count: int) -> None:
        self.path = Path(path)
        self._run = json.loads(json.dumps(run))
        self._first_line = json.dumps(run) + "\n"
        self._count = count
        self.done = self._read()

    def _read(self) -> set[int]:
        text = self.path.read_text(errors="replace") if self.path.exists() else ""
        if self._first_line.startswith(text):  # not even that was written to its end
            return set()
        lines = text.split("\n")
        try:
            run = json.loads(lines[0])
            # A line that was cut short, when the machine stopped, says nothing.
            whole = [json.loads(line) for line in lines[1:] if not re.fullmatch(r"(\[\d*)?", line)]
            tiles = [tile for (tile,) in whole]
            if not isinstance(run, dict) or not all(type(tile) is int for tile in tiles):
                raise ValueError
        except (ValueError, TypeError):
            raise ValueError(f"journal: {self.path} is not one of tiles") from None
        if run != self._run:
            different = [key for key in self._run if run.get(key) != self._run[key]]
            raise ValueError(
                f"journal: {self.path} is of another run, whose {', '.join(different) or 'work'} differs:"
                " remove it to begin anew"
            )
        if not all(0 <= tile < self._count for tile in tiles):
            raise ValueError(f"journal: {self.path} has tile {max(tiles)} of {self._count}")
        return set(tiles)

    def add(self, tiles: list[int]) -> None:
        """Note tiles that are stored, and see that the note stays."""
        with self.path.open("a" if self.done else "w") as file:
            file.write("\n" if self.done else self._first_line)  # after what may be half a line
            file.writelines(f"[{tile}]\n" for tile in tiles)
            file.flush()
            os.fsync(file.fileno())
        self.done.update(tiles)

    def remove(self) -> None:
        """Remove the file: there is nothing to go on with."""
        self.path.unlink(missing_ok=True)
