"""ONNX's own tests of backends, those of single operators and of networks."""

from __future__ import annotations

import re
import unittest
import warnings
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # numbers that overflow while the cases are made
    import onnx.backend.test

    import fastconv.onnx

    CASES: Any = onnx.backend.test.BackendTest(fastconv.onnx.Backend, __name__)

EXCLUDED = {
    "bernoulli": "random numbers, which no two libraries draw alike",
    "gradient_of": "operators that train",
    "scatter_with(out)?_axis": "Scatter is deprecated, and onnx.reference has none",
    "if_opt|loop16_seq_none|scan_sum": "onnx.reference, which runs these, fails its own case",
    "range_.*(positive|negative)_delta_expanded": "a Loop, whose scalars onnx.reference makes vectors",
    "attention_4d_causal_fp16_expanded": "expects softmax rounded as in float16, here it is as in float32",
}
SLOW = "vgg19"  # 550 MiB of weights


class Quiet(unittest.TestCase):
    """Warnings of onnx.reference are no concern here; networks are unpacked in a folder of the tests."""

    @pytest.fixture(autouse=True)
    def _surroundings(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
        monkeypatch.setenv("ONNX_MODELS", str(tmp_path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield


def _collect() -> None:
    """Make a class of each kind of case, of those for processors that can pass."""
    for kind, case in CASES.test_cases.items():
        methods: dict[str, Any] = {}
        for name, test in vars(case).items():
            if not name.startswith("test_") or not name.endswith("_cpu"):
                continue
            if any(re.search(pattern, name) for pattern in EXCLUDED):
                continue
            methods[name] = pytest.mark.campaign(test) if SLOW in name else test
        globals()[kind] = type(kind, (Quiet,), methods)


_collect()


def test_the_cases_are_there() -> None:
    """As many as ONNX 1.23 has, or more."""
    counts = {
        kind: len([name for name in vars(globals()[kind]) if name.startswith("test_")])
        for kind in (
            "OnnxBackendNodeModelTest",
            "OnnxBackendPyTorchConvertedModelTest",
            "OnnxBackendRealModelTest",
        )
    }
    assert counts["OnnxBackendRealModelTest"] == 9
    assert counts["OnnxBackendPyTorchConvertedModelTest"] >= 82
    assert counts["OnnxBackendNodeModelTest"] > 1000
