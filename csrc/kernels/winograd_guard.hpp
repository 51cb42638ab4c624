// Which tiles Winograd's algorithm may compute. It mixes the pixels of a tile: where one is infinite, NaN, or much larger
// than the others, the rounding errors that it leaves in an output which hardly sees it are much larger than the output's
// own. Such tiles are computed from the definition, by the direct kernel.
//
// With |x| the largest magnitude of a pixel over the channels of a group, a tile passes if no intermediate sum can
// overflow and not all are about to underflow, and if for each of its outputs
//     largest |x| of the tile <= contrast * sum of |x| over the output's window without its largest pixel.
#pragma once

#include <cmath>

#include "direct.hpp"
#include "winograd_tiles.hpp"

namespace fastconv {
namespace {

// The errors that channels leave add up like their square root, the bound they are held to like their number: with fewer
// than 16, pixels have to be more alike. So they have for kernels of 2 x 2, whose bound is that of 4 taps instead of 9,
// while F(5x5, 2x2) enlarges errors 330 times at most instead of 537.
template <class T>
inline T winograd_contrast(const ConvArgs<T>& a) {
    return std::sqrt(T(min_of(a.group_in, 16))) * (a.kernel[2] == 2 ? T(537.0 / 330 * 4 / 9) : T(1));
}

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
inline Vec<T> as_numbers(const Bits<T>* p) {
    return reinterpret_cast<Vec<T>>(load(p));
}

// Below this, transformed values would lose digits to underflow.
template <class T>
constexpr T least_safe = std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon();

template <class T>
inline bool passes(const ConvArgs<T>& a, Bits<T> largest, T least) {
    const T most = number<T>(largest);
    return (most == 0 || most >= least_safe<T>) && most <= a.safe && most <= winograd_contrast(a) * least;  // false for NaN
}

// For each column of the lines of a row of tiles, the largest pixel in it; and for those where the window of an output
// begins, the least that the windows of its `outputs_high` rows have without their largest pixel. Whether all tiles pass
// because the largest of all is small enough for the least of all.
template <class T, int taps>
inline bool inspect_row(const ConvArgs<T>& a, const Magnitudes<T>& x, const WinogradRow& row, int64_t outputs_high,
                        Bits<T>* largest, T* least) {
    constexpr int L = lanes<T>;
    constexpr T none = std::numeric_limits<T>::max();
    const int64_t d = a.dilation[2], outputs = min_of(row.width, a.out.size[2] - row.column);
    BitsVec<T> largest_of_all = {};
    for (int64_t j = 0; j < row.width + (taps - 1) * d; j += L) {
        BitsVec<T> high = {};
        for (int64_t i = 0; i < row.lines; ++i) high = larger(high, load(x.line(row.first_line + i) + j));
        store(largest + j, high);
        largest_of_all = larger(largest_of_all, high);
    }
    Vec<T> least_of_all = broadcast(none);
    for (int64_t j = 0; j < outputs; j += L) {
        Vec<T> low = broadcast(none), sum[taps] = {}, most[taps] = {};  // of the last lines
        for (int64_t i = 0; i < outputs_high + taps - 1; ++i) {
            const Bits<T>* line = x.line(row.first_line + i) + j;
            for (int k = 1; k < taps; ++k) sum[k - 1] = sum[k], most[k - 1] = most[k];
            sum[taps - 1] = most[taps - 1] = as_numbers<T>(line);
            for (int k = 1; k < taps; ++k) {
                const Vec<T> p = as_numbers<T>(line + k * d);
                sum[taps - 1] += p;
                most[taps - 1] = larger(p, most[taps - 1]);
            }
            if (i < taps - 1) continue;
            Vec<T> all = sum[0], largest_one = most[0];
            for (int k = 1; k < taps; ++k) all += sum[k], largest_one = larger(most[k], largest_one);
            const Vec<T> others = all - largest_one;
            low = others < low ? others : low;
        }
        store(least + j, low);
        for (int64_t i = outputs; i < j + L; ++i) least[i] = none;
        low = load(least + j);
        least_of_all = low < least_of_all ? low : least_of_all;
    }
    Bits<T> most = 0;
    T low = none;
    for (int i = 0; i < L; ++i) {
        most = larger(most, largest_of_all[i]);
        low = least_of_all[i] < low ? least_of_all[i] : low;
    }
    // Then the largest pixel of a tile, of 8 (or 3) at least in a window, is not less than a 32nd of that of all.
    return passes<T>(a, most, low) && (most == 0 || number<T>(most) >= 32 * least_safe<T>);
}

// A tile whose pixels begin at `column` of such lines and are `pixels` wide, and its outputs.
template <class T>
inline bool tile_passes(const ConvArgs<T>& a, const Bits<T>* largest, const T* least, int64_t column, int64_t pixels,
                        int64_t outputs_wide) {
    const int64_t d = a.dilation[2];
    Bits<T> most = 0;
    for (int64_t j = 0; j < pixels; ++j) most = larger(most, largest[column + j * d]);
    T low = number<T>(most);
    for (int64_t j = 0; j < outputs_wide; ++j) low = least[column + j * d] < low ? least[column + j * d] : low;
    return passes<T>(a, most, low);
}

}  // namespace
}  // namespace fastconv
