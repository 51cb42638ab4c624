// The gradient with respect to the weights of a 3x3 convolution of stride 1 by Winograd's F(3x3, 4x4): a tile of 4 x 4
// gradients is the kernel with which a tile of 6 x 6 inputs is convolved, and the sums over tiles are formed before they are
// transformed back (A. Lavin and S. Gray, 2016, section 4.1; transforms: winograd_transform.hpp).
//
//     dw[o, c] = A^T [ sum over tiles of  (G dy G^T) .* (B^T x B) ] A
//
// 36 products take the place of 144. For each position they are a matrix product over tiles: rows are input channels, lanes
// are output channels, as in weight_gradient.hpp, whose blocks of channels and parts these are.
//
// A tile whose pixels differ too much for this algorithm (winograd_guard.hpp says why) is left to weight_gradient.hpp. With
// |x| and |dy| the largest magnitudes of a pixel over the channels of a block, a tile passes if no intermediate sum can
// overflow, none is about to underflow, and for each tap
//     largest |x| * largest |dy| <= contrast * sum over the tile of |x| |dy|, without its largest product.
//
// Loops: task -> strip of columns -> row of tiles { new lines of x, lines of dy -> tiles }; after so many tiles:
// panel of output channels -> position -> tile of input channels.
//
// Workspace: M [panel][position][input channel][output channel], transformed tiles V and U [position][tile][channel], lines
// of x (a ring) and dy as [pixel][channel], with zeros beyond the image, and their magnitudes.
#pragma once

#include "weight_gradient.hpp"
#include "winograd_guard.hpp"
#include "winograd_transform.hpp"

namespace fastconv {
namespace {

using GradientTransform = Winograd<3, 4>;

template <class T>
struct GradientWinogradBuffers {
    static constexpr int side = GradientTransform::taps, points = GradientTransform::points, positions = points * points;
    static constexpr int ring = 8;  // lines of x: a row of tiles reads six, and shares two with the next
    int64_t channels, width;        // of a block, input and output, whole vectors
    int64_t strip, x_pixels, dy_pixels;
    int64_t v_position, u_position, x_line, dy_line, magnitude_line;  // in elements
    int64_t m, v, u, x, dy, x_magnitudes, dy_magnitudes, slab, total;

    explicit GradientWinogradBuffers(const WeightGradientArgs<T>& a) {
        constexpr int64_t L = lanes<T>, unit = 64 / sizeof(T);
        const auto whole = [](int64_t n) { return parts_of(n, L) * L; };
        const auto odd = [](int64_t n) { return (parts_of(n, unit) | 1) * unit; };  // or positions would compete for a set
        channels = whole(part_begin(a.group_in, a.in_blocks, 1));
        width = block_of(a.group_out, tile_vectors * L, a.out_blocks, 0).count() + L;
        strip = parts_of(parts_of(a.out.size[2], side), a.column_parts);
        dy_pixels = strip * side;
        x_pixels = dy_pixels + 2;
        v_position = odd(a.tiles_at_once * channels);
        u_position = odd(a.tiles_at_once * width);
        x_line = x_pixels * channels;
        dy_line = dy_pixels * width;
        magnitude_line = whole(x_pixels) + L;
        total = 0;
        const auto place = [&](int64_t elements) {
            const int64_t begin = total;
            total += parts_of(elements, unit) * unit;
            return begin;
        };
        m = place(positions * channels * width);
        v = place(positions * v_position);
        u = place(positions * u_position);
        x = place(ring * x_line);
        dy = place(side * dy_line);
        x_magnitudes = place(ring * magnitude_line);
        dy_magnitudes = place(side * magnitude_line);
        slab = place(side * side * width + points * points * channels + L);
    }
};

// What a task works with.
template <class T>
struct GradientWinograd {
    using Buffers = GradientWinogradBuffers<T>;
    static constexpr int side = Buffers::side, points = Buffers::points, positions = Buffers::positions;
    const WeightGradientArgs<T>& a;
    const WeightGradientCell<T> at;
    const Buffers buffers;
    T* const memory;
    T* const sums;
    const int64_t channels, width;  // of this block, whole vectors
    const T limit;                  // of the product of two magnitudes: no sum overflows
    int64_t tiles = 0;              // that wait to be multiplied
    bool first = true;              // M is empty

