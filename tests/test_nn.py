"""Layers, losses, optimisers and states of `fastconv.nn`.

Gradients against numerical differentiation in float64 and against torch's autograd; everything that torch
defines too against torch, under the same names.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import nn

from .processes import answer
from .reference import Array

EPS = np.finfo(np.float64).eps
F64: dict[str, Any] = {"rng": 0, "dtype": np.float64}


def draw(shape: Any, dtype: Any = np.float64, seed: int = 0) -> Array:
    """Standard normal numbers."""
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


def close(actual: Any, expected: Any, terms: float, what: str = "") -> None:
    """Within what so many roundings do to the largest of the numbers, twice, since both sides round."""
    expected = np.asarray(expected)
    assert np.shape(actual) == expected.shape
    limit = 4 * terms * EPS * (1 + np.abs(expected).max(initial=0))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=limit, err_msg=what)


# ---------------------------------------------------------------- layers against differences

LAYERS: dict[str, tuple[Callable[[], nn.Layer], tuple[int, ...]]] = {
    "conv1d": (lambda: nn.Conv1d(2, 3, 3, padding=1, **F64), (2, 2, 7)),
    "conv2d": (lambda: nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2, **F64), (2, 2, 6, 5)),
    "conv2d-nhwc": (lambda: nn.Conv2d(2, 3, (2, 3), dilation=(1, 2), layout="NHWC", **F64), (2, 6, 7, 2)),
    "conv2d-sigmoid": (lambda: nn.Conv2d(2, 3, 3, activation="sigmoid", **F64), (2, 2, 5, 5)),
    "conv2d-clamp": (lambda: nn.Conv2d(2, 3, 3, activation=(-0.5, None), bias=False, **F64), (2, 2, 5, 5)),
    "conv2d-same": (lambda: nn.Conv2d(1, 2, 4, padding="same", **F64), (2, 1, 6, 5)),
    "conv2d-reflect": (lambda: nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect", **F64), (2, 1, 4, 5)),
    "conv3d": (lambda: nn.Conv3d(1, 2, 2, activation="tanh", **F64), (1, 1, 4, 3, 4)),
    "conv_transpose1d": (lambda: nn.ConvTranspose1d(2, 3, 3, 2, 1, 1, activation="relu", **F64), (2, 2, 4)),
    "conv_transpose2d": (lambda: nn.ConvTranspose2d(4, 2, 3, 2, groups=2, **F64), (2, 4, 3, 2)),
    "conv_transpose2d-nhwc": (
        lambda: nn.ConvTranspose2d(2, 3, (2, 3), (2, 1), layout="NHWC", activation="tanh", **F64),
        (2, 3, 2, 2),
    ),
    "conv_transpose3d": (lambda: nn.ConvTranspose3d(1, 2, 2, 2, bias=False, **F64), (1, 1, 2, 3, 2)),
    "max_pool2d": (lambda: nn.MaxPool2d(2), (2, 2, 4, 6)),
    "max_pool2d-nhwc": (lambda: nn.MaxPool2d(3, 2, 1, layout="NHWC"), (2, 5, 6, 2)),
    "avg_pool1d": (lambda: nn.AvgPool1d(3, 2, 1), (2, 2, 7)),
    "avg_pool2d": (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 2, 5, 6)),
    "global": (lambda: nn.AdaptiveAvgPool2d(), (2, 3, 4, 5)),
    "adaptive_avg": (lambda: nn.AdaptiveAvgPool2d((2, 3)), (2, 3, 5, 4)),
    "adaptive_max": (lambda: nn.AdaptiveMaxPool2d((2, 3)), (2, 3, 5, 4)),
    "linear": (lambda: nn.Linear(5, 4, **F64), (3, 5)),
    "linear-relu": (lambda: nn.Linear(5, 4, activation="relu", **F64), (2, 3, 5)),
    "flatten": (lambda: nn.Flatten(), (2, 3, 4)),
    "relu": (lambda: nn.ReLU(), (3, 7)),
    "leaky_relu": (lambda: nn.LeakyReLU(0.2), (3, 7)),
    "sigmoid": (lambda: nn.Sigmoid(), (3, 7)),
    "tanh": (lambda: nn.Tanh(), (3, 7)),
    "silu": (lambda: nn.SiLU(), (3, 7)),
    "batch_norm1d": (lambda: nn.BatchNorm1d(3, dtype=np.float64), (5, 3)),
    "batch_norm2d": (lambda: nn.BatchNorm2d(3, dtype=np.float64), (2, 3, 3, 4)),
    "batch_norm2d-nhwc": (lambda: nn.BatchNorm2d(3, layout="NHWC", dtype=np.float64), (2, 3, 4, 3)),
    "batch_norm3d-plain": (lambda: nn.BatchNorm3d(2, affine=False, dtype=np.float64), (2, 2, 2, 3, 2)),
    "sequential": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 3, activation="relu", **F64), nn.BatchNorm2d(2, dtype=np.float64), nn.Sigmoid()
        ),
        (2, 1, 5, 5),
    ),
}


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("name", LAYERS)
def test_gradient(name: str, mode: str) -> None:
    """Every number of the input and of the parameters, a step to either side.

    The central difference errs by h^2 / 6 times the third derivative, and by the rounding of the sum over h.
    """
    make, shape = LAYERS[name]
    layer, x, h = make().train(mode == "train"), draw(shape, seed=1), 1e-5
    for _, parameter in layer.named_parameters():
        parameter.data += 0.1 * draw(parameter.data.shape, seed=2)  # biases away from 0
    above = draw(layer(x).shape, seed=3)
    back = layer.backward(above)
    assert (back.shape, back.dtype) == (x.shape, x.dtype)
    found = {"input": back} | {
        key: p.grad.copy() for key, p in layer.named_parameters() if p.grad is not None
    }
    numbers = {"input": x} | {key: p.data for key, p in layer.named_parameters()}
    assert set(found) == set(numbers)
    for key, array in numbers.items():
        assert found[key].shape == array.shape
        for place in np.ndindex(*array.shape):
            middle, sums = array[place], []
            for array[place] in (middle + h, middle - h):
                sums.append((layer(x) * above).sum())
            array[place] = middle
            rounding = 1e3 * EPS * (1 + np.abs(above).sum()) / h
            assert abs((sums[0] - sums[1]) / (2 * h) - found[key][place]) <= 1e3 * h**2 + rounding, (
                key,
                place,
            )


@pytest.mark.parametrize("name", LAYERS)
def test_forms(name: str) -> None:
    """float32 stays; planning tells the shape; the parameters' gradients are the same when alone."""
    make, shape = LAYERS[name]
    layer = make()
    y = layer(draw(shape))
    assert layer.plan(shape).output_shape == y.shape
    above = draw(y.shape, seed=4)
    layer.backward(above)
    expected = [p.grad for p in layer.parameters()]
    for parameter in layer.parameters():
        parameter.grad = None
    layer.backward_parameters(above)
    for parameter, gradient in zip(layer.parameters(), expected, strict=True):
        np.testing.assert_array_equal(parameter.grad, gradient, strict=True)
    if not layer.state_dict():
        y = layer(draw(shape, np.float32))
        assert layer.backward(y).dtype == y.dtype == np.float32


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(1, 2, 3, rng=0),
        nn.Linear(4, 4, rng=0),
        nn.BatchNorm2d(1),
        nn.Conv2d(1, 2, 3, rng=0, activation="relu", layout="NHWC"),
    ],
    ids=repr,
)
def test_float32(layer: nn.Layer) -> None:
    """The default type is kept in results and gradients."""
    shape = (2, 4, 4, 1) if getattr(layer, "layout", "") == "NHWC" else (2, 1, 4, 4)
    y = layer(draw(shape, np.float32))
    assert y.dtype == layer.backward(y).dtype == np.float32
    assert {p.grad.dtype for p in layer.parameters() if p.grad is not None} == {np.dtype(np.float32)}


