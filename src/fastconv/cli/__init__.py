"""The command line. This module needs nothing but the standard library: the rest is the extra ``cli``."""

import sys

_EXTRA = {"click", "rich", "PIL", "matplotlib", "jinja2", "scipy"}


def main() -> None:
    """Run the command line; the entry point of the ``fastconv`` script."""
    try:
        from fastconv.cli.app import app

        app(prog_name="fastconv")
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise
        sys.exit(f"fastconv: the command line needs {package}: pip install 'fastconv[cli]'")
