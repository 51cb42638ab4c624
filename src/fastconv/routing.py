"""The functions of other libraries, computed here: programs that call them become faster unchanged.

`install` puts functions of fastconv in the place of SciPy's, `uninstall` takes them away again and
`installed` does both around a block. `routed` tells which calls were computed here, and why others were not.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from ._scipy_differences import Route, routes

__all__ = ["FunctionCounts", "Routed", "install", "installed", "routed", "uninstall"]

Library: TypeAlias = Literal["scipy"]

_MOST_REASONS = 20  # texts that are kept for each function: those of errors may all be different
_OTHER = "other reasons"

# What fastconv may be given; of anything else, such as arrays of other libraries, SciPy knows what to do.
_KNOWN = (str, int, float, complex, list, tuple, np.generic, np.dtype, type, type(None))


class FunctionCounts(NamedTuple):
    """How often a function was called while routing was on.

    Attributes
    ----------
    routed : int
        Calls that fastconv computed.
    handed_back : int
        Calls that were left to the library's own function.
    reasons : dict
        Why, and how often: of a refusal the type and the text of fastconv's error.
    """

    routed: int
    handed_back: int
    reasons: dict[str, int]


class Routed:
    """Which calls of a library's functions fastconv computed, since the start or the last `reset`.

    It goes on counting; any thread may ask.

    Attributes
    ----------
    routed, handed_back : int
        Of all functions together.
    functions : dict
        `FunctionCounts` by the name of a function, of those that were called.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._routed: Counter[str] = Counter()
        self._reasons: dict[str, Counter[str]] = {}

    @property
    def routed(self) -> int:
        """Calls that fastconv computed."""
        return sum(counts.routed for counts in self.functions.values())

    @property
    def handed_back(self) -> int:
        """Calls that were left to the library's own functions."""
        return sum(counts.handed_back for counts in self.functions.values())

    @property
    def functions(self) -> dict[str, FunctionCounts]:
        """The counts of each function that was called, as they are now."""
        with self._lock:
            names = sorted({*self._routed, *self._reasons})
            reasons = {name: dict(self._reasons.get(name, {})) for name in names}
            return {
                name: FunctionCounts(self._routed[name], sum(reasons[name].values()), reasons[name])
                for name in names
            }

    def reset(self) -> None:
        """Count from zero."""
        with self._lock:
            self._routed.clear()
            self._reasons.clear()

    def _count(self, name: str, reason: str) -> None:
        with self._lock:
            if not reason:
                self._routed[name] += 1
                return
            reasons = self._reasons.setdefault(name, Counter())
            reasons[reason if reason in reasons or len(reasons) < _MOST_REASONS else _OTHER] += 1

    def __repr__(self) -> str:
        return f"<Routed: {self.routed} routed, {self.handed_back} handed back>"

    def __str__(self) -> str:
        functions = self.functions
        width = max(map(len, ["function", *functions]))
        lines = [f"{'function':{width}}    routed  handed back"]
        for name, counts in functions.items():
            lines.append(f"{name:{width}}  {counts.routed:8}  {counts.handed_back:11}")
            for reason, count in sorted(counts.reasons.items(), key=lambda item: -item[1]):
                lines.append(f"{'':{width}}  {'':8}  {count:11}  {reason}")
        return "\n".join(lines)


