"""Borders around signals, images and volumes."""

from __future__ import annotations

from numpy.typing import ArrayLike

from . import _fastconv
from ._typing import FloatArray, Layout, Padding, PaddingMode

__all__ = ["pad1d", "pad2d", "pad3d"]


def pad1d(
    input: ArrayLike,
    padding: Padding,
    mode: PaddingMode = "zeros",
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Put a border around a signal.

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, c, iw)``, or ``(c, iw)`` unbatched. Channels last: ``(n, iw, c)`` or ``(iw, c)``.
    padding, mode, layout, out
        As in `pad2d`, for one axis.

    Returns
    -------
    ndarray
        The padded signal.

    Raises
    ------
    TypeError, ValueError
        As `pad2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.pad1d(np.array([[1.0, 2.0, 3.0]]), 2, "reflect")
    array([[3., 2., 1., 2., 3., 2., 1.]])
    """
    return _fastconv.pad(1, input, padding, mode, layout, out)


def pad2d(
    input: ArrayLike,
    padding: Padding,
    mode: PaddingMode = "zeros",
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Put a border around an image, as `conv2d` does with ``padding_mode=mode``.

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, c, ih, iw)``, or ``(c, ih, iw)`` unbatched. Channels last: ``(n, ih, iw, c)`` or
        ``(ih, iw, c)``.
    padding : int, one int per axis or one (before, after) pair per axis
        Pixels around the image.
    mode : str
        What they show, here around the pixels ``a b c d``:

        ============= ======================= ===============================
        "zeros"       ``0 0 | a b c d | 0 0``
        "reflect"     ``c b | a b c d | c b`` needs padding < extent
        "replicate"   ``a a | a b c d | d d``
        "circular"    ``c d | a b c d | a b`` needs padding <= extent
        "symmetric"   ``b a | a b c d | d c``
        ============= ======================= ===============================
    layout : str
        ``"NCHW"`` for channels first, ``"NHWC"`` for channels last.
    out : ndarray, optional
        Where to store the result: C-contiguous, writable, of the result's shape and dtype, not overlapping
        the input.

    Returns
    -------
    ndarray
        The padded image.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape; the message names it, its value and what was expected.

    See Also
    --------
    fastconv.grad.pad2d : Its gradient.

    Notes
    -----
    The modes are those of ``torch.nn.Conv2d``, and ``"symmetric"``, where the edge is shown twice, of
    ``numpy.pad``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.pad2d(np.array([[[1.0, 2.0], [3.0, 4.0]]]), ((0, 0), (1, 2)), "circular")
    array([[[2., 1., 2., 1., 2.],
            [4., 3., 4., 3., 4.]]])
    """
    return _fastconv.pad(2, input, padding, mode, layout, out)


def pad3d(
    input: ArrayLike,
    padding: Padding,
    mode: PaddingMode = "zeros",
    *,
    layout: Layout = "NCHW",
    out: FloatArray | None = None,
) -> FloatArray:
    """Put a border around a volume.

    Parameters
    ----------
    input : array_like of float32, float64, float16 or bfloat16
        ``(n, c, id, ih, iw)``, or ``(c, id, ih, iw)`` unbatched. Channels last: ``(n, id, ih, iw, c)`` or
        ``(id, ih, iw, c)``.
    padding, mode, layout, out
        As in `pad2d`, for three axes.

    Returns
    -------
    ndarray
        The padded volume.

    Raises
    ------
    TypeError, ValueError
        As `pad2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.pad3d(np.ones((1, 1, 1, 1)), (0, 0, 1), "replicate")
    array([[[[1., 1., 1.]]]])
    """
    return _fastconv.pad(3, input, padding, mode, layout, out)
