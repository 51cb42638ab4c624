"""Filters of images and of arrays with any number of axes, with the names and parameters of SciPy's.

`fastconv.ndimage.gaussian_filter` takes what ``scipy.ndimage.gaussian_filter`` takes and gives the same
within rounding; `correlate` says where the two differ on purpose.
"""

from ._box import (
    maximum_filter,
    maximum_filter1d,
    minimum_filter,
    minimum_filter1d,
    uniform_filter,
    uniform_filter1d,
)
from ._correlate import convolve, convolve1d, correlate, correlate1d
from ._derivatives import laplace, prewitt, sobel
from ._gaussian import (
    gaussian_filter,
    gaussian_filter1d,
    gaussian_gradient_magnitude,
    gaussian_laplace,
)

__all__ = [
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
    "laplace",
    "maximum_filter",
    "maximum_filter1d",
    "minimum_filter",
    "minimum_filter1d",
    "prewitt",
    "sobel",
    "uniform_filter",
    "uniform_filter1d",
]
