"""Named problems, in the string form of `fastconv.Problem`, shared by the tests and the benchmarks.

The edge problems are small and nasty: every extent of one, one less and one more than a tile, primes,
strides that jump over the kernel, padding on one side only. `LAYERS` are the shapes that the benchmarks
time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

import fastconv
from fastconv import Problem
from fastconv.bench.problems import LAYERS

from .reference import Array

__all__ = ["CONVOLUTIONS", "LAYERS", "POOLS", "Arrays", "arguments", "arrays", "call", "parameters"]

# How problem strings write a dtype.
CODES = {"float32": "f32", "float64": "f64", "float16": "f16", "bfloat16": "bf16"}

CONVOLUTIONS = {
    "one-number": "conv2d n1 ic1 ih1 iw1 oc1 kh1 kw1 s1 p0 nchw f32",
    "one-number-nhwc": "conv2d n1 ic1 ih1 iw1 oc1 kh1 kw1 s1 p0 nhwc f64",
    "one-output": "conv2d n1 ic3 ih5 iw4 oc2 kh5 kw4 s1 p0 nchw f32 bias",
    "one-row": "conv2d n2 ic2 ih1 iw37 oc3 kh1 kw5 s1 ph0 pw2 nchw f32",
    "one-column": "conv2d n2 ic2 ih37 iw1 oc3 kh5 kw1 s1 ph2 pw0 nchw f64",
    "one-column-nhwc": "conv2d n1 ic3 ih40 iw1 oc5 kh3 kw1 s1 ph1 pw0 nhwc f64 bias",
    "two-columns-nhwc": "conv2d n1 ic2 ih21 iw2 oc33 kh3 kw3 s1 p1 nhwc f32",
    "only-padding-around": "conv2d n1 ic2 ih1 iw1 oc4 kh3 kw3 s1 p1 nchw f32 bias",
    "image-filter": "conv2d n1 ic1 ih31 iw33 oc1 kh3 kw3 s1 p1 nchw f32",
    "image-filter-large": "conv2d n1 ic1 ih40 iw41 oc1 kh11 kw11 s1 p5 nchw f64",
    "first-layer": "conv2d n1 ic3 ih29 iw31 oc13 kh7 kw7 s2 p3 nchw f32 bias relu",
    "first-layer-nhwc": "conv2d n1 ic3 ih29 iw31 oc13 kh7 kw7 s2 p3 nhwc f32 bias relu",
    "channels-13": "conv2d n1 ic13 ih7 iw7 oc13 kh3 kw3 s1 p1 nchw f32",
    "channels-14": "conv2d n1 ic14 ih7 iw2 oc14 kh3 kw3 s1 p1 nhwc f32 bias",
    "channels-15": "conv2d n1 ic15 ih4 iw15 oc15 kh3 kw3 s1 p1 nchw f64",
    "channels-31": "conv2d n1 ic5 ih6 iw6 oc31 kh3 kw3 s1 p1 nhwc f32",
    "channels-32": "conv2d n1 ic32 ih6 iw7 oc32 kh3 kw3 s1 p1 nchw f32 bias",
    "channels-33": "conv2d n1 ic33 ih7 iw6 oc33 kh3 kw3 s1 p1 nhwc f64 bias",
    "channels-67": "conv2d n2 ic17 ih9 iw11 oc67 kh3 kw3 s1 p1 nchw f32 bias relu",
    "pixels-13": "conv2d n1 ic4 ih1 iw13 oc3 kh1 kw1 s1 p0 nchw f32",
    "pixels-14": "conv2d n1 ic4 ih2 iw7 oc17 kh1 kw1 s1 p0 nhwc f32",
    "pixels-15": "conv2d n3 ic7 ih3 iw5 oc15 kh1 kw1 s1 p0 nhwc f32 bias",
    "pixels-31": "conv2d n1 ic8 ih1 iw31 oc9 kh3 kw3 s1 p1 nchw f32",
    "pixels-32": "conv2d n1 ic8 ih4 iw8 oc9 kh3 kw3 s1 p1 nhwc f64",
    "pixels-33": "conv2d n1 ic8 ih3 iw11 oc16 kh3 kw3 s1 p1 nchw f64 bias",
    "pixels-65": "conv2d n1 ic2 ih5 iw13 oc6 kh3 kw3 s1 p1 nchw f32",
    "pointwise": "conv2d n2 ic31 ih5 iw7 oc33 kh1 kw1 s1 p0 nchw f32 bias",
    "pointwise-nhwc": "conv2d n2 ic31 ih5 iw7 oc33 kh1 kw1 s1 p0 nhwc f64 bias silu",
    "pointwise-stride": "conv2d n1 ic9 ih11 iw8 oc14 kh1 kw1 s2 p0 nchw f32",
    "pointwise-stride-nhwc": "conv2d n1 ic9 ih11 iw8 oc14 kh1 kw1 s2 p0 nhwc f32",
    "pointwise-padded": "conv2d n1 ic5 ih4 iw6 oc7 kh1 kw1 s1 p1 nchw f32 bias",
    "pointwise-one-pixel": "conv2d n1 ic65 ih1 iw1 oc63 kh1 kw1 s1 p0 nchw f32",
    "pointwise-one-column-stride": "conv2d n2 ic20 ih13 iw1 oc8 kh1 kw1 sh1 sw2 p0 g2 nhwc f32 bias",
    "pointwise-one-column-stride-nchw": "conv2d n2 ic20 ih13 iw1 oc8 kh1 kw1 sh1 sw2 p0 nchw f64",
    "pointwise-groups": "conv2d n2 ic12 ih5 iw5 oc6 kh1 kw1 s1 p0 g3 nhwc f64",
    "winograd-one-tile": "conv2d n1 ic3 ih4 iw4 oc2 kh3 kw3 s1 p0 nchw f32",
    "winograd-under-a-tile": "conv2d n1 ic3 ih3 iw3 oc2 kh3 kw3 s1 p0 nchw f64 bias",
    "winograd-many-tiles": "conv2d n2 ic16 ih17 iw23 oc18 kh3 kw3 s1 p1 nchw f32 bias",
    "winograd-nhwc": "conv2d n2 ic16 ih15 iw14 oc33 kh3 kw3 s1 p1 nhwc f32 bias relu",
    "winograd-asymmetric": "conv2d n1 ic7 ih10 iw11 oc5 kh3 kw3 s1 ph0:1 pw2:1 nchw f64",
    "winograd-groups": "conv2d n1 ic12 ih9 iw9 oc8 kh3 kw3 s1 p1 g4 nchw f32",
    "winograd-wide-padding": "conv2d n1 ic4 ih3 iw4 oc4 kh3 kw3 s1 p4 nhwc f32",
    # outputs left in the last tiles: 1, 2, 3 of four
    "winograd-left-1-2": "conv2d n1 ic3 ih9 iw10 oc5 kh3 kw3 s1 p1 nchw f32 bias",
    "winograd-left-2-3": "conv2d n1 ic3 ih10 iw11 oc5 kh3 kw3 s1 p1 nhwc f64",
    "winograd-left-3-1": "conv2d n1 ic3 ih11 iw9 oc17 kh3 kw3 s1 p1 nhwc f32 bias",
    "winograd-dilated-2": "conv2d n2 ic5 ih13 iw18 oc6 kh3 kw3 s1 p2 d2 nchw f32 bias",
    "winograd-dilated-2-nhwc": "conv2d n2 ic17 ih11 iw10 oc5 kh3 kw3 s1 p2 d2 nhwc f64",
    "winograd-dilated-3": "conv2d n1 ic4 ih14 iw17 oc7 kh3 kw3 s1 p3 d3 nchw f64 bias relu",
    "winograd-dilated-3-nhwc": "conv2d n1 ic3 ih20 iw16 oc18 kh3 kw3 s1 ph1:4 pw2 d3 nhwc f32",
    "winograd-dilated-beyond": "conv2d n1 ic3 ih5 iw6 oc2 kh3 kw3 s1 p4 d5 nchw f32",
    "winograd-dilated-groups": "conv2d n1 ic12 ih9 iw11 oc6 kh3 kw3 s1 p2 d2 g3 nchw f32",
    "winograd-wide": "conv2d n1 ic10 ih5 iw530 oc3 kh3 kw3 s1 p1 nchw f32",
    "winograd-lanes": "conv2d n2 ic3 ih9 iw150 oc5 kh3 kw3 s1 p1 nchw f32 bias relu",
    "winograd-lanes-f64": "conv2d n1 ic3 ih10 iw131 oc9 kh3 kw3 s1 p0 nchw f64 bias silu",
    "winograd-lanes-wide": "conv2d n1 ic2 ih5 iw1100 oc3 kh3 kw3 s1 p1 nchw f32",
    "winograd-wide-dilated": "conv2d n1 ic2 ih7 iw521 oc3 kh3 kw3 s1 p2 d2 nhwc f32",
    "winograd-channels-65": "conv2d n1 ic65 ih6 iw7 oc5 kh3 kw3 s1 p1 nhwc f64 bias",
    "winograd-channels-130": "conv2d n1 ic130 ih6 iw6 oc17 kh3 kw3 s1 p1 nchw f32",
    "winograd-small-images": "conv2d n3 ic6 ih5 iw5 oc9 kh3 kw3 s1 p1 nchw f32 bias",
    "winograd-small-images-nhwc": "conv2d n5 ic20 ih3 iw6 oc33 kh3 kw3 s1 p1 nhwc f32",
    "winograd-2x2": "conv2d n2 ic16 ih17 iw23 oc18 kh2 kw2 s1 ph1:0 pw0:1 nchw f32 bias",
    "winograd-2x2-nhwc": "conv2d n1 ic33 ih10 iw16 oc33 kh2 kw2 s1 p1 nhwc f32 bias relu",
    "winograd-2x2-f64": "conv2d n1 ic19 ih9 iw14 oc5 kh2 kw2 s1 p0 nchw f64",
    "winograd-2x2-dilated": "conv2d n2 ic17 ih13 iw18 oc6 kh2 kw2 s1 p1 d2 nhwc f32 bias",
    "winograd-2x2-groups": "conv2d n1 ic64 ih12 iw9 oc8 kh2 kw2 s1 p0 g4 nchw f32",
    "winograd-2x2-one-tile": "conv2d n1 ic70 ih6 iw6 oc17 kh2 kw2 s1 p0 nchw f32",
    "winograd-2x2-under-a-tile": "conv2d n3 ic16 ih2 iw3 oc2 kh2 kw2 s1 p0 nchw f64 bias",
    "winograd-groups-nhwc": "conv2d n2 ic36 ih7 iw6 oc38 kh3 kw3 s1 p1 g2 nhwc f32 bias silu",
    "depthwise": "conv2d n2 ic13 ih9 iw10 oc13 kh3 kw3 s1 p1 g13 nchw f32 bias",
    "depthwise-nhwc": "conv2d n2 ic33 ih9 iw10 oc33 kh3 kw3 s1 p1 g33 nhwc f32 bias relu6",
    "depthwise-1": "conv2d n1 ic1 ih9 iw35 oc1 kh5 kw3 s1 ph2 pw1 nhwc f64",
    "depthwise-multiplier-2": "conv2d n1 ic7 ih8 iw17 oc14 kh3 kw3 s1 p1 g7 nchw f64",
    "depthwise-multiplier-2-nhwc": "conv2d n1 ic17 ih8 iw7 oc34 kh3 kw3 s2 p1 g17 nhwc f32 bias",
    "depthwise-multiplier-3": "conv2d n1 ic5 ih7 iw7 oc15 kh3 kw3 s1 p1 g5 nhwc f64 bias",
    "depthwise-multiplier-3-nchw": "conv2d n1 ic5 ih7 iw7 oc15 kh3 kw3 s2 p1 g5 nchw f32",
    "depthwise-stride": "conv2d n1 ic16 ih15 iw33 oc16 kh3 kw3 s2 p1 g16 nchw f32",
    "depthwise-dilated": "conv2d n1 ic6 ih12 iw13 oc6 kh3 kw3 s1 p2 d2 g6 nchw f32 bias",
    "depthwise-large": "conv2d n1 ic3 ih14 iw15 oc3 kh7 kw7 s1 p3 g3 nhwc f32",
    "depthwise-one-column": "conv2d n1 ic18 ih9 iw1 oc18 kh3 kw3 s1 p1 g18 nchw f32 bias",
    "depthwise-map-7": "conv2d n2 ic35 ih7 iw7 oc35 kh7 kw7 s1 p3 g35 nchw f32 bias relu",
    "depthwise-map-14": "conv2d n1 ic17 ih14 iw14 oc17 kh5 kw5 s1 p2 g17 nchw f64",
    "depthwise-tile-less-1": "conv2d n1 ic2 ih7 iw31 oc2 kh3 kw3 s1 p1 g2 nchw f32",
    "depthwise-tile-more-1": "conv2d n1 ic2 ih9 iw33 oc2 kh3 kw3 s1 p1 g2 nchw f32 silu",
    "depthwise-wide": "conv2d n1 ic3 ih18 iw131 oc3 kh7 kw7 s1 p3 g3 nchw f32 bias",
    "depthwise-stride-wide": "conv2d n2 ic3 ih33 iw130 oc3 kh5 kw5 s2 p2 g3 nchw f32 bias relu6",
    "depthwise-stride-nhwc": "conv2d n1 ic37 ih16 iw19 oc37 kh5 kw5 s2 p2 g37 nhwc f32",
    "depthwise-stride-3": "conv2d n1 ic20 ih20 iw23 oc20 kh4 kw4 s3 p2 g20 nchw f32 bias",
    "depthwise-stride-3-nhwc": "conv2d n1 ic9 ih20 iw70 oc9 kh9 kw9 s3 p4 g9 nhwc f64",
    "depthwise-strides": "conv2d n1 ic5 ih19 iw40 oc5 kh3 kw3 sh2 sw1 p1 g5 nchw f32",
    "depthwise-dilated-stride": "conv2d n1 ic5 ih30 iw41 oc5 kh3 kw3 s2 p3 dh3 dw4 g5 nchw f32",
    "depthwise-dilated-nhwc": "conv2d n1 ic20 ih17 iw29 oc20 kh3 kw5 s1 p4 d3 g20 nhwc f32 bias",
    "depthwise-kernel-11": "conv2d n1 ic4 ih15 iw50 oc4 kh11 kw11 s1 p5 g4 nchw f32",
    "depthwise-kernel-11-nhwc": "conv2d n1 ic19 ih12 iw14 oc19 kh11 kw11 s1 p5 g19 nhwc f32",
    "depthwise-kernel-beyond": "conv2d n1 ic3 ih2 iw3 oc3 kh7 kw5 s1 ph6 pw9 g3 nchw f32 bias",
    "depthwise-multiplier-6": "conv2d n1 ic3 ih9 iw50 oc18 kh3 kw3 s1 p1 d2 g3 nchw f32 bias tanh",
    "depthwise-row-16-nhwc": "conv2d n1 ic17 ih6 iw16 oc17 kh3 kw3 s1 p1 g17 nhwc f32",
    "depthwise-row-28-nhwc": "conv2d n1 ic16 ih9 iw57 oc16 kh3 kw7 s2 ph1 pw3 g16 nhwc f32 bias",
    "depthwise-multiplier-17": "conv2d n1 ic3 ih6 iw9 oc51 kh3 kw3 s1 p1 g3 nhwc f32 bias tanh",
    "groups-of-2": "conv2d n1 ic10 ih9 iw17 oc10 kh3 kw3 s1 p1 g5 nhwc f32 bias",
    "groups-of-3": "conv2d n2 ic21 ih8 iw33 oc21 kh3 kw3 s1 p1 g7 nchw f32",
    "groups-of-3-nhwc": "conv2d n1 ic21 ih8 iw11 oc21 kh3 kw3 s2 p1 g7 nhwc f32 relu",
    "groups-of-4": "conv2d n1 ic24 ih16 iw56 oc24 kh3 kw3 s1 p1 g6 nchw f32 bias",
    "groups-of-4-stride": "conv2d n1 ic8 ih17 iw75 oc8 kh5 kw5 s2 p2 g2 nchw f32 bias relu",
    "groups-of-6": "conv2d n2 ic12 ih11 iw37 oc14 kh3 kw3 s1 p1 g2 nchw f32 bias",
    "groups-of-8": "conv2d n1 ic24 ih7 iw14 oc24 kh3 kw3 s1 p1 g3 nchw f64",
    "groups-of-16-nhwc": "conv2d n1 ic48 ih7 iw10 oc48 kh3 kw3 s1 p1 g3 nhwc f32",
    "groups-2": "conv2d n2 ic6 ih7 iw8 oc10 kh3 kw3 s1 p1 g2 nchw f32 bias",
    "groups-32": "conv2d n1 ic64 ih5 iw6 oc64 kh3 kw3 s1 p1 g32 nhwc f32",
    "groups-uneven": "conv2d n1 ic10 ih6 iw5 oc35 kh2 kw3 s1 p0 g5 nchw f64",
    "groups-stride": "conv2d n2 ic34 ih9 iw7 oc4 kh3 kw3 s2 p1 g2 nhwc f64 bias tanh",
    "dilated": "conv2d n1 ic5 ih17 iw13 oc6 kh3 kw3 s1 p2 d2 nchw f32",
    "dilated-uneven": "conv2d n1 ic3 ih14 iw19 oc7 kh2 kw3 s1 ph1 pw4 dh3 dw5 nhwc f64 bias",
    "dilated-stride": "conv2d n1 ic4 ih20 iw21 oc4 kh3 kw3 s2 p3 d3 nchw f32 sigmoid",
    "stride-beyond-kernel": "conv2d n1 ic4 ih17 iw19 oc5 kh2 kw2 sh3 sw5 p0 nchw f32",
    "stride-beyond-kernel-nhwc": "conv2d n1 ic4 ih17 iw19 oc35 kh2 kw2 sh5 sw3 p1 nhwc f32 bias",
    "stride-beyond-input": "conv2d n2 ic3 ih6 iw5 oc4 kh3 kw3 s9 p1 nchw f64",
    "stride-uneven": "conv2d n1 ic3 ih12 iw13 oc5 kh3 kw4 sh1 sw2 ph1 pw2 nchw f32 leaky_relu",
    "padding-before": "conv2d n1 ic3 ih6 iw7 oc4 kh3 kw3 s1 ph2:0 pw2:0 nchw f32",
    "padding-after": "conv2d n1 ic3 ih6 iw7 oc4 kh3 kw3 s1 ph0:2 pw0:2 nhwc f32 bias",
    "padding-beyond-kernel": "conv2d n1 ic2 ih3 iw3 oc2 kh2 kw2 s1 ph5:3 pw0:7 nchw f64 bias relu",
    # images that are drawn with their phases sorted, on some instruction sets at least
    "phases": "conv2d n2 ic5 ih13 iw18 oc70 kh3 kw3 s2 p1 nchw f32 bias relu",
    "phases-f64": "conv2d n1 ic3 ih11 iw10 oc67 kh5 kw3 sh2 sw3 ph2:1 pw0:2 nchw f64",
    "phases-wide": "conv2d n2 ic3 ih40 iw64 oc12 kh7 kw7 s2 p6 d2 nchw f32",
    "phases-dilated": "conv2d n1 ic4 ih20 iw21 oc66 kh3 kw3 s2 p3 d3 nchw f32 bias",
    "phases-dilated-alike": "conv2d n1 ic4 ih20 iw21 oc64 kh3 kw3 s2 p2 d2 nchw f32",
    "phases-left-out": "conv2d n1 ic6 ih17 iw19 oc65 kh2 kw3 s4 p1 nchw f32",
    "phases-groups": "conv2d n2 ic6 ih15 iw14 oc128 kh3 kw3 s2 p1 g2 nchw f32 bias",
    "phases-beyond-input": "conv2d n1 ic3 ih4 iw2 oc64 kh3 kw3 s3 p4 nchw f32",
    "phases-1d": "conv1d n2 ic3 iw41 oc64 kw5 s2 p2 nchw f64 bias",
    "phases-3d": "conv3d n1 ic2 id7 ih6 iw9 oc64 kd3 kh3 kw2 s2 p1 nchw f32",
    "phases-pointwise": "conv2d n2 ic9 ih11 iw8 oc64 kh1 kw1 sh3 sw2 p1 nchw f32 bias relu",
    "phases-pointwise-3d": "conv3d n1 ic5 id5 ih6 iw7 oc33 kd1 kh1 kw1 s2 p0 nchw f64",
    "same": "conv2d n1 ic3 ih10 iw11 oc4 kh4 kw4 s1 psame nchw f32",
    "same-stride": "conv2d n1 ic3 ih10 iw11 oc4 kh5 kw4 s3 psame nhwc f32 bias",
    "same-dilated": "conv2d n1 ic2 ih9 iw8 oc3 kh3 kw2 s2 psame d3 nchw f64",
    "even-kernel": "conv2d n1 ic3 ih9 iw10 oc4 kh2 kw4 s1 p1 nchw f32",
    "kernel-1x9": "conv2d n1 ic3 ih7 iw20 oc5 kh1 kw9 s1 ph0 pw4 nchw f32",
    "kernel-9x1": "conv2d n1 ic3 ih20 iw7 oc5 kh9 kw1 s1 ph4 pw0 nhwc f32",
    "primes": "conv2d n3 ic11 ih13 iw17 oc19 kh5 kw3 s1 ph2 pw1 nchw f32 bias silu",
    "long-sum": "conv2d n1 ic131 ih3 iw3 oc3 kh3 kw3 s1 p1 nchw f32 bias",
    "empty-batch": "conv2d n0 ic3 ih5 iw5 oc4 kh3 kw3 s1 p1 nchw f32 bias",
    "empty-batch-nhwc": "conv2d n0 ic3 ih5 iw5 oc4 kh3 kw3 s1 p1 nhwc f64",
    "1d": "conv1d n2 ic3 iw50 oc5 kw7 s1 p3 nchw f32 bias",
    "1d-nhwc": "conv1d n2 ic3 iw50 oc35 kw7 s2 p3 nhwc f32 bias",
    "1d-one-channel": "conv1d n1 ic1 iw100 oc1 kw9 s1 p0 nchw f64",
    "1d-depthwise": "conv1d n1 ic18 iw33 oc18 kw4 s1 pw3:0 g18 nhwc f32 silu",
    "1d-dilated": "conv1d n1 ic6 iw64 oc8 kw3 s1 pw8:0 d4 nchw f64",
    "1d-pointwise": "conv1d n1 ic14 iw15 oc33 kw1 s1 p0 nchw f32",
    "3d": "conv3d n1 ic3 id5 ih6 iw7 oc5 kd3 kh3 kw3 s1 p1 nchw f32 bias",
    "3d-nhwc": "conv3d n1 ic3 id5 ih6 iw7 oc17 kd3 kh2 kw3 s1 p1 nhwc f64 bias relu",
    "3d-stride": "conv3d n2 ic2 id7 ih8 iw9 oc3 kd3 kh3 kw3 sd1 sh2 sw3 pd0 ph1 pw2 nchw f64",
    "3d-depthwise": "conv3d n1 ic9 id4 ih5 iw6 oc9 kd3 kh3 kw3 s1 p1 g9 nchw f32",
    "3d-depthwise-wide": "conv3d n1 ic4 id5 ih9 iw34 oc8 kd3 kh3 kw3 sd2 sh1 sw1 p1 g4 nchw f32 bias",
    "3d-depthwise-nhwc": "conv3d n1 ic17 id5 ih6 iw9 oc17 kd3 kh2 kw3 s2 p1 g17 nhwc f64",
    "1d-depthwise-nchw": "conv1d n2 ic5 iw301 oc5 kw4 s1 pw3:0 g5 nchw f32 bias silu",
    "1d-groups": "conv1d n1 ic12 iw90 oc12 kw5 s1 p2 g3 nchw f32",
    "3d-dilated": "conv3d n1 ic2 id9 ih7 iw8 oc3 kd2 kh2 kw2 s1 p0 dd3 dh1 dw2 nhwc f32",
    "3d-pointwise": "conv3d n1 ic13 id2 ih3 iw5 oc15 kd1 kh1 kw1 s1 p0 nchw f32",
}

POOLS = {
    "one-number": "max_pool2d n1 c1 ih1 iw1 kh1 kw1 nchw f32 indices",
    "halves": "max_pool2d n2 c3 ih8 iw10 kh2 kw2 nchw f32",
    "halves-nhwc": "max_pool2d n2 c33 ih8 iw10 kh2 kw2 nhwc f32 indices",
    "overlap": "max_pool2d n1 c5 ih13 iw35 kh3 kw3 s2 p1 nchw f32",
    "overlap-indices": "max_pool2d n1 c5 ih13 iw35 kh3 kw3 s2 p1 nchw f64 indices",
    "overlap-nhwc": "max_pool2d n1 c17 ih13 iw9 kh3 kw3 s2 p1 nhwc f64 indices",
    "stride-1": "max_pool2d n1 c2 ih9 iw33 kh5 kw5 s1 p2 nchw f32 indices",
    "max-ceil": "max_pool2d n1 c3 ih10 iw11 kh3 kw3 s2 nchw f32 ceil indices",
    "max-ceil-padded": "max_pool2d n1 c3 ih7 iw8 kh2 kw3 s3 p1 nhwc f32 ceil indices",
    "max-dilated": "max_pool2d n1 c3 ih12 iw13 kh3 kw2 s2 p1 dh2 dw3 nchw f32 indices",
    "max-stride-beyond": "max_pool2d n1 c16 ih17 iw19 kh2 kw3 sh3 sw5 nhwc f32",
    "max-same": "max_pool2d n1 c3 ih7 iw6 kh2 kw2 psame nchw f32 indices",
    "max-asymmetric": "max_pool2d n1 c3 ih7 iw6 kh3 kw3 s2 ph0:1 pw1:0 nchw f64 indices",
    "max-large": "max_pool2d n1 c2 ih20 iw21 kh13 kw11 s1 p5 nchw f32",
    "max-global": "max_pool2d n2 c15 ih7 iw7 kh7 kw7 nchw f32 indices",
    "max-whole-rows-outside": "max_pool2d n1 c1 ih1 iw1 kh2 kw1 s1 ph1 pw0 dh2 dw1 nchw f32 indices",
    "max-1d": "max_pool1d n2 c3 iw35 kw3 s2 p1 nchw f32 indices",
    "max-1d-nhwc": "max_pool1d n2 c35 iw9 kw2 nhwc f64",
    "max-3d": "max_pool3d n1 c3 id5 ih6 iw7 kd2 kh3 kw2 s2 p1 nchw f32 ceil indices",
    "max-3d-nhwc": "max_pool3d n1 c18 id4 ih4 iw4 kd2 kh2 kw2 nhwc f32 indices",
    # windows around the numbers at which a line or rows are reduced otherwise
    "max-window-1": "max_pool2d n1 c3 ih5 iw18 kh1 kw1 s1 nchw f32 indices",
    "max-window-5": "max_pool2d n1 c2 ih11 iw33 kh5 kw5 s1 p2 nchw f64 indices",
    "max-window-7": "max_pool2d n1 c3 ih16 iw17 kh7 kw7 s1 p3 nchw f32 indices",
    "max-window-15": "max_pool2d n1 c2 ih31 iw47 kh15 kw15 s1 p7 nchw f32 indices",
    "max-window-16": "max_pool2d n1 c3 ih17 iw15 kh16 kw16 s1 p8 nhwc f32 indices",
    "max-window-17": "max_pool2d n1 c2 ih35 iw34 kh17 kw17 s2 p8 nchw f64 indices",
    "max-window-101": "max_pool2d n1 c1 ih40 iw36 kh101 kw101 s1 p50 nchw f32 indices",
    "max-wide": "max_pool2d n1 c1 ih7 iw9001 kh3 kw33 s1 ph1 pw16 nchw f32",
    "max-tall": "max_pool2d n1 c1 ih301 iw35 kh65 kw2 s1 ph32 pw1 nchw f32 indices",
    "max-large-nhwc": "max_pool2d n2 c5 ih23 iw30 kh9 kw18 s1 ph4 pw9 nhwc f64",
    "max-large-stride": "max_pool2d n1 c3 ih41 iw79 kh15 kw15 s3 p7 nchw f32 ceil indices",
    "max-large-stride-nhwc": "max_pool2d n1 c3 ih41 iw39 kh15 kw15 s2 p7 nhwc f32 ceil",
    "max-large-dilated": "max_pool2d n1 c2 ih33 iw50 kh7 kw9 s1 p3 dh2 dw3 nchw f32 indices",
    "max-large-dilated-nhwc": "max_pool2d n1 c3 ih33 iw50 kh7 kw9 s1 p3 dh3 dw2 nhwc f64 indices",
    "max-whole-rows": "max_pool2d n1 c3 ih9 iw40 kh2 kw40 sh1 sw40 nchw f32 indices",
    "max-3d-large": "max_pool3d n1 c2 id9 ih14 iw17 kd5 kh9 kw6 s1 pd2 ph4 pw3 nchw f32 indices",
    "max-3d-large-nhwc": "max_pool3d n1 c2 id8 ih14 iw17 kd2 kh7 kw6 sd2 sh1 sw1 pd1 ph3 pw3 nhwc f32",
    "max-empty-batch": "max_pool2d n0 c3 ih4 iw4 kh2 kw2 nchw f32 indices",
    "mean-one-number": "avg_pool2d n1 c1 ih1 iw1 kh1 kw1 nchw f64",
    "mean-halves": "avg_pool2d n2 c3 ih8 iw10 kh2 kw2 nchw f32",
    "mean-overlap": "avg_pool2d n1 c5 ih13 iw35 kh3 kw3 s2 p1 nchw f32",
    "mean-overlap-nhwc": "avg_pool2d n1 c33 ih9 iw13 kh3 kw3 s2 p1 nhwc f32",
    "mean-nopad": "avg_pool2d n1 c5 ih9 iw10 kh3 kw3 s1 p1 nchw f64 nopad",
    "mean-nopad-nhwc": "avg_pool2d n1 c15 ih9 iw10 kh3 kw3 s1 p1 nhwc f32 nopad",
    "mean-ceil": "avg_pool2d n1 c3 ih10 iw11 kh3 kw3 s2 p1 nchw f32 ceil",
    "mean-ceil-nopad": "avg_pool2d n1 c3 ih8 iw11 kh3 kw2 s3 p1 nhwc f64 ceil nopad",
    "mean-divisor": "avg_pool2d n1 c3 ih7 iw8 kh3 kw3 s2 p1 nchw f32 div5",
    "mean-divisor-ceil": "avg_pool2d n1 c14 ih8 iw8 kh3 kw3 s2 nhwc f32 ceil div7",
    "mean-same": "avg_pool2d n1 c3 ih7 iw6 kh3 kw2 s2 psame nchw f32",
    "mean-same-nopad": "avg_pool2d n1 c3 ih7 iw6 kh3 kw2 s2 psame nchw f32 nopad",
    "mean-large": "avg_pool2d n1 c2 ih25 iw26 kh13 kw15 s1 p6 nchw f32",
    "mean-global": "avg_pool2d n1 c67 ih7 iw7 kh7 kw7 nhwc f32",
    "mean-1d": "avg_pool1d n2 c3 iw37 kw4 s3 p2 nchw f32 ceil nopad",
    "mean-1d-nhwc": "avg_pool1d n1 c31 iw10 kw3 s1 p1 nhwc f64",
    "mean-3d": "avg_pool3d n1 c3 id5 ih6 iw7 kd2 kh3 kw2 s2 p1 nchw f64 ceil nopad",
    "mean-3d-nhwc": "avg_pool3d n2 c13 id4 ih5 iw4 kd3 kh3 kw3 s1 p1 nhwc f32 div3",
    "mean-window-1": "avg_pool2d n1 c3 ih5 iw18 kh1 kw1 s1 nchw f32",
    "mean-window-7": "avg_pool2d n1 c3 ih16 iw17 kh7 kw7 s1 p3 nchw f32 nopad",
    "mean-window-16": "avg_pool2d n1 c3 ih17 iw15 kh16 kw16 s1 p8 nhwc f32",
    "mean-window-17": "avg_pool2d n1 c2 ih35 iw34 kh17 kw17 s2 p8 nchw f64 nopad",
    "mean-window-101": "avg_pool2d n1 c1 ih40 iw36 kh101 kw101 s1 p50 nchw f32",
    "mean-wide": "avg_pool2d n1 c1 ih7 iw9001 kh3 kw33 s1 ph1 pw16 nchw f64 nopad",
    "mean-tall": "avg_pool2d n1 c1 ih301 iw35 kh65 kw2 s1 ph32 pw1 nchw f32",
    "mean-large-nhwc": "avg_pool2d n2 c5 ih23 iw30 kh9 kw18 s1 ph4 pw9 nhwc f32",
    "mean-large-stride": "avg_pool2d n1 c3 ih41 iw79 kh15 kw15 s3 p7 nchw f32 ceil",
    "mean-whole-rows": "avg_pool2d n1 c3 ih9 iw40 kh2 kw40 sh1 sw40 nchw f32",
    "mean-global-nchw": "avg_pool2d n1 c3 ih31 iw37 kh31 kw37 nchw f32",
    "mean-3d-large": "avg_pool3d n1 c2 id9 ih14 iw17 kd5 kh9 kw6 s1 pd2 ph4 pw3 nchw f32",
    "mean-empty-batch": "avg_pool2d n0 c3 ih4 iw4 kh2 kw2 nhwc f32",
}


@dataclass(frozen=True)
class Arrays:
    """The data of one problem; weight and bias are None where it has none."""

    input: Array
    weight: Any = None
    bias: Any = None

    def astype(self, dtype: Any) -> Arrays:
        """The same numbers in another type."""
        weight, bias = (None if a is None else a.astype(dtype) for a in (self.weight, self.bias))
        return Arrays(self.input.astype(dtype), weight, bias)


@cache
def arrays(text: str, seed: int = 0, integers: bool = False) -> Arrays:
    """Normal numbers, or integers from -32 to 32, in a problem's shapes and dtype; read-only, as shared."""
    problem = Problem(text)
    rng = np.random.default_rng([seed, *text.encode()])

    def draw(shape: tuple[int, ...]) -> Array:
        values = rng.integers(-32, 33, shape) if integers else rng.standard_normal(shape)
        array = np.ascontiguousarray(values, problem.dtype)
        array.flags.writeable = False
        return array

    weight = None if problem.weight_shape is None else draw(problem.weight_shape)
    return Arrays(draw(problem.input_shape), weight, draw((problem.oc,)) if problem.bias else None)


