"""Threads: the same bits for any number of them, from any of them, after a fork; an interrupt is heard."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Problem

from .problems import CONVOLUTIONS, POOLS, arguments, arrays, call
from .processes import answer, python
from .variants import THREADS, algorithms, variants

# Large enough that every algorithm has tasks for several threads.
LARGE = {
    "3x3": "conv2d n1 ic24 ih44 iw45 oc40 kh3 kw3 s1 p1 nchw f32 bias relu",
    "3x3-nhwc": "conv2d n2 ic24 ih44 iw45 oc40 kh3 kw3 s1 p1 nhwc f32 bias",
    "3x3-f64": "conv2d n1 ic19 ih44 iw45 oc37 kh3 kw3 s1 p1 nchw f64",
    "7x7": "conv2d n1 ic3 ih95 iw97 oc33 kh7 kw7 s2 p3 nchw f32",
    "1x1": "conv2d n1 ic96 ih38 iw39 oc130 kh1 kw1 s1 p0 nchw f32",
    "1x1-nhwc": "conv2d n1 ic96 ih38 iw39 oc130 kh1 kw1 s1 p0 nhwc f64",
    "depthwise": "conv2d n1 ic66 ih90 iw91 oc66 kh3 kw3 s1 p1 g66 nchw f32",
    "depthwise-nhwc": "conv2d n1 ic66 ih90 iw91 oc66 kh3 kw3 s1 p1 g66 nhwc f32",
    "deep": "conv2d n1 ic512 ih5 iw5 oc300 kh3 kw3 s1 p1 nchw f32",
    "3d": "conv3d n1 ic8 id12 ih20 iw21 oc12 kd3 kh3 kw3 s1 p1 nchw f32",
    "1d": "conv1d n1 ic16 iw5000 oc24 kw5 s1 p2 nhwc f32",
}
LARGE_POOLS = {
    "max": "max_pool2d n2 c32 ih112 iw112 kh3 kw3 s2 p1 nchw f32",
    "max-indices": "max_pool2d n1 c33 ih90 iw91 kh3 kw3 s2 p1 nhwc f32 indices",
    "avg": "avg_pool2d n1 c64 ih90 iw91 kh3 kw3 s1 p1 nchw f32",
    "max-sliding": "max_pool2d n1 c1 ih700 iw1500 kh101 kw51 s1 ph50 pw25 nchw f32",
    "avg-sliding": "avg_pool2d n1 c1 ih600 iw1500 kh33 kw65 s1 ph16 pw32 nchw f32",
    "avg-sliding-nhwc": "avg_pool2d n1 c3 ih300 iw700 kh17 kw9 s1 ph8 pw4 nhwc f64",
    "avg-global-nhwc": "avg_pool2d n1 c300 ih70 iw71 kh70 kw71 nhwc f32",
    "avg-nhwc": "avg_pool2d n1 c65 ih90 iw91 kh3 kw3 s1 p1 nhwc f64",
}


@pytest.mark.parametrize("name", LARGE)
def test_same_bits(name: str) -> None:
    """1, 2, 3 and 8 threads give the same bits: the order of every sum is fixed by the problem."""
    text = LARGE[name]
    problem = Problem(text)
    expected: dict[str, Any] = {}
    for algorithm, what in variants(problem, THREADS):
        actual = call(problem, arrays(text), algorithm=algorithm)
        key = f"{algorithm} on {fastconv.instruction_set()}"
        np.testing.assert_array_equal(actual, expected.setdefault(key, actual), strict=True, err_msg=what)


@pytest.mark.parametrize("name", LARGE_POOLS)
def test_same_bits_of_pools(name: str, isa: str) -> None:
    """So do the pools."""
    text = LARGE_POOLS[name]
    results = []
    for n in THREADS:
        with fastconv.threads(n):
            results.append(call(Problem(text), arrays(text)))
    for other in results[1:]:
        np.testing.assert_array_equal(np.array(other), np.array(results[0]), strict=True)


@pytest.mark.parametrize("name", LARGE)
def test_several_threads_take_part(name: str) -> None:
    """The problems above are large enough to be shared, or the tests above would show nothing."""
    problem = Problem(LARGE[name])
    for algorithm in algorithms(problem):
        for n in THREADS:
            with fastconv.threads(n):
                plan = fastconv.explain(problem, algorithm)
                assert min(n, 2) <= plan.threads <= n, (algorithm, n)


@pytest.mark.parametrize("name", ["channels-67", "pointwise", "winograd-many-tiles", "depthwise-nhwc", "3d"])
def test_batch_can_be_split(name: str) -> None:
    """An image has the same bits alone as in a batch."""
    text = CONVOLUTIONS[name]
    problem, data = Problem(text), arrays(text)
    batch = np.concatenate([data.input] * 3)
    kwargs = arguments(problem)
    for algorithm in algorithms(problem):
        whole = getattr(fastconv, problem.op)(batch, data.weight, data.bias, algorithm=algorithm, **kwargs)
        alone = call(problem, data, algorithm=algorithm)
        np.testing.assert_array_equal(whole, np.concatenate([alone] * 3), strict=True, err_msg=algorithm)


def test_many_callers() -> None:
    """Sixteen Python threads, mixed images, one prepared object: the bits of calls one after another."""
    rng = np.random.default_rng(12)
    conv = fastconv.Conv2d(rng.standard_normal((24, 16, 3, 3)).astype(np.float32), padding=1)
    images = [rng.standard_normal((1, 16, 10 + i, 30 - i)).astype(np.float32) for i in range(20)]
    expected = [conv(x) for x in images]
    start = threading.Barrier(16)

    def work(seed: int) -> bool:
        start.wait()
        for i in np.random.default_rng(seed).integers(0, len(images), 60):
            with fastconv.threads(int(1 + i % 3)):
                if not np.array_equal(conv(images[i]), expected[i]):
                    return False
            fastconv.max_pool2d(images[i], 2)
        return True

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(16)))


# ---------------------------------------------------------------- how many


def test_set_and_context() -> None:
    """The process has a number; a context has its own for its thread, and ends it even after an error."""
    fastconv.set_num_threads(3)
    assert fastconv.get_num_threads() == 3
    with fastconv.threads(2):
        assert fastconv.get_num_threads() == 2
        with fastconv.threads(5):
            assert fastconv.get_num_threads() == 5
        assert fastconv.get_num_threads() == 2
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(fastconv.get_num_threads).result() == 3
    assert fastconv.get_num_threads() == 3
    with pytest.raises(KeyError), fastconv.threads(4):
        raise KeyError
    assert fastconv.get_num_threads() == 3


NUMBER = "import fastconv; print(fastconv.get_num_threads())"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"FASTCONV_NUM_THREADS": "3", "OMP_NUM_THREADS": None}, 3),
        ({"FASTCONV_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
        ({"FASTCONV_NUM_THREADS": None, "OMP_NUM_THREADS": "5"}, 5),
        ({"FASTCONV_NUM_THREADS": None, "OMP_NUM_THREADS": "4,2"}, 4),
    ],
)
def test_environment(environment: dict[str, str | None], expected: int) -> None:
    """The library's own variable comes first, then that of OpenMP."""
    assert int(answer(NUMBER, **environment)) == expected


