"""What threadpoolctl shows of fastconv and limits; in processes of their own, for it cannot be undone."""

from __future__ import annotations

import pytest

from .processes import answer, python

pytest.importorskip("threadpoolctl")


def test_unknown_until_registered() -> None:
    """Own threads are none of those that threadpoolctl knows, and `import fastconv` does not change that."""
    printed = answer(
        """
        import fastconv, threadpoolctl
        print([pool["prefix"] for pool in threadpoolctl.threadpool_info() if "fastconv" in pool["filepath"]])
        """
    )
    assert printed == "[]"


@pytest.mark.parametrize("listed", ["", "threadpoolctl.threadpool_info()"])
def test_shown_and_limited(listed: str) -> None:
    """Once, however often it is registered and whether pools were listed before; numbers come back."""
    printed = answer(
        f"""
        import os, fastconv, threadpoolctl
        from fastconv import threadpools
        from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits
        {listed}
        threadpools.register()
        threadpools.register()
        fastconv.set_num_threads(3)
        pool, = [pool for pool in threadpool_info() if pool["user_api"] == "fastconv"]
        assert (pool["num_threads"], pool["internal_api"], pool["prefix"]) == (3, "fastconv", "_fastconv")
        assert pool["version"] == fastconv.__version__
        assert os.path.samefile(pool["filepath"], fastconv._fastconv.__file__)
        for limits in (dict(limits=1), dict(limits=dict(fastconv=1)), dict(limits=1, user_api="fastconv")):
            with threadpool_limits(**limits):
                assert fastconv.get_num_threads() == 1
            assert fastconv.get_num_threads() == 3
        with threadpool_limits(1, user_api="blas"):
            assert fastconv.get_num_threads() == 3
        with ThreadpoolController().select(user_api="fastconv").limit(limits=2):
            assert fastconv.get_num_threads() == 2
        print(fastconv.get_num_threads())
        """
    )
    assert printed == "3"


def test_missing_and_old() -> None:
    """Without threadpoolctl, or with one that takes no controllers, the error says which is needed."""
    code = """
        import sys, types
        from fastconv import threadpools
        sys.modules["threadpoolctl"] = {stand_in}
        threadpools.register()
        """
    old = 'types.SimpleNamespace(__version__="3.1.0")'
    for stand_in, error in (
        (old, "ImportError: threadpoolctl 3.1.0, expected 3.2"),
        ("None", "ModuleNotFoundError"),
    ):
        assert error in python(code.format(stand_in=stand_in)).stderr
