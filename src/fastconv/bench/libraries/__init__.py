"""The libraries that are measured, each behind one small class, see `Library`.

Adapters are imported only in the process that measures their library.
"""

from fastconv.bench.libraries.library import Library, Prepared
from fastconv.bench.libraries.registry import LIBRARIES, adapter, installed

__all__ = ["LIBRARIES", "Library", "Prepared", "adapter", "installed"]
