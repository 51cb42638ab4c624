"""A call takes the memory that `explain` predicts: asked of the C library around a thread's first call."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from fastconv import Problem

from .problems import LAYERS
from .processes import answer
from .variants import algorithms

# Bytes for each thread, beyond packed weights.
MOST = {"direct": 256 << 10, "pointwise": 1 << 20, "im2col": 1 << 20, "depthwise": 256 << 10}

MEASURE = """
import ctypes, json, os, sys, threading, time
import numpy as np, fastconv

class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Mallinfo

def used():
    info = mallinfo()
    return info.uordblks + info.hblkhd

def call(conv, x, y, seen):
    before = used()
    conv(x, y)
    seen.append(used() - before)

def tasks():
    return len(os.listdir("/proc/self/task"))

fastconv.conv2d(np.zeros((1, 32, 64, 64)), np.zeros((32, 32, 3, 3)))  # starts the library's own threads
resting = tasks()
OBJECTS = dict(conv1d=fastconv.Conv1d, conv2d=fastconv.Conv2d, conv3d=fastconv.Conv3d)
results = []
for text, algorithm in json.load(open(sys.argv[1])):
    p = fastconv.Problem(text)
    x, w, y = (np.zeros(shape, p.dtype) for shape in (p.input_shape, p.weight_shape, p.output_shape))
    conv = OBJECTS[p.op](w, stride=p.stride, padding=p.padding, dilation=p.dilation, groups=p.groups,
                         layout=p.layout, algorithm=algorithm)
    plan = conv.explain(x.shape)  # plans and packs
    seen = []
    # A workspace belongs to the calling thread, which keeps it; a new thread has none.
    thread = threading.Thread(target=call, args=(conv, x, y, seen))
    thread.start()
    thread.join()
    while tasks() > resting:  # until the system's thread has ended too, and freed its workspace
        time.sleep(0)
    results.append([plan.workspace_bytes, plan.input_bytes, plan.threads, *seen])
print(json.dumps(results))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc what is allocated")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_measured_workspace(threads: str, tmp_path: Path) -> None:
    """Of all kernels but Winograd's, on the layers of the benchmark."""
    cases = [
        (text, algorithm)
        for text in LAYERS.values()
        if Problem(text).weight_shape is not None
        for algorithm in sorted(set(algorithms(Problem(text))) & MOST.keys())
    ]
    asked = tmp_path / "cases.json"
    asked.write_text(json.dumps(cases))
    script = f"import sys\nsys.argv = ['', {str(asked)!r}]\n{MEASURE}"
    results = json.loads(answer(script, FASTCONV_NUM_THREADS=threads))
    slack = 32 << 10  # what Python allocates and frees meanwhile, malloc's headers, rounding to cache lines
    for (text, algorithm), (workspace, copies, used_threads, measured) in zip(cases, results, strict=True):
        what = (
            f"{algorithm} of {text}: {workspace} bytes a thread, {used_threads} threads, {copies} bytes of "
            f"copied images, measured {measured}"
        )
        assert workspace <= MOST[algorithm], what
        assert abs(measured - workspace * used_threads - copies) <= slack, what
