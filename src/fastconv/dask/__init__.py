"""Filters, convolutions and pools of dask arrays: images that no memory holds, on one machine or a cluster.

The functions have the names and parameters of `fastconv.ndimage` and of `fastconv.conv2d` and its like; the
array is a dask array, and so is the result, which is not computed before it is asked for. Its bits are those
of the same call on the whole array in memory.

A task runs on one thread, since dask runs as many tasks at a time as there are cores; with the synchronous
scheduler, on all. ``dask.config.set({"fastconv.threads": n})`` says otherwise; to the workers of a cluster
``DASK_FASTCONV__THREADS=n`` in their environment says it. It is needed where there are fewer of them than
cores: threads times tasks at a time should be the number of cores.

Examples
--------
>>> import dask.array as da
>>> import numpy as np
>>> import fastconv.dask
>>> image = da.ones((4000, 300), chunks=100)
>>> smooth = fastconv.dask.gaussian_filter(image, 2.0, mode="nearest")
>>> smooth
dask.array<gaussian_filter, shape=(4000, 300), dtype=float64, chunksize=(100, 100), chunktype=numpy.ndarray>
>>> bool(np.allclose(smooth[:10, :10].compute(), 1))
True
"""

from .. import conv, lp_pool, ndimage, pool
from ._lazily import lazily

conv1d = lazily(conv.conv1d)
conv2d = lazily(conv.conv2d)
conv3d = lazily(conv.conv3d)

max_pool1d = lazily(pool.max_pool1d)
max_pool2d = lazily(pool.max_pool2d)
max_pool3d = lazily(pool.max_pool3d)
avg_pool1d = lazily(pool.avg_pool1d)
avg_pool2d = lazily(pool.avg_pool2d)
avg_pool3d = lazily(pool.avg_pool3d)
lp_pool1d = lazily(lp_pool.lp_pool1d)
lp_pool2d = lazily(lp_pool.lp_pool2d)
lp_pool3d = lazily(lp_pool.lp_pool3d)

convolve = lazily(ndimage.convolve)
convolve1d = lazily(ndimage.convolve1d)
correlate = lazily(ndimage.correlate)
correlate1d = lazily(ndimage.correlate1d)
gaussian_filter = lazily(ndimage.gaussian_filter)
gaussian_filter1d = lazily(ndimage.gaussian_filter1d)
gaussian_gradient_magnitude = lazily(ndimage.gaussian_gradient_magnitude)
gaussian_laplace = lazily(ndimage.gaussian_laplace)
laplace = lazily(ndimage.laplace)
maximum_filter = lazily(ndimage.maximum_filter)
maximum_filter1d = lazily(ndimage.maximum_filter1d)
minimum_filter = lazily(ndimage.minimum_filter)
minimum_filter1d = lazily(ndimage.minimum_filter1d)
prewitt = lazily(ndimage.prewitt)
sobel = lazily(ndimage.sobel)
uniform_filter = lazily(ndimage.uniform_filter)
uniform_filter1d = lazily(ndimage.uniform_filter1d)

__all__ = [
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
