"""``python -m fastconv.cli`` is the ``fastconv`` script."""

from fastconv.cli import main

main()
