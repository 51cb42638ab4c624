# For Cython: `cimport fastconv.c_api` calls fastconv without linking to it and without the interpreter's lock. What the
# functions do is in fastconv.h, whose folder fastconv.get_include() names; it must be among a module's include_dirs.
from libc.stdint cimport int32_t, int64_t

cdef extern from "fastconv.h":
    enum:
        FASTCONV_FLOAT32
        FASTCONV_FLOAT64
        FASTCONV_CHANNELS_FIRST
        FASTCONV_CHANNELS_LAST
        FASTCONV_NONE
        FASTCONV_CLAMP
        FASTCONV_LEAKY_RELU
        FASTCONV_SIGMOID
        FASTCONV_TANH
        FASTCONV_SILU

    ctypedef struct fastconv_convolution:
        int32_t rank, dtype, layout, activation
        int64_t n, in_channels, out_channels, groups
        int64_t input[3]
        int64_t kernel[3]
        int64_t stride[3]
        int64_t dilation[3]
        int64_t before[3]
        int64_t after[3]
        double low, high
        const char *algorithm
        int32_t threads

    fastconv_convolution fastconv_defaults() noexcept nogil

    ctypedef struct fastconv_error:
        char text[512]

    ctypedef struct fastconv_plan:
        pass

cdef fastconv_plan *plan(const fastconv_convolution *, const void *, const void *, fastconv_error *) noexcept nogil
cdef void output_shape(const fastconv_plan *, int64_t *) noexcept nogil
cdef int run(const fastconv_plan *, const void *, void *, fastconv_error *) noexcept nogil
cdef void destroy(fastconv_plan *) noexcept nogil
