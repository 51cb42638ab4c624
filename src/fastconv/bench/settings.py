"""How a run is made."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes
    ----------
    processes : int
        How often each library is started anew: what a process has as a whole, such as where its memory lies,
        varies like what a round has.
    rounds : int
        Rounds in each of these processes; in a round every library has its turn.
    sample : float
        Seconds that one sample takes at least, by repeating a quick call.
    prepared : bool
        Whatever can be done once for all calls is not timed: weights packed, models compiled.
    cold : bool
        Before each call, caches are filled with something else.
    threads, instruction_set : int, str, optional
        None leaves what is set.
    way : str, optional
        Of fastconv's ways only this one, see `kernel_names`; None for all.
    """

    processes: int = 6
    rounds: int = 1
    sample: float = 0.01
    prepared: bool = True
    cold: bool = False
    threads: int | None = None
    instruction_set: str | None = None
    way: str | None = None
