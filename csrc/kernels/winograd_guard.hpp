// Which tiles Winograd's algorithm may compute. It mixes the pixels of a tile: where one is infinite, NaN, or much larger
// than the others, the rounding errors that it leaves in an output which hardly sees it are much larger than the output's
// own. Such tiles are computed from the definition, by the direct kernel.
//
// With |x| the largest magnitude of a pixel over the channels of a group, a tile passes if no intermediate sum can
// overflow and not all are about to underflow, and if for each of its outputs
//     largest |x| of the tile <= contrast * sum of |x| over the output's window without its largest pixel.
#pragma once

#include "direct.hpp"
#include "winograd_tiles.hpp"

namespace fastconv {
namespace {

constexpr int winograd_contrast = 4;

// Channels last: the largest magnitude of each of `count` pixels.
template <class T>
inline void magnitudes_channels_last(const T* x, int64_t pixel, int64_t channels, int64_t count, Bits<T>* to) {
    constexpr int L = lanes<T>;
    for (int64_t i = 0; i < count; i += L) {
        const int pixels = clamp_lanes(count - i, L);
        BitsVec<T> most[L] = {};
        for (int64_t c = 0; c < channels; c += L) {
            const int used = clamp_lanes(channels - c, L);
            const Mask<T> exists = first_lanes<T>(used);
#pragma GCC unroll 16
            for (int p = 0; p < L; ++p) {
                const T* from = x + (i + (p < pixels ? p : 0)) * pixel + c;
                most[p] = larger(most[p], magnitude<T>(used == L ? load(from) : load_masked(from, exists)));
            }
        }
        Vec<T> block[L];
#pragma GCC unroll 16
        for (int p = 0; p < L; ++p) block[p] = reinterpret_cast<Vec<T>>(most[p]);
        transpose<T>(block);
        BitsVec<T> all = reinterpret_cast<BitsVec<T>>(block[0]);
#pragma GCC unroll 16
        for (int p = 1; p < L; ++p) all = larger(all, reinterpret_cast<BitsVec<T>>(block[p]));
        store(to + i, all);
        for (int p = pixels; p < L; ++p) to[i + p] = 0;  // behind the last one is padding
    }
}

// The magnitudes of the pixels of a block, line by line as they lie in the workspace of winograd.hpp.
template <class T>
struct Magnitudes {
    Bits<T>* data;
    int64_t pitch;
    Bits<T>* line(int64_t number) const { return data + number * pitch; }
};

template <class T>
inline bool passes(const ConvArgs<T>& a, Bits<T> largest, T least) {
    // Below this, transformed values would lose digits to underflow.
    constexpr T least_safe = std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon();
    const T most = number<T>(largest);
    return (most == 0 || most >= least_safe) && most <= a.safe && most <= T(winograd_contrast) * least;  // false for NaN
}

// Whether all tiles of a block pass because their pixels are alike.
template <class T>
inline bool all_tiles_pass(const ConvArgs<T>& a, const Magnitudes<T>& x, const WinogradRow* row, int64_t rows) {
    const int64_t d = a.dilation[2];
    Bits<T> largest = 0, least = all_but_sign<T>;
    for (int64_t r = 0; r < rows; ++r) {
        const Range valid = inside(row[r].column - a.before[2], 1, row[r].width + 2 * d, a.in.size[2]);
        for (int64_t i = row[r].shared; i < row[r].lines; ++i) {
            const int64_t ih = row[r].out_row + i * d - a.before[1];
            if (ih < 0 || ih >= a.in.size[1]) continue;
            const Bits<T>* line = x.line(row[r].first_line + i);
            for (int64_t j = valid.begin; j < valid.end; ++j) {
                largest = larger(largest, line[j]);
                least = line[j] < least ? line[j] : least;
            }
        }
    }
    constexpr T slack = T(0.9375);  // the sums in tile_passes() are rounded, and what passes here would pass there
    return passes<T>(a, largest, slack * T(a.neighbours) * number<T>(least));
}

// One tile, whose pixels begin at `column` of the row's lines and are `pixels` wide, and its outputs.
template <class T, int m>
inline bool tile_passes(const ConvArgs<T>& a, const Magnitudes<T>& x, const WinogradRow& row, int64_t column, int64_t pixels,
                        int64_t outputs_high, int64_t outputs_wide) {
    const int64_t d = a.dilation[2];
    Bits<T> largest = 0;
    T most[m + 2][m] = {}, sum[m + 2][m] = {};  // of three neighbours
    for (int64_t i = 0; i < row.lines; ++i) {
        const Bits<T>* line = x.line(row.first_line + i) + column;
        for (int64_t j = 0; j < pixels; ++j) largest = larger(largest, line[j * d]);
        for (int64_t j = 0; j < outputs_wide; ++j) {
            const T p = number<T>(line[j * d]), q = number<T>(line[(j + 1) * d]), r = number<T>(line[(j + 2) * d]);
            most[i][j] = larger(p, larger(q, r));
            sum[i][j] = p + q + r;
        }
    }
    T least = number<T>(largest);
    for (int64_t i = 0; i < outputs_high; ++i)
        for (int64_t j = 0; j < outputs_wide; ++j) {
            const T others =
                (sum[i][j] + sum[i + 1][j] + sum[i + 2][j]) - larger(most[i][j], larger(most[i + 1][j], most[i + 2][j]));
            least = others < least ? others : least;
        }
    return passes<T>(a, largest, least);
}

}  // namespace
}  // namespace fastconv
