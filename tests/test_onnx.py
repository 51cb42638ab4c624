"""Networks in ONNX's format: rewriting, networks beside onnxruntime, models that are wrong, the interface."""

from __future__ import annotations

import math
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnx")

import onnx
import onnx.helper
import onnx.numpy_helper
import onnx.parser

import fastconv.onnx
from fastconv import _fastconv
from fastconv.onnx import ModelError
from fastconv.onnx.memory import Joined

from . import onnx_networks
from .processes import answer

RANDOM = np.random.default_rng(7)
HEADER = '<ir_version: 10, opset_import: ["": 22]>\n'


def text(model: str, **weights: NDArray[Any]) -> onnx.ModelProto:
    """Return a model from its text, with these initializers."""
    proto = onnx.parser.parse_model(HEADER + model)
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(value, name) for name, value in weights.items()
    )
    return proto


def normal(*shape: int) -> NDArray[np.float32]:
    return RANDOM.standard_normal(shape, np.float32)


def operators(session: fastconv.onnx.Session) -> list[str]:
    return [step.node.op for step in session.steps]


def by_reference(model: onnx.ModelProto, inputs: dict[str, Any]) -> list[Any]:
    from onnx.reference import ReferenceEvaluator

    return list(ReferenceEvaluator(model).run(None, inputs))


def check(model: onnx.ModelProto, left: list[str], **inputs: NDArray[Any]) -> fastconv.onnx.Session:
    """Compare with onnx.reference; these operators are left after rewriting."""
    session = fastconv.onnx.load(model)
    assert operators(session) == left
    for found, expected in zip(session.run(inputs).values(), by_reference(model, inputs), strict=True):
        assert found.dtype == expected.dtype
        # Sums of some dozens of products of numbers around 1, which two float32 programs round differently.
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    return session


# ---------------------------------------------------------------- rewriting

BATCH = {
    "scale": RANDOM.uniform(0.5, 2, 6).astype(np.float32),
    "offset": normal(6),
    "mean": normal(6),
    "variance": RANDOM.uniform(0.5, 2, 6).astype(np.float32),
}