    GradientWinograd(const WeightGradientArgs<T>& args, int64_t task, T* sums, T* workspace)
        : a(args),
          at(args, task),
          buffers(args),
          memory(workspace),
          sums(sums),
          channels(parts_of(at.in.count(), lanes<T>) * lanes<T>),
          width(at.width()),
          limit(std::numeric_limits<T>::max() / T(2 * 793) / T(a.batch * a.out.size[1] * a.out.size[2])) {}

    T* x_line(int64_t row) const { return memory + buffers.x + (row + Buffers::ring) % Buffers::ring * buffers.x_line; }
    T* dy_line(int64_t i) const { return memory + buffers.dy + i * buffers.dy_line; }
    Bits<T>* x_magnitudes(int64_t row) const {
        const int64_t line = (row + Buffers::ring) % Buffers::ring;
        return reinterpret_cast<Bits<T>*>(memory + buffers.x_magnitudes + line * buffers.magnitude_line);
    }
    Bits<T>* dy_magnitudes(int64_t i) const {
        return reinterpret_cast<Bits<T>*>(memory + buffers.dy_magnitudes + i * buffers.magnitude_line);
    }
};

// A row of pixels from column `left` on, `count` of them, channels in whole vectors, zeros where there is no image; and
// their magnitudes.
template <class T>
inline void load_gradient_line(const T* image, const TensorShape& shape, int64_t row, int64_t left, int64_t count,
                               int64_t channels, int64_t pitch, T* to, Bits<T>* magnitudes) {
    const bool exists = row >= 0 && row < shape.size[1];
    const Range valid = exists ? inside(left, 1, count, shape.size[2]) : Range{0, 0};
    zero_run(to, valid.begin * pitch);
    zero_run(to + valid.end * pitch, (count - valid.end) * pitch);
    for (int64_t i = 0; i < count; i += lanes<T>) store(magnitudes + i, BitsVec<T>{});
    if (!valid.count()) return;
    to += valid.begin * pitch;
    copy_pixels<T, true>(image + row * shape.stride[1] + (left + valid.begin) * shape.stride[2], shape.c_stride,
                         shape.stride[2], channels, valid.count(), to, pitch);
    magnitudes_channels_last(to, pitch, pitch, valid.count(), magnitudes + valid.begin);
}

// Whether this algorithm may compute the tile whose pixels begin at column `left` of the lines; see above.
template <class T>
inline bool gradient_tile_passes(const GradientWinograd<T>& g, int64_t row, int64_t left) {
    constexpr int side = GradientWinograd<T>::side, points = GradientWinograd<T>::points;
    constexpr T contrast = 2;
    T x[points][points], dy[side][side], most_x = 0, most_dy = 0, least_x = g.limit, least_dy = g.limit;
    bool finite = true;
    const auto take = [&](Bits<T> bits, T& value, T& most, T& least) {
        value = number<T>(bits);
        finite &= value <= g.limit;
        most = value > most ? value : most;
        least = value < least ? value : least;
    };
    for (int i = 0; i < points; ++i)
        for (int j = 0; j < points; ++j) take(g.x_magnitudes(row - 1 + i)[left + j], x[i][j], most_x, least_x);
    for (int i = 0; i < side; ++i)
        for (int j = 0; j < side; ++j) take(g.dy_magnitudes(i)[left + j], dy[i][j], most_dy, least_dy);
    const T most = most_x * most_dy;
    if (!finite || !(most <= g.limit)) return false;
    if (most_x == 0 || most_dy == 0) return true;
    if (most_x < least_safe<T> || most_dy < least_safe<T>) return false;
    if (most <= contrast * T(side * side - 1) * least_x * least_dy) return true;
    for (int kh = 0; kh < 3; ++kh)
        for (int kw = 0; kw < 3; ++kw) {
            T sum = 0, largest = 0;
            for (int i = 0; i < side; ++i)
                for (int j = 0; j < side; ++j) {
                    const T product = x[i + kh][j + kw] * dy[i][j];
                    sum += product;
                    largest = product > largest ? product : largest;
                }
            if (most > contrast * (sum - largest)) return false;
        }
    return true;
}

// V and U of a tile, the next of those that wait.
template <class T>
inline void transform_gradient_tile(GradientWinograd<T>& g, int64_t row, int64_t left) {
    constexpr int L = lanes<T>, side = GradientWinograd<T>::side, points = GradientWinograd<T>::points;
    const T* x[points];
    for (int i = 0; i < points; ++i) x[i] = g.x_line(row - 1 + i) + left * g.channels;
    T* v = g.memory + g.buffers.v + g.tiles * g.channels;
    for (int64_t c = 0; c < g.channels; c += L)
        winograd_input<T, GradientTransform, false, false>([&](int i, int j) { return load(x[i] + j * g.channels + c); },
                                                           v + c, g.buffers.v_position);
    const T* dy = g.dy_line(0) + left * g.width;
    T* u = g.memory + g.buffers.u + g.tiles * g.width;
    for (int64_t o = 0; o < g.width; o += L) {
        Vec<T> pixels[side * side];
#pragma GCC unroll 16
        for (int t = 0; t < side * side; ++t) pixels[t] = load(dy + t / side * g.buffers.dy_line + t % side * g.width + o);
        winograd_weights<T, GradientTransform>(pixels,
                                               [&](int p, Vec<T> value) { store(u + o + p * g.buffers.u_position, value); });
    }
    ++g.tiles;
}

// Adds the products of the tiles that wait.
template <class T>
inline void multiply_gradient_tiles(GradientWinograd<T>& g) {
    const int64_t rows = g.at.in.count();
    for (int64_t i = 0; g.tiles && i < g.at.panels(); ++i) {
        const int64_t out = g.at.panel(i).begin;
        with_constant<last_vectors>(int(g.at.vectors(i)), [&](auto vectors) {
            constexpr int most = rows_of(vectors.value);
            constexpr int64_t width = vectors.value * lanes<T>;
            const int64_t parts = parts_of(rows, most);
            for (int xi = 0; xi < GradientWinograd<T>::positions; ++xi)
                for (int64_t part = 0; part < parts; ++part) {
                    const int64_t row = part_begin(rows, parts, part);
                    T* c = g.memory + g.buffers.m + (out * g.positions + xi * width) * rows + row * width;
                    with_constant<most>(int(part_begin(rows, parts, part + 1) - row), [&](auto m) {
                        Tile<T, m.value, vectors.value> tile;
                        if (g.first)
                            tile.begin(Vec<T>{});
                        else
                            tile.load_from(c, width);
                        tile.add(PanelRows<T>{g.memory + g.buffers.v + xi * g.buffers.v_position + row, g.channels},
                                 Columns<T>{g.memory + g.buffers.u + xi * g.buffers.u_position + out, g.width}, g.tiles);
                        tile.store_to(c, width);
                    });
                }
        });
    }
    if (g.tiles) g.first = false;
    g.tiles = 0;
}

// Adds the products of a tile from the definition.
template <class T>
inline void add_gradient_tile(const GradientWinograd<T>& g, int64_t n, Range rows, Range columns) {
    Slab<T> slab(g.a, n, 0, rows, columns, 0);
    slab.dy = g.memory + g.buffers.slab;
    slab.x = slab.dy + slab.dy_size(g.width);
    slab.copy(g.a, g.at);
    weight_gradient_rows(g.a, g.at, &slab, 1, {0, rows.count()}, g.sums, false);
}

// Adds what M holds to the sums.
template <class T>
inline void finish_gradient_tiles(const GradientWinograd<T>& g) {
    const int64_t rows = g.at.in.count();
    for (int64_t i = 0; !g.first && i < g.at.panels(); ++i) {
        const int64_t out = g.at.panel(i).begin, width = g.at.panel(i).count();
        for (int64_t c = 0; c < rows; ++c)
            for (int64_t o = 0; o < width; o += lanes<T>) {
                T* to = g.sums + out * 9 * rows + c * width + o;
                const auto put = [&](int h, const Vec<T>* y) {
#pragma GCC unroll 3
                    for (int w = 0; w < 3; ++w) {
                        T* sum = to + (h * 3 + w) * rows * width;
                        store(sum, load(sum) + y[w]);
                    }
                };
                winograd_output<T, GradientTransform, false, false>(
                    g.memory + g.buffers.m + out * g.positions * rows + c * width + o, rows * width, put);
            }
    }
}

// The sums of one task: of a range of the rows of tiles of all images.
template <class T>
void weight_gradient_winograd(const WeightGradientArgs<T>& a, int64_t task, T* sums, void* workspace) {
    constexpr int side = GradientWinograd<T>::side, points = GradientWinograd<T>::points;
    GradientWinograd<T> g(a, task, sums, static_cast<T*>(workspace));
    zero_run(sums, g.width * 9 * g.at.in.count());
    const int64_t of_image = parts_of(a.out.size[1], side), across = parts_of(a.out.size[2], side);
    const int64_t begin = part_begin(a.batch * of_image, a.parts, g.at.part);
    const int64_t end = part_begin(a.batch * of_image, a.parts, g.at.part + 1);
    for (int64_t strip = 0; strip < a.column_parts; ++strip) {
        const Range tiles{part_begin(across, a.column_parts, strip), part_begin(across, a.column_parts, strip + 1)};
        const int64_t first_column = tiles.begin * side, pixels = tiles.count() * side;
        for (int64_t r = begin; r < end; ++r) {
            const int64_t n = r / of_image,
                          row = r % of_image * side;  // lines of x are numbered from the first padding's on
            const T* x = a.x + n * a.in.n_stride + (g.at.group * a.group_in + g.at.in.begin) * a.in.c_stride;
            const T* dy = a.dy + n * a.out.n_stride + (g.at.group * a.group_out + g.at.out.begin) * a.out.c_stride;
            for (int64_t i = r > begin && row > 0 ? 2 : 0; i < points; ++i)
                load_gradient_line(x, a.in, row + i - a.before[1], first_column - a.before[2], pixels + 2, g.at.in.count(),
                                   g.channels, g.x_line(row - 1 + i), g.x_magnitudes(row - 1 + i));
            for (int i = 0; i < side; ++i)
                load_gradient_line(dy, a.out, row + i, first_column, pixels, g.at.out.count(), g.width, g.dy_line(i),
                                   g.dy_magnitudes(i));
            for (int64_t t = 0; t < tiles.count(); ++t) {
                if (gradient_tile_passes(g, row, t * side)) {
                    transform_gradient_tile(g, row, t * side);
                    if (g.tiles == a.tiles_at_once) multiply_gradient_tiles(g);
                } else {
                    const int64_t column = first_column + t * side;
                    add_gradient_tile(g, n, {row, min_of(row + side, a.out.size[1])},
                                      {column, min_of(column + side, a.out.size[2])});
                }
            }
        }
    }
    multiply_gradient_tiles(g);
    finish_gradient_tiles(g);
}

template <class T>
int64_t weight_gradient_winograd_workspace(const WeightGradientArgs<T>& a) {
    return GradientWinogradBuffers<T>(a).total * int64_t(sizeof(T));
}

}  // namespace
}  // namespace fastconv
