// The contract between plans and kernels: plain data, decided at plan time, read by every instruction set's unit.
//
// Axes are always depth, height, width; 1-D and 2-D problems have extents of one in front. A layout is nothing but
// strides: channels first (NCHW) has w_stride 1, channels last (NHWC) has c_stride 1. Strides count elements.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastconv {

enum class Activation : int { none, clamp, leaky_relu, sigmoid, tanh, silu };

// A dense tensor: element (n, c, d, h, w) lies at data[n * n_stride + c * c_stride + d * stride[0] + ...].
struct TensorShape {
    int64_t size[3];
    int64_t n_stride, c_stride, stride[3];
};

template <class T>
struct Epilogue {
    const T* bias;  // one per output channel, or null
    Activation activation;
    T low, high;  // clamp: the bounds; leaky_relu: low is the slope
    // Added to the sums before that: as many values as there are outputs, lying as those do from y on; or null.
    const T* residual;
    const T* y;
};

// Where a kernel that works in stages notes how long each took, if asked to.
struct StageTimes {
    static constexpr int most = 3;
    int64_t (*now)();  // nanoseconds
    int64_t nanoseconds[most];
};

template <class T>
struct WeightSource;

template <class T>
struct ConvArgs {
    const T* x;
    const T* weights;       // packed as the algorithm wants it, see its header
    int64_t weights_first;  // dense kernels: the packed channel at which they begin, where a task packs but its own
    T* y;
    Epilogue<T> epilogue;

    TensorShape in, out;
    bool channels_first;
    bool pixel_lanes;                     // pixels rather than channels in lanes; see each kernel for what it offers
    int64_t batch, images;                // images, and those of them that tasks tell apart
    int64_t groups, group_in, group_out;  // channels of one group
    int64_t kernel[3], step[3], dilation[3], before[3];

    bool weight_tiles;       // pointwise, im2col: weights are packed as tiles of channels rather than as panels
    const int64_t* offsets;  // direct: where product k lies, relative to a pixel's first tap
                             // depthwise: where the columns of the kernel begin, over slices, channels and width
    int64_t column_step;     // direct: between the products of one column of the kernel, 1 or the kernel's width
    int64_t column_blocks;   // direct, depthwise: pixel_blocks are blocks of rows times this many blocks of columns
    int64_t column_unit;     // depthwise: which are multiples of so many

    int64_t tile_rows, tile_columns, strips;  // Winograd: tiles of one phase of an image; see winograd_tiles.hpp
    bool whole_rows;                          // blocks of tiles consist of whole rows
    const T* direct_weights;                  // and what its guard needs: weights for the direct kernel,
    T safe;                                   // the largest input that overflows nowhere,
    StageTimes* stages;                       // of the thread, or null
    const WeightSource<T>* unpacked;          // weights that a task packs a panel at a time, or null if all are packed,
    T* panel_weights;                         // and where: some channels of Winograd's, then all of direct's

    int64_t panels;  // of packed weights in a group where channels are in lanes; see panel_of() in grid.hpp

    // A task is one cell of a grid: group, block of output channels, image, block of pixels (or tiles, or rows).
    int64_t channel_blocks, channel_block;  // how many; channels of a panel, but for the last
    int64_t pixel_blocks, pixel_block;      // how many in one image, and at most so many pixels (tiles, rows) in each

    int64_t reduction;        // products in one sum: kernel extent times channels of a group
    int64_t reduction_block;  // im2col: how many of them a panel of patches holds at a time
};

// Elements of an array that is filtered; a filter computes in float, double or int64_t and converts on the way.
enum class ElementType { f32, f64, i8, i16, i32, i64, u8, u16, u32, u64 };
constexpr int element_types = 10;

enum class FilterOp { weighted, minimum, maximum, mean };  // of the taps of a window

// The taps of one stage of a filter: a plane of kernel after the other, each `height` rows of `width` pixels.
template <class T>
struct FilterStage {
    int64_t planes, height, width;
    const T* weights;  // [plane][column][row]; of minimum and maximum, which taps count. Null: a box.
};

