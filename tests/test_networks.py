"""The layers of networks: as many weights and multiplications as their authors, or others, have counted."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest

from fastconv import Problem
from fastconv.bench import NETWORKS, network, of_file, of_network, select

from .test_cli import invoke, refused

# Figure 1 of U-Net's paper: channels before, between and after 3x3 layers on the way down, and on that up.
DOWN = (1, 64, 64, 128, 128, 256, 256, 512, 512, 1024, 1024)
UP = ((1024, 512, 512), (512, 256, 256), (256, 128, 128), (128, 64, 64))
UNET = 9 * sum(a * b for path in (DOWN, *UP) for a, b in pairwise(path)) + 64 * 2

# Layers; millions of weights of the convolutions, without biases; 10^9 multiplications of these for an image.
# ResNet-50, VGG-16, MobileNetV2: the 25,557,032, 138,357,544 and 3,504,872 parameters of torchvision without
# those of linear layers, batch normalizations and biases. EfficientNet-B0: its 5,288,548 likewise, the biases
# of squeezing layers being 9,340. YOLOv3-tiny: 5.57 * 10^9 operations at 416 x 416, by its authors' count.
KNOWN = {
    "resnet50": (55, 23.454912, 4.087),
    "vgg16": (18, 14.710464, 15.347),
    "mobilenetv2": (53, 2.189760, 0.2995),
    "efficientnet_b0": (98, 3.956192, 0.3845),
    "unet": (23, UNET / 1e6, 144.8),
    "yolov3_tiny": (18, 8.845488, 5.57 / 2),
    "lenet5": (5, 0.050550, 0.0004056),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_the_weights_and_operations_that_are_known(name: str) -> None:
    layers, weights, multiplications = KNOWN[name]
    counts = {Problem(text): count for text, count in network(name).items()}
    convolutions = {problem: count for problem, count in counts.items() if problem.weight_shape}
    assert sum(counts.values()) == layers
    found = sum(count * math.prod(problem.weight_shape or ()) for problem, count in convolutions.items())
    assert found / 1e6 == pytest.approx(weights, abs=1e-6)
    done = sum(count * problem.flops / 2 for problem, count in convolutions.items())
    assert done / 1e9 == pytest.approx(multiplications, rel=2e-3)


def test_layers_follow_the_image() -> None:
    """To the extents that the papers give."""
    last = {name: Problem(list(network(name))[-1]).output_shape for name in NETWORKS}
    assert last["resnet50"] == (1, 2048, 1, 1)
    assert last["vgg16"] == (1, 512, 7, 7)
    assert last["mobilenetv2"] == last["efficientnet_b0"] == (1, 1280, 1, 1)
    assert last["unet"] == (1, 2, 388, 388)
    assert last["yolov3_tiny"] == (1, 255, 26, 26)
    assert last["lenet5"] == (1, 120, 1, 1)


def test_an_unknown_network() -> None:
    with pytest.raises(ValueError, match=r"network='skynet': expected one of resnet50, "):
        network("skynet")


# ---------------------------------------------------------------- choosing problems

CONV, POOL = "conv1d n1 ic2 iw9 oc4 kw3 s1 p1 nchw f32", "max_pool1d n1 c1 iw8 kw2 nchw f64"


def test_a_file_of_problems(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text(f"# mine\n\nfirst {CONV}  # with a name\n{POOL}\n")
    assert of_file(file) == {"first": CONV, "line 4": POOL}
    assert list(select(dtype="float64", among=of_file(file))) == ["line 4"]
    lines = invoke("bench", "--file", file, "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["first", "line"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("conv1d n1", "line 2: "),
        ("name nonsense", "line 2: .*nonsense"),
        (f"first {POOL}", "line 2: 'first' was there"),
    ],
)
def test_a_line_that_is_no_problem(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "mine.txt").write_text(f"first {CONV}\n{line}\n")
    with pytest.raises(ValueError, match=message):
        of_file(tmp_path / "mine.txt")
    assert "line 2: " in refused("bench", "--file", tmp_path / "mine.txt")


def listed(*arguments: str) -> dict[str, str]:
    lines = invoke("bench", "--list", *arguments).stdout.splitlines()
    return dict(line.split(None, 1) for line in lines)


def test_choosing() -> None:
    """By operator, layout, algorithm; and with another number of images."""
    assert {text.split()[0] for text in listed("--op", "avg_pool2d").values()} == {"avg_pool2d"}
    assert all(" nhwc " in text for text in listed("--layout", "nhwc").values())
    assert {" kh1 kw1 " in text for text in listed("--algorithm", "pointwise").values()} == {True}
    assert {text.split()[1] for text in listed("--batch", "7").values()} == {"n7"}
    assert len(listed("--batch", "7")) == len(listed("--part", "layers"))
    assert list(listed("--network", "efficientnet_b0")) == list(of_network("efficientnet_b0"))
    assert "expected auto, pool, " in refused("bench", "--algorithm", "magic")
    assert "no problem is of that kind" in refused("bench", "--op", "conv3d", "--layout", "NHWC")


def test_command(tmp_path: Path) -> None:
    shown = invoke("bench", "--network", "resnet50", "--list").stdout.splitlines()
    assert [line.split()[0] for line in shown] == list(of_network("resnet50"))
    assert "exclude each other" in refused("bench", "--network", "vgg16", "--problem", CONV)
    assert "conv9d" in refused("bench", "--problem", "conv9d n1")
    assert "does not exist" in refused("bench", "--file", tmp_path / "none.txt")
