"""A model with its convolutions and pools computed here."""

from __future__ import annotations

import copy
import inspect
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeVar, cast

import torch
from torch import fx, nn

from . import _modules as modules

KINDS = ("Conv", "ConvTranspose", "MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool")
OURS: dict[type[nn.Module], type[nn.Module]] = {
    getattr(nn, f"{kind}{rank}d"): getattr(modules, f"{kind}{rank}d") for kind in KINDS for rank in (1, 2, 3)
}
NORMS: dict[type[nn.Module], type[nn.Module]] = {  # of the results of which convolution
    norm: conv
    for rank, norm in enumerate((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), 1)
    for conv in (getattr(nn, f"Conv{rank}d"),)
}
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

Model = TypeVar("Model", bound=nn.Module)


def convert(model: Model, inplace: bool = False, *, fold: bool = True) -> Model:
    """Let fastconv compute the convolutions and pools of a model.

    Parameters
    ----------
    model : torch.nn.Module
        Its convolutions, transposed convolutions and pools that are of PyTorch's own classes are converted.
        Others, subclasses among them, stay what they are.
    inplace : bool
        Change `model` itself. Otherwise the result is a copy of its structure that shares its parameters and
        buffers, but for those that are folded.
    fold : bool
        Fold each batch normalisation that is in ``eval()`` mode into the convolution before it, where no one
        else sees what lies between: by the graph of ``torch.fx`` where the model has one that holds for every
        call, else only neighbours in a ``torch.nn.Sequential``. An identity takes its place, so the model can
        no longer be trained with it. Neither may have hooks.

    Returns
    -------
    torch.nn.Module
        The model, whose results differ from those of `model` by rounding alone.

    Raises
    ------
    TypeError
        `model` is no module.

    See Also
    --------
    converted : What was replaced.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> model = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.MaxPool2d(2)
    ... ).eval()
    >>> ours = fastconv.torch.convert(model)
    >>> fastconv.torch.converted(ours)
    {'0': 'Conv2d with BatchNorm2d 1', '3': 'MaxPool2d'}
    >>> x = torch.rand(1, 3, 16, 16)
    >>> torch.allclose(ours(x), model(x), atol=1e-5)
    True
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: {type(model).__name__}, expected a torch.nn.Module")
    if not inplace:
        shared = (*model.parameters(), *model.buffers())
        model = copy.deepcopy(model, {id(t): t for t in shared})
    if fold:
        for conv, norm in list(_foldable(model)):
            _fold(model, conv, norm)
    for module in model.modules():
        ours = OURS.get(type(module))
        if ours is not None:
            # The same object becomes ours: hooks, shared use and every reference to it stay as they are.
            module.__class__ = ours
    return model


def converted(model: nn.Module) -> dict[str, str]:
    """List the modules of a model that fastconv computes.

    Parameters
    ----------
    model : torch.nn.Module
        Converted or not.

    Returns
    -------
    dict of str to str
        By the name of a module its class, and the batch normalisation that is folded into it.

    Examples
    --------
    >>> import torch
    >>> import fastconv.torch
    >>> model = torch.nn.Sequential(torch.nn.Conv1d(1, 2, 3), torch.nn.ReLU())
    >>> fastconv.torch.converted(model)
    {}
    >>> fastconv.torch.converted(fastconv.torch.convert(model))
    {'0': 'Conv1d'}
    """
    ours = tuple(OURS.values())
    return {
        name: type(module).__name__ + getattr(module, "_folded", "")
        for name, module in model.named_modules()
        if isinstance(module, ours)
    }


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, tuple(OURS.values())) or super().is_leaf_module(m, module_qualified_name)


def _foldable(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of convolutions and of the batch normalisations that alone see their results."""
    named = dict(model.named_modules(remove_duplicate=False))
    uses = Counter(map(id, named.values()))
    for first, second in _neighbours(model, named):
        conv, norm = named[first], named[second]
        if (
            NORMS.get(type(norm)) is type(conv)
            and uses[id(conv)] == uses[id(norm)] == 1
            and not any(getattr(module, hooks) for module in (conv, norm) for hooks in HOOKS)
            and _folds(cast(nn.Conv2d, conv), cast(nn.BatchNorm2d, norm))
        ):
            yield first, second


def _folds(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> bool:
    """Whether a batch normalisation is a fixed map of what this convolution gives."""
    mean = norm.running_mean
    return (
        not norm.training
        and mean is not None
        and len(mean) == conv.out_channels
        and mean.dtype == conv.weight.dtype
        and mean.device == conv.weight.device
    )


def _neighbours(model: nn.Module, named: dict[str, nn.Module]) -> Iterator[tuple[str, str]]:
    """Pairs of modules of which the second alone sees what the first gives, by their names."""
    graph = _graph(model)
    if graph is None:
        for prefix, module in named.items():
            if type(module) is nn.Sequential:
                names = [f"{prefix}.{name}".lstrip(".") for name in module._modules]
                yield from pairwise(names)
        return
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    read = [str(node.target) for node in graph.nodes if node.op == "get_attr"]
    for node in graph.nodes:
        source = node.args[0] if node.op == "call_module" and len(node.args) == 1 else None
        if isinstance(source, fx.Node) and source.op == "call_module" and len(source.users) == 1:
            pair = str(source.target), str(node.target)
            if all(calls[name] == 1 for name in pair) and not any(
                path.startswith(f"{name}.") for path in read for name in pair
            ):
                yield pair


def _graph(model: nn.Module) -> fx.Graph | None:
    """Trace the calls of a model, if they are the same for every input."""
    parameters = inspect.signature(model.forward).parameters.values()
    if any(p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return None  # another argument may take another way
    try:
        return _Tracer().trace(model)
    except Exception:  # whatever a model's own code raises when it is called on a stand-in
        return None


@torch.no_grad()
def _fold(model: nn.Module, first: str, second: str) -> None:
    """Scale and shift the results of a convolution by its weights and bias."""
    conv = cast(nn.Conv2d, model.get_submodule(first))
    norm = cast(nn.BatchNorm2d, model.get_submodule(second))
    conv.weight, conv.bias = nn.utils.fusion.fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,  # type: ignore[arg-type]
        norm.running_var,  # type: ignore[arg-type]
        norm.eps,
        norm.weight,
        norm.bias,
    )
    conv.__dict__["_folded"] = f" with {type(norm).__name__} {second}"
    model.set_submodule(second, nn.Identity().eval())
