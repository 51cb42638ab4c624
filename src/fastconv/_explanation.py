"""What `explain` returns: the plan of one call, as data and as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypedDict

__all__ = ["Alternative", "Explanation"]


class Alternative(TypedDict):
    """One algorithm that was considered."""

    algorithm: str
    supported: bool
    reason: str
    estimate_us: float


# Equality and (no) hash are Mapping's: an explanation equals the dict of the same content.
@dataclass(frozen=True, eq=False)
class Explanation(Mapping[str, Any]):
    """How a problem is computed, and why so.

    Its ``str`` is a text to read. Fields are attributes, and the object is a read-only mapping of them, so
    ``explanation.algorithm`` and ``explanation["algorithm"]`` are the same.

    Attributes
    ----------
    problem : str
        The canonical problem string.
    algorithm : str
        The algorithm that runs.
    reason : str
        Why this one, in a sentence.
    alternatives : list of dict
        The other algorithms: ``algorithm``, ``supported``, ``reason``, ``estimate_us``.
    instruction_set : str
        The instruction set of the kernel.
    input : str
        Whether the kernel reads images as they come or copies of them, made a few at a time: with their
        border, or with their phases sorted (pixels whose places differ by multiples of the stride follow one
        another), so that a strided convolution reads neighbours.
    input_bytes : int
        Memory of these copies.
    tile : str
        The register tile, in words.
    blocking : dict of str to int
        Block sizes of the loops around the tile.
    threads, tasks : int
        Threads that take part, and tasks they share.
    flops, bytes : int
        Operations by definition, two per multiply-add, and bytes if every array moves once.
    packed_weight_bytes, workspace_bytes : int
        Memory of the packed weights, and of one thread's workspace.
    estimate_us : float
        Estimated time in microseconds.

    Examples
    --------
    >>> import fastconv
    >>> explanation = fastconv.explain("conv2d n1 ic64 ih56 iw56 oc64 kh3 kw3 s1 p1 nchw f32")
    >>> explanation.flops == explanation["flops"] == 2 * 64 * 64 * 3 * 3 * 56 * 56
    True
    """

    problem: str
    algorithm: str
    reason: str
    alternatives: list[Alternative]
    instruction_set: str
    input: str
    input_bytes: int
    tile: str
    blocking: dict[str, int]
    threads: int
    tasks: int
    flops: int
    bytes: int
    packed_weight_bytes: int
    workspace_bytes: int
    estimate_us: float

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a new dict, ready for `json.dumps`.

        Returns
        -------
        dict
            Field names to values.
        """
        return dict(self)

    def __getitem__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return (field.name for field in fields(self))

    def __len__(self) -> int:
        return len(fields(self))

    def __str__(self) -> str:
        blocking = ", ".join(f"{name} {value}" for name, value in self.blocking.items())
        work = f"{self.flops / 1e9:.3g} GFLOP, {_si(self.bytes)} in and out"
        if self.bytes:
            work += f", {self.flops / self.bytes:.3g} FLOP/byte"
        rows = [
            ("algorithm", f"{self.algorithm}: {self.reason}"),
            ("instruction set", self.instruction_set),
            ("input", self.input + (f": {_si(self.input_bytes)} at a time" if self.input_bytes else "")),
            ("tile", self.tile),
            ("blocking", blocking or "none"),
            ("threads", f"{self.threads}, sharing {self.tasks} tasks"),
            ("work", work),
            ("packed weights", _si(self.packed_weight_bytes)),
            ("workspace", f"{_si(self.workspace_bytes)} per thread"),
            ("estimate", duration(self.estimate_us / 1e6)),
        ]
        for other in self.alternatives:
            if other["algorithm"] != self.algorithm:
                text = duration(other["estimate_us"] / 1e6) if other["supported"] else "not supported"
                rows.append((f"or {other['algorithm']}", text + (other["reason"] and f": {other['reason']}")))
        width = max(len(name) for name, _ in rows)
        return "\n".join([self.problem, *(f"  {name:<{width}}  {text}" for name, text in rows)])


def _si(count: int) -> str:
    """Bytes in SI units: 1 kB is 1000 B."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.4g} TB"


def duration(seconds: float) -> str:
    """Return a time to three digits, in the unit that suits it.

    Examples
    --------
    >>> from fastconv._explanation import duration
    >>> duration(0.00000123), duration(0.0123), duration(1.5)
    ('1.23 us', '12.3 ms', '1.5 s')
    """
    for unit, scale in (("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 999.5:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"