def test_weights_are_never_stale() -> None:
    """A step shows in the very next call: nothing keeps weights as they were."""
    layer, x = nn.Conv2d(16, 32, 3, padding=1, rng=0), draw((2, 16, 9, 9), np.float32)
    for factor in (1, 2, -3):
        weight = layer.weight.data * factor
        layer.weight.data[...] = weight
        np.testing.assert_array_equal(layer(x), fastconv.conv2d(x, weight, layer.bias.data, padding=1))


def test_nothing_to_learn_from_nothing() -> None:
    """An empty batch has empty results, and gradients of 0."""
    layer = nn.Linear(3, 2, **F64)
    assert layer(np.zeros((0, 3))).shape == (0, 2)
    assert layer.backward(np.zeros((0, 2))).shape == (0, 3)
    np.testing.assert_array_equal(layer.weight.grad, np.zeros((2, 3)))


# ---------------------------------------------------------------- against torch


@st.composite
def convolutions(drawn: Any) -> tuple[int, dict[str, Any], tuple[int, ...], int]:
    """Rank, arguments of a layer, shape of an input with channels first, seed."""
    rank, groups = drawn(st.integers(1, 3)), drawn(st.integers(1, 2))
    per_axis = lambda low, high: st.tuples(*[st.integers(low, high)] * rank)  # noqa: E731
    kernel, dilation = drawn(per_axis(1, 3)), drawn(per_axis(1, 2))
    arguments = {
        "in_channels": groups * drawn(st.integers(1, 3)),
        "out_channels": groups * drawn(st.integers(1, 3)),
        "kernel_size": kernel,
        "stride": drawn(per_axis(1, 2)),
        "padding": drawn(per_axis(0, 2)),
        "dilation": dilation,
        "groups": groups,
        "bias": drawn(st.booleans()),
    }
    extents = [drawn(st.integers((k - 1) * d + 1, 7)) for k, d in zip(kernel, dilation, strict=True)]
    shape = (drawn(st.integers(1, 3)), arguments["in_channels"], *extents)
    return rank, arguments, shape, drawn(st.integers(0, 2**32 - 1))


