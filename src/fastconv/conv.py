"""Convolution in one, two and three dimensions: functions, and objects that keep their weights packed."""

from __future__ import annotations

import operator
import statistics
from collections.abc import Callable
from functools import partial
from typing import ClassVar, Literal

from numpy.typing import ArrayLike

from . import _fastconv
from ._explanation import Explanation
from ._profile import Profile, Stage
from ._results import as_array
from ._typing import Activation, Axes, Layout, NumberArray, Padding, PaddingMode, Shape

__all__ = ["Conv1d", "Conv2d", "Conv3d", "conv1d", "conv2d", "conv3d"]


def conv1d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "NCHW",
    activation: Activation | None = None,
    algorithm: str = "auto",
    out: NumberArray | None = None,
) -> NumberArray:
    """Convolve signals with kernels (cross-correlation, as neural networks use the word).

    With ``x`` zero outside its extent and ``g = o // (oc / groups)``, the group of output channel ``o``::

        y[n, o, j] = b[o] + sum over c, q of w[o, c, q] * x[n, g * ic / groups + c, j * s + q * d - p]

    Parameters
    ----------
    input : array_like of floats, complex numbers or integers
        ``(n, ic, iw)``, or ``(ic, iw)`` unbatched. Channels last: ``(n, iw, ic)`` or ``(iw, ic)``.
    weight : array_like, same dtype, or integers beside integers
        ``(oc, ic / groups, kw)``. Channels last: ``(kw, ic / groups, oc)``.
    bias : array_like, same dtype, or integers, optional
        ``(oc,)``.
    stride, padding, dilation, groups, padding_mode, activation, algorithm, out
        As in `conv2d`, for one axis.
    layout : str
        ``"NCHW"`` (or ``"NCL"``, ``"NCW"``) for channels first, ``"NHWC"`` (or ``"NLC"``, ``"NWC"``) for
        channels last.

    Returns
    -------
    ndarray
        ``(n, oc, ow)``; channels last ``(n, ow, oc)``; without ``n`` if the input has none.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.

    See Also
    --------
    conv2d : Every parameter in full, the error bound and the references.
    Conv1d : The same with the weights packed once.

    Examples
    --------
    Differences of neighbours:

    >>> import numpy as np
    >>> import fastconv
    >>> signal = np.array([[[1.0, 4.0, 9.0, 16.0, 25.0]]])
    >>> fastconv.conv1d(signal, np.array([[[-1.0, 1.0]]]))
    array([[[3., 5., 7., 9.]]])
    """
    return _fastconv.conv(
        1,
        input,
        weight,
        bias,
        stride,
        padding,
        dilation,
        groups,
        padding_mode,
        layout,
        activation,
        algorithm,
        out,
    )