def parameters(problem: Problem) -> dict[str, Any]:
    """Stride, padding and the like: what the library's functions and those of `reference` both take."""
    common: dict[str, Any] = {"stride": problem.stride, "padding": problem.padding, "layout": problem.layout}
    if problem.op.startswith("conv"):
        return common | {"dilation": problem.dilation, "groups": problem.groups}
    common |= {"kernel_size": problem.kernel_size, "ceil_mode": problem.ceil_mode}
    if problem.op.startswith("max"):
        return common | {"dilation": problem.dilation}
    divisor = {} if problem.divisor_override is None else {"divisor_override": problem.divisor_override}
    return common | {"count_include_pad": problem.count_include_pad} | divisor


def arguments(problem: Problem) -> dict[str, Any]:
    """Every keyword of the library's call for this problem."""
    if problem.op.startswith("conv"):
        return parameters(problem) | {"activation": problem.activation or None}
    return parameters(problem) | ({"return_indices": True} if problem.return_indices else {})


def call(problem: Problem, data: Arrays, **overrides: Any) -> Any:
    """Compute a problem with the library's function for it."""
    function = getattr(fastconv, problem.op)
    inputs = (data.input,) if data.weight is None else (data.input, data.weight, data.bias)
    return function(*inputs, **arguments(problem) | overrides)
