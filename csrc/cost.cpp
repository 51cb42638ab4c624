#include "cost.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "phases.hpp"

namespace fastconv {
namespace {

// A processor that starts two vector multiply-adds and two loads a cycle, waits four cycles for a sum, and gets a vector
// from the second-level cache every four, as x86-64 and large Arm cores of the last ten years do. The rest was fitted on an
// AMD EPYC (Zen 5, 2026-11): only differences between the algorithms matter, not the microseconds themselves.
constexpr double cycles_per_microsecond = 3.8e3;
constexpr double weights_load = 4, input_load = 1;
constexpr double tile_start = 40;              // cycles before and after the sums of a tile
constexpr double near_pixels = 2e6;            // bytes of input, or of output, that the second-level cache keeps
constexpr double far_line = 16;                // to read a line of others, a run of pixels of one of many channels,
constexpr double far_stored_line = 40;         // and to write one by transposed vectors
constexpr double transpose_vector = 5;         // to store a vector of channels as a column of pixels
constexpr double masked_run = 12;              // to begin a run of products with lanes or pixels outside the input
constexpr double masked_load = 1.1;            // share of a tile's time that lanes outside the input cost
constexpr double strided_load = 1.25;          // that every other column costs, and
constexpr double strided_pixels = 1.15;        // that pixels apart do where channels are in lanes and first in memory
constexpr double element_gathered = 0.6;       // cycles to copy an element of a patch
constexpr double run_gathered = 10;            // to begin with a run of them
constexpr double tile_gathered = 150;          // and with a tile
constexpr double pixel_drawn = 1.2;            // to copy a pixel to where its phase is sorted, or a border drawn
constexpr double most_sorted = 32e6;           // bytes of an image: larger ones leave the caches before they are read
constexpr double winograd_position = 7;        // to transform a vector of one position of a tile, in and out
constexpr double winograd_lane_input = 9;      // tiles in lanes: to transform a vector of one position on the way in,
constexpr double winograd_lane_product = 0.7;  // to multiply it,
constexpr double winograd_lane_output = 100;   // and to transform the sums of all back and store them;
constexpr double winograd_lane_single = 1.25;  // share of that where a row of tiles is one vector
constexpr double winograd_lane_far = 100;      // to store them where the output leaves the caches,
constexpr double near_output = 16e6;           // which keep so many bytes of it
constexpr double winograd_start = 3000;        // to list the tiles of a call
constexpr double near_weights = 24e6;          // bytes of weights that a cache keeps between calls
constexpr double near_load = 4, far_load = 7;  // of a vector of such weights, which are read in one run, and of others
constexpr double winograd_byte_packed = 0.12;  // of transformed weights, by a plain function,
constexpr double winograd_byte_read = 0.3;     // and of those they are made from
constexpr double stencil_load = 1;             // of a vector of pixels, which mostly lies in two cache lines
constexpr double stencil_strided_load = 4;     // of every other pixel
constexpr double lane_load = 0.6;              // of a vector of channels
constexpr double spread_load = 1.6;            // and to take it to the lanes of its group
constexpr double stencil_start = 40;           // cycles before and after the sums of a tile
constexpr double stencil_column = 4;           // and of a column of the kernel
constexpr double box_vector = 6.5;             // to transpose a vector of channels on its way in or out

// Input channels with tiles in lanes: with more, the transformed input of some vectors of tiles leaves the first cache.
constexpr double most_lane_channels = 8;

constexpr double half_converted = 1.2;  // of an element, on its way in or out
constexpr double matrix_words = 16;     // which a matrix product takes at a time,
constexpr double matrix_step = 1.5;     // for each pixel and vector of channels,
constexpr double matrix_start = 20;     // and to begin with their sum and to store it
constexpr double word_gathered = 0.5;   // of two of them, to where products are of words

double ceiling(double n, double unit) { return std::max(1.0, std::ceil(n / unit)); }

// What the kernels of one instruction set and element type look like.
struct TileShape {
    double lanes;
    const int* rows;  // of a tile so many vectors wide
    int vectors;      // of the usual tile
    double stencil_rows;
};

// A product of `rows` rows of scalars and `columns` columns of vectors, `products` deep, as balanced tiles: see tile.hpp.
// `finish` is what it costs to store one vector of sums, `load` to fetch a vector of columns where rows are too few to hide
// it: from the second-level cache (weights), or from the first (the input).
double tiles(const TileShape& s, double rows, double columns, double products, double finish, double load = weights_load) {
    const double all = ceiling(columns, s.lanes);
    const auto panel = [&](double vectors) {
        const double count = ceiling(rows, s.rows[int(vectors)]), height = rows / count;
        const double each = std::max({height * vectors / 2, (height + vectors) / 2, load * vectors, 4.0});
        return count * (products * each + height * vectors * finish + tile_start);
    };
    if (all <= s.vectors + 1) return panel(all);
    const double last = std::fmod(all, s.vectors) == 0 ? s.vectors : s.vectors + 1;
    return (all - last) / s.vectors * panel(s.vectors) + panel(last);
}

// Share of an axis's taps that are inside the input, on average.
double inside(const Problem& p, size_t axis) {
    if (p.before[axis] == 0 && p.after[axis] == 0) return 1;
    double taps = 0;
    for (int64_t k = 0; k < p.kernel[axis]; ++k) {
        const int64_t from = k * p.dilation[axis] - p.before[axis];  // of the first output; the last lies before the end
        const int64_t first = from < 0 ? (-from + p.stride[axis] - 1) / p.stride[axis] : 0;
        const int64_t end = p.input[axis] > from ? (p.input[axis] - from + p.stride[axis] - 1) / p.stride[axis] : 0;
        taps += double(std::max<int64_t>(std::min(end, p.output[axis]) - first, 0));
    }
    return taps / double(std::max<int64_t>(p.kernel[axis] * p.output[axis], 1));
}

double group_in(const Problem& p) { return double(p.ic / p.groups); }
double group_out(const Problem& p) { return double(p.oc / p.groups); }
double images(const Problem& p) { return double(p.n) * double(p.groups); }
double pixels(const Problem& p) { return double(p.output_pixels()); }
double products(const Problem& p) { return group_in(p) * double(p.taps()); }
bool channels_first(const Problem& p) { return p.layout == Layout::channels_first; }

// Channels first, but in lanes: each panel of output channels reads all of the input, and lines are written in pieces.
double far_lines(const Problem& p, const TileShape& s) {
    if (!channels_first(p)) return 0;
    const auto far = [&](double channels, int64_t pixels) {
        const double bytes = double(p.n) * channels * double(pixels) * double(p.computed_size());
        return bytes > near_pixels ? bytes / 64 : 0;
    };
    return far(double(p.ic), p.input_pixels()) * far_line * ceiling(group_out(p), s.vectors * s.lanes) +
           far(double(p.oc), p.output_pixels()) * far_stored_line;
}

double direct_channel_lanes(const Problem& p, const TileShape& s) {
    const double rows = double(p.output[0] * p.output[1]), sum = products(p) * inside(p, 0) * inside(p, 1) * inside(p, 2);
    const double runs = p.padded() ? 2 * double(p.kernel[0] * p.kernel[2]) * masked_run : 0;  // the tiles at both ends
    const double slower = channels_first(p) && p.stride[2] > 1 ? strided_pixels : 1;
    return images(p) * rows *
               (tiles(s, double(p.output[2]), group_out(p), sum * slower, channels_first(p) ? transpose_vector : 1) +
                runs * ceiling(group_out(p), s.vectors * s.lanes)) +
           far_lines(p, s);
}

// Two products at a time, of an input whose padding is in memory.
double dot(const Problem& p, const TileShape& s, const KernelTable& isa) {
    const double rows = double(p.output[0] * p.output[1]), words = ceiling(group_in(p), 2);
    // Channels first, words are gathered by vectors of them.
    const double gathered = channels_first(p) ? s.lanes * ceiling(words, s.lanes) : words;
    const double gather = images(p) * gathered * double(p.input_pixels()) * word_gathered;
    const double finish = channels_first(p) ? transpose_vector : 1;
    if (dot_kernels<float>(isa)->matrix) {
        const double runs = double(p.kernel[0] * p.kernel[1]) * (p.dilation[2] == 1 ? 1 : double(p.kernel[2]));
        const double steps = runs * ceiling(words * double(p.taps()) / runs, matrix_words);
        const double vectors = images(p) * pixels(p) * ceiling(group_out(p), s.lanes);
        return gather + vectors * (steps * matrix_step + matrix_start + finish);
    }
    return gather + images(p) * rows * tiles(s, double(p.output[2]), group_out(p), words * double(p.taps()), finish);
}

double direct_pixel_lanes(const Problem& p, const TileShape& s) {
    const double rows = double(p.output[0] * p.output[1]), sum = products(p) * inside(p, 0) * inside(p, 1);
    const double runs = p.padded() ? 2 * double(p.kernel[0] * p.kernel[2]) * masked_run : 0;
    const double width = double(p.output[2]), wide = s.vectors * s.lanes;
    const double masked = p.padded() || std::fmod(width, wide) != 0 ? std::min(1.0, 2 * wide / width) : 0;
    const double slower = (1 + (masked_load - 1) * masked) * (p.stride[2] == 2 ? strided_load : 1);
    const double channels = group_out(p);
    // Few channels: tiles of four vectors, which wait for their sums.
    const double all =
        channels * 3 <= s.rows[3] * 2
            ? ceiling(width, 4 * s.lanes) * (sum * slower * std::max(channels * 2, 4.0) + channels * 4 + tile_start)
            : tiles(s, channels, width, sum * slower, 1, input_load);
    return images(p) * rows * (all + runs * ceiling(channels, s.rows[s.vectors]));
}

// What direct would do too, and by a hair faster.
double pointwise_channel_lanes(const Problem& p, const TileShape& s) {
    return images(p) * tiles(s, pixels(p), group_out(p), products(p), channels_first(p) ? transpose_vector : 1) +
           far_lines(p, s);
}

double pointwise_pixel_lanes(const Problem& p, const TileShape& s) {
    return images(p) * tiles(s, group_out(p), pixels(p), products(p), 1, input_load);
}

double im2col(const Problem& p, const TileShape& s) {
    // Patches are copied in runs of neighbouring pixels (or channels), which end with a row, a tile, or a patch.
    const double all = double(p.n) * pixels(p), wide = s.vectors * s.lanes;
    const double runs = channels_first(p)
                            ? (all / double(std::max<int64_t>(p.output[2], 1)) + ceiling(all, wide)) * products(p)
                            : all * double(p.taps());
    const double gather = all * products(p) * element_gathered + runs * run_gathered + ceiling(all, wide) * tile_gathered;
    const double multiply = channels_first(p) ? tiles(s, group_out(p), all, products(p), 2, input_load)
                                              : tiles(s, all, group_out(p), products(p), 1);
    return double(p.groups) * (multiply + gather);
}

// Tiles along an axis: all, and those of them that are not at the edge (winograd_transform.hpp).
struct AxisTiles {
    double all = 0, whole = 0;
};
AxisTiles axis_tiles(const Problem& p, size_t axis, const WinogradSize& w) {
    const int64_t outputs = p.output[axis] / p.dilation[axis], longer = p.output[axis] % p.dilation[axis];
    AxisTiles t;
    const auto add = [&](int64_t phases, int64_t of_phase) {
        t.all += double(phases) * double((of_phase + w.outputs - 1) / w.outputs);
        t.whole += double(phases) * double(of_phase / w.outputs + (of_phase % w.outputs > w.edge_outputs));
    };
    add(longer, outputs + 1);
    add(p.dilation[axis] - longer, outputs);
    return t;
}

double weight_bytes(const Problem& p, int64_t each) {  // of so many numbers for a pair of channels
    return double(p.oc) * group_in(p) * double(each * p.computed_size());
}

double winograd(const Problem& p, const TileShape& s, const WinogradSize& size, bool prepared) {
    const AxisTiles h = axis_tiles(p, 1, size), w = axis_tiles(p, 2, size);
    const double images = double(p.n), every = double(size.points), edge = double(size.edge_points), inner = every - edge;
    const double load = prepared && weight_bytes(p, size.points * size.points) > near_weights ? far_load : near_load;
    // The sums of each position begin anew every 64 channels.
    const double finish = std::max(1.0, group_in(p) / 64);
    const auto multiply = [&](double count) {  // by one position
        return count > 0 ? tiles(s, images * count, group_out(p), group_in(p), finish, load) : 0;
    };
    const double products = inner * inner * multiply(h.whole * w.whole) +
                            inner * edge * (multiply(h.whole * w.all) + multiply(h.all * w.whole)) +
                            edge * edge * multiply(h.all * w.all);
    const double vectors = ceiling(group_in(p), s.lanes) + ceiling(group_out(p), s.lanes);
    const double transforms = images * h.all * w.all * every * every * vectors * winograd_position;
    return double(p.groups) * (products + transforms) + winograd_start;
}

// Tiles in lanes: see winograd_pixel_lanes.hpp.
double winograd_pixel_lanes(const Problem& p, const TileShape& s) {
    const WinogradSize size = winograd_size(p, AlgorithmId::winograd4);
    const double rows = axis_tiles(p, 1, size).all, vectors = ceiling(axis_tiles(p, 2, size).all, s.lanes), positions = 36;
    const double far =
        images(p) * group_out(p) * pixels(p) * double(p.computed_size()) > near_output ? winograd_lane_far : 0;
    const double output = (positions * group_in(p) * winograd_lane_product + winograd_lane_output) *
                              (vectors == 1 ? winograd_lane_single : 1) +
                          far;
    const double input = positions * group_in(p) * winograd_lane_input;
    return images(p) * rows * vectors * (input + group_out(p) * output) + winograd_start;
}

// A tile of `rows` neighbours, which lie `shared` lines apart, times vectors, of `outputs` channels: see stencil.hpp.
// `inside` is the share of a column's taps that are inside the input.
double stencil(double rows, double vectors, double height, double shared, double columns, double load, double inside,
               double outputs = 1) {
    const double lines = height > shared ? shared * (rows - 1) + height : rows * height;
    const double each = std::max({outputs * rows * vectors * height / 2, lines * vectors * load, 4 * height}) * inside;
    return columns * (each + stencil_column) + outputs * rows * vectors + stencil_start;
}

// Rows (or pixels) come in tiles of s.stencil_rows where they share what they read, else alone.
double stencil_rows(const Problem& p, const TileShape& s, size_t axis) {
    const bool share = p.kernel[axis] <= p.stride[2] || p.stride[2] * p.dilation[axis] % p.stride[axis] == 0;
    return share ? std::min(double(p.output[axis]), s.stencil_rows) : 1;
}

double depthwise_pixel_lanes(const Problem& p, const TileShape& s) {
    const double outputs = group_out(p) >= 4 ? 4 : group_out(p) >= 2 ? 2 : 1;
    const double rows = std::max(1.0, std::min(stencil_rows(p, s, 1), s.stencil_rows / outputs));
    const double vectors = ceiling(double(p.output[2]), s.lanes);
    const double wide = std::min(vectors, rows * outputs == 1 ? 4.0 : 2.0);
    const double columns = group_in(p) * double(p.kernel[2]) * double(p.kernel[0]) * inside(p, 0);
    const double slices = double(p.n * p.oc) * double(p.output[0]);
    return slices / outputs * double(p.output[1]) / rows * vectors / wide *
           stencil(rows, wide, double(p.kernel[1]), double(p.stride[2]), columns,
                   p.stride[2] > 1 ? stencil_strided_load : stencil_load, inside(p, 1), outputs);
}

double depthwise_channel_lanes(const Problem& p, const TileShape& s) {
    const double together = std::max(1.0, std::floor(s.lanes / std::max(group_in(p), group_out(p))));
    const double panels = double(p.n) * ceiling(double(p.groups), together) * ceiling(group_out(p), s.lanes);
    const double width = double(p.output[2]), pixels = std::min(width, s.stencil_rows);
    const double shared = double(p.stride[2]) / double(std::gcd(p.stride[2], p.dilation[2]));
    const double columns = group_in(p) * double(p.kernel[0] * p.kernel[1]) * inside(p, 0) * inside(p, 1);
    const double lines = double(p.output[0] * p.output[1]);
    const double load = group_in(p) > 1 ? spread_load : lane_load;
    const double tile = stencil(pixels, 1, double(p.kernel[2]), shared, columns, load, inside(p, 2));
    const double moved = channels_first(p) ? double(p.input[0] * p.input[1] * p.input[2]) + lines * width : 0;
    return panels * (lines * width / pixels * tile + moved * box_vector);
}

template <class T>
TileShape shape_of(const KernelTable& isa) {
    const Kernels<T>& k = kernels_of<T>(isa);
    return {double(k.lanes), k.rows, k.tile_vectors, double(kernels_of<T>(*isa.depthwise).rows)};
}
TileShape shape_of(const Problem& p, const KernelTable& isa) {
    return computed_in(p.dtype) == DType::f32 ? shape_of<float>(isa) : shape_of<double>(isa);
}

double cycles(const Problem& p, AlgorithmId id, const KernelTable& isa, bool prepared) {
    const TileShape s = shape_of(p, isa);
    const bool pixel_lanes = pixels_in_lanes(p, id, isa);
    switch (id) {
        case AlgorithmId::direct: return pixel_lanes ? direct_pixel_lanes(p, s) : direct_channel_lanes(p, s);
        case AlgorithmId::pointwise: return pixel_lanes ? pointwise_pixel_lanes(p, s) : 1.01 * pointwise_channel_lanes(p, s);
        case AlgorithmId::im2col: return im2col(p, s);
        case AlgorithmId::winograd2: return winograd(p, s, winograd_size(p, id), prepared);
        case AlgorithmId::winograd4:
            return pixel_lanes ? winograd_pixel_lanes(p, s) : winograd(p, s, winograd_size(p, id), prepared);
        case AlgorithmId::depthwise: return pixel_lanes ? depthwise_pixel_lanes(p, s) : depthwise_channel_lanes(p, s);
        case AlgorithmId::dot: return dot(p, s, isa);
        case AlgorithmId::pool: return p.operations();
    }
    return 0;
}

// Elements of an image with its phases sorted.
double sorted_elements(const Problem& p) {
    double elements = double(p.ic);
    for (size_t i = 0; i < 3; ++i) elements *= double(Phases(p, i).size());
    return elements;
}

// What it takes to draw the images of the problem that is computed instead.
double drawing(const Problem& asked, const Problem& computed) {
    if (asked.padded() == computed.padded() && asked.stride == computed.stride) return 0;
    const bool sorted = are_phases_sorted(asked, computed);
    return double(computed.n) * pixel_drawn *
           (sorted ? sorted_elements(asked) : double(computed.ic) * double(computed.input_pixels()));
}

}  // namespace

Problem as_computed(const Problem& asked, AlgorithmId id, const KernelTable& isa, bool finite) {
    const Problem bordered = with_border_drawn(asked);
    const bool sortable = asked.op == Op::conv && channels_first(asked) && (asked.padded() || asked.stride != Axes{1, 1, 1});
    if (!sortable || (!finite && bordered.padded())) return bordered;
    if (sorted_elements(asked) * double(asked.computed_size()) > most_sorted) return bordered;
    if (id == AlgorithmId::pointwise) return asked.taps() == 1 ? with_phases_sorted(asked) : bordered;
    if (id != AlgorithmId::direct) return bordered;
    // Decided for one image, so that it has the same bits in any batch, and as if a border were there already, so that it
    // has the bits of that. Where channels are in lanes, pixels are taken one by one, whether they are apart or not.
    Problem sorted = with_phases_sorted(asked), plain = bordered;
    sorted.n = plain.n = 1;
    const bool worth_it = pixels_in_lanes(sorted, id, isa) &&
                          cycles(sorted, id, isa, true) + drawing(asked, sorted) < cycles(plain, id, isa, true);
    return worth_it ? with_phases_sorted(asked) : bordered;
}

double estimated_microseconds(const Problem& asked, const Problem& p, AlgorithmId id, const KernelTable& isa,
                              bool prepared) {
    double all = cycles(p, id, isa, prepared) + drawing(asked, p);
    if (is_half(asked.dtype) && id != AlgorithmId::dot)
        all += half_converted * double(asked.n) * double(asked.ic * asked.input_pixels() + asked.oc * asked.output_pixels());
    // The other kernels' weights are packed while they compute, for next to nothing.
    if (!prepared && is_winograd(id)) {
        const int64_t points = winograd_size(p, id).points;
        all += weight_bytes(p, points * points) * winograd_byte_packed + weight_bytes(p, p.taps()) * winograd_byte_read;
    }
    return all / cycles_per_microsecond;
}

WinogradSize winograd_size(const Problem& p, AlgorithmId id) {
    const int64_t taps = p.kernel[2], points = id == AlgorithmId::winograd2 ? 4 : 6, edge_points = points / 2 + 1;
    return {points - taps + 1, taps, points, edge_points - taps + 1, edge_points};
}

double winograd_positions(const Problem& p, AlgorithmId id, bool edges) {
    const WinogradSize size = winograd_size(p, id);
    const auto along = [&](size_t axis) {
        const AxisTiles t = axis_tiles(p, axis, size);
        return t.whole * double(size.points) + (t.all - t.whole) * double(edges ? size.edge_points : size.points);
    };
    return double(p.n) * along(1) * along(2);
}

bool pixels_in_lanes(const Problem& p, AlgorithmId id, const KernelTable& isa) {
    if (!channels_first(p)) return false;
    const TileShape s = shape_of(p, isa);
    switch (id) {
        case AlgorithmId::im2col: return true;
        case AlgorithmId::pointwise: return pointwise_pixel_lanes(p, s) < pointwise_channel_lanes(p, s);
        case AlgorithmId::direct: return p.stride[2] <= 2 && direct_pixel_lanes(p, s) < direct_channel_lanes(p, s);
        case AlgorithmId::winograd4: {
            Problem image = p;  // decided for one, so that it has the same bits in any batch
            image.n = 1;
            return p.kernel[2] == 3 && p.dilation[2] == 1 && group_in(p) <= most_lane_channels &&
                   winograd_pixel_lanes(image, s) < winograd(image, s, winograd_size(image, id), true);
        }
        case AlgorithmId::depthwise: return p.stride[2] <= 2 && depthwise_pixel_lanes(p, s) < depthwise_channel_lanes(p, s);
        default: return false;
    }
}

}  // namespace fastconv
