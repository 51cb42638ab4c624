/* fastconv for C: convolutions with their weights packed once, run on plain memory, without the interpreter's lock.
 *
 *     #include <Python.h>
 *     #include <fastconv.h>
 *
 *     const fastconv_api* fc = fastconv_import();            // once, with the lock; NULL with a Python exception set
 *     fastconv_convolution c = fastconv_defaults();
 *     c.rank = 2, c.n = 1, c.in_channels = 64, c.out_channels = 64;
 *     c.input[0] = c.input[1] = 56, c.kernel[0] = c.kernel[1] = 3;
 *     c.before[0] = c.after[0] = c.before[1] = c.after[1] = 1;
 *     fastconv_error error;
 *     fastconv_plan* plan = fc->plan(&c, weights, bias, &error);
 *     if (!plan) return report(error.text);
 *     fc->run(plan, x, y, &error);                           // as often as wanted, from any number of threads
 *     fc->destroy(plan);
 *
 * Arrays are dense, in C order: x (n, in_channels, ...), y (n, out_channels, ...), weights (out_channels,
 * in_channels / groups, ...); channels last (n, ..., channels) and weights (..., in_channels / groups, out_channels). They
 * may begin at any multiple of an element's size. x and y must not overlap.
 */
#ifndef FASTCONV_H
#define FASTCONV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FASTCONV_ABI 1 /* what a table must have; it grows at its end, and changes this number if it does not */

enum { FASTCONV_FLOAT32 = 0, FASTCONV_FLOAT64 = 1 };
enum { FASTCONV_CHANNELS_FIRST = 0, FASTCONV_CHANNELS_LAST = 1 };
enum {
    FASTCONV_NONE = 0,
    FASTCONV_CLAMP = 1,      /* to low and high, either of which may be infinite; relu is 0 and infinity */
    FASTCONV_LEAKY_RELU = 2, /* with slope low */
    FASTCONV_SIGMOID = 3,
    FASTCONV_TANH = 4,
    FASTCONV_SILU = 5
};

/* y[n, o, i] = activation(bias[o] + sum over c and k of weights[o, c, k] * x[n, c, i * stride + k * dilation - before]) */
typedef struct fastconv_convolution {
    int32_t rank; /* 1 to 3: how many of the axes below there are */
    int32_t dtype, layout, activation;
    int64_t n, in_channels, out_channels, groups;
    int64_t input[3], kernel[3], stride[3], dilation[3], before[3], after[3]; /* before and after: padding with zeros */
    double low, high;
    const char* algorithm; /* NULL for "auto" */
    int32_t threads;       /* at most; 0 for what fastconv.set_num_threads says when the plan is made */
} fastconv_convolution;

/* Two axes, float32, channels first, one image; extents, strides and dilations of one, no padding, no activation. */
static inline fastconv_convolution fastconv_defaults(void) {
    const fastconv_convolution c = {2,         0,         0,         0,         1,         0, 0, 1,    {1, 1, 1},
                                    {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}, 0, 0, NULL, 0};
    return c;
}

typedef struct fastconv_error {
    char text[512]; /* names the member, its value and what was expected */
} fastconv_error;

typedef struct fastconv_plan fastconv_plan;

typedef struct fastconv_api {
    int32_t abi;
    const char* version; /* of fastconv */
    /* Packs the weights, which are not needed any more then; bias may be NULL. NULL if it cannot be done. */
    fastconv_plan* (*plan)(const fastconv_convolution*, const void* weights, const void* bias, fastconv_error*);
    /* The extents of y, rank + 2 of them. */
    void (*output_shape)(const fastconv_plan*, int64_t* shape);
    /* 0, or -1 with an error: out of memory. y is then undefined. */
    int (*run)(const fastconv_plan*, const void* x, void* y, fastconv_error*);
    void (*destroy)(fastconv_plan*); /* NULL is nothing */
} fastconv_api;

#ifdef PY_VERSION_HEX
/* The table of the installed fastconv; NULL with an exception set if there is none, or one of another ABI. */
static inline const fastconv_api* fastconv_import(void) {
    const fastconv_api* api = (const fastconv_api*)PyCapsule_Import("fastconv._fastconv._C_API", 0);
    if (api && api->abi != FASTCONV_ABI) {
        PyErr_Format(PyExc_ImportError, "fastconv %s has ABI %d, expected %d: compile against its own header", api->version,
                     (int)api->abi, FASTCONV_ABI);
        return NULL;
    }
    return api;
}
#endif

#ifdef __cplusplus
}
#endif

#endif