def conv2d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "NCHW",
    activation: Activation | None = None,
    algorithm: str = "auto",
    out: NumberArray | None = None,
) -> NumberArray:
    """Convolve images with kernels (cross-correlation, as neural networks use the word).

    With ``x`` zero outside its extents and ``g = o // (oc / groups)``, the group of output channel ``o``::

        y[n, o, i, j] = b[o] + sum over c, p, q of
            w[o, c, p, q] * x[n, g * ic / groups + c, i * sh + p * dh - ph, j * sw + q * dw - pw]

    followed by the activation.

    Parameters
    ----------
    input : array_like of floats, complex numbers or integers
        ``(n, ic, ih, iw)``, or ``(ic, ih, iw)`` unbatched. Channels last: ``(n, ih, iw, ic)`` or
        ``(ih, iw, ic)``. Any strides, byte order and alignment.
    weight : array_like, same dtype, or integers beside integers
        ``(oc, ic / groups, kh, kw)``. Channels last: ``(kh, kw, ic / groups, oc)``.
    bias : array_like, same dtype, or integers, optional
        ``(oc,)``, added before the activation.
    stride : int or one int per axis
        Step between the windows of neighbouring outputs.
    padding : int, one int per axis, one (before, after) pair per axis, "valid" or "same"
        Positions around the input: zeros, unless `padding_mode` says otherwise. ``"valid"`` is none.
        ``"same"`` pads so that each output extent is ``ceil(input / stride)``; where the total is odd, the
        extra one comes after, as in TensorFlow.
    dilation : int or one int per axis
        Step between the input positions that neighbouring kernel elements see.
    groups : int
        Input and output channels are split into this many groups, each convolved on its own;
        ``groups == ic`` is a depthwise convolution, with ``oc / ic`` outputs per channel.
    padding_mode : str
        What the padding shows: ``"zeros"``, or the input itself by ``"reflect"``, ``"replicate"``,
        ``"circular"`` or ``"symmetric"``, see `pad2d`. The border is drawn around some images at a time, in
        the cache, and takes no copy of the whole input.
    layout : str
        ``"NCHW"`` for channels first, ``"NHWC"`` for channels last. Both are native, neither is converted.
    activation : str or (low, high), optional
        Applied as results are stored: ``"relu"``, ``"relu6"``, ``"leaky_relu"`` (slope 0.01), ``"sigmoid"``,
        ``"tanh"``, ``"silu"``, or a clamp to ``low <= y <= high`` where either may be None. For integers
        clamps alone, ``"relu"`` and ``"relu6"`` among them, with integer bounds; for complex numbers none.
    algorithm : str
        ``"auto"`` for the fastest by estimate; ``"strict"`` for the fastest but Winograd's, which forms other
        sums than those of the definition and has larger rounding errors (Notes), and but ``"dot"``, which
        takes denormal numbers for zeros; a name from `algorithms`; or ``"winograd"`` for the better of its
        two sizes.
    out : ndarray, optional
        Where to store the result: C-contiguous, writable, of the result's shape and dtype, overlapping no
        input.

    Returns
    -------
    ndarray
        ``(n, oc, oh, ow)``; channels last ``(n, oh, ow, oc)``; without ``n`` if the input has none. Each
        extent is ``(input + before + after - dilation * (kernel - 1) - 1) // stride + 1``.

    Raises
    ------
    TypeError
        An argument of the wrong type or dtype.
    ValueError
        An argument of the wrong value or shape, or an algorithm that does not support this convolution. The
        message names the argument, its value and what was expected.
    OverflowError
        A sum that int32 does not hold, of input and weight of 8 bits.

    See Also
    --------
    Conv2d : The same with the weights packed once.
    output_shape : The shape of the result without computing it.
    explain : The algorithm that is chosen, and why.

    Notes
    -----
    The arithmetic of shapes is that of [1]_. With ``n`` products in a sum (``kh * kw * ic / groups``, and one
    more for a bias), unit roundoff ``u`` (2**-24 for float32, 2**-53 for float64) and barring overflow and
    underflow, the result before the activation errs by at most ``n u / (1 - n u) * S``, where ``S`` is the
    same sum over absolute values, in every algorithm but Winograd's [2]_. For those, ``n`` becomes
    ``k + 22`` (`winograd2`) or ``k + 30`` (`winograd4`) with ``k = min(c, 63 + ceil(c / 64))`` for
    ``c = ic / groups``, and ``S`` the absolute values taken through the transforms: a weaker bound, since it
    includes pixels that the output does not see. Where a pixel is infinite, NaN or much larger than those
    around it, its tile is computed from the definition, so that it spoils no output but those that see it.
    ``"auto"`` uses these algorithms; ``"strict"`` does not. `docs/winograd.md` has measured errors.

    Integers, of any types together, are summed exactly: into int32 if input and weight both have 8 bits (a
    bias then is int32), else into int64, or into uint64 if one is uint64, beside which all are unsigned. What
    64 bits do not hold wraps around. Winograd's algorithms, which round, are refused for them.

    Complex numbers are summed by parts. The real and the imaginary part each err by the bound above with
    ``n + 2`` for ``n``, ``S`` being the sum of ``|Re w| |Re x| + |Im w| |Im x|`` for the one and of
    ``|Re w| |Im x| + |Im w| |Re x|`` for the other, with that part of the bias. `docs/types.md` tells
    how.

    The bits of a result do not depend on the number of threads.

    References
    ----------
    .. [1] V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016,
       arXiv:1603.07285.
    .. [2] A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016,
       arXiv:1509.09308.

    Examples
    --------
    The horizontal Sobel kernel on a ramp, which rises by one per pixel:

    >>> import numpy as np
    >>> import fastconv
    >>> ramp = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> sobel = np.array([[[[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]]])
    >>> fastconv.conv2d(ramp, sobel)
    array([[[[8., 8.],
             [8., 8.]]]])
    >>> fastconv.conv2d(ramp, sobel, stride=2, padding="same").shape
    (1, 1, 2, 2)

    The same of bytes, exactly, and both slopes at once:

    >>> pixels, weights = ramp.astype(np.uint8), sobel.astype(np.int8)
    >>> fastconv.conv2d(pixels, weights)
    array([[[[8, 8],
             [8, 8]]]], dtype=int32)
    >>> fastconv.conv2d(ramp + 0j, sobel + 1j * sobel.swapaxes(2, 3))
    array([[[[8.+32.j, 8.+32.j],
             [8.+32.j, 8.+32.j]]]])
    """
    return _fastconv.conv(
        2,
        input,
        weight,
        bias,
        stride,
        padding,
        dilation,
        groups,
        padding_mode,
        layout,
        activation,
        algorithm,
        out,
    )