@settings(max_examples=80)
@given(convolutions(), st.sampled_from(["NCHW", "NHWC"]), st.sampled_from([None, "relu", "sigmoid"]))
def test_convolution_against_torch(drawn: Any, layout: Any, activation: Any) -> None:
    """Result and all gradients, over property-drawn shapes and parameters."""
    torch = pytest.importorskip("torch")
    rank, arguments, shape, seed = drawn
    layer = getattr(nn, f"Conv{rank}d")(
        **arguments, layout=layout, activation=activation, rng=seed, dtype=np.float64
    )
    theirs = getattr(torch.nn, f"Conv{rank}d")(**arguments).double()
    first = layout == "NCHW"
    weight = layer.weight.data if first else np.moveaxis(layer.weight.data, (-1, -2), (0, 1))
    state = {"weight": torch.from_numpy(weight.copy())}
    if layer.bias is not None:
        layer.bias.data += draw(layer.bias.data.shape, seed=seed)
        state["bias"] = torch.from_numpy(layer.bias.data.copy())
    theirs.load_state_dict(state)
    x = draw(shape, seed=seed)
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    result = theirs(leaf)
    result = {None: lambda v: v, "relu": torch.relu, "sigmoid": torch.sigmoid}[activation](result)
    above = draw(tuple(result.shape), seed=seed + 1)
    result.backward(torch.from_numpy(above))

    def inner(array: Array) -> Array:
        return array if first else np.moveaxis(array, 1, -1)

    def outer(array: Array) -> Array:
        return array if first else np.moveaxis(array, -1, 1)

    y = outer(layer(inner(x)))
    assume(activation != "relu" or np.abs(y).min(where=y > 0, initial=1) > 1e-9)
    back = outer(layer.backward(inner(above)))
    # Winograd's algorithm forms other sums than the definition: its errors are those of more terms.
    terms = 300 + weight[0].size + above[0].size * shape[0]
    close(y, result.detach().numpy(), terms)
    close(back, leaf.grad.numpy(), terms)
    gradient = layer.weight.grad if first else np.moveaxis(layer.weight.grad, (-1, -2), (0, 1))
    close(gradient, theirs.weight.grad.numpy(), terms)
    if layer.bias is not None:
        close(layer.bias.grad, theirs.bias.grad.numpy(), terms)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_batch_norm_against_torch(rank: int, layout: Any) -> None:
    """Three batches in training, then one in use: results, gradients and running statistics."""
    torch = pytest.importorskip("torch")
    first = layout == "NCHW"
    layer = getattr(nn, f"BatchNorm{rank}d")(3, 1e-3, 0.3, layout=layout, dtype=np.float64)
    theirs = getattr(torch.nn, f"BatchNorm{rank}d")(3, 1e-3, 0.3).double()
    state = {"weight": draw(3, seed=1), "bias": draw(3, seed=2)}
    layer.load_state_dict(layer.state_dict() | state)
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()}, strict=False)
    for step in range(4):
        for module in (layer, theirs):
            module.train(step < 3)
        x, above = (draw((4, 3, *[5] * rank), seed=seed) * 3 + 1 for seed in (step, step + 10))
        leaf = torch.from_numpy(x).requires_grad_()
        theirs.zero_grad()
        result = theirs(leaf)
        result.backward(torch.from_numpy(above))
        y = layer(x if first else np.moveaxis(x, 1, -1))
        back = layer.backward(above if first else np.moveaxis(above, 1, -1))
        for actual, expected in ((y, result.detach()), (back, leaf.grad)):
            close(actual if first else np.moveaxis(actual, -1, 1), expected.numpy(), x.size)
        close(layer.weight.grad, theirs.weight.grad.numpy(), x.size)
        close(layer.bias.grad, theirs.bias.grad.numpy(), x.size)
    for name, array in layer.state_dict().items():
        close(array, theirs.state_dict()[name].numpy(), 500, name)