@pytest.mark.parametrize("value", ["0", "-1", "many", "2.5"])
def test_bad_environment(value: str) -> None:
    """A number of threads that is none fails the import, with the variable and its value."""
    process = python("import fastconv", FASTCONV_NUM_THREADS=value)
    assert process.returncode == 1
    last = process.stderr.strip().splitlines()[-1]
    assert "FASTCONV_NUM_THREADS" in last
    assert value in last


NONE = {"FASTCONV_NUM_THREADS": None, "OMP_NUM_THREADS": None}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot set an affinity")
def test_affinity() -> None:
    """A process that may run on one core uses one thread, and none uses more than it may run on."""
    one = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    assert int(answer(one + NUMBER, **NONE)) == 1
    assert 1 <= int(answer(NUMBER, **NONE)) <= len(os.sched_getaffinity(0))


# ---------------------------------------------------------------- fork and interrupt

FORK = """
import os, sys
import numpy as np, fastconv

fastconv.set_num_threads(4)
rng = np.random.default_rng(0)
x = rng.standard_normal((1, 32, 60, 60)).astype(np.float32)
conv = fastconv.Conv2d(rng.standard_normal((32, 32, 3, 3)).astype(np.float32))
assert conv.explain(x.shape).threads > 1
before = conv(x)
for _ in range(5):
    child = os.fork()
    if not child:
        os._exit(0 if np.array_equal(conv(x), before) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert np.array_equal(conv(x), before)
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system has no affinities")
def test_threads_keep_their_affinity() -> None:
    """A sleeping thread is kept off the caller's processor while it is woken, and no longer."""
    code = """
import os, pathlib, time, numpy as np, fastconv
fastconv.set_num_threads(4)
x = np.ones((1, 32, 40, 40), np.float32)
w = np.ones((32, 32, 3, 3), np.float32)
for _ in range(10):
    fastconv.conv2d(x, w, padding=1)
    time.sleep(0.005)  # longer than threads spin
def affinities():
    tasks = pathlib.Path("/proc/self/task").iterdir()
    return {frozenset(os.sched_getaffinity(int(task.name))) for task in tasks}
end = time.monotonic() + 20
while len(affinities()) > 1 and time.monotonic() < end:
    time.sleep(0.01)
assert affinities() == {frozenset(os.sched_getaffinity(0))}, affinities()
"""
    answer(code)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_fork() -> None:
    """After calls with several threads a forked child computes too, and so does its parent afterwards."""
    assert answer(FORK) == "done"


