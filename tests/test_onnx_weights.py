"""Weights of ONNX's format: read from the file one by one, and files that are wrong or unusual."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
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
from fastconv.onnx import ModelError, weights

HEADER = '<ir_version: 10, opset_import: ["": 22]>\n'
WEIGHT = np.random.default_rng(5).standard_normal((160, 160, 1, 1), np.float32)  # 100 KiB
X = np.random.default_rng(6).standard_normal((1, 160, 2, 3), np.float32)


def convolution(**fields: Any) -> onnx.ModelProto:
    """Return a model of one convolution, in whose initializer these fields are others."""
    model = onnx.parser.parse_model(
        HEADER + "n (float[1, 160, 2, 3] x) => (float[1, k, 2, 3] y) { y = Conv (x, w) }"
    )
    tensor = onnx.numpy_helper.from_array(WEIGHT, "w")
    for name, value in fields.items():
        tensor.ClearField(name)
        if isinstance(value, list):
            getattr(tensor, name).extend(value)
        elif isinstance(value, onnx.TensorProto.Segment):
            getattr(tensor, name).CopyFrom(value)
        elif value is not None:
            setattr(tensor, name, value)
    model.graph.initializer.append(tensor)
    return model


def result(content: bytes) -> NDArray[Any] | str:
    """Return what the model computes, or what is wrong with it."""
    try:
        found = [*fastconv.onnx.load(content).run({"x": X}).values()]
        return np.asarray(found[0]) if found else "no output"
    except ModelError as error:
        return str(error)


def check_as_uncut(content: bytes, monkeypatch: pytest.MonkeyPatch) -> NDArray[Any] | str:
    """Compare with what comes out where protobuf reads everything."""
    found = result(content)
    with monkeypatch.context() as patch:
        patch.setattr(weights, "_LARGE", 1 << 60)
        expected = result(content)
    assert isinstance(found, str) == isinstance(expected, str)
    if isinstance(found, str):
        assert found == expected
    else:
        np.testing.assert_array_equal(found, expected)
    return found


def field(number: int, content: bytes) -> bytes:
    """Return a field of protobuf's wire format."""
    length, rest = bytearray(), len(content)
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([number << 3 | 2, *length, rest]) + content


def with_tensor(tensor: bytes) -> bytes:
    """Return a model whose initializer is these bytes."""
    model = convolution()
    del model.graph.initializer[:]
    return field(7, model.graph.SerializeToString() + field(5, tensor)) + rest_of(model)


def rest_of(model: onnx.ModelProto) -> bytes:
    other = onnx.ModelProto()
    other.CopyFrom(model)
    other.ClearField("graph")
    return other.SerializeToString()


def bare_tensor() -> bytes:
    return convolution(raw_data=None).graph.initializer[0].SerializeToString()


EXPECTED = np.einsum("oi,nihw->nohw", WEIGHT[:, :, 0, 0].astype(np.float64), X)


def check_expected(found: NDArray[Any] | str) -> None:
    # 160 products of numbers around 1, in float32.
    np.testing.assert_allclose(np.asarray(found), EXPECTED, rtol=0, atol=160 * 2.0**-20)


# ---------------------------------------------------------------- memory


def deep(layers: int, channels: int) -> onnx.ModelProto:
    """Return convolutions of single pixels, each with a normalization, and as large a matrix at the end."""
    random = np.random.default_rng(0)
    lines, values = [], {}
    for i in range(layers):
        values[f"w{i}"] = random.standard_normal((channels, channels, 1, 1), np.float32)
        lines.append(f"c{i} = Conv (v{i}, w{i})\n v{i + 1} = BatchNormalization (c{i}, s, s, s, s)")
    values |= {
        "s": np.ones(channels, np.float32),
        "matrix": random.standard_normal((channels, channels), np.float32),
    }
    model = onnx.parser.parse_model(
        HEADER
        + f"n (float[1, {channels}, 1, 1] v0) => (float[1, {channels}] y) {{\n"
        + "\n".join(lines)
        + f"\n flat = Flatten (v{layers})\n y = MatMul (flat, matrix)\n}}"
    )
    model.graph.initializer.extend(onnx.numpy_helper.from_array(v, name) for name, v in values.items())
    return model


def test_weights_are_read_one_by_one(tmp_path: Path) -> None:
    """Beside what convolutions and matrices keep there are some copies of one weight at any time."""
    layers, channels, path = 15, 512, tmp_path / "model.onnx"
    one = 4 * channels**2
    onnx.save(deep(layers, channels), path)
    fastconv.onnx.load(path)  # imports and the like
    tracemalloc.start()
    session = fastconv.onnx.load(path)
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(session.steps) == layers + 2
    assert kept < (layers + 1) * one + one
    assert most < (layers + 1) * one + 5 * one


