"""Filters, convolutions and pools of arrays on disk, tile by tile, in as much memory as they are given.

The functions have the names and parameters of `fastconv.ndimage` and of `fastconv.conv2d` and its like; the
array is one that is sliced like NumPy's: `numpy.memmap`, a Zarr array, an HDF5 dataset. The result is stored
in another, with the bits of the same call on the whole array in memory. `fastconv.dask` does the same on
many machines.

Examples
--------
>>> import os, tempfile
>>> import numpy as np
>>> from fastconv import tiled
>>> folder = tempfile.TemporaryDirectory()
>>> image = np.memmap(os.path.join(folder.name, "image"), np.float32, "w+", shape=(3000, 4000))
>>> image[:] = 1
>>> smooth = tiled.gaussian_filter(image, 2.0, mode="nearest")
>>> smooth
TiledArray(gaussian_filter, shape=(3000, 4000), dtype=float32)
>>> print(smooth.tiling("40MB"))
8 tiles of 375 x 4000, in at most 35 MB
>>> result = np.memmap(os.path.join(folder.name, "smooth"), np.float32, "w+", shape=smooth.shape)
>>> smooth.store(result, memory="64MB", journal=os.path.join(folder.name, "journal"))
>>> bool(np.allclose(result[:10, :10], 1))
True
>>> folder.cleanup()
"""

from .. import conv, lp_pool, ndimage, pool
from ._tiles import Progress, TiledArray, Tiling, by_tiles

conv1d = by_tiles(conv.conv1d)
conv2d = by_tiles(conv.conv2d)
conv3d = by_tiles(conv.conv3d)

max_pool1d = by_tiles(pool.max_pool1d)
max_pool2d = by_tiles(pool.max_pool2d)
max_pool3d = by_tiles(pool.max_pool3d)
avg_pool1d = by_tiles(pool.avg_pool1d)
avg_pool2d = by_tiles(pool.avg_pool2d)
avg_pool3d = by_tiles(pool.avg_pool3d)
lp_pool1d = by_tiles(lp_pool.lp_pool1d)
lp_pool2d = by_tiles(lp_pool.lp_pool2d)
lp_pool3d = by_tiles(lp_pool.lp_pool3d)

convolve = by_tiles(ndimage.convolve)
convolve1d = by_tiles(ndimage.convolve1d)
correlate = by_tiles(ndimage.correlate)
correlate1d = by_tiles(ndimage.correlate1d)
gaussian_filter = by_tiles(ndimage.gaussian_filter)
gaussian_filter1d = by_tiles(ndimage.gaussian_filter1d)
gaussian_gradient_magnitude = by_tiles(ndimage.gaussian_gradient_magnitude)
gaussian_laplace = by_tiles(ndimage.gaussian_laplace)
laplace = by_tiles(ndimage.laplace)
maximum_filter = by_tiles(ndimage.maximum_filter)
maximum_filter1d = by_tiles(ndimage.maximum_filter1d)
minimum_filter = by_tiles(ndimage.minimum_filter)
minimum_filter1d = by_tiles(ndimage.minimum_filter1d)
prewitt = by_tiles(ndimage.prewitt)
sobel = by_tiles(ndimage.sobel)
uniform_filter = by_tiles(ndimage.uniform_filter)
uniform_filter1d = by_tiles(ndimage.uniform_filter1d)

__all__ = [
    "Progress",
    "TiledArray",
    "Tiling",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "conv1d",
    "conv2d",
    "conv3d",
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
    "laplace",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "maximum_filter",
    "maximum_filter1d",
    "minimum_filter",
    "minimum_filter1d",
    "prewitt",
    "sobel",
    "uniform_filter",
    "uniform_filter1d",
]