def conv3d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "NCHW",
    activation: Activation | None = None,
    algorithm: str = "auto",
    out: NumberArray | None = None,
) -> NumberArray:
    """Convolve volumes with kernels (cross-correlation, as neural networks use the word).

    The equation of `conv2d` with one more spatial axis, the depth, before height and width.

    Parameters
    ----------
    input : array_like of floats, complex numbers or integers
        ``(n, ic, id, ih, iw)``, or ``(ic, id, ih, iw)`` unbatched. Channels last: ``(n, id, ih, iw, ic)`` or
        ``(id, ih, iw, ic)``.
    weight : array_like, same dtype, or integers beside integers
        ``(oc, ic / groups, kd, kh, kw)``. Channels last: ``(kd, kh, kw, ic / groups, oc)``.
    bias : array_like, same dtype, or integers, optional
        ``(oc,)``.
    stride, padding, dilation, groups, padding_mode, activation, algorithm, out
        As in `conv2d`, for three axes.
    layout : str
        ``"NCHW"`` or ``"NCDHW"`` for channels first, ``"NHWC"`` or ``"NDHWC"`` for channels last.

    Returns
    -------
    ndarray
        ``(n, oc, od, oh, ow)``; channels last ``(n, od, oh, ow, oc)``; without ``n`` if the input has none.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.

    See Also
    --------
    conv2d : Every parameter in full, the error bound and the references.
    Conv3d : The same with the weights packed once.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> volume = np.arange(27.0).reshape(1, 1, 3, 3, 3)
    >>> fastconv.conv3d(volume, np.ones((1, 1, 3, 3, 3)), bias=[0.5])
    array([[[[[351.5]]]]])
    """
    return _fastconv.conv(
        3,
        input,
        weight,
        bias,
        stride,
        padding,
        dilation,
        groups,
        padding_mode,
        layout,
        activation,
        algorithm,
        out,
    )