@settings(max_examples=60)
@given(
    st.sampled_from(["MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool"]),
    st.integers(1, 3),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 1)),
    st.integers(4, 7),
    st.sampled_from(["NCHW", "NHWC"]),
    st.booleans(),
)
def test_pool_against_torch(
    kind: str, rank: int, sizes: Any, extent: int, layout: Any, training: bool
) -> None:
    """Results and gradients, in training, which keeps indices, and outside of it."""
    torch = pytest.importorskip("torch")
    kernel, stride, padding = sizes
    arguments = (kernel,) if kind.startswith("Adaptive") else (kernel, stride, min(padding, kernel // 2))
    layer = getattr(nn, f"{kind}{rank}d")(*arguments, layout=layout).train(training)
    x = draw((2, 3, *[extent] * rank))
    leaf = torch.from_numpy(x).requires_grad_()
    result = getattr(torch.nn, f"{kind}{rank}d")(*arguments)(leaf)
    above = draw(tuple(result.shape), seed=1)
    result.backward(torch.from_numpy(above))
    first = layout == "NCHW"
    y = layer(x if first else np.moveaxis(x, 1, -1))
    back = layer.backward(above if first else np.ascontiguousarray(np.moveaxis(above, 1, -1)))
    for actual, expected in ((y, result.detach()), (back, leaf.grad)):
        close(actual if first else np.moveaxis(actual, -1, 1), expected.numpy(), extent**rank)


OPTIMISERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.1}),
    "momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "adam": ("Adam", {"lr": 0.01}),
    "adam-decay": ("Adam", {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimiser_against_torch(name: str) -> None:
    """Twenty steps with the same gradients lead to the same numbers."""
    torch = pytest.importorskip("torch")
    kind, arguments = OPTIMISERS[name]
    ours = [nn.Parameter(draw((3, 4))), nn.Parameter(draw(5, seed=1))]
    theirs = [torch.nn.Parameter(torch.from_numpy(p.data.copy())) for p in ours]
    optimizer, reference = (
        getattr(nn, kind)(ours, **arguments),
        getattr(torch.optim, kind)(theirs, **arguments),
    )
    for step in range(20):
        for seed, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            mine.grad = draw(mine.data.shape, seed=10 * step + seed)
            other.grad = torch.from_numpy(mine.grad.copy())
        optimizer.step()
        reference.step()
    for mine, other in zip(ours, theirs, strict=True):
        close(mine.data, other.detach().numpy(), 20 * 8)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_losses_against_torch(reduction: Any) -> None:
    """Values and gradients."""
    torch = pytest.importorskip("torch")
    x, y, target = draw((7, 5)), draw((7, 5), seed=1), np.arange(7) % 5
    for name, given_target in (("MSELoss", y), ("CrossEntropyLoss", target)):
        leaf = torch.from_numpy(x).requires_grad_()
        expected = getattr(torch.nn, name)(reduction=reduction)(leaf, torch.from_numpy(given_target))
        expected.backward()
        criterion = getattr(nn, name)(reduction)
        close(criterion(x, given_target), expected.item(), 40)
        close(criterion.backward(), leaf.grad.numpy(), 40)


def test_loss_over_images() -> None:
    """One class for each pixel, channels last."""
    x, target = draw((2, 3, 3, 4)), np.arange(18).reshape(2, 3, 3) % 4
    criterion = nn.CrossEntropyLoss(axis=-1)
    assert criterion(x, target) == fastconv.cross_entropy(x.reshape(-1, 4), target.ravel())
    np.testing.assert_array_equal(criterion.backward(), fastconv.grad.cross_entropy(x, target, axis=-1))


# ---------------------------------------------------------------- states


def network(rng: Any = 0) -> nn.Sequential:
    """Some layers of each kind that has a state, and one network inside another."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, rng=rng),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10, rng=rng)),
    )


def test_names_and_numbers_of_torch() -> None:
    """PyTorch's state of the same network loads, and gives the same results."""
    torch = pytest.importorskip("torch")
    inside = torch.nn.Sequential(torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(36, 10))
    theirs = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), inside)
    x = draw((5, 1, 8, 8), np.float32)
    theirs(torch.from_numpy(x))
    ours = network()
    assert set(ours.state_dict()) == set(theirs.state_dict())
    ours.load_state_dict({name: tensor.numpy() for name, tensor in theirs.state_dict().items()})
    with torch.no_grad():
        expected = theirs.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours.eval()(x), expected, rtol=0, atol=300 * np.finfo(np.float32).eps)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_files(suffix: str, tmp_path: Path) -> None:
    """What was saved is loaded, bit for bit, running statistics included; an old file is replaced."""
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    file = tmp_path / f"network{suffix}"
    file.write_bytes(b"old")
    first, second = network(0), network(1)
    first(draw((5, 1, 8, 8), np.float32))
    first.save(file)
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]
    second.load(str(file))
    for name, array in first.state_dict().items():
        np.testing.assert_array_equal(second.state_dict()[name], array, strict=True)
    assert second.state_dict()["1.num_batches_tracked"] == 1