// One pass of a filter over an array of planes, rows, pixels and channels; a pixel is so many neighbouring elements that
// are filtered alike. The second stage, if there is one, runs along the rows of what a first stage of one column made.
template <class T>
struct FilterArgs {
    const void* x;
    void* y;
    int64_t from_bytes, to_bytes;  // of an element of x and of y
    int64_t planes, rows, pixels;  // of y
    int64_t rows_in, pixels_in;    // of x
    int64_t channels;
    // Which plane, row and pixel of x a tap of the first one of y reads, the next one of y begins a place later (planes:
    // as many places later as there are planes of taps); -1 reads the constant.
    const int64_t *plane_of, *row_of, *pixel_of;
    int64_t before;  // pixel_of[before + i] is i, inside x
    FilterOp op;
    FilterStage<T> first, second;
    bool two_stages;
    T outside;
    void (*load)(const void* from, int64_t count, T* to);
    void (*store)(const T* from, int64_t count, void* to);
    bool stored_as_is;     // y has elements of type T
    bool in_place;         // so has x, and no more lies outside it on either side than the taps reach
    int64_t row_blocks;    // of a plane
    int64_t strips;        // of a row
    int64_t strip_pixels;  // of the widest
};

// y[r, o] = f(bias[o] + sum_k x[r, k] * w[o, k]) for contiguous matrices.
template <class T>
struct LinearArgs {
    const T* x;
    const T* weights;
    T* y;
    Epilogue<T> epilogue;
    int64_t rows, in, out;
    int64_t row_blocks, row_block;  // rows of x in a task; its outputs are one vector
};

// y[i] = f(x[i]) for contiguous arrays.
template <class T>
struct MapArgs {
    const T* x;
    T* y;
    Epilogue<T> f;
};

// Softmax over the middle axis of a contiguous (outer, length, inner) array.
template <class T>
struct SoftmaxArgs {
    const T* x;
    T* y;
    int64_t length, inner;
};

// The order in which an algorithm adds the products of a sum: that of channel c and tap (d, h, w) is number
// c * channel + d * tap[0] + h * tap[1] + w * tap[2].
struct ProductOrder {
    int64_t channel, tap[3];
    bool operator==(const ProductOrder&) const = default;
};

// The caller's weights: that of output channel o and input channel c of group g, and tap (d, h, w), is element
// origin + g * group + o * out + c * in + d * tap[0] + h * tap[1] + w * tap[2]. The products of an output channel lie
// offset[k] behind its first element, in ascending order, and have these numbers in the order in which the kernel adds them.
template <class T>
struct WeightSource {
    const T* data;
    int64_t origin, group, out, in, tap[3];
    const int64_t *offset, *number;
    ProductOrder order;
};

// How the dense kernels' weights are packed: a group at a time, or by each task for itself.
template <class T>
struct PackKernel {
    int64_t (*size)(const ConvArgs<T>&);  // in elements
    void (*group)(const ConvArgs<T>&, const WeightSource<T>&, int64_t group, T* to);
    void (*unpack)(const ConvArgs<T>&, const WeightSource<T>&, int64_t group, const T* packed, T* to);
    int64_t (*task_size)(const ConvArgs<T>&);
    // Points the arguments at `to`; `held` is the block packed there, -1 for none.
    void (*task)(ConvArgs<T>&, const WeightSource<T>&, int64_t task, T* to, int64_t& held);
};

// A kernel does one task of a plan, in a workspace of its own whose size in bytes depends on the arguments alone.
template <class T>
struct ConvKernel {
    void (*run)(const ConvArgs<T>&, int64_t task, void* workspace);
    int64_t (*workspace)(const ConvArgs<T>&);
};
template <class T>
struct WinogradKernel {
    ConvKernel<T> kernel;
    // Packs one panel of a group, for direct and for Winograd's algorithm; all weights begin at `dense` and `to`.
    void (*pack)(const ConvArgs<T>&, const WeightSource<T>&, int64_t group, int64_t panel, T* dense, T* to);
    int64_t (*panel_weights)(const ConvArgs<T>&);  // elements of what ConvArgs calls that
};

template <class T>
struct FilterKernel {
    void (*run)(const FilterArgs<T>&, int64_t task, void* workspace);
    int64_t (*workspace)(const FilterArgs<T>&);
    void (*run_box)(const FilterArgs<T>&, int64_t task, void* workspace);
    int64_t (*box_workspace)(const FilterArgs<T>&);
    void (*load[element_types])(const void* from, int64_t count, T* to);
    void (*store[element_types])(const T* from, int64_t count, void* to);
};

template <class T>
struct DepthwiseKernels {
    int rows;  // of a tile of neighbours that share what they read
    ConvKernel<T> kernel;
    int64_t (*panels)(const ConvArgs<T>&);
    void (*pack)(const ConvArgs<T>&, const WeightSource<T>&, T* to);
};
struct DepthwiseTable {
    DepthwiseKernels<float> f32;
    DepthwiseKernels<double> f64;
};

