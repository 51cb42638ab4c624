// The contract of the kernels that pool or move elements between images and windows: pooling and its gradients, unpooling,
// columns of windows, padding. Tensors are dense, so that a layout is nothing but what a plane is.
#pragma once

#include "args.hpp"

namespace fastconv {

constexpr int few_columns = 3, few_stride = 2;  // of windows, at most, for PoolArgs::few_taps

enum class PoolKind : int { maximum, average };

// Window o of an axis covers input positions first[o], first[o] + dilation, ...: taps[o] of them lie inside the input.
// Sliding windows begin at o * stride - before and have `window` taps, counting those in the padding; adaptive windows
// have stride 0.
struct PoolAxis {
    const int64_t* first;
    const int64_t* taps;
    const int64_t* divisor;  // average: positions counted, padding included where the caller asked for that
    int64_t dilation, stride, before, window;
};

template <class T>
struct PoolArgs {
    const T* x;
    T* y;
    int64_t* indices;  // maximum: where in the spatial volume it was, if with_indices
    bool with_indices;
    PoolKind kind;
    TensorShape in, out;
    bool channels_first;
    int64_t channels;
    int64_t planes;  // channels of images, or with channels last images
    PoolAxis axis[3];
    int64_t fixed_divisor;  // average: 0, or what to divide by instead

    // How it is done, see pool.hpp.
    bool whole_rows;         // a window is whole rows, one after another
    bool few_taps;           // windows have few columns, see pool_few.hpp
    bool sliding_rows;       // the rows of windows are reduced in blocks, else one by one for each output row
    bool sliding_line;       // the elements of a reduced row together, else one by one for each output
    bool wide_numbers;       // an image has more elements than the numbers beside float32 values can count
    int64_t plane_blocks;    // of planes, whose planes are worked on one after another
    int64_t strips;          // of columns of the output, worked on one after another
    int64_t channel_blocks;  // whole rows with channels last: blocks of channels, else one
    int64_t row_blocks;      // of the output rows (depth and height flattened) of one image
};

// One plane of a tensor: depth, height and width of pixels, each of `inner` neighbouring elements that are treated alike.
// Channels first, a plane is one channel of one image and a pixel one element; channels last, an image and all channels.
struct Plane {
    int64_t size[3], inner;

    int64_t rows() const { return size[0] * size[1]; }
    int64_t row() const { return size[2] * inner; }  // elements
    int64_t pixels() const { return rows() * size[2]; }
    int64_t elements() const { return rows() * row(); }
};

// For each position of an axis the numbers of what belongs to it: those from first[i] on, count[i] of them.
struct Neighbours {
    const int64_t *first, *count;
};

// to[i] = sum over the outputs o whose windows cover i of from[o] / divisor(o)
template <class T>
struct AverageGradientArgs {
    const T* from;
    T* to;
    Plane outputs, inputs;
    PoolAxis axis[3];
    Neighbours covered_by[3];  // outputs, of each input position
    int64_t fixed_divisor;     // 0, or what to divide by instead
    int64_t row_blocks;        // of the inputs' rows
};

// Elements and where they are, in a plane of so many pixels: those of a pixel have the same channel there.
template <class T>
struct IndexedArgs {
    const T* from;
    const int64_t* indices;
    T* to;
    int64_t indexed, pixels, inner;  // of a plane: pixels that have an index, pixels that they number, elements of one
    int64_t blocks;                  // scatter: of the inner elements; gather: of the pixels with an index
};

// Columns of windows, and back; taps of a window are ordered by depth, height and width.
//     channels first: columns[n, c, tap, o] = image[n, c, o * step + tap * dilation - before], an image's channels are
//     planes channels last:  columns[n, o, tap, c]
template <class T>
struct ColumnArgs {
    const T* from;
    T* to;
    Plane image;  // channels last: inner is not 1, or else is both
    bool channels_first;
    int64_t windows[3], kernel[3], step[3], dilation[3], before[3];
    int64_t row_blocks;  // fold: of the image's rows; unfold with channels last: of the rows of windows

    int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
    int64_t window_rows() const { return windows[0] * windows[1]; }
};

// `count` columns of a padded plane from `to` on that show columns of the plane, a step apart from `from` on.
struct ColumnRun {
    int64_t to, from, count;
};

// A plane and the same with a border, whose positions show positions of the plane, -1 zero.
template <class T>
struct BorderArgs {
    const T* from;
    T* to;
    Plane plane, padded;
    int64_t before;           // the padded column that shows the first one, where a gradient is asked for
    const int64_t* shown[3];  // by each padded position
    const ColumnRun* runs;    // of most of the columns, in ascending order; other columns show what they do one by one
    int64_t run_count, step;
    Neighbours showing[3];        // each position of the plane: numbers in
    const int64_t* positions[3];  // these padded positions
    int64_t row_blocks;           // of what is written
};

template <class T>
struct WindowKernels {
    void (*pool)(const PoolArgs<T>&, int64_t task, void* workspace);
    int64_t (*pool_workspace)(const PoolArgs<T>&);

    void (*average_gradient)(const AverageGradientArgs<T>&, int64_t task, void* workspace);
    int64_t (*average_gradient_workspace)(const AverageGradientArgs<T>&);

    // Over cleared planes; of several with one index, the sum or the last.
    void (*scatter_add)(const IndexedArgs<T>&, int64_t task);
    void (*scatter)(const IndexedArgs<T>&, int64_t task);
    void (*gather)(const IndexedArgs<T>&, int64_t task);

    void (*unfold)(const ColumnArgs<T>&, int64_t task);
    void (*fold)(const ColumnArgs<T>&, int64_t task);

    void (*pad)(const BorderArgs<T>&, int64_t task);
    void (*pad_gradient)(const BorderArgs<T>&, int64_t task, void* workspace);
    int64_t (*pad_gradient_workspace)(const BorderArgs<T>&);

    // |x|^e; y / |x|^e, zero where x is; y * sign(x) |x|^e
    void (*power)(const T* x, T* y, int64_t count, double exponent);
    void (*divide_by_power)(const T* x, T* y, int64_t count, double exponent);
    void (*multiply_by_power)(const T* x, T* y, int64_t count, double exponent);
};

// Half-sized floats, to floats and back; see simd.hpp.
struct HalfKernels {
    void (*widen)(const uint16_t* from, int64_t count, float* to);
    void (*narrow)(const float* from, int64_t count, uint16_t* to);
};

struct WindowTable {
    WindowKernels<float> f32;
    WindowKernels<double> f64;
    // The first of the indices that is not within low <= i < high, or `count`.
    int64_t (*first_outside)(const int64_t* indices, int64_t count, int64_t low, int64_t high);
    HalfKernels f16, bf16;
};

}  // namespace fastconv
