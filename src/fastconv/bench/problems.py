"""The problems of the benchmark, by name: one list for the command line, `benchmarks/` and the tests.

Names say where a problem comes from: ``photo`` (a filter over a real photograph), ``r50`` (ResNet-50),
``vgg`` (VGG-16), ``mbv2`` (MobileNetV2), ``lenet`` (LeNet-5), ``signal``, ``volume``, ``pool``, ``tiny``. A
last part ``nhwc`` or ``f64`` marks the same layer with channels last or in float64.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import fastconv
from fastconv.bench.networks import network

OPERATORS = tuple(f"{kind}{rank}d" for kind in ("conv", "max_pool", "avg_pool") for rank in (1, 2, 3))
"""What a problem string may begin with."""

LAYERS: dict[str, str] = {
    # So small that even loops in Python can be timed.
    "tiny.3x3": "conv2d n1 ic1 ih28 iw28 oc8 kh3 kw3 s1 p1 nchw f32",
    # A photograph of 512 x 600 pixels, three colours, each filtered by itself.
    "photo.3x3": "conv2d n1 ic3 ih600 iw512 oc3 kh3 kw3 s1 p1 g3 nchw f32",
    "photo.5x5": "conv2d n1 ic3 ih600 iw512 oc3 kh5 kw5 s1 p2 g3 nchw f32",
    "photo.3x3.nhwc": "conv2d n1 ic3 ih600 iw512 oc3 kh3 kw3 s1 p1 g3 nhwc f32",
    "photo.5x5.nhwc": "conv2d n1 ic3 ih600 iw512 oc3 kh5 kw5 s1 p2 g3 nhwc f32",
    # ResNet-50 (He et al. 2015).
    "r50.conv1": "conv2d n1 ic3 ih224 iw224 oc64 kh7 kw7 s2 p3 nchw f32",
    "r50.l1.1x1a": "conv2d n1 ic64 ih56 iw56 oc64 kh1 kw1 s1 p0 nchw f32",
    "r50.l1.3x3": "conv2d n1 ic64 ih56 iw56 oc64 kh3 kw3 s1 p1 nchw f32",
    "r50.l1.1x1b": "conv2d n1 ic64 ih56 iw56 oc256 kh1 kw1 s1 p0 nchw f32",
    "r50.l2.3x3s2": "conv2d n1 ic128 ih56 iw56 oc128 kh3 kw3 s2 p1 nchw f32",
    "r50.l2.3x3": "conv2d n1 ic128 ih28 iw28 oc128 kh3 kw3 s1 p1 nchw f32",
    "r50.l2.1x1": "conv2d n1 ic512 ih28 iw28 oc128 kh1 kw1 s1 p0 nchw f32",
    "r50.l3.3x3": "conv2d n1 ic256 ih14 iw14 oc256 kh3 kw3 s1 p1 nchw f32",
    "r50.l3.1x1": "conv2d n1 ic256 ih14 iw14 oc1024 kh1 kw1 s1 p0 nchw f32",
    "r50.l4.3x3": "conv2d n1 ic512 ih7 iw7 oc512 kh3 kw3 s1 p1 nchw f32",
    "r50.l4.1x1": "conv2d n1 ic2048 ih7 iw7 oc512 kh1 kw1 s1 p0 nchw f32",
    "r50.conv1.nhwc": "conv2d n1 ic3 ih224 iw224 oc64 kh7 kw7 s2 p3 nhwc f32",
    "r50.l1.3x3.nhwc": "conv2d n1 ic64 ih56 iw56 oc64 kh3 kw3 s1 p1 nhwc f32",
    "r50.l1.1x1b.nhwc": "conv2d n1 ic64 ih56 iw56 oc256 kh1 kw1 s1 p0 nhwc f32",
    "r50.l1.3x3.f64": "conv2d n1 ic64 ih56 iw56 oc64 kh3 kw3 s1 p1 nchw f64",
    "r50.l3.1x1.f64": "conv2d n1 ic256 ih14 iw14 oc1024 kh1 kw1 s1 p0 nchw f64",
    # VGG-16 (Simonyan and Zisserman 2014).
    "vgg.conv1_1": "conv2d n1 ic3 ih224 iw224 oc64 kh3 kw3 s1 p1 nchw f32",
    "vgg.conv1_2": "conv2d n1 ic64 ih224 iw224 oc64 kh3 kw3 s1 p1 nchw f32",
    "vgg.conv3_2": "conv2d n1 ic256 ih56 iw56 oc256 kh3 kw3 s1 p1 nchw f32",
    "vgg.conv4_2": "conv2d n1 ic512 ih28 iw28 oc512 kh3 kw3 s1 p1 nchw f32",
    # MobileNetV2 (Sandler et al. 2018): depthwise, with and without stride, and pointwise.
    "mbv2.dw112": "conv2d n1 ic32 ih112 iw112 oc32 kh3 kw3 s1 p1 g32 nchw f32",
    "mbv2.dw56s2": "conv2d n1 ic144 ih56 iw56 oc144 kh3 kw3 s2 p1 g144 nchw f32",
    "mbv2.pw": "conv2d n1 ic96 ih56 iw56 oc24 kh1 kw1 s1 p0 nchw f32",
    "mbv2.dw112.nhwc": "conv2d n1 ic32 ih112 iw112 oc32 kh3 kw3 s1 p1 g32 nhwc f32",
    "mbv2.dw112.f64": "conv2d n1 ic32 ih112 iw112 oc32 kh3 kw3 s1 p1 g32 nchw f64",
    # LeNet-5 (LeCun et al. 1998), a batch of 16 with its bias and tanh.
    "lenet.c1": "conv2d n16 ic1 ih32 iw32 oc6 kh5 kw5 s1 p0 nchw f32 bias tanh",
    "lenet.c3": "conv2d n16 ic6 ih14 iw14 oc16 kh5 kw5 s1 p0 nchw f32 bias tanh",
    "lenet.c5": "conv2d n16 ic16 ih5 iw5 oc120 kh5 kw5 s1 p0 nchw f32 bias tanh",
    "lenet.s2": "avg_pool2d n16 c6 ih28 iw28 kh2 kw2 nchw f32",
    # Groups between one and depthwise (ResNeXt-50), and dilation (DeepLab).
    "grouped.g32": "conv2d n1 ic128 ih56 iw56 oc128 kh3 kw3 s1 p1 g32 nchw f32",
    "dilated.d2": "conv2d n1 ic64 ih56 iw56 oc64 kh3 kw3 s1 p2 d2 nchw f32",
    # One axis and three.
    "signal.fir": "conv1d n1 ic1 iw65536 oc1 kw63 s1 p31 nchw f32",
    "signal.fir.f64": "conv1d n1 ic1 iw65536 oc1 kw63 s1 p31 nchw f64",
    "signal.wave": "conv1d n1 ic64 iw2048 oc64 kw3 s1 p2 d2 nchw f32",
    "volume.3x3x3": "conv3d n1 ic16 id16 ih28 iw28 oc16 kd3 kh3 kw3 s1 p1 nchw f32",
    # Pooling.
    "pool.max2x2": "max_pool2d n1 c64 ih112 iw112 kh2 kw2 nchw f32",
    "pool.max3x3s2": "max_pool2d n1 c64 ih112 iw112 kh3 kw3 s2 p1 nchw f32",
    "pool.avg3x3": "avg_pool2d n1 c64 ih56 iw56 kh3 kw3 s1 p1 nchw f32",
    "pool.global": "avg_pool2d n1 c2048 ih7 iw7 kh7 kw7 s1 nchw f32",
    "pool.max2x2.nhwc": "max_pool2d n1 c64 ih112 iw112 kh2 kw2 nhwc f32",
    "pool.avg3x3.f64": "avg_pool2d n1 c64 ih56 iw56 kh3 kw3 s1 p1 nchw f64",
}

_QUICK = (
    *("photo.3x3", "r50.conv1", "r50.l1.3x3", "r50.l2.3x3s2", "r50.l3.1x1", "r50.l1.3x3.nhwc", "vgg.conv4_2"),
    *("mbv2.dw112", "lenet.c3", "grouped.g32", "signal.fir", "pool.max2x2"),
)


def quick() -> dict[str, str]:
    """Return a few of `LAYERS`, one of each kind.

    Examples
    --------
    >>> from fastconv.bench import quick
    >>> len(quick())
    12
    """
    return {name: LAYERS[name] for name in _QUICK}


def select(only: str = "", dtype: str = "", among: Mapping[str, str] = LAYERS) -> dict[str, fastconv.Problem]:
    """Return the problems whose name or problem string contains `only`, and whose type is `dtype`.

    Parameters
    ----------
    only : str
        Part of a name or of a problem string; several separated by commas; empty for all.
    dtype : str
        ``"float32"`` or ``"float64"``; empty for both.
    among : mapping of str to str
        Problem strings by name: the benchmark's own, or see `of_network` and `of_file`.

    Raises
    ------
    ValueError
        A problem string that is none.

    Examples
    --------
    >>> from fastconv.bench import select
    >>> list(select("vgg.conv1"))
    ['vgg.conv1_1', 'vgg.conv1_2']
    """
    parts = [part.strip() for part in only.split(",") if part.strip()] or [""]
    chosen = {}
    for name, text in among.items():
        if any(part in name or part in text for part in parts):
            problem = fastconv.Problem(text)
            if dtype in ("", problem.dtype):
                chosen[name] = problem
    return chosen


def with_batch(problems: Mapping[str, fastconv.Problem], images: int) -> dict[str, fastconv.Problem]:
    """Return the same problems for so many images at a time.

    Examples
    --------
    >>> from fastconv.bench import select, with_batch
    >>> print(*with_batch(select("mbv2.pw"), 8).values())
    conv2d n8 ic96 ih56 iw56 oc24 kh1 kw1 s1 p0 nchw f32
    """
    return {
        name: fastconv.Problem(re.sub(r"\bn\d+\b", f"n{images}", str(problem), count=1))
        for name, problem in problems.items()
    }


def of_network(name: str) -> dict[str, str]:
    """Return the layers of a network that differ, numbered in its order, see `network`.

    Examples
    --------
    >>> from fastconv.bench import of_network
    >>> list(of_network("lenet5"))
    ['lenet5.1', 'lenet5.2', 'lenet5.3', 'lenet5.4', 'lenet5.5']
    """
    layers = network(name)
    digits = len(str(len(layers)))
    return {f"{name}.{number:0{digits}}": text for number, text in enumerate(layers, 1)}


def of_file(path: str | Path) -> dict[str, str]:
    """Read problem strings, one on a line, after a name and a blank or by themselves; ``#`` begins a remark.

    Raises
    ------
    ValueError
        A line with another content, or a name that was there before; the message has its number.
    OSError
        The file cannot be read.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        first, _, rest = text.partition(" ")
        name, problem = (f"line {number}", text) if first in OPERATORS else (first, rest.strip())
        try:
            found[name], before = str(fastconv.Problem(problem)), found.get(name)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        if before is not None:
            raise ValueError(f"{path}, line {number}: {name!r} was there before")
    return found