def test_safetensors_of_torch(tmp_path: Path) -> None:
    """The file is one that other programs write and read."""
    numpy = pytest.importorskip("safetensors.numpy")
    ours = network()
    numpy.save_file(
        ours.state_dict() | {"0.bias": np.arange(4, dtype=np.float32)}, tmp_path / "a.safetensors"
    )
    ours.load(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(ours[0].bias.data, np.arange(4))
    ours.save(tmp_path / "b.safetensors")
    assert list(numpy.load_file(tmp_path / "b.safetensors")["0.bias"]) == [0, 1, 2, 3]


def test_state_is_a_copy() -> None:
    """Neither what was taken out nor what was put in is tied to the network."""
    ours = network()
    state = ours.state_dict()
    state["0.weight"][...] = 7
    assert not (ours[0].weight.data == 7).any()
    data = ours[0].weight.data
    ours.load_state_dict(state)
    state["0.weight"][...] = 8
    assert ours[0].weight.data is data
    assert (data == 7).all()


def changed(**arrays: Any) -> dict[str, Any]:
    """A state with some arrays replaced, or taken out."""
    state = network().state_dict() | {name.replace("__", "."): array for name, array in arrays.items()}
    return {
        f"{'0.' if name in ('weight', 'bias') else ''}{name}": a for name, a in state.items() if a is not None
    }


WRONG_STATES: dict[str, tuple[Any, type[Exception], str]] = {
    "missing": (lambda s: s.pop("0.bias") is None or s, ValueError, "missing 0.bias; expected 0.weight"),
    "unexpected": (lambda s: s | {"9.weight": s["0.bias"]}, ValueError, "unexpected 9.weight"),
    "shape": (lambda s: s | {"0.bias": s["0.bias"][:3]}, ValueError, r"shape \(3,\), expected \(4,\)"),
    "dtype": (lambda s: s | {"0.bias": np.zeros(4)}, TypeError, r"bias'\]: dtype float64, expected float32"),
    "later": (lambda s: s | {"0.bias": s["0.bias"] + 1, "3.2.bias": 0}, ValueError, r"2.bias'\]: shape"),
    "list": (lambda s: list(s), TypeError, "state=.*: expected a mapping"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_STATES)
def test_wrong_states_change_nothing(name: str) -> None:
    """Everything is checked before anything is changed."""
    change, error, message = WRONG_STATES[name]
    ours = network()
    before = ours.state_dict()
    with pytest.raises(error, match=message):
        ours.load_state_dict(change(ours.state_dict()))
    for key, array in ours.state_dict().items():
        np.testing.assert_array_equal(array, before[key])


def test_wrong_files(tmp_path: Path) -> None:
    """Suffix, folder, content."""
    ours = network()
    for call in (ours.save, ours.load):
        with pytest.raises(ValueError, match=r"expected a name that ends in \.safetensors or \.npz"):
            call(tmp_path / "network.pt")
        with pytest.raises(TypeError, match="file=7: expected a path"):
            call(7)
    with pytest.raises(ValueError, match="expected a path in a folder that exists"):
        ours.save(tmp_path / "none" / "network.npz")
    with pytest.raises(ValueError, match="expected a file, there is none"):
        ours.load(tmp_path / "network.npz")
    for suffix in (".npz", ".safetensors"):
        if suffix == ".safetensors":
            pytest.importorskip("safetensors")
        file = tmp_path / f"broken{suffix}"
        for content in (b"", b"\x00" * 40, b"PK\x03\x04 not a zip"):
            file.write_bytes(content)
            with pytest.raises(ValueError, match=rf"broken\{suffix}.*: expected an? \{suffix} file"):
                ours.load(file)
    np.savez(tmp_path / "objects.npz", a=np.array([{}], object))
    with pytest.raises(ValueError, match=r"objects.npz.*: expected an \.npz file"):
        ours.load(tmp_path / "objects.npz")


def test_safetensors_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error says what to install, and .npz works."""
    monkeypatch.setitem(__import__("sys").modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"pip install 'fastconv\[nn\]'"):
        network().save(tmp_path / "network.safetensors")
    network().save(tmp_path / "network.npz")


# ---------------------------------------------------------------- the other layers, networks


def test_dropout() -> None:
    """Zeros at the rate asked for, the rest scaled; the same in backward; in use none; the seed decides."""
    layer, x = nn.Dropout(0.25, rng=5), np.ones((1000, 100))
    y = layer(x)
    assert set(np.unique(y)) == {0, 1 / 0.75}
    # of n independent numbers, five standard deviations
    assert abs((y == 0).mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / x.size)
    np.testing.assert_array_equal(layer.backward(x), y)
    np.testing.assert_array_equal(nn.Dropout(0.25, rng=5)(x), y)
    assert not np.array_equal(layer(x), y)
    layer.eval()
    np.testing.assert_array_equal(layer(x), x)
    np.testing.assert_array_equal(layer.backward(x), x)
    np.testing.assert_array_equal(nn.Dropout(0)(x), x)
    np.testing.assert_array_equal(nn.Dropout(1)(x), 0 * x)
    assert nn.Dropout()(np.ones(3, np.float32)).dtype == np.float32


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "variance"),
    [("he_normal", 2 / 50), ("he_uniform", 2 / 50), ("glorot_normal", 2 / 150), ("glorot_uniform", 2 / 150)],
)
def test_initialisation(name: str, variance: float, kind: Any) -> None:
    """Mean 0 and the variance of the definition, to five standard errors; uniform within its bounds."""
    function, n = getattr(nn.init, name), 100_000
    weight = function((n,), 50, 100, np.random.default_rng(0), kind)
    assert weight.dtype == kind
    assert abs(weight.mean(dtype=np.float64)) < 5 * np.sqrt(variance / n)
    assert abs(weight.var(dtype=np.float64) / variance - 1) < 5 * np.sqrt(2 / n)
    if name.endswith("uniform"):
        assert np.abs(weight).max() <= np.sqrt(3 * variance) * (1 + 1e-6)
    np.testing.assert_array_equal(function((n,), 50, 100, np.random.default_rng(0), kind), weight)


def test_fans_of_layers() -> None:
    """Connections into an output, and from an input: taps count, other groups do not."""
    seen: list[Any] = []

    def watch(shape: Any, fan_in: int, fan_out: int, rng: Any, dtype: Any) -> Array:
        seen.append((shape, fan_in, fan_out))
        return np.zeros(shape, dtype)

    nn.Conv2d(4, 6, (3, 5), groups=2, initialize=watch)
    nn.Conv2d(4, 6, (3, 5), groups=2, layout="NHWC", initialize=watch)
    nn.Linear(7, 3, initialize=watch)
    assert seen == [((6, 2, 3, 5), 30, 45), ((3, 5, 2, 6), 30, 45), ((3, 7), 7, 3)]


def test_sequential() -> None:
    """Places, slices, modes."""
    ours = network()
    assert len(ours) == 4
    assert ours[-1] is list(ours)[3]
    x = draw((5, 1, 8, 8), np.float32)
    ours.eval()
    np.testing.assert_array_equal(ours[2:](ours[:2](x)), ours(x))
    assert [layer.training for layer in (ours, ours[0], ours[3][1])] == [False] * 3
    assert ours.train() is ours
    assert ours[3][2].training
    assert [name for name, _ in ours.named_parameters()] == [
        "0.weight", "0.bias", "1.weight", "1.bias", "3.2.weight", "3.2.bias",
    ]  # fmt: skip


def test_the_first_gradient_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`backward_parameters` leads no further back than there is something to learn."""
    ours = nn.Sequential(
        nn.ReLU(), nn.Conv2d(1, 2, 3, rng=0), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3, rng=0)
    )
    x = draw((2, 1, 4, 4), np.float32)
    above = draw(ours(x).shape, np.float32, 1)
    assert ours.backward(above).shape == x.shape
    expected = [p.grad for p in ours.parameters()]
    for layer in (ours[0], ours[1]):
        monkeypatch.setattr(layer, "backward", None)
    ours.backward_parameters(above)
    for parameter, gradient in zip(ours.parameters(), expected, strict=True):
        np.testing.assert_array_equal(parameter.grad, gradient)
    nn.Sequential(nn.ReLU()).backward_parameters(above)  # nothing to learn, nothing to do


def test_receptive_field() -> None:
    """As of the same layers in `fastconv.receptive_field`, up to the first that sees everything."""
    ours = nn.Sequential(
        nn.Conv2d(3, 8, 7, stride=2, padding=3),
        nn.BatchNorm2d(8),
        nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
        nn.Conv2d(8, 8, (3, 1), dilation=2),
        nn.AdaptiveAvgPool2d(),
        nn.Conv2d(8, 8, 1),
    )
    assert ours.receptive_field() == fastconv.receptive_field([((7, 7), 2, 3), (3, 2, 1), ((3, 1), 1, 0, 2)])


def test_summary() -> None:
    """Shapes, numbers and operations of the definition, and the algorithm that explain() names."""
    ours = network()
    table = ours.summary((5, 1, 8, 8))
    assert [row.name for row in table.rows] == ["0", "1", "2", "3.0", "3.1", "3.2"]
    assert table.output_shape == ours(np.zeros((5, 1, 8, 8), np.float32)).shape
    assert table.parameters == sum(p.data.size for p in ours.parameters()) == 40 + 8 + 370
    conv, norm, relu, pool, flatten, linear = table.rows
    assert conv.operations == 2 * 9 * 5 * 4 * 6 * 6
    assert (
        conv.algorithm
        == fastconv.Conv2d(ours[0].weight.data, ours[0].bias.data).explain((5, 1, 8, 8)).algorithm
    )
    assert norm.operations == 2 * 5 * 4 * 6 * 6
    assert pool.operations == 4 * 5 * 4 * 3 * 3
    assert linear.operations == 2 * 5 * 36 * 10
    assert relu.operations == flatten.operations == 0
    lines = str(table).splitlines()
    assert len(lines) == 9
    assert lines[0].split() == ["layer", "output", "parameters", "operations", "algorithm"]
    assert lines[-1].split()[-2:] == [str(table.parameters), str(table.operations)]
    rich = pytest.importorskip("rich.console")
    console = rich.Console(width=120, file=io.StringIO())
    console.print(table)
    assert "MaxPool2d(2)" in console.file.getvalue()


@pytest.mark.parametrize("optimiser", [lambda p: nn.SGD(p, 0.05, 0.9), lambda p: nn.Adam(p, 0.01)])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_learns(optimiser: Any, layout: Any) -> None:
    """A little network learns which of four quarters of an image is bright."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 4, 64)
    images = rng.random((64, 1, 8, 8), np.float32)
    for image, quarter in zip(images, target, strict=True):
        image[0, quarter // 2 * 4 :, quarter % 2 * 4 :][:4, :4] += 1
    if layout == "NHWC":
        images = np.moveaxis(images, 1, -1).copy()
    ours = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, layout=layout, rng=rng),
        nn.BatchNorm2d(4, layout=layout),
        nn.ReLU(),
        nn.MaxPool2d(2, layout=layout),
        nn.Flatten(),
        nn.Linear(64, 4, rng=rng),
    )
    criterion, step = nn.CrossEntropyLoss(), optimiser(ours.parameters())
    losses = []
    for _ in range(60):
        losses.append(criterion(ours(images), target))
        ours.backward_parameters(criterion.backward())
        step.step()
    assert losses[-1] < losses[0] / 20
    assert (ours.eval()(images).argmax(1) == target).mean() > 0.95


def test_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program in docs/nn.md runs as it stands there, and its loss becomes smaller."""
    text = (Path(__file__).parent.parent / "docs" / "nn.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(block, "nn.md", "exec"), names)
    assert names["loss"] < np.log(10)
    assert (tmp_path / "network.npz").is_file()


def test_import_brings_no_library() -> None:
    """Files, tables and their packages come when they are asked for."""
    code = "import sys, fastconv.nn; print('safetensors' in sys.modules, 'rich' in sys.modules)"
    assert answer(code).split() == ["False", "False"]


# ---------------------------------------------------------------- bad input

X = np.zeros((2, 1, 4, 4), np.float32)
W = nn.Parameter(np.zeros(2))


def wrong_gradient() -> nn.Parameter:
    """A parameter whose gradient is another's."""
    parameter = nn.Parameter(np.zeros(2))
    parameter.grad = np.zeros(3)
    return parameter


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nn.Conv2d(0, 1, 3), ValueError, "in_channels=0: expected a positive integer"),
    (lambda: nn.Conv2d(1, 1.5, 3), TypeError, "out_channels=1.5: expected an integer"),
    (lambda: nn.Conv2d(True, 1, 3), TypeError, "in_channels=True: expected an integer"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels=3: expected a multiple of groups=2"),
    (lambda: nn.Conv2d(1, 1, 0), ValueError, "kernel_size=0: expected a positive integer"),
    (lambda: nn.Conv2d(1, 1, (3, 3, 3)), ValueError, r"kernel_size=\(3, 3, 3\): expected"),
    (lambda: nn.Conv2d(1, 1, "3"), TypeError, "kernel_size='3': expected"),
    (lambda: nn.Conv2d(1, 1, 3, stride=0), ValueError, "stride=0: expected positive integers"),
    (lambda: nn.Conv2d(1, 1, 3, padding=-1), ValueError, "padding=-1: expected"),
    (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), ValueError, "padding_mode='mirror': expected"),
    (lambda: nn.Conv2d(1, 1, 3, dilation=(1,)), ValueError, r"dilation=\(1,\): expected"),
    (lambda: nn.Conv2d(1, 1, 3, layout="NCL"), ValueError, "layout='NCL': expected"),
    (lambda: nn.Conv2d(1, 1, 3, layout=None), TypeError, "layout=None: expected"),
    (lambda: nn.Conv2d(1, 1, 3, activation="silu"), ValueError, "activation='silu': expected one that"),
    (lambda: nn.Conv2d(1, 1, 3, activation="gelu"), ValueError, "activation='gelu': expected"),
    (lambda: nn.Conv2d(1, 1, 3, algorithm="fastest"), ValueError, "algorithm='fastest'"),
    (lambda: nn.Conv2d(1, 1, 3, dtype=np.int32), TypeError, "dtype=.*int32.*: expected float32 or float64"),
    (lambda: nn.Conv2d(1, 1, 3, rng="one"), TypeError, "rng='one': expected a numpy.random.Generator"),
    (lambda: nn.Dropout(rng=-1), ValueError, "rng=-1: expected a numpy.random.Generator"),
    (lambda: nn.Linear(2, 3, initialize=lambda shape, *_: np.zeros(shape)), ValueError, r"shape \(3, 2\)"),
    (lambda: nn.Conv2d(1, 1, 3, dtype="image"), TypeError, "dtype='image': expected"),
    (lambda: nn.Conv2d(1, 1, 3)(X.astype(np.float64)), TypeError, "dtype float32, expected float64"),
    (lambda: nn.Conv2d(2, 1, 3)(X), ValueError, "input: .* has 1 channels, expected 2"),
    (lambda: nn.Conv2d(1, 1, 3).backward(X), RuntimeError, "Conv2d.backward: expected a call of forward"),
    (lambda: nn.Linear(0, 1), ValueError, "in_features=0: expected"),
    (lambda: nn.Linear(1, 1, activation="silu"), ValueError, "activation='silu': expected"),
    (lambda: nn.Linear(1, 1, activation=1), TypeError, "activation=1: expected"),
    (lambda: nn.Linear(3, 1)(X), ValueError, "input: shape"),
    (lambda: nn.Linear(3, 1).backward(X), RuntimeError, "Linear.backward: expected a call of forward"),
    (lambda: nn.MaxPool2d(0), ValueError, "kernel_size=0: expected"),
    (lambda: nn.MaxPool2d(2, padding=2), ValueError, "padding=2: expected at most half"),
    (lambda: nn.AvgPool2d(2, stride="2"), TypeError, "stride='2': expected"),
    (lambda: nn.AdaptiveAvgPool2d(-1), ValueError, "output_size must be at least 0, got -1"),
    (lambda: nn.MaxPool2d(2, layout="NC"), ValueError, "layout='NC': expected"),
    (lambda: nn.MaxPool2d(2).backward(X), RuntimeError, "MaxPool2d.backward: expected a call of forward"),
    (lambda: nn.ReLU().backward(X), RuntimeError, "ReLU.backward: expected a call of forward"),
    (lambda: nn.LeakyReLU(-1), ValueError, "negative_slope=-1: expected 0 <= negative_slope < inf"),
    (lambda: nn.BatchNorm2d(0), ValueError, "num_features=0: expected"),
    (lambda: nn.BatchNorm2d(1, eps=-1), ValueError, "eps=-1: expected"),
    (lambda: nn.BatchNorm2d(1, momentum=2), ValueError, "momentum=2: expected 0 <= momentum <= 1"),
    (lambda: nn.BatchNorm2d(2)(X), ValueError, r"x: shape \(2, 1, 4, 4\), expected 4 axes with 2 channels"),
    (lambda: nn.BatchNorm1d(1)(X), ValueError, "expected 2 or 3 axes with 1 channels"),
    (lambda: nn.BatchNorm2d(1)(X.astype(np.float64)), TypeError, "x: dtype float64, expected float32"),
    (lambda: nn.BatchNorm2d(1)(X[:1, :, :1, :1]), ValueError, "more than one value of each channel"),
    (lambda: nn.Dropout(1.5), ValueError, "p=1.5: expected 0 <= p <= 1"),
    (lambda: nn.Dropout("0.5"), TypeError, "p='0.5': expected a number"),
    (lambda: nn.Dropout(np.nan), ValueError, "p=nan: expected"),
    (lambda: nn.Flatten()(np.float32(1)), ValueError, r"input: shape \(\), expected a batch"),
    (lambda: nn.Sequential(nn.ReLU(), np.tanh), TypeError, r"layers\[1\]=.*: expected a layer"),
    (lambda: nn.Sequential(*[nn.ReLU()] * 2), ValueError, "layers: one stands here twice"),
    (lambda: nn.SGD(7), TypeError, "parameters=7: expected"),
    (lambda: nn.SGD([]), ValueError, "parameters: expected at least one"),
    (lambda: nn.SGD([np.zeros(2)]), TypeError, "parameters: expected parameters of layers"),
    (lambda: nn.SGD([W, W]), ValueError, "parameters: expected each once"),
    (lambda: nn.SGD([W], lr=-1), ValueError, "lr=-1: expected 0 <= lr < inf"),
    (lambda: nn.SGD([W], momentum=np.inf), ValueError, "momentum=inf: expected"),
    (lambda: nn.SGD([W], nesterov=True), ValueError, "nesterov=True: expected a momentum"),
    (lambda: nn.SGD([wrong_gradient()]).step(), ValueError, r"gradient of shape \(3,\), expected \(2,\)"),
    (lambda: nn.SGD([W]).step(), RuntimeError, "SGD.step: expected a call of backward"),
    (lambda: nn.Adam([W], betas=0.9), TypeError, "betas=0.9: expected two numbers"),
    (lambda: nn.Adam([W], betas=(0.9, 1)), ValueError, r"betas\[1\]=1: expected"),
    (lambda: nn.Adam([W], eps="0"), TypeError, "eps='0': expected a number"),
    (lambda: nn.CrossEntropyLoss("none"), ValueError, "reduction='none': expected 'mean' or 'sum'"),
    (lambda: nn.MSELoss(None), TypeError, "reduction=None: expected"),
    (lambda: nn.MSELoss()(X, X[:1]), ValueError, r"target: shape \(1, 1, 4, 4\), expected"),
    (lambda: nn.MSELoss()(X, X.astype(np.float64)), TypeError, "target: dtype float64, expected float32"),
    (lambda: nn.MSELoss().backward(), RuntimeError, "MSELoss.backward: expected a call of forward"),
    (lambda: nn.CrossEntropyLoss().backward(), RuntimeError, "CrossEntropyLoss.backward: expected"),
    (lambda: nn.CrossEntropyLoss()(X[0, 0], np.array([0, 4, 0, 0])), ValueError, "target: 4 at place 1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "message"), BAD, ids=[f"{i}-{row[2][:25]}" for i, row in enumerate(BAD)]
)
def test_refused(call: Any, error: type[Exception], message: str) -> None:
    """Every door says what is wrong."""
    with pytest.raises(error, match=message) as caught:
        call()
    assert type(caught.value) is error


@pytest.mark.parametrize("name", [*LAYERS, "dropout"])
def test_gradients_of_wrong_shape_are_refused(name: str) -> None:
    """A gradient that does not belong to the last result."""
    make, shape = LAYERS.get(name, (nn.Dropout, (3, 4)))
    layer = make()
    y = layer(draw(shape))
    for wrong in ((*y.shape[:-1], y.shape[-1] + 1), (y.shape[0] + 1, *y.shape[1:]), y.shape[1:]):
        with pytest.raises(ValueError, match=r"(grad_output|input|output): shape \(.*expected"):
            layer.backward(np.zeros(wrong))
    assert all(p.grad is None for p in layer.parameters())