constexpr int64_t load_granule = 8;  // vectors that a bare pass through memory takes at a time

// What one instruction set offers for one element type.
template <class T>
struct Kernels {
    int lanes, tile_vectors, tile_rows;
    int tile_sums;         // elements of the buffer in which a tile's sums wait
    int rows[4];           // of a tile so many vectors wide
    int winograd_vectors;  // of tiles at once, with tiles in lanes

    ConvKernel<T> direct, im2col, pointwise;
    WinogradKernel<T> winograd2, winograd4, winograd5;  // F(2x2, 3x3), F(4x4, 3x3), F(5x5, 2x2)
    PackKernel<T> pack;
    T (*largest)(const T*, int64_t count);  // magnitude; NaN if there is one
    void (*linear)(const LinearArgs<T>&, int64_t task);
    void (*map)(const MapArgs<T>&, int64_t begin, int64_t end);
    void (*softmax)(const SoftmaxArgs<T>&, int64_t outer);

    // Runs a chain of multiply-adds that no memory or dependency slows down; returns how many operations it did.
    int64_t (*peak)(int64_t rounds, T* sink);

    // Pass through memory; `count` is a multiple of load_granule vectors.
    T (*load_all)(const T* x, int64_t count);
    void (*copy_all)(const T* x, T* y, int64_t count);
};

// The gradient of a convolution with respect to its weights, see weight_gradient.hpp.
template <class T>
struct WeightGradientArgs {
    const T* x;
    const T* dy;
    T* dw;
    TensorShape in, out;
    bool channels_first;
    int64_t batch, groups, group_in, group_out;  // channels of one group
    int64_t kernel[3], step[3], dilation[3], before[3];

    bool joined_columns;  // the columns of the kernel are more rows of a tile, as if they were channels
    bool depthwise;       // channels meet but themselves: one group here, of all of them
    // A task is one cell of a grid: group, block of output channels, of input channels, part of the rows of the output.
    int64_t out_blocks, in_blocks, parts;
    int64_t block_rows, rows_at_once, column_parts;  // of the output: rows copied, rows multiplied at a time; parts of a row
    int64_t column_splits;                           // parts of the sum that share a row
    int64_t most_slabs;                              // images and slices that a block of rows reaches into
    int64_t sums;                                    // elements of the sums of a block of channels, one part of them

    bool winograd;          // by weight_gradient_winograd.hpp: parts are of the rows of tiles, column_parts strips of tiles,
    int64_t tiles_at_once;  // which wait to be multiplied
};

// Adds up the products of a task; `sums` is what all tasks of a block of channels have, one part after another.
template <class T>
struct WeightGradientKernel {
    void (*run)(const WeightGradientArgs<T>&, int64_t task, T* sums, void* workspace);
    int64_t (*workspace)(const WeightGradientArgs<T>&);
};

template <class T>
struct GradientKernels {
    // A row of pixels, `channels` values each, taken in turn from `phases` sources, in which they are `pixel` apart; null
    // stands for `empty`.
    void (*interleave)(const T* const* from, const T* empty, int64_t phases, int64_t pixel, int64_t pixels, int64_t channels,
                       T* to);
    WeightGradientKernel<T> weights, winograd_weights;
    void (*weights_finish)(const WeightGradientArgs<T>&, int64_t block, const T* sums);
    // sums[c] over all else of a contiguous (outer, channels, inner), for the channels begin <= c < end
    void (*channel_sums)(const T* x, int64_t outer, int64_t channels, int64_t inner, int64_t begin, int64_t end, T* sums);
};
struct GradientTable {
    GradientKernels<float> f32;
    GradientKernels<double> f64;
};

struct FilterTable {
    FilterKernel<float> f32;
    FilterKernel<double> f64;
    FilterKernel<int64_t> i64;
};

struct WindowTable;               // window_args.hpp
struct ElementwiseGradientTable;  // elementwise_gradient_args.hpp

struct KernelTable {
    const char* name;
    Kernels<float> f32;
    Kernels<double> f64;
    const DepthwiseTable* depthwise;
    const FilterTable* filters;
    const GradientTable* gradients;
    const WindowTable* windows;
    const ElementwiseGradientTable* elementwise_gradients;
};

}  // namespace fastconv
