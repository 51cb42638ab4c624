"""What is said of a function that works in parts, made from what its original says."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

__all__ = ["documented"]

_SECTION = re.compile(r"^(?P<title>[A-Z][A-Za-z ]+)\n-+\n", re.MULTILINE)


def documented(
    function: Callable[..., Any], kind: str, input: str, result: str, result_kind: str | None = None
) -> str:
    """Return a docstring: the original's, of an input and a result of another kind, without examples."""
    text = inspect.getdoc(function) or ""
    titles = list(_SECTION.finditer(text))
    ends = [title.start() for title in titles[1:]] + [len(text)]
    sections = {t["title"]: text[t.end() : end].strip("\n") for t, end in zip(titles, ends, strict=True)}
    head = text[: titles[0].start()].rstrip()
    others = re.split(r"^(?=\S)", sections["Parameters"], flags=re.MULTILINE)[2:]  # all but the input
    sections["Parameters"] = f"input : {kind}\n{_indented(input)}\n" + "".join(others)
    sections["Returns"] = f"{result_kind or kind}\n{_indented(result)}"
    module = function.__module__.split(".")[1]
    where = "fastconv.ndimage" if module == "ndimage" else "fastconv"
    sections["See Also"] = f"{where}.{function.__name__} : The same of arrays in memory, with examples."
    kept = ("Parameters", "Returns", "Raises", "See Also", "Notes", "References")
    parts = [f"{title}\n{'-' * len(title)}\n{sections[title]}" for title in kept if title in sections]
    return "\n\n".join([head, *parts]) + "\n"


def _indented(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())
