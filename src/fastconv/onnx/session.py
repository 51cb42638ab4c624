"""A model that is ready to run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastconv.onnx import rewrite
from fastconv.onnx.errors import ModelError
from fastconv.onnx.graph import Graph, Source, Tensor, read
from fastconv.onnx.memory import Joined, Memory, Out
from fastconv.onnx.step import Step, nothing
from fastconv.onnx.weights import value_of

__all__ = ["Session", "load"]

Array: TypeAlias = NDArray[Any]


class _Run:
    """What a run needs, made once for each that goes on at the same time.

    Where memory is planned, most steps always read and write the same arrays: they are bound to them, and a
    run is little more than their calls.

    Parameters
    ----------
    steps : sequence of Step
        What is done, in order.
    constants : list
        The values at each place before anything is computed.
    left_out : int
        The place of an input that a node does not have.
    memory : ndarray
        Where values are computed, perhaps empty.
    outs : sequence
        For each step what it computes into.
    """

    __slots__ = ("_constants", "memory", "stages", "values")

    def __init__(
        self, steps: Sequence[Step], constants: list[Any], left_out: int, memory: Array, outs: Sequence[Out]
    ) -> None:
        self.memory = memory
        self.values = constants.copy()
        for step, out in zip(steps, outs, strict=True):
            if out is not None:
                self.values[step.outputs[0]] = out.whole if isinstance(out, Joined) else out
        known = {left_out, *(place for place, value in enumerate(self.values) if value is not None)}
        self.stages: list[tuple[Step, Out, Callable[[], Any] | None]] = []
        for step, out in zip(steps, outs, strict=True):
            call = step.bound(self.values, known, out)
            if memory.size and (view := step.view(self.values, known, memory)) is not None:
                self.values[step.outputs[0]], call = view, nothing
                known.add(step.outputs[0])
            self.stages.append((step, out, call))
        self._constants = self.values.copy()

    def clear(self) -> None:
        """Let go of what the run was given and has computed elsewhere."""
        self.values[:] = self._constants


class Session:
    """A model that is ready to run: made by `load`.

    Nodes are bound to functions once and weights packed once. A session does not change once made: it may
    be run from many threads at once.

    Attributes
    ----------
    inputs, outputs : tuple of Tensor
        Names, shapes and dtypes. Inputs for which the model has a value (an initializer) are constants here,
        and none of these.
    """

    def __init__(self, graph: Graph) -> None:
        self.inputs: tuple[Tensor, ...] = tuple(graph.inputs)
        self.outputs: tuple[Tensor, ...] = tuple(graph.outputs)
        graph = rewrite.rewrite(graph)
        names = ["", *graph.constants, *(tensor.name for tensor in graph.inputs)]
        names += [name for node in graph.nodes for name in node.outputs]
        places = {name: place for place, name in enumerate(dict.fromkeys(names))}
        for node in graph.nodes:
            for name in [*node.inputs, *node.captured]:
                if name not in places:
                    raise ModelError(f"{node}: nothing computes its input {name!r}")
        for tensor in graph.outputs:
            if tensor.name not in places:
                raise ModelError(f"output {tensor.name!r}: nothing computes it")
        self._memory = Memory(graph)
        self._free: list[_Run] = []
        self._steps = [Step(node, graph, places) for node in graph.nodes]  # which lets go of constants
        self._places = places
        self._constants: list[Any] = [None] * len(places)
        read = {name for node in graph.nodes for name in [*node.inputs, *node.captured]}
        read.update(tensor.name for tensor in graph.outputs)
        kept = read & graph.constants.keys()
        for name in kept:
            self._constants[places[name]] = value_of(graph.constants[name])
        graph.constants.clear()  # functions have what they need, in the form that they need
        self._free_early({*kept, *(tensor.name for tensor in graph.outputs), ""})

    def _free_early(self, kept: set[str]) -> None:
        """Tell each step which values die with it."""
        last: dict[int, Step] = {}
        for step in self._steps:
            for place in [*step.inputs, *step.outputs]:
                last[place] = step
        stay = {self._places[name] for name in kept if name in self._places}
        for place, step in last.items():
            if place not in stay or place == self._places[""]:
                step.dies.append(place)

    def run(
        self, inputs: Mapping[str, ArrayLike], observe: Callable[[Step, float], None] | None = None
    ) -> dict[str, Any]:
        """Compute the outputs.

        Parameters
        ----------
        inputs : mapping of str to array_like
            A value for each of `inputs`, of its dtype and shape. Sequences are lists of arrays.
        observe : callable, optional
            Called after each step with it and the seconds that it took.

        Returns
        -------
        dict of str to ndarray
            The outputs by their names, in the model's order. They share no memory with the inputs.

        Raises
        ------
        ModelError, TypeError
            An input that is missing, unknown, or of another type or shape; a node whose inputs do not fit.
        """
        given = self._given(inputs)
        run = self._take(given)
        values = run.values
        for tensor, value in zip(self.inputs, given, strict=True):
            values[self._places[tensor.name]] = value
        try:
            with np.errstate(all="ignore"):
                for step, out, call in run.stages:
                    begin = time.perf_counter() if observe is not None else 0
                    if call is None:
                        step(values, out)
                    else:
                        try:
                            call()
                        except Exception:  # of which the step says where it was, or has the reference compute
                            step(values, out)
                    if observe is not None:
                        observe(step, time.perf_counter() - begin)
            found = {tensor.name: values[self._places[tensor.name]] for tensor in self.outputs}
            return {name: _own(value, [*given, run.memory]) for name, value in found.items()}
        finally:
            run.clear()
            if run.memory.size:
                self._free.append(run)

    def _given(self, inputs: Mapping[str, ArrayLike]) -> list[Any]:
        """Return the inputs in the model's order."""
        given = []
        for tensor in self.inputs:
            if tensor.name not in inputs:
                raise ModelError(f"input {tensor.name!r}: missing")
            given.append(_check(inputs[tensor.name], tensor))
        if len(given) < len(inputs):
            known = [tensor.name for tensor in self.inputs]
            name = next(name for name in inputs if name not in known)
            raise ModelError(f"input {name!r}: unknown, expected {', '.join(map(repr, known)) or 'none'}")
        return given

    def _take(self, given: Sequence[Any]) -> _Run:
        """Return what a run needs, with memory if that was planned for such inputs and can be had."""
        memory: Array = np.empty(0, np.uint8)
        outs: list[Out] = [None] * len(self._steps)
        if self._memory.fits(given):
            try:
                return self._free.pop()
            except IndexError:  # in the first run, and where several run at once
                pass
            with suppress(MemoryError):  # less may do where values come and go
                memory, outs = self._memory.allocate()
        return _Run(self._steps, self._constants, self._places[""], memory, outs)

    @property
    def steps(self) -> tuple[Step, ...]:
        """What is done, in order."""
        return tuple(self._steps)

    def summary(self) -> dict[str, Counter[str]]:
        """Count the nodes that are left by who computes them.

        Returns
        -------
        dict of str to Counter
            Under ``"fastconv"`` and ``"onnx.reference"``, how many nodes of which operator. A node with a
            type that fastconv does not know changes sides in its first run.
        """
        counts: dict[str, Counter[str]] = {"fastconv": Counter(), "onnx.reference": Counter()}
        for step in self._steps:
            counts["onnx.reference" if step.by_reference else "fastconv"][step.node.op] += 1
        return counts

    def __repr__(self) -> str:
        ends = [
            ", ".join(f"{t.name}: {t.dtype} {t.shape}" for t in side) for side in (self.inputs, self.outputs)
        ]
        return f"Session({ends[0]} -> {ends[1]}, {len(self._steps)} steps)"