class _Routing:
    """What stands where in a library: its own functions or those that try fastconv first."""

    def __init__(self, library: str, routes: Callable[[], dict[str, dict[str, Route]]]) -> None:
        self.library = library
        self.routes = routes
        self.counts = Routed()
        self.on = False
        self.thread = threading.local()  # .handed_back: SciPy's function runs and is not to come back here
        self._lock = threading.RLock()
        self._kept = False  # by install()
        self._blocks = 0  # of installed()
        self._ours: dict[int, Callable[..., Any]] = {}  # by the identity of the library's own
        self._theirs: dict[int, Callable[..., Any]] = {}  # by the identity of ours

    def change(self, *, kept: bool | None = None, blocks: int = 0) -> None:
        """Install or uninstall, or begin or end so many blocks; replace functions if that is a change."""
        with self._lock:
            wanted = (self._kept if kept is None else kept) or self._blocks + blocks > 0
            if wanted and not self.on:
                self._find()  # may fail, before anything has changed
            self._kept = self._kept if kept is None else kept
            self._blocks += blocks
            if wanted != self.on:
                self.on = wanted
                self._replace(self._ours if wanted else self._theirs)

    def _find(self) -> None:
        """Make what is to stand in the place of each function, in public modules and where it is defined."""
        for module_name, functions in self.routes().items():
            module = import_module(module_name)
            for name, route in functions.items():
                public = getattr(module, name)
                # With arrays of other libraries switched on, SciPy's public functions wrap private ones.
                for theirs in (public, inspect.unwrap(public)):
                    if id(theirs) not in self._ours and id(theirs) not in self._theirs:
                        ours = self._routing(f"{module_name}.{name}", theirs, route)
                        self._ours[id(theirs)] = ours
                        self._theirs[id(ours)] = theirs

    def _replace(self, others: dict[int, Callable[..., Any]]) -> None:
        """Replace functions in every module of the library that is loaded, whatever it calls them."""
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] == self.library:
                for key, value in list(getattr(module, "__dict__", {}).items()):
                    if (other := others.get(id(value))) is not None:
                        setattr(module, key, other)

    def _routing(self, name: str, theirs: Callable[..., Any], route: Route) -> Callable[..., Any]:
        """Return the function that tries fastconv first."""
        ours, difference = route
        kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY
        positional = [p.name for p in inspect.signature(theirs).parameters.values() if p.kind in kinds]

        def refusal(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, Any]:
            """Return why fastconv does not compute a call, or no reason and the result."""
            arguments = dict(zip(positional, args, strict=False))
            if len(args) > len(positional) or not arguments.keys().isdisjoint(kwargs):
                return "arguments do not fit the signature", None
            arguments.update(kwargs)
            for key, value in arguments.items():
                if type(value) is not np.ndarray and not isinstance(value, _KNOWN):
                    return f"{key} is of type {type(value).__module__}.{type(value).__qualname__}", None
            try:
                why = difference(arguments)
                return why, None if why else ours(**arguments)
            except (TypeError, ValueError, NotImplementedError, OverflowError, KeyError) as error:
                # Arguments are checked before the first element of a result is stored.
                return f"{type(error).__name__}: {error}", None
            except MemoryError as error:
                # SciPy needs less. But an array that was given may have been written, and be the input too.
                if isinstance(arguments.get("output"), np.ndarray):
                    raise
                return f"MemoryError: {error}", None

        @wraps(theirs)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self.on or getattr(self.thread, "handed_back", False):
                return theirs(*args, **kwargs)
            reason, result = refusal(args, kwargs)
            self.counts._count(name, reason)
            if not reason:
                return result
            self.thread.handed_back = True
            try:
                return theirs(*args, **kwargs)
            finally:
                self.thread.handed_back = False

        return call


_ROUTINGS = {"scipy": _Routing("scipy", routes)}


def _routing_of(library: str) -> _Routing:
    if library not in _ROUTINGS:
        raise ValueError(f"library is {library!r}, expected one of {', '.join(_ROUTINGS)}")
    return _ROUTINGS[library]