@pytest.mark.parametrize("bias", ["", ", b"])
@pytest.mark.parametrize("group", [1, 2])
def test_batch_normalization_becomes_part_of_the_convolution(bias: str, group: int) -> None:
    model = text(
        f"""n (float[N, 4, 8, 8] x) => (float[N, 6, h, w] y) {{
            z = Conv <group = {group}, pads = [1, 0, 1, 2]> (x, w{bias})
            y = BatchNormalization (z, scale, offset, mean, variance)
        }}""",
        w=normal(6, 4 // group, 3, 3),
        b=normal(6),
        **BATCH,
    )
    check(model, ["Conv"], x=normal(2, 4, 8, 8))


def test_factors_and_summands_of_channels_become_part_of_the_convolution() -> None:
    model = text(
        """n (float[N, 4, 8] x) => (float[N, 6, 8] y) {
            z = Conv <pads = [1, 1]> (x, w)
            n = BatchNormalization (z, scale, offset, mean, variance)
            a = Mul (f, n)
            b = Add (a, s)
            y = Relu (b)
        }""",
        w=normal(6, 4, 3),
        f=normal(6, 1),
        s=normal(1, 6, 1),
        **BATCH,
    )
    check(model, ["Conv"], x=normal(2, 4, 8))


def test_a_lone_batch_normalization_becomes_a_convolution_and_takes_what_follows() -> None:
    model = text(
        """n (float[N, 6, 5, 5] x) => (float[N, 6, 5, 5] y) {
            n = BatchNormalization (x, scale, offset, mean, variance)
            a = Mul (n, f)
            b = Add (a, s)
            y = Relu (b)
        }""",
        f=normal(6, 1, 1),
        s=normal(1),
        **BATCH,
    )
    check(model, ["Conv"], x=normal(2, 6, 5, 5))


def test_batch_normalization_of_vectors_stays() -> None:
    model = text(
        "n (float[N, 6] x) => (float[N, 6] y) { y = BatchNormalization (x, scale, offset, mean, variance) }",
        **BATCH,
    )
    check(model, ["BatchNormalization"], x=normal(2, 6))


@pytest.mark.parametrize(
    "other", ["q = Neg (z)", "q = Identity (z)"], ids=["another reader", "an output of the graph"]
)
def test_a_convolution_with_two_readers_stays(other: str) -> None:
    model = text(
        f"""n (float[N, 4, 8] x) => (float[N, 6, h] y, float[N, 6, h] q) {{
            z = Conv (x, w)
            {other}
            y = BatchNormalization (z, scale, offset, mean, variance)
        }}""",
        w=normal(6, 4, 3),
        **BATCH,
    )
    left = ["Conv", other.split()[2], "Conv"]  # the normalization by itself
    check(model, left, x=normal(2, 4, 8))


def test_values_that_are_no_channels_stay() -> None:
    model = text(
        """n (float[N, 4, 8] x) => (float[N, 6, 6] y) {
            z = Conv (x, w)
            y = Mul (z, f)
        }""",
        w=normal(6, 4, 3),
        f=normal(6),
    )
    check(model, ["Conv", "Mul"], x=normal(2, 4, 8))


ACTIVATIONS = {
    "Relu (z)": True,
    "Sigmoid (z)": True,
    "Tanh (z)": True,
    "LeakyRelu (z)": True,
    "LeakyRelu <alpha = 0.1> (z)": False,
    "Clip (z, low, high)": True,
    "Clip (z, , high)": True,
    "Clip (z, high, low)": False,
    "Elu (z)": False,
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_become_part_of_the_convolution(activation: str) -> None:
    model = text(
        f"""n (float[N, 4, 8, 8] x) => (float[N, 6, h, w] y) {{
            z = Conv (x, w, b)
            y = {activation}
        }}""",
        w=normal(6, 4, 3, 3),
        b=normal(6),
        low=np.float32(-0.5),
        high=np.float32(1.5),
    )
    left = ["Conv"] if ACTIVATIONS[activation] else ["Conv", activation.split()[0]]
    check(model, left, x=normal(2, 4, 8, 8))


@pytest.mark.parametrize("product", ["Mul (z, s)", "Mul (s, z)"])
def test_a_sigmoid_that_gates_is_silu(product: str) -> None:
    graph = """n (float[N, 4, 8, 8] x) => (float[N, 6, h, w] y{result}) {{
        z = Conv (x, w, b)
        s = Sigmoid (z)
        y = {product}
    }}"""
    weights = {"w": normal(6, 4, 3, 3), "b": normal(6)}
    model = text(graph.format(product=product, result=""), **weights)
    assert check(model, ["Conv"], x=normal(2, 4, 8, 8)).steps[0].node.activation == "silu"
    both = text(graph.format(product=product, result=", float[N, 6, h, w] s"), **weights)
    check(both, ["Conv", "Sigmoid", "Mul"], x=normal(2, 4, 8, 8))


@pytest.mark.parametrize("total", ["Add (z, x)", "Sum (x, z)"])
def test_a_shortcut_becomes_part_of_the_convolution(total: str) -> None:
    model = text(
        f"""n (float[N, 4, 7, 7] x) => (float[N, 4, 7, 7] y) {{
            a = Conv <pads = [1, 1, 1, 1]> (x, w)
            b = Relu (a)
            z = Conv <pads = [1, 1, 1, 1]> (b, w)
            t = {total}
            y = Relu (t)
        }}""",
        w=normal(4, 4, 3, 3) / 4,
    )
    check(model, ["Conv", "Conv"], x=normal(2, 4, 7, 7))


def test_of_two_convolutions_the_later_adds_the_other() -> None:
    model = text(
        """n (float[N, 4, 7, 7] x) => (float[N, 8, 7, 7] y, float[N, 8, 7, 7] t) {
            a = Conv (x, v, b)
            z = Conv <auto_pad = "SAME_LOWER"> (x, w)
            s = Add (a, z)
            c = Conv (s, u)
            t = Add (s, c)
            y = Relu (t)
        }""",
        v=normal(8, 4, 1, 1),
        b=normal(8),
        w=normal(8, 4, 2, 2) / 2,
        u=normal(8, 8, 1, 1) / 3,
    )
    check(model, ["Conv", "Conv", "Conv", "Relu"], x=normal(2, 4, 7, 7))


@pytest.mark.parametrize(
    "rest",
    [
        "y = Add (z, z)",
        "y = Add (z, p)",  # a value for each pixel: not the shape of the output
        "t = Add (z, x)\n y = Add (t, z)",  # z has two readers
        "r = Relu (z)\n y = Add (r, x)",  # added after the activation
    ],
)
def test_sums_that_no_convolution_can_add(rest: str) -> None:
    model = text(
        f"""n (float[N, 4, 7, 7] x, float[1, 1, 7, 7] p) => (float[N, 4, 7, 7] y) {{
            z = Conv (x, w)
            {rest}
        }}""",
        w=normal(4, 4, 1, 1) / 2,
    )
    left = ["Conv", *["Add"] * rest.count("Add")]
    check(model, left, x=normal(2, 4, 7, 7), p=normal(1, 1, 7, 7))


@pytest.mark.parametrize("images", [1, 2])
def test_what_is_joined_is_computed_in_place(images: int) -> None:
    """Convolutions, pools and joined values; no input, nothing that is returned, nothing in two places."""
    model = text(
        """n (float[N, 4, 8, 8] x) => (float[N, 27, 8, 8] y, float[N, 3, 8, 8] r) {
            a = Conv <pads = [1, 1, 1, 1]> (x, v)
            m = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x)
            j = Concat <axis = 1> (m, x, a)
            b = Conv (j, w)
            k = Concat <axis = 1> (j, b)
            p = AveragePool <kernel_shape = [1, 1]> (k)
            r = Conv (p, u)
            y = Concat <axis = 1> (k, r, b, r, q)
        }""",
        v=normal(3, 4, 3, 3) / 4,
        w=normal(3, 11, 1, 1) / 4,
        u=normal(3, 14, 1, 1) / 4,
        q=np.zeros((images, 4, 8, 8), np.float32),
    )
    session = check(
        model,
        ["Conv", "MaxPool", "Concat", "Conv", "Concat", "AveragePool", "Conv", "Concat"],
        x=normal(images, 4, 8, 8),
    )
    x = normal(images, 4, 8, 8)
    assert session._memory.fits([x]) == (images == 1)
    if images == 2:
        return
    _, outs = session._memory.allocate()
    joins = [out for out in outs if isinstance(out, Joined)]
    wholes = [out.whole if isinstance(out, Joined) else out for out in outs]
    in_place = [[any(part is whole for whole in wholes) for part in join.parts] for join in joins]
    assert in_place == [[True, False, True], [True, False], [True, False, True, False, False]]
    whole = joins[-1].whole
    begins = [whole if out is None else out for out in wholes]
    channels = [(begin.ctypes.data - whole.ctypes.data) // whole[0, 0].nbytes for begin in begins]
    assert channels[:5] == [8, 0, 0, 17, 0]


def test_a_view_keeps_the_memory_of_what_it_shows() -> None:
    """Values that come later must not be computed over it; nor is a result, when the session runs again."""
    model = text(
        """n (float[N, 4, 8, 8] x) => (float[N, 4, 8, 8] y, float[N, 256] r) {
            a = Conv (x, w)
            s = Slice (a, begin, end, axis)
            i = Transpose <perm = [0, 1, 3, 2]> (s)
            b = Conv (a, w)
            c = Conv (b, w)
            d = Conv (c, w)
            e = Concat <axis = 1> (i, i)
            y = Mul (d, e)
            r = Reshape (d, flat)
        }""",
        w=normal(4, 4, 1, 1) / 2,
        begin=np.array([1]),
        end=np.array([3]),
        axis=np.array([1]),
        flat=np.array([-1, 256]),
    )
    x = normal(1, 4, 8, 8)
    session = check(model, [*["Conv", "Slice", "Transpose"], *["Conv"] * 3, "Concat", "Mul", "Reshape"], x=x)
    first = session.run({"x": x})
    copies = {name: value.copy() for name, value in first.items()}
    session.run({"x": -x})
    for name, value in first.items():
        np.testing.assert_array_equal(value, copies[name])


@pytest.mark.parametrize("shape", ["N, 4, h, w", "N, 4, 8, w", "2, 4, 8, 8", "N, 4, 8, 8"])
def test_extents_that_the_model_does_not_tell(shape: str) -> None:
    """Nothing is planned for what may have any extent; what is planned for one image serves no two."""
    model = text(
        f"""n (float[{shape}] x) => (float[n, c, i, j] y) {{
            a = Conv (x, w)
            b = Conv (a, w)
            y = Relu (b)
        }}""",
        w=normal(4, 4, 3, 3) / 6,
    )
    session = fastconv.onnx.load(model)
    for images in (1, 2, 1, 3) if "N" in shape else (2,):
        x = normal(images, 4, 8, 8)
        found, expected = session.run({"x": x})["y"], by_reference(model, {"x": x})[0]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", sorted(set(onnx_networks.NAMES) - onnx_networks.LARGE))
def test_planned_memory_changes_no_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = onnx_networks.randomized(name)
    session = fastconv.onnx.load(model)
    tensor = session.inputs[0]
    x = normal(*(extent if isinstance(extent, int) else 1 for extent in tensor.shape or ()))
    planned = session.run({tensor.name: x})
    again = session.run({tensor.name: x})
    assert session._memory.fits([x])  # there was a plan
    monkeypatch.setattr(session._memory, "_size", 0)
    alone = session.run({tensor.name: x})
    for output, expected in alone.items():
        np.testing.assert_array_equal(planned[output], expected, strict=True)
        np.testing.assert_array_equal(again[output], expected, strict=True)


def test_what_the_reference_computes_lies_where_it_was_planned() -> None:
    """A pool leaves it the windows of padding alone, in a run: steps that were bound to its place read it."""
    model = text(
        """n (float[1, 4, 8, 8] x) => (float[1, 8, 12, 12] y) {
            a = Conv (x, w)
            p = AveragePool <kernel_shape = [3, 3], pads = [3, 3, 3, 3], count_include_pad = 1> (a)
            b = Conv (p, w)
            y = Concat <axis = 1> (p, b)
        }""",
        w=normal(4, 4, 1, 1) / 2,
    )
    session = check(model, ["Conv", "AveragePool", "Conv", "Concat"], x=normal(1, 4, 8, 8))
    assert session.summary()["onnx.reference"] == {"AveragePool": 1}
    for _ in range(3):
        x = normal(1, 4, 8, 8)
        np.testing.assert_allclose(
            session.run({"x": x})["y"], by_reference(model, {"x": x})[0], rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
@pytest.mark.parametrize("pool", ["GlobalAveragePool", "GlobalMaxPool"])
def test_global_pools_of_any_rank(pool: str, axes: int) -> None:
    """They too compute where a Concat joins them; here the second one's extents are known only in a run."""
    shape, ones = (4, 3, 5, 2)[:axes], ", ".join(["1"] * axes)
    extents = ", ".join(map(str, shape))
    model = text(
        f"""n (float[1, 3, {extents}] x) => (float[1, 6, {ones}] y, float[k, 3, {ones}] z) {{
            a = {pool} (x)
            y = Concat <axis = 1> (a, a)
            b = Reshape (x, extents)
            z = {pool} (b)
        }}""",
        extents=np.array([1, 3, *shape]),
    )
    session, x = fastconv.onnx.load(model), normal(1, 3, *shape)
    # By NumPy: the reference takes the maximum of images alone.
    expected = (np.mean if "Average" in pool else np.max)(x, tuple(range(2, 2 + axes)), keepdims=True)
    for _ in range(2):
        found = session.run({"x": x})
        np.testing.assert_allclose(found["y"], np.concatenate([expected] * 2, 1), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found["z"], expected, rtol=1e-5, atol=1e-6)


def test_a_shape_that_does_not_fit_names_its_node() -> None:
    """However early it is found: views of planned memory are made before the first step runs."""
    model = text(
        "n (float[1, 4, 8, 8] x) => (float[k, 7] y) { a = Conv (x, w) y = Reshape (a, sevens) }",
        w=normal(4, 4, 1, 1),
        sevens=np.array([-1, 7]),
    )
    with pytest.raises(ModelError, match="Reshape"):
        fastconv.onnx.load(model).run({"x": normal(1, 4, 8, 8)})


def test_a_session_holds_no_input() -> None:
    """Once a run ends, nothing of what it was given or has returned is kept."""
    model = text(
        "n (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) { a = Conv (x, w) y = Sqrt (a) }",
        w=normal(4, 4, 1, 1),
    )
    session, x = fastconv.onnx.load(model), normal(1, 4, 8, 8)
    seen = [weakref.ref(x), weakref.ref(session.run({"x": x})["y"])]
    with pytest.raises(ModelError, match=r"input 'x': shape \(1, 4, 8, 9\), expected"):
        session.run({"x": normal(1, 4, 8, 9)})
    del x
    assert [ref() for ref in seen] == [None, None]


@pytest.mark.parametrize("images", [1, 2])
def test_a_shuffle_of_channels_is_one_node(images: int) -> None:
    model = text(
        f"""n (float[{images}, 6, 5, 7] x) => (float[{images}, 6, 5, 7] y) {{
            a = Reshape (x, apart)
            b = Transpose <perm = [0, 2, 1, 3, 4]> (a)
            y = Reshape (b, together)
        }}""",
        apart=np.array([images, 3, 2, 5, 7]),
        together=np.array([0, -1, 5, 7]),
    )
    check(model, ["channel shuffle"], x=normal(images, 6, 5, 7))


@pytest.mark.parametrize("shape", [(2, 6, 5, 7), (1, 12), (3, 4, 64, 64), (0, 6, 2), (2, 0, 3), (2, 6, 0)])
def test_channel_shuffle(shape: tuple[int, ...]) -> None:
    """Whatever the number of planes, threads and axes; the input may lie anyhow."""
    x = np.ascontiguousarray(normal(*shape)[::-1, ::-1])[::-1, ::-1]
    apart = x.reshape(shape[0], 2, shape[1] // 2, *shape[2:])
    expected = apart.swapaxes(1, 2).reshape(shape)
    for threads in (1, 2, 3):
        with fastconv.threads(threads):
            np.testing.assert_array_equal(_fastconv.channel_shuffle(x, 2, None), expected, strict=True)
    with pytest.raises(ValueError, match="groups=5: expected a divisor of the channels"):
        _fastconv.channel_shuffle(normal(1, 6, 2), 5, None)


@pytest.mark.parametrize("shape", [(3, 5), (1,), (0, 4), (1000, 600)])
def test_weight_copy(shape: tuple[int, ...]) -> None:
    """A read-only copy that outlives what it was made from, in other memory."""
    weight = normal(*shape)
    copies = [_fastconv.weight_copy(weight[::-1]) for _ in range(3)]
    expected = weight[::-1].copy()
    weight[...] = 0
    for copy in copies:
        np.testing.assert_array_equal(copy, expected, strict=True)
        assert not copy.flags.writeable
        assert copy.flags.c_contiguous


@pytest.mark.parametrize(
    ("perm", "apart", "together"),
    [
        ([0, 2, 1, 4, 3], [1, 3, 2, 5, 5], [1, 6, 5, 5]),
        ([0, 2, 1, 3, 4], [1, 6, 5, 5, 1], [1, 6, 5, 5]),
        ([0, 2, 1, 3, 4], [1, 3, 2, 5, 5], [1, 6, 25, 1]),
    ],
)
def test_what_is_no_shuffle_of_channels_stays(perm: Any, apart: Any, together: Any) -> None:
    model = text(
        f"""n (float[1, 6, 5, 5] x) => (float[1, 6, p, q] y) {{
            a = Reshape (x, apart)
            b = Transpose <perm = {perm}> (a)
            y = Reshape (b, together)
        }}""",
        apart=np.array(apart),
        together=np.array(together),
    )
    check(model, ["Reshape", "Transpose", "Reshape"], x=normal(1, 6, 5, 5))


def test_activations_become_part_of_gemm() -> None:
    model = text(
        """n (float[N, 7] x) => (float[N, 5] y) {
            z = Gemm <alpha = 0.5, beta = 2.0> (x, w, b)
            y = Relu (z)
        }""",
        w=normal(7, 5),
        b=normal(5),
    )
    check(model, ["Gemm"], x=normal(3, 7))


def test_constants_are_folded() -> None:
    model = text(
        """n (float[2, 6] x) => (float[3, 4] y) {
            a = Constant <value_ints = [3, -1]> ()
            one = Constant <value_int = 1> ()
            b = Mul (a, one)
            y = Reshape (x, b)
        }"""
    )
    check(model, ["Reshape"], x=normal(2, 6))


def test_identities_and_dropout_go() -> None:
    model = text(
        """n (float[2, 6] x) => (float[2, 6] y) {
            a = Identity (x)
            b, mask = Dropout (a)
            c = Neg (b)
            y = Identity (c)
        }"""
    )
    check(model, ["Neg", "Identity"], x=normal(2, 6))


def test_dropout_whose_mask_is_read_stays() -> None:
    model = text(
        """n (float[2, 6] x) => (float[2, 6] y, bool[2, 6] m) {
            b, mask = Dropout (x)
            y = Neg (b)
            m = Not (mask)
        }"""
    )
    check(model, ["Dropout", "Neg", "Not"], x=normal(2, 6))


def test_what_a_subgraph_reads_is_kept() -> None:
    model = text(
        """n (float[2, 6] x, bool c) => (float[2, 6] y) {
            z = Neg (x)
            i = Identity (z)
            y = If (c) <
                then_branch = t () => (float[2, 6] u) { u = Abs (i) },
                else_branch = e () => (float[2, 6] v) { v = Exp (z) }>
        }"""
    )
    for choice in (True, False):
        session = check(model, ["Neg", "Identity", "If"], x=normal(2, 6), c=np.array(choice))
    assert session.summary()["onnx.reference"] == {"If": 1}


# ---------------------------------------------------------------- convolutions


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("constant", [True, False])
def test_automatic_padding(auto_pad: str, constant: bool) -> None:
    weight = normal(3, 2, 4, 3)
    kernel = "" if constant else ", float[3, 2, 4, 3] k"
    graph = f"""n (float[N, 2, h, w] x{kernel}) => (float[N, 3, i, j] y) {{
        y = Conv <auto_pad = "{auto_pad}", strides = [2, 3]> (x, k)
    }}"""
    model = text(graph, **({"k": weight} if constant else {}))
    session = fastconv.onnx.load(model)
    for height, width in ((9, 11), (8, 7), (9, 11)):
        inputs = {"x": normal(2, 2, height, width), **({} if constant else {"k": weight})}
        (expected,) = by_reference(model, inputs)
        np.testing.assert_allclose(session.run(inputs)["y"], expected, rtol=1e-5, atol=1e-5)
    assert not session.summary()["onnx.reference"]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_every_attribute(rank: int, operator: str, dtype: type) -> None:
    """Beside onnx.reference in float64, group by group, for it errs where ConvTranspose has several."""
    weight = normal(4, 3, *[3] * rank) if operator == "ConvTranspose" else normal(6, 2, *[3] * rank)
    x, w, b = (value.astype(dtype) for value in (normal(2, 4, *[7] * rank), weight, normal(6)))

    def model(kind: str, channels: int, groups: int, **weights: NDArray[Any]) -> onnx.ModelProto:
        extents, results = (", ".join(f"{name}{axis}" for axis in range(rank)) for name in "de")
        attributes = f"dilations = {[2] * rank}, strides = {[2] * rank}, pads = {[1] * rank + [2] * rank}"
        return text(
            f"""n ({kind}[N, {channels}, {extents}] x) => ({kind}[N, k, {results}] y) {{
                y = {operator} <group = {groups}, {attributes}> (x, w, b)
            }}""",
            **weights,
        )

    kind = {"float32": "float", "float64": "double", "float16": "float16"}[np.dtype(dtype).name]
    session = fastconv.onnx.load(model(kind, 4, 2, w=w, b=b))
    found = session.run({"x": x})["y"]
    halves = []
    for part in (0, 1):
        weights, biases = (np.split(value.astype(np.float64), 2)[part] for value in (w, b))
        halves += by_reference(
            model("double", 2, 1, w=weights, b=biases),
            {"x": np.split(x.astype(np.float64), 2, axis=1)[part]},
        )
    assert found.dtype == dtype
    # 54 products at most, of numbers around 1, and one rounding to the type of the result.
    unit = np.finfo(np.float64 if dtype == np.float64 else np.float32).eps
    expected = np.concatenate(halves, axis=1)
    np.testing.assert_allclose(found, expected, rtol=np.finfo(dtype).eps + 64 * unit, atol=512 * unit)
    assert not session.summary()["onnx.reference"]


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("rule", ["asymmetric", "align_corners", "half_pixel", "pytorch_half_pixel"])
@pytest.mark.parametrize("scales", [(2, 3), (1.3, 0.7), (0.5, 1)])
def test_resize(mode: str, rule: str, scales: tuple[float, float]) -> None:
    """By NumPy: the reference's own takes a Python call for each pixel."""
    model = text(
        f"""n (float[1, 2, 6, 7] x) => (float[1, 2, h, w] y) {{
            y = Resize <mode = "{mode}", coordinate_transformation_mode = "{rule}"> (x, , scales)
        }}""",
        scales=np.array([1, 1, *scales], np.float32),
    )
    session = check(model, ["Resize"], x=normal(1, 2, 6, 7))
    assert not session.summary()["onnx.reference"]


def test_erf() -> None:
    """Within a unit in the last place of what the C library says."""
    model = text("n (float[N] x) => (float[N] y) { y = Erf (x) }")
    x = np.concatenate([normal(10_000), np.logspace(-38, 38, 999, dtype=np.float32)])
    x = np.concatenate([x, -x, np.array([0, np.inf, -np.inf, np.nan], np.float32)])
    y = fastconv.onnx.load(model).run({"x": x})["y"]
    np.testing.assert_allclose(y, [math.erf(float(value)) for value in x], rtol=2.0**-23, atol=0)


def test_a_type_that_fastconv_has_not_is_left_to_the_reference() -> None:
    model = text(
        """n (float[1, 1, 2, 2, 2, 2] x) => (float[1, 1, 1, 1, 1, 1] y) {
            y = MaxPool <kernel_shape = [2, 2, 2, 2]> (x)
        }"""
    )
    session = fastconv.onnx.load(model)
    assert session.summary()["onnx.reference"] == {"MaxPool": 1}


# ---------------------------------------------------------------- networks

# What the nodes of these networks are once BatchNormalization and activations are part of convolutions.
OWN = {
    "Conv", "Relu", "MaxPool", "AveragePool", "GlobalAveragePool", "Gemm", "Reshape",
    "Concat", "channel shuffle", "LRN", "Softmax",
}  # fmt: skip

# A layer errs by some 30 units of roundoff in Winograd's algorithms, by less in the others, relative to its
# largest sums. The errors of up to 125 layers are independent: their squares add up. Both programs err.
NETWORK_TOLERANCE = 2 * 125**0.5 * 30 * 2.0**-24


@pytest.mark.parametrize("name", onnx_networks.NAMES)
def test_no_node_of_the_networks_is_left_to_the_reference(name: str) -> None:
    if name == "vgg19":
        pytest.skip("as alexnet, and takes seconds")
    summary = fastconv.onnx.load(onnx_networks.network(name)).summary()
    assert not summary["onnx.reference"]
    assert summary["fastconv"].keys() <= OWN


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.campaign] if name in onnx_networks.LARGE else [])
        for name in onnx_networks.NAMES
    ],
)
def test_networks_with_random_weights_beside_onnxruntime(name: str) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model = onnx_networks.randomized(name)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 2
    other = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    session = fastconv.onnx.load(model)
    (tensor,) = session.inputs
    image = np.random.default_rng(1).standard_normal([int(n) for n in tensor.shape or ()], np.float32)
    (found,) = session.run({tensor.name: image}).values()
    (expected,) = other.run(None, {tensor.name: image})
    assert found.shape == expected.shape
    assert np.std(expected) > 0
    assert np.max(np.abs(found - expected)) <= NETWORK_TOLERANCE * np.max(np.abs(expected))


# ---------------------------------------------------------------- the interface


def small() -> onnx.ModelProto:
    return text("n (float[N, 3] x) => (float[N, 3] y) { y = Neg (x) }")


def test_sources(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(small(), path)
    for source in (path, str(path), path.read_bytes(), small()):
        session = fastconv.onnx.load(source)
        assert session.inputs == (("x", ("N", 3), np.dtype(np.float32)),)
        assert session.outputs == (("y", ("N", 3), np.dtype(np.float32)),)
    with pytest.raises(TypeError, match=r"model: int, expected a path, bytes or onnx\.ModelProto"):
        fastconv.onnx.load(3)  # type: ignore[arg-type]


def test_an_output_without_a_shape() -> None:
    """Valid for most, though not for ONNX's own check: the shape is inferred, or stays unknown."""
    model = small()
    model.graph.output[0].type.tensor_type.ClearField("shape")
    session = fastconv.onnx.load(model)
    assert session.outputs == (("y", ("N", 3), np.dtype(np.float32)),)
    assert session.run({"x": normal(2, 3)})["y"].shape == (2, 3)


def test_external_data(tmp_path: Path) -> None:
    """Weights in a file beside the model; without that, or outside the folder, an error."""
    weight = normal(8, 8, 3, 3)
    model = text("n (float[N, 8, 6, 6] x) => (float[N, 8, 4, 4] y) { y = Conv (x, w) }", w=weight)
    path, x = tmp_path / "model.onnx", normal(1, 8, 6, 6)
    onnx.save_model(model, path, save_as_external_data=True, size_threshold=0, location="weights")
    expected = fastconv.onnx.load(
        text("n (float[N, 8, 6, 6] x) => (float[N, 8, 4, 4] y) { y = Conv (x, w) }", w=weight)
    ).run({"x": x})["y"]
    np.testing.assert_array_equal(fastconv.onnx.load(path).run({"x": x})["y"], expected)
    with pytest.raises(ModelError, match="weights"):
        fastconv.onnx.load(path.read_bytes())
    (tmp_path / "weights").unlink()
    with pytest.raises(ModelError, match="weights"):
        fastconv.onnx.load(path)
    outside = onnx.load(path, load_external_data=False)
    outside.graph.initializer[0].external_data[0].value = "../../etc/passwd"
    with pytest.raises(ModelError, match="etc/passwd"):
        fastconv.onnx.load(outside)


def test_results_are_the_callers_own() -> None:
    """Neither an input nor a constant is reached through a result, and a second run is as the first."""
    model = text(
        """n (float[2, 3] x) => (float[6] flat, float[2, 3] same, float[2] constant) {
            shape = Constant <value_ints = [6]> ()
            flat = Reshape (x, shape)
            same = Identity (x)
            constant = Identity (c)
        }""",
        c=np.ones(2, np.float32),
    )
    session, x = fastconv.onnx.load(model), normal(2, 3)
    before = x.copy()
    for result in session.run({"x": x}).values():
        result[...] = 5
    np.testing.assert_array_equal(x, before)
    again = session.run({"x": x})
    np.testing.assert_array_equal(again["constant"], [1, 1])
    np.testing.assert_array_equal(again["same"], before)


def test_threads_share_a_session() -> None:
    session = fastconv.onnx.load(onnx_networks.network("squeezenet"))
    (tensor,) = session.inputs
    images = [normal(*[int(n) for n in tensor.shape or ()]) for _ in range(4)]
    expected = [session.run({tensor.name: image}) for image in images]
    found: dict[int, dict[str, Any]] = {}
    workers = [
        threading.Thread(target=lambda i=i: found.update({i: session.run({tensor.name: images[i]})}))
        for i in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for i, results in enumerate(expected):
        for name, value in results.items():
            np.testing.assert_array_equal(found[i][name], value)


def test_values_are_dropped_after_their_last_use() -> None:
    """A chain of a hundred nodes keeps three arrays at most: the input, which is the caller's, and two."""
    lines = "\n".join(f"v{i + 1} = Neg (v{i})" for i in range(100))
    session = fastconv.onnx.load(text(f"n (float[65536] v0) => (float[65536] v100) {{ {lines} }}"))
    import tracemalloc

    x = normal(65536)
    tracemalloc.start()
    session.run({"v0": x})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * x.nbytes


def test_fastconv_does_not_import_onnx() -> None:
    assert answer("import sys, fastconv; print('onnx' in sys.modules)") == "False"


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ({}, ModelError, "input 'x': missing"),
        ({"x": np.zeros((1, 3), np.float32), "z": 0}, ModelError, "input 'z': unknown, expected 'x'"),
        ({"x": np.zeros((1, 4), np.float32)}, ModelError, r"input 'x': shape \(1, 4\), expected \('N', 3\)"),
        ({"x": np.zeros(3, np.float32)}, ModelError, r"input 'x': shape \(3,\), expected"),
        ({"x": np.zeros((1, 3))}, TypeError, "input 'x': dtype float64, expected float32"),
    ],
)
def test_wrong_inputs(inputs: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fastconv.onnx.load(small()).run(inputs)


def test_backend() -> None:
    backend = fastconv.onnx.Backend
    assert backend.supports_device("CPU")
    assert not backend.supports_device("CUDA")
    assert backend.is_compatible(small())
    assert not backend.is_compatible(small(), "CUDA:1")
    x = normal(2, 3)
    for inputs in (x, [x], {"x": x}):
        (y,) = backend.run_model(small(), inputs)
        np.testing.assert_array_equal(y, -x)
    with pytest.raises(ValueError, match="device='CUDA': expected 'CPU'"):
        backend.prepare(small(), "CUDA")
    with pytest.raises(ModelError, match="2 inputs: expected 1: x"):
        backend.run_model(small(), [x, x])
    node = onnx.helper.make_node("Add", ["a", "b"], ["c"])
    np.testing.assert_array_equal(backend.run_node(node, [x, x])[0], x + x)
    np.testing.assert_array_equal(backend.run_node(node, {"a": x, "b": x}, opset_version=14)[0], x + x)


# ---------------------------------------------------------------- models that are wrong


@pytest.mark.parametrize("length", [0, 1, 10, 100, 1000])
def test_truncated(tmp_path: Path, length: int) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_networks.network("squeezenet").SerializeToString()[:length])
    with pytest.raises(ModelError, match=r"model\.onnx: "):
        fastconv.onnx.load(path)


def test_random_bytes() -> None:
    """Bytes, and models in which a byte is another."""
    random = np.random.default_rng(3)
    whole = bytearray(small().SerializeToString())
    tried = [random.bytes(int(size)) for size in random.integers(1, 300, 200)]
    for _ in range(400):
        changed = whole.copy()
        changed[random.integers(len(whole))] = random.integers(256)
        tried.append(bytes(changed))
    refused = 0
    for content in tried:
        try:
            session = fastconv.onnx.load(content)
            session.run({tensor.name: np.zeros((1, 3), np.float32) for tensor in session.inputs})
        except (ValueError, TypeError):
            refused += 1
    assert refused > 200


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        fastconv.onnx.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        fastconv.onnx.load(tmp_path / "none.onnx")


WRONG = {
    "unknown operator": ("y = Convolute (x)", "node 'y': opset 22 has no operator Convolute"),
    "unknown domain": ("y = far.away.Conv (x)", "node 'y': operator Conv of the unknown domain 'far.away'"),
    "cycle": ("z = Neg (y)\n y = Neg (z)", "topologically sorted"),
    "missing input": ("y = Add (x, nothing)", "nothing"),
    "two of a name": ("y = Neg (x)\n y = Abs (x)", "y"),
    "no output": ("z = Neg (x)", "y"),
    "shapes that do not fit": ("y = Conv (x, five)", "Conv"),
    "negative pads": (
        "y = Conv <pads = [-1, 0, 0, 0]> (x, four)",
        r"node 'y' \(Conv\): pads=\[-1, 0, 0, 0\]: expected at least 0",
    ),
    "negative pads of pooling": (
        "y = MaxPool <kernel_shape = [2, 2], pads = [0, -9, 0, 0]> (x)",
        r"node 'y' \(MaxPool\): pads=",
    ),
    "stride 0": ("y = Conv <strides = [0, 1]> (x, four)", r"strides=\[0, 1\]: expected at least 1"),
    "too few pads": ("y = Conv <pads = [1]> (x, four)", "pads"),
    "kernel 0": ("y = MaxPool <kernel_shape = [0, 0]> (x)", "kernel"),
    "other kernel_shape": ("y = Conv <kernel_shape = [2, 2]> (x, four)", "kernel_shape"),
    "no groups": ("y = Conv <group = 0> (x, four)", r"node 'y' \(Conv\): group=0: expected at least 1"),
    "groups": ("y = Conv <group = 3> (x, four)", "group|channel"),
    "auto_pad": ('y = Conv <auto_pad = "ALL"> (x, four)', "auto_pad"),
    "huge pads": ("y = Conv <pads = [1099511627776, 0, 0, 0]> (x, four)", "memory|bytes|has"),
    "huge constant": ("y = ConstantOfShape (huge)", "bytes, this machine has"),
    "negative constant": ("y = ConstantOfShape (below)", "negative"),
    "huge expansion": ("y = Expand (x, large)", "bytes, this machine has"),
    "huge tile": ("y = Tile (x, huge)", "bytes, this machine has"),
    "huge border": ("y = Pad (x, border)", "bytes, this machine has"),
    "huge range": ("y = Range (zero, many, one)", "bytes, this machine has"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_models(case: str) -> None:
    """An error that says what is wrong, at load or, where values matter, at the run."""
    nodes, message = WRONG[case]
    model = text(
        f"n (float[1, 2, 6, 6] x) => (float[a, b, c, d] y) {{ {nodes} }}",
        four=normal(3, 2, 3, 3),
        five=normal(3, 5, 3, 3),
        large=np.array([2**40, 2, 6, 6]),
        huge=np.array([1, 2**40, 6, 6]),
        below=np.array([1, -1, 6, 6]),
        border=np.array([0, 2**40, 0, 0, 0, 0, 0, 0]),
        zero=np.float32(0),
        many=np.float32(2**42),
        one=np.float32(1),
    )
    if case == "huge range":
        model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("y", 1, ["n"]))
    if case == "unknown domain":
        model.opset_import.append(onnx.helper.make_opsetid("far.away", 1))
    with pytest.raises(ModelError, match=message):
        fastconv.onnx.load(model).run({"x": normal(1, 2, 6, 6)})


def test_sizes_that_an_input_tells() -> None:
    """Nothing is known before the run."""
    model = text("n (int64[k] s) => (float[a, b] y) { y = ConstantOfShape (s) }")
    session = fastconv.onnx.load(model)
    assert session.run({"s": np.array([2, 3])})["y"].shape == (2, 3)
    with pytest.raises(ModelError, match=r"node 'y' \(ConstantOfShape\): .* bytes, this machine has"):
        session.run({"s": np.array([2**40, 3])})
    with pytest.raises(ModelError, match="negative"):
        session.run({"s": np.array([-1, 3])})


def test_an_initializer_that_lies() -> None:
    model = text("n (float[N, 3] x) => (float[N, 3] y) { y = Add (x, w) }", w=normal(3))
    (weights,) = model.graph.initializer
    for dims in ([2**40], [2**31, 2**31], [-3], [4]):
        weights.ClearField("dims")
        weights.dims.extend(dims)
        with pytest.raises(ModelError):
            fastconv.onnx.load(model)


@pytest.mark.parametrize("axis", [-3, 0, 1, 2])
def test_joined_along_any_axis(axis: int) -> None:
    """In memory that is planned, for the model tells all extents."""
    values = [normal(1, 2, 3), normal(1, 2, 3)]
    extents = list(np.concatenate(values, axis).shape)
    inputs = "float[1, 2, 3] a, float[1, 2, 3] b"
    model = text(f"n ({inputs}) => (float{extents} y) {{ y = Concat <axis = {axis}> (a, b) }}")
    result = fastconv.onnx.load(model).run(dict(zip("ab", values, strict=True)))["y"]
    np.testing.assert_array_equal(result, np.concatenate(values, axis))


@pytest.mark.parametrize("sizes", [[1, 1, 2, 4], [1, 2, 1, 4], [1, 4, 1, 2]])
def test_joined_values_of_other_extents_than_the_model_says(sizes: list[int]) -> None:
    """Nothing is repeated to fill the place that was planned, and none of it is left as it was."""
    model = text(
        "n (float[8] x, int64[4] s, float[1, 1, 2, 2] z) => (float[1, 3, 2, 2] y)"
        "{ r = Reshape (x, s) y = Concat <axis = 1> (r, z) }"
    )
    told = onnx.helper.make_tensor_value_info("r", onnx.TensorProto.FLOAT, [1, 2, 2, 2])
    model.graph.value_info.append(told)
    session = fastconv.onnx.load(model)
    values = {"x": normal(8), "z": normal(1, 1, 2, 2)}
    assert session.run({**values, "s": np.array([1, 2, 2, 2])})["y"].shape == (1, 3, 2, 2)
    with pytest.raises(ModelError, match=r"\(Concat\): .* expected what the model says, \(1, 2, 2, 2\)"):
        session.run({**values, "s": np.array(sizes)})


def test_an_input_of_absurd_shape() -> None:
    model = text(f"n (float[{2**40}, 3] x) => (float[{2**40}, 3] y) {{ y = Neg (x) }}")
    with pytest.raises(ModelError, match=r"value 'x': .* bytes, this machine has"):
        fastconv.onnx.load(model)


def test_what_does_not_fit_at_the_run_names_the_node() -> None:
    model = text("n (float[n] x, float[m] z) => (float[k] y) { y = Add (x, z) }")
    with pytest.raises(ModelError, match=r"node 'y' \(Add\): .*\(2,\) \(3,\)"):
        fastconv.onnx.load(model).run({"x": normal(2), "z": normal(3)})
