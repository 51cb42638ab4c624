"""What has to agree with itself: version, stub and module, documentation and signatures."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import _fastconv

from .processes import answer

ROOT = Path(__file__).parent.parent
PACKAGE = Path(fastconv.__file__).parent
FUNCTIONS = {
    name: getattr(fastconv, name) for name in fastconv.__all__ if inspect.isroutine(getattr(fastconv, name))
}
CLASSES = {
    name: getattr(fastconv, name) for name in fastconv.__all__ if inspect.isclass(getattr(fastconv, name))
}


def test_version() -> None:
    """pyproject.toml, the package, its metadata and the compiled module tell the same version."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert project["version"] == fastconv.__version__ == version("fastconv")
    assert _fastconv.build_info()["version"] == fastconv.__version__


def test_changelog_knows_the_version() -> None:
    """A release is described."""
    assert fastconv.__version__ in (ROOT / "CHANGELOG.md").read_text()


def test_readme_examples() -> None:
    """The README's Python runs as it stands there."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


@pytest.mark.filterwarnings("ignore:Port 8787")  # where a cluster runs already
def test_guide_to_large_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python of docs/large_images.md runs as it stands there, one block after the other."""
    for library in ("dask.array", "distributed", "h5py", "zarr"):
        pytest.importorskip(library)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "large_images.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "large_images.md", "exec"), names)
    smooth = fastconv.ndimage.gaussian_filter(np.load("big.npy"), 2.0)
    np.testing.assert_array_equal(np.load("smooth.npy"), smooth)
    assert names["brightest"] == fastconv.ndimage.sobel(smooth, axis=0).max()


def test_typed() -> None:
    """The marker for type checkers is installed, and the stub beside the module."""
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "_fastconv.pyi").is_file()


def stub() -> dict[str, set[str]]:
    """Public names of the stub; for a class those of its members."""
    names: dict[str, set[str]] = {}
    for node in ast.parse((PACKAGE / "_fastconv.pyi").read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            body = node.body if isinstance(node, ast.ClassDef) else []
            names[node.name] = {member.name for member in body if isinstance(member, ast.FunctionDef)}
    return names


def test_stub_matches_module() -> None:
    """Every name of the compiled module is in its stub and the other way round, members of classes too."""
    found = {name for name in dir(_fastconv) if not name.startswith("_")}
    described = stub()
    assert found == set(described)
    for name, members in described.items():
        value = getattr(_fastconv, name)
        if inspect.isclass(value):
            public = {member for member in members if not member.startswith("_")}
            assert public == {member for member in vars(value) if not member.startswith("_")}
            assert all(hasattr(value, member) for member in members)


def test_all_is_complete_and_sorted() -> None:
    """`__all__` holds what the documentation speaks of, in order, and every name exists."""
    names = [name for name in fastconv.__all__ if not name.startswith("_")]
    assert names == sorted(names)
    assert all(hasattr(fastconv, name) for name in fastconv.__all__)


def sections(documented: Any) -> set[str]:
    """Titles of the numpydoc sections of a docstring."""
    return set(re.findall(r"^(\w[\w ]*)\n-{3,}$", inspect.getdoc(documented) or "", re.MULTILINE))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_documentation_of_functions(name: str) -> None:
    """Every public function describes its parameters by name, its result and an example."""
    function = FUNCTIONS[name]
    signature = inspect.signature(function)
    wanted = {"Examples"}
    if signature.parameters:
        wanted.add("Parameters")
    if signature.return_annotation not in (None, "None"):
        wanted.add("Returns")
    assert wanted <= sections(function)
    doc = inspect.getdoc(function) or ""
    for parameter in signature.parameters.values():
        assert re.search(rf"^[*\w, ]*\b{parameter.name}\b[*\w, ]*( :|$)", doc, re.MULTILINE), parameter.name


@pytest.mark.parametrize("name", CLASSES)
def test_documentation_of_classes(name: str) -> None:
    """So does every public class; its methods and properties have a sentence each."""
    value = CLASSES[name]
    assert inspect.getdoc(value)
    if value.__module__ == "fastconv._fastconv":
        return  # its members are described in the class's own text
    assert sections(value) & {"Parameters", "Attributes"}
    for member, item in vars(value).items():
        if not member.startswith("_") and (callable(item) or isinstance(item, property)):
            assert inspect.getdoc(item), f"{name}.{member}"


def test_needs_numpy_alone() -> None:
    """`import fastconv` brings no other library along."""
    printed = answer(
        """
        import sys
        import numpy
        before = {name.partition(".")[0] for name in sys.modules}
        import fastconv
        print(*{name.partition(".")[0] for name in sys.modules} - before - set(sys.stdlib_module_names))
        """
    )
    assert printed.split() == ["fastconv"]