def install(library: Library) -> None:
    r"""Let fastconv compute what programs ask another library for, until `uninstall`.

    Parameters
    ----------
    library : {"scipy"}
        Whose functions: those of ``scipy.ndimage`` and ``scipy.signal`` that `fastconv.ndimage` and
        `fastconv.signal` have too.

    Raises
    ------
    ValueError
        Another library.
    ImportError
        The library is not there.

    Notes
    -----
    Functions are replaced in all modules of SciPy that are loaded, so whoever asks for ``ndimage.convolve``
    by way of the module is given the new one, most of scikit-image among them. A name that another library
    has imported before, ``from scipy.ndimage import convolve``, still means the old one.

    What fastconv refuses, what is no plain NumPy array, and what would come out differently is handed back
    to SciPy's own function with the same arguments, whose errors and warnings are what the caller sees;
    `routed` tells why. The results have the same types, and

    - integers and booleans are the same to the bit. Sums that their type might not hold, and Gaussians of
      integers, which SciPy rounds after every axis, are handed back. Only sums of `signal` that are beyond
      their type are computed here too, modulo 2\ :sup:`n`: SciPy's are the same, unless it takes a Fourier
      transform of them, and of no certain value then;
    - float64 differs by the order in which products are summed. So does float32, which is summed in float32
      where SciPy's filters sum in float64: the error of a window of :math:`n` elements is at most some
      :math:`n \cdot 6 \cdot 10^{-8}` of the sum of the magnitudes of its products, and much less usually;
    - a NaN or an infinity stays within the windows that see it where SciPy's `uniform_filter` spoils the rest
      of the line. Where other filters would differ, the call is handed back.

    An interrupt is passed on. If memory runs out, SciPy, which needs less, is asked, unless an array was
    given as `output` and may have been written.

    Examples
    --------
    >>> import fastconv
    >>> from scipy import ndimage
    >>> fastconv.install("scipy")
    >>> ndimage.correlate1d([2, 8, 0, 4, 1, 9, 9, 0], weights=[1, 3])
    array([ 8, 26,  8, 12,  7, 28, 36,  9])
    >>> fastconv.uninstall("scipy")
    """
    _routing_of(library).change(kept=True)


def uninstall(library: Library) -> None:
    """Put a library's own functions back.

    A name that another module has imported meanwhile means the library's own function again too.
    Within a block of `installed` routing goes on until the end of the block.

    Parameters
    ----------
    library : {"scipy"}
        As in `install`.

    Raises
    ------
    ValueError
        Another library.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.uninstall("scipy")  # nothing was installed: nothing changes
    """
    _routing_of(library).change(kept=False)


@contextmanager
def installed(library: Library) -> Iterator[Routed]:
    """Let fastconv compute what a block asks another library for.

    Routing is the process's: it is on for all threads until the last block has ended, and remains on if
    `install` was called.

    Parameters
    ----------
    library : {"scipy"}
        As in `install`.

    Returns
    -------
    context manager
        Which gives what `routed` returns.

    Raises
    ------
    ValueError, ImportError
        As `install` does.

    Examples
    --------
    >>> import fastconv
    >>> import numpy as np
    >>> from scipy import ndimage
    >>> with fastconv.installed("scipy"):
    ...     smooth = ndimage.gaussian_filter(np.eye(3), 1)
    >>> smooth.round(3)
    array([[0.502, 0.329, 0.168],
           [0.329, 0.342, 0.329],
           [0.168, 0.329, 0.502]])
    """
    routing = _routing_of(library)
    routing.change(blocks=1)
    try:
        yield routing.counts
    finally:
        routing.change(blocks=-1)


def routed(library: Library) -> Routed:
    """Tell which calls of a library's functions fastconv computed, and why not the others.

    Parameters
    ----------
    library : {"scipy"}
        As in `install`.

    Returns
    -------
    Routed
        The counts of the process; printed, they are a table.

    Raises
    ------
    ValueError
        Another library.

    Examples
    --------
    >>> import fastconv
    >>> import numpy as np
    >>> from scipy import ndimage
    >>> fastconv.routed("scipy").reset()
    >>> with fastconv.installed("scipy"):
    ...     for dtype in np.float32, np.float64, np.uint8:
    ...         y = ndimage.gaussian_filter(np.ones((5, 5), dtype), 1)
    >>> print(fastconv.routed("scipy"))
    function                         routed  handed back
    scipy.ndimage.gaussian_filter         2            1
                                                       1  integers, which SciPy rounds after every axis
    """
    return _routing_of(library).counts
