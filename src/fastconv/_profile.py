"""What `profile` returns: the stages of a convolution and their times."""

from __future__ import annotations

from dataclasses import dataclass

from ._explanation import duration

__all__ = ["Profile", "Stage"]


@dataclass(frozen=True)
class Stage:
    """One stage of an algorithm.

    Attributes
    ----------
    name : str
        What it does.
    seconds : float
        Time of one call, added up over its threads.
    share : float
        Part of all stages' time, 0 to 1.
    rate : float
        Work per second of one thread, in `unit`.
    unit : str
        ``"FLOP/s"`` for what it computes, or ``"B/s"`` for what it moves.
    """

    name: str
    seconds: float
    share: float
    rate: float
    unit: str


@dataclass(frozen=True)
class Profile:
    """Where the time of a convolution goes. Its ``str`` is a text to read.

    Attributes
    ----------
    problem : str
        The canonical problem string.
    algorithm : str
        The algorithm that ran.
    calls : int
        Calls that were measured; times are the medians over them.
    stages : tuple of Stage
        In the order in which a task goes through them. Most algorithms have one stage.
    """

    problem: str
    algorithm: str
    calls: int
    stages: tuple[Stage, ...]

    def __str__(self) -> str:
        width = max(len(stage.name) for stage in self.stages)
        lines = [f"{self.problem}, {self.algorithm}"]
        for stage in self.stages:
            rate = f"{stage.rate / 1e9:.3g} G{stage.unit}"
            lines.append(f"  {stage.name:<{width}}  {duration(stage.seconds):>8}  {stage.share:4.0%}  {rate}")
        return "\n".join(lines)