class _Conv(_fastconv.Conv):
    """What `Conv1d`, `Conv2d` and `Conv3d` share: everything but the number of spatial axes."""

    __slots__ = ()

    _rank: ClassVar[Literal[1, 2, 3]]

    def __init__(
        self,
        weight: ArrayLike,
        bias: ArrayLike | None = None,
        stride: Axes = 1,
        padding: Padding = 0,
        dilation: Axes = 1,
        groups: int = 1,
        *,
        padding_mode: PaddingMode = "zeros",
        layout: Layout = "NCHW",
        activation: Activation | None = None,
        algorithm: str = "auto",
    ) -> None:
        super().__init__(
            self._rank,
            weight,
            bias,
            stride,
            padding,
            dilation,
            groups,
            padding_mode,
            layout,
            activation,
            algorithm,
        )

    # The call, output_shape() and the properties are those of the compiled class: nothing stands between a
    # caller and the kernels.

    def explain(self, input_shape: Shape) -> Explanation:
        """Say how an input of this shape would be convolved, without doing it.

        Parameters
        ----------
        input_shape : sequence of int
            Batched or unbatched, in the layout of this object.

        Returns
        -------
        Explanation
            ``print`` it, or read its fields.
        """
        return Explanation(**self._explain(input_shape))

    def profile(self, x: ArrayLike, *, calls: int = 20) -> Profile:
        """Convolve `x` some times, and say how long each stage of the algorithm took.

        Parameters
        ----------
        x : array_like, dtype of the weights
            Batched or unbatched, in the layout of this object.
        calls : int
            How often; medians are returned.

        Returns
        -------
        Profile
            ``print`` it, or read its fields. Stages: input transform, multiply and output transform for
            Winograd's algorithm, one for any other.

        Examples
        --------
        >>> import numpy as np
        >>> import fastconv
        >>> conv = fastconv.Conv2d(np.ones((32, 32, 3, 3)), padding=1, algorithm="winograd4")
        >>> [stage.name for stage in conv.profile(np.ones((32, 24, 24))).stages]
        ['input transform', 'multiply', 'output transform']
        """
        count = operator.index(calls)
        if count < 1:
            raise ValueError(f"calls={calls!r}: expected a positive number")
        array = as_array(x, "x")
        stages = [self._profile(array) for _ in range(count)]
        seconds = [statistics.median(call[i][1] for call in stages) / 1e9 for i in range(len(stages[0]))]
        total = sum(seconds) or 1.0
        explanation = self.explain(array.shape)
        return Profile(
            explanation.problem,
            explanation.algorithm,
            count,
            tuple(
                Stage(name, time, time / total, work / time if time else 0.0, f"{unit}/s")
                for (name, _, work, unit), time in zip(stages[0], seconds, strict=True)
            ),
        )

    def __repr__(self) -> str:
        parts = [f"{self.in_channels} -> {self.out_channels}", f"kernel_size={self.kernel_size}"]
        ordinary: dict[str, object] = {
            "stride": (1,) * self.rank,
            "padding": ((0, 0),) * self.rank,
            "padding_mode": "zeros",
            "dilation": (1,) * self.rank,
            "groups": 1,
            "layout": "NCHW",
            "activation": None,
            "algorithm": "auto",
        }
        for name, default in ordinary.items():
            value = getattr(self, name)
            if value != default:
                parts.append(f"{name}={value!r}")
        parts.append(f"bias={self.bias is not None}")
        parts.append(f"dtype={self.dtype.name}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def __reduce__(self) -> tuple[Callable[..., _Conv], tuple[object, ...]]:
        # Weights are packed again where they arrive, for the processor that is there.
        build = partial(
            type(self),
            padding_mode=self.padding_mode,
            layout=self.layout,
            activation=self.activation,
            algorithm=self.algorithm,
        )
        return build, (self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Conv1d(_Conv):
    """A 1-D convolution with its weights packed once, to be called on many inputs.

    Parameters
    ----------
    weight : array_like of float32, float64, float16 or bfloat16
        ``(oc, ic / groups, kw)``. Channels last: ``(kw, ic / groups, oc)``.
    bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm
        As in `conv1d`.

    See Also
    --------
    Conv2d : What objects of this kind promise.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> smooth = fastconv.Conv1d(np.array([[[0.25, 0.5, 0.25]]]), padding=1)
    >>> smooth(np.array([[0.0, 0.0, 4.0, 0.0, 0.0]]))
    array([[0., 1., 2., 1., 0.]])
    """

    __slots__ = ()
    _rank = 1


class Conv2d(_Conv):
    """A 2-D convolution with its weights packed once, to be called on many inputs.

    ``Conv2d(weight, bias, ...)(x)`` is ``conv2d(x, weight, bias, ...)``, bit for bit where both use the same
    algorithm: ``"auto"`` counts the packing of weights for the function and not for the object. An object
    does not change once made: it may be called from many threads at once, on inputs of any extent and batch
    size, and pickled. Later writes to the arrays it was made from do not reach it.

    Parameters
    ----------
    weight : array_like of float32, float64, float16 or bfloat16
        ``(oc, ic / groups, kh, kw)``. Channels last: ``(kh, kw, ic / groups, oc)``.
    bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm
        As in `conv2d`.

    See Also
    --------
    conv2d : Parameters in full, and the error bound.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> edges = fastconv.Conv2d(np.array([[[[-1.0, 1.0]]]]), padding="same")
    >>> edges
    Conv2d(1 -> 1, kernel_size=(1, 2), padding='same', bias=False, dtype=float64)
    >>> edges(np.array([[[0.0, 0.0, 1.0, 1.0]]]))
    array([[[ 0.,  1.,  0., -1.]]])
    >>> edges.output_shape((8, 1, 480, 640))
    (8, 1, 480, 640)
    """

    __slots__ = ()
    _rank = 2


class Conv3d(_Conv):
    """A 3-D convolution with its weights packed once, to be called on many inputs.

    Parameters
    ----------
    weight : array_like of float32, float64, float16 or bfloat16
        ``(oc, ic / groups, kd, kh, kw)``. Channels last: ``(kd, kh, kw, ic / groups, oc)``.
    bias, stride, padding, dilation, groups, padding_mode, layout, activation, algorithm
        As in `conv3d`.

    See Also
    --------
    Conv2d : What objects of this kind promise.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> total = fastconv.Conv3d(np.ones((1, 1, 2, 2, 2)))
    >>> total(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[[[28.]]]])
    """

    __slots__ = ()
    _rank = 3