def test_protobuf_sees_no_large_weights(tmp_path: Path) -> None:
    model = deep(3, 256)
    content, pieces = weights.cut(io.BytesIO(model.SerializeToString()))
    assert len(content) < 1 << 14
    for tensor, piece in zip(model.graph.initializer, pieces, strict=True):
        assert (piece is not None) == (len(tensor.raw_data) > 1 << 16)
        if piece is not None:
            assert model.SerializeToString()[piece.begin : piece.stop] == tensor.raw_data


# ---------------------------------------------------------------- what is unusual


@pytest.mark.parametrize(
    "model",
    [
        convolution(),
        convolution(raw_data=None, float_data=WEIGHT.ravel().tolist()),
        convolution(float_data=[0.0] * WEIGHT.size),  # raw_data goes first
    ],
    ids=["raw_data", "float_data", "both"],
)
def test_where_weights_may_be(model: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    check_expected(check_as_uncut(model.SerializeToString(), monkeypatch))


def test_fields_that_come_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of values the last one counts, messages are merged, and lists are joined."""
    data, zeros, model = WEIGHT.tobytes(), bytes(WEIGHT.nbytes), convolution()
    for fields, right in (
        ([field(9, zeros), field(9, data)], True),
        ([field(9, b"1234"), field(9, data)], True),
        ([field(9, data), field(9, b"1234")], False),
        ([field(4, zeros), field(9, data)], True),
        ([field(9, data), field(4, zeros)], True),
        ([field(4, data[:70_000]), field(4, data[70_000:])], True),
        ([field(4, data[:-4]), b"\x25" + data[-4:]], True),
        ([b"\x25" + data[:4], field(4, data[4:])], True),
    ):
        found = check_as_uncut(with_tensor(bare_tensor() + b"".join(fields)), monkeypatch)
        assert isinstance(found, str) != right
        if right:
            check_expected(found)
    initializers = b"".join(field(5, tensor.SerializeToString()) for tensor in model.graph.initializer)
    del model.graph.initializer[:]
    nodes = model.graph.SerializeToString()
    for halves in ([nodes, initializers], [initializers, nodes]):
        content = b"".join(field(7, half) for half in halves) + rest_of(model)
        check_expected(check_as_uncut(content, monkeypatch))


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.int8, np.uint16, np.bool_, np.complex128])
def test_types(kind: type, tmp_path: Path) -> None:
    value = (np.arange(70_000) % 2000).astype(kind)
    model = onnx.parser.parse_model(HEADER + "n (int64[1] i) => () { y = Gather (w, i) }")
    tensor = onnx.numpy_helper.from_array(value, "w")
    model.graph.initializer.append(tensor)
    model.graph.output.append(onnx.helper.make_tensor_value_info("y", tensor.data_type, [1]))
    onnx.save(model, tmp_path / "model.onnx")
    for source in (tmp_path / "model.onnx", model, model.SerializeToString()):
        y = fastconv.onnx.load(source).run({"i": np.array([69_999])})["y"]
        assert y.dtype == kind
        np.testing.assert_array_equal(y, value[-1:])


def test_a_weight_that_two_nodes_read() -> None:
    model = onnx.parser.parse_model(
        HEADER
        + """n (float[1, 160, 2, 3] x) => (float[a, b, c, d] y, float[e, f, g, h] w2) {
            z = Conv (x, w)
            u = Conv (z, w)
            v = Sum (w, w)
            y = Relu (u)
            w2 = Neg (v)
        }"""
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(WEIGHT, "w"))
    found = fastconv.onnx.load(model.SerializeToString()).run({"x": X})
    np.testing.assert_array_equal(found["w2"], -2 * WEIGHT)
    again = np.einsum("oi,nihw->nohw", WEIGHT[:, :, 0, 0], EXPECTED)
    np.testing.assert_allclose(found["y"], np.maximum(again, 0), rtol=1e-5, atol=1e-2)


def test_automatic_padding_after_the_file_is_closed(tmp_path: Path) -> None:
    model = convolution()
    rule = onnx.helper.make_attribute("auto_pad", "SAME_LOWER")
    model.graph.node[0].attribute.append(rule)
    onnx.save(model, tmp_path / "model.onnx")
    session = fastconv.onnx.load(tmp_path / "model.onnx")
    (tmp_path / "model.onnx").unlink()
    check_expected(session.run({"x": X})["y"])


# ---------------------------------------------------------------- external data


def test_external_data(tmp_path: Path) -> None:
    path, other = tmp_path / "model.onnx", tmp_path / "weights"
    onnx.save_model(convolution(), path, save_as_external_data=True, location="weights")
    check_expected(fastconv.onnx.load(path).run({"x": X})["y"])
    model = onnx.load(path, load_external_data=False)
    with pytest.raises(ModelError, match="weights"):
        fastconv.onnx.load(model)
    other.write_bytes(other.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"node 'y' \(Conv\): initializer 'w': .*exceeds available data"):
        fastconv.onnx.load(path)
    model.graph.initializer[0].external_data[0].value = "../outside"
    (tmp_path.parent / "outside").write_bytes(WEIGHT.tobytes())
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="outside"):
        fastconv.onnx.load(path)


def test_external_data_of_an_attribute(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(
        HEADER
        + "n (float[2] x) => (float[2] y) { c = Constant <value = float[2] {1, 2}> ()\n y = Add (x, c) }"
    )
    tensor = model.graph.node[0].attribute[0].t
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.array([1, 2], np.float32)))
    onnx.save_model(
        model, tmp_path / "model.onnx", save_as_external_data=True, size_threshold=0, convert_attribute=True
    )
    y = fastconv.onnx.load(tmp_path / "model.onnx").run({"x": np.ones(2, np.float32)})["y"]
    np.testing.assert_array_equal(y, [2, 3])


# ---------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    "fields",
    [
        {"raw_data": WEIGHT.tobytes()[:-4]},
        {"raw_data": WEIGHT.tobytes()[:-1]},
        {"raw_data": WEIGHT.tobytes() + bytes(4)},
        {"dims": [160, 160, 1, 2]},
        {"dims": [2**40, 160, 1, 1]},
        {"dims": [2**32, 2**32, 1, 1]},
        {"dims": [-160, -160, 1, 1]},
        {"dims": [160, 160, -1, -1]},
        {"dims": [1]},
        {"data_type": 0},
        {"data_type": 8},
        {"data_type": 16},
        {"data_type": 22},
        {"data_type": 1000},
        {"segment": onnx.TensorProto.Segment(begin=0, end=1)},
        {"data_location": onnx.TensorProto.EXTERNAL},
        {"raw_data": None, "float_data": WEIGHT.ravel()[1:].tolist()},
        {"raw_data": None, "float_data": WEIGHT.ravel().tolist(), "data_type": 6},
    ],
    ids=lambda fields: ", ".join(f"{name} {str(value)[:20]}" for name, value in fields.items())[:40],
)
def test_initializers_that_lie(fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(check_as_uncut(convolution(**fields).SerializeToString(), monkeypatch), str)


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "truncated within the weights": lambda content: content[: len(content) - WEIGHT.nbytes // 2],
    "truncated before the weights": lambda content: content[: content.index(WEIGHT.tobytes())],
    "a length past the end": lambda content: content[:1] + b"\xff\xff\xff\x7f" + content[1:],
    "a length past any memory": lambda content: b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + content,
    "a number that never ends": lambda content: b"\x08" + b"\xff" * 100_000 + content,
    "nothing but a number's begin": lambda content: content + b"\x3a\xff",
    "a group": lambda content: b"\x3b" + content,
    "a tensor longer than its graph": lambda _: field(7, b"\x2a\xff\x01" + bytes(9)),
    "data longer than its tensor": lambda _: with_tensor(bare_tensor() + b"\x4a\xff\xff\x7f" + bytes(70_000)),
}


@pytest.mark.parametrize("case", WRONG)
def test_files_that_are_wrong(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = convolution()
    content = WRONG[case](field(7, model.graph.SerializeToString()) + rest_of(model))
    found = check_as_uncut(content, monkeypatch)
    assert isinstance(found, str)
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.onnx: "):
        fastconv.onnx.load(path)


def test_random_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes around the weights that are others."""
    random, model = np.random.default_rng(1), convolution()
    content = field(7, model.graph.SerializeToString()) + rest_of(model)
    places = [*range(content.index(WEIGHT.tobytes())), *range(len(content) - 40, len(content))]
    refused = 0
    for place in random.choice(places, 300):
        changed = bytearray(content)
        changed[place] = random.integers(256)
        refused += isinstance(check_as_uncut(bytes(changed), monkeypatch), str)
    assert 100 < refused < 300


def test_a_file_of_tiny_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is not looked through to its end, which would take minutes."""
    monkeypatch.setattr(weights, "_MOST_FIELDS", 1000)
    model = convolution()
    content = b"\x08\x0a" * 1001 + field(7, model.graph.SerializeToString()) + rest_of(model)
    assert weights.cut(io.BytesIO(content)) == (b"", [])
    check_expected(result(content))


def test_a_file_that_becomes_shorter() -> None:
    """Between the look through it and the reading of a weight."""
    content = convolution().SerializeToString()
    left, pieces = weights.cut(io.BytesIO(content))
    tensors = onnx.load_model_from_string(left).graph.initializer
    ((name, weight),) = weights.initializers(tensors, pieces, io.BytesIO(content), "")
    assert name == "w"
    np.testing.assert_array_equal(weights.value_of(weight), WEIGHT)
    ((_, weight),) = weights.initializers(tensors, pieces, io.BytesIO(content[:50_000]), "")
    assert weight.shape == WEIGHT.shape
    with pytest.raises(ModelError, match="initializer 'w': the file has become shorter"):
        weights.value_of(weight)