def _check(value: Any, tensor: Tensor) -> Any:
    if tensor.dtype is None:
        return value
    array = np.asarray(value)
    if array.dtype == tensor.dtype and array.shape == tensor.shape:
        return array
    if array.dtype != tensor.dtype and not (tensor.dtype.kind == "O" and array.dtype.kind in "OSTU"):
        raise TypeError(f"input {tensor.name!r}: dtype {array.dtype}, expected {tensor.dtype}")
    if tensor.shape is not None:
        fits = array.ndim == len(tensor.shape) and all(
            not isinstance(wanted, int) or wanted == extent
            for wanted, extent in zip(tensor.shape, array.shape, strict=True)
        )
        if not fits:
            raise ModelError(f"input {tensor.name!r}: shape {array.shape}, expected {tensor.shape}")
    return array


def _own(value: Any, given: list[Any]) -> Any:
    """Copy a result through which an input or a constant could be written."""
    if not isinstance(value, np.ndarray):
        return value
    flags = value.flags  # nearly always those of a fresh array
    if flags.owndata and flags.writeable and flags.c_contiguous and all(value is not o for o in given):
        return value
    shared = not flags.writeable or any(
        np.may_share_memory(value, other) for other in given if isinstance(other, np.ndarray)
    )
    result: Array = value.copy() if shared else np.ascontiguousarray(value).reshape(value.shape)
    return result


def load(model: Source) -> Session:
    """Read a model and make it ready to run.

    The model is checked and the shapes of its values are inferred. Then constants are folded, batch
    normalizations and activations become part of the convolutions before them, and every node is bound to a
    function: to one of fastconv or NumPy if there is one, else to that of ``onnx.reference``, so that any
    standard operator works.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
        A ``.onnx`` file, its content, or a model in memory. Weights of a file are read one by one; once the
        model is loaded nothing of it is needed any more.

    Returns
    -------
    Session
        To be run as often as wanted.

    Raises
    ------
    ModelError
        A file that is no model, or a model that is not valid; an operator that is unknown; a value larger
        than the machine's memory. The message names the node.
    OSError
        A file that cannot be opened.

    Examples
    --------
    >>> import numpy as np
    >>> import onnx.parser
    >>> import fastconv.onnx
    >>> model = onnx.parser.parse_model('''
    ...     <ir_version: 10, opset_import: ["": 22]>
    ...     edges (float[n, 1, h, w] x) => (float[n, 1, h, k] y)
    ...     <float[1, 1, 1, 2] weight = {-1, 1}> {
    ...         z = Conv(x, weight)
    ...         y = Relu(z)
    ...     }''')
    >>> session = fastconv.onnx.load(model)
    >>> session.inputs
    (Tensor(name='x', shape=('n', 1, 'h', 'w'), dtype=dtype('float32')),)
    >>> session.run({"x": np.array([[[[1, 3, 2, 2]]]], np.float32)})
    {'y': array([[[[2., 0., 0.]]]], dtype=float32)}
    >>> session.summary()
    {'fastconv': Counter({'Conv': 1}), 'onnx.reference': Counter()}
    """
    with read(model) as graph:
        return Session(graph)
