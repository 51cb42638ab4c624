"""The photograph that is filtered in the benchmark: Grace Hopper, from Matplotlib's sample data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class PhotoMissingError(OSError):
    """The photograph, or the package that reads it, is not installed."""


def photograph() -> NDArray[Any]:
    """Return the photograph as uint8 of shape (600, 512, 3).

    Raises
    ------
    PhotoMissingError
        If Matplotlib, its sample data or Pillow is not installed.

    Examples
    --------
    >>> from fastconv.bench import photograph
    >>> photograph().shape
    (600, 512, 3)
    """
    try:
        from matplotlib.cbook import get_sample_data
        from PIL import Image

        path = get_sample_data("grace_hopper.jpg", asfileobj=False)
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except (ImportError, OSError) as error:
        raise PhotoMissingError(
            f"the benchmark's photograph comes with Matplotlib and is read by Pillow ({error}): "
            "pip install 'fastconv[cli]'"
        ) from error