SPAWN = """
import multiprocessing
import numpy as np, fastconv

def work(seed):
    x = np.random.default_rng(seed).standard_normal((1, 8, 40, 40)).astype(np.float32)
    return float(fastconv.conv2d(x, np.ones((8, 8, 3, 3), np.float32)).sum())

expected = [work(seed) for seed in range(6)]
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(work, range(6)) == expected
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_pool_of_processes() -> None:
    """The standard library's process pool, forked after a call, returns the same sums."""
    assert answer(SPAWN) == "done"


# Hours of work if nothing interrupts it: 2596 x 2596 outputs of 1501 x 1501 products.
INTERRUPT = """
import os, signal, threading
import numpy as np, fastconv

# A shell starts its background jobs with this signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
x, w = np.zeros((1, 1, 4096, 4096)), np.zeros((1, 1, 1501, 1501))
with fastconv.threads({threads}):
    for algorithm in {algorithms}:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            fastconv.conv2d(x, w, algorithm=algorithm)
            print("it came to an end")
        except KeyboardInterrupt:
            print("interrupted")
        assert fastconv.conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3))).item() == 9
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_interrupt(threads: int) -> None:
    """Control-C ends a long call with a KeyboardInterrupt, and the next call is right."""
    names = algorithms(Problem("conv2d n1 ic1 ih4096 iw4096 oc1 kh1501 kw1501 s1 p0 nchw f64"))
    printed = answer(INTERRUPT.format(threads=threads, algorithms=names))
    assert printed.split() == ["interrupted"] * len(names)


def test_small_stack() -> None:
    """A thread with a stack of 256 KiB is enough for every kernel."""
    before = threading.stack_size(256 * 1024)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for text in [*CONVOLUTIONS.values(), *POOLS.values(), *LARGE.values()]:
                problem = Problem(text)
                for algorithm in algorithms(problem) if text.startswith("conv") else [""]:
                    call(problem, arrays(text), **({"algorithm": algorithm} if algorithm else {}))
        except BaseException as error:
            failures.append(error)

    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert not failures, failures
