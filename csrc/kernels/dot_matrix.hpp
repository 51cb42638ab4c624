// Convolution on words (dot_args.hpp) by matrix registers (matrix.hpp): a row of the left factor is a pixel, a column of the
// right one an output channel. Loops as in dot.hpp, a tile being two registers of pixels by two of channels.
//
// Sums of bytes are exact modulo 2^32; those of bfloat16 are float32's, with denormal numbers taken for zeros. Pixels behind
// the last one of a row are computed and thrown away: the words have to go on that far.
#pragma once

#include "dot.hpp"
#include "matrix.hpp"

namespace fastconv {
namespace {

static_assert(dot_pitch == 2 * matrix_rows);

template <class T>
struct MatrixTile {
    const T* x;           // of the first pixel
    const T* weights;     // of the panel
    const T* start;       // of dot_pitch channels
    int64_t pixel, rows;  // words between pixels; pixels of a register
    int64_t words, runs;  // of a run; of a row of the kernel
};

// R registers of pixels by V of channels.
template <int R, int V, class T>
inline void matrix_tile(const DotArgs<T>& a, const MatrixTile<T>& t, T* c) {
    constexpr int64_t width = V * matrix_rows, width_bytes = width * word_bytes, pitch_bytes = dot_pitch * word_bytes;
    const int64_t pixel_bytes = t.pixel * word_bytes;
    const T* w = t.weights;
    fence_matrices();
    FASTCONV_MATRIX_LOAD(0, t.start, 0);
    if constexpr (V > 1) FASTCONV_MATRIX_LOAD(1, t.start + matrix_rows, 0);
    if constexpr (R > 1) FASTCONV_MATRIX_LOAD(2, t.start, 0);
    if constexpr (R > 1 && V > 1) FASTCONV_MATRIX_LOAD(3, t.start + matrix_rows, 0);
#define FASTCONV_STEP(left, right)                                     \
    FASTCONV_MATRIX_LOAD(left, x, pixel_bytes);                        \
    FASTCONV_MATRIX_LOAD(right, w, width_bytes);                       \
    FASTCONV_MATRIX_DOT(0, left, right);                               \
    if constexpr (V > 1) {                                             \
        FASTCONV_MATRIX_LOAD(right, w + matrix_rows, width_bytes);     \
        FASTCONV_MATRIX_DOT(1, left, right);                           \
    }                                                                  \
    if constexpr (R > 1) {                                             \
        FASTCONV_MATRIX_LOAD(left, x + t.rows * t.pixel, pixel_bytes); \
        if constexpr (V > 1) {                                         \
            FASTCONV_MATRIX_DOT(3, left, right);                       \
            FASTCONV_MATRIX_LOAD(right, w, width_bytes);               \
        }                                                              \
        FASTCONV_MATRIX_DOT(2, left, right);                           \
    }
    for (int64_t kd = 0; kd < a.kernel[0]; ++kd)
        for (int64_t kh = 0; kh < a.kernel[1]; ++kh)
            for (int64_t run = 0; run < t.runs; ++run) {
                const T* x = t.x + kd * a.dilation[0] * a.in.stride[0] + kh * a.dilation[1] * a.in.stride[1] +
                             run * a.dilation[2] * a.in.stride[2];
                int64_t k = 0;
                for (; k + matrix_rows <= t.words; k += matrix_rows, x += matrix_rows, w += matrix_rows * width) {
                    FASTCONV_STEP(4, 5)
                }
                if (k < t.words) {
                    FASTCONV_STEP(6, 7)
                    w += (t.words - k) * width;
                }
            }
#undef FASTCONV_STEP
    FASTCONV_MATRIX_STORE(0, c, pitch_bytes);
    if constexpr (V > 1) FASTCONV_MATRIX_STORE(1, c + matrix_rows, pitch_bytes);
    if constexpr (R > 1) FASTCONV_MATRIX_STORE(2, c + t.rows * dot_pitch, pitch_bytes);
    if constexpr (R > 1 && V > 1) FASTCONV_MATRIX_STORE(3, c + t.rows * dot_pitch + matrix_rows, pitch_bytes);
    fence_matrices();
}

template <int V, class T>
inline void matrix_row(const DotArgs<T>& a, const DotCell<T>& at, MatrixTile<T> t, int64_t y) {
    const int64_t width = a.out.size[2], registers = parts_of(width, t.rows), at_once = dot_strip / t.rows / 2 * 2;
    const T* x = t.x;
    alignas(64) T c[(dot_strip + matrix_rows) * dot_pitch];
    for (int64_t first = 0; first < registers; first += at_once) {
        const int64_t last = min_of(registers, first + at_once), begin = first * t.rows;
        for (int64_t i = first; i < last; i += 2) {
            t.x = x + i * t.rows * t.pixel;
            T* to = c + (i * t.rows - begin) * dot_pitch;
            if (i + 1 < last)
                matrix_tile<2, V>(a, t, to);
            else
                matrix_tile<1, V>(a, t, to);
        }
        store_sums(a, c, min_of(width, last * t.rows) - begin, at.channel, at.channels, y + begin * a.out.stride[2]);
    }
}

template <class T>
void dot_matrix(const DotArgs<T>& a, int64_t task) {
    const DotCell<T> at(a, task);
    alignas(64) T start[dot_pitch] = {};
    for (int i = 0; a.start && i < at.channels; ++i) start[i] = a.start[at.channel + i];
    MatrixTile<T> t{};
    t.weights = at.weights;
    t.start = start;
    t.pixel = a.step[2] * a.in.stride[2];
    t.rows = parts_of(a.out.size[2], parts_of(a.out.size[2], matrix_rows));  // so that no register is nearly empty
    t.runs = a.dilation[2] == 1 ? 1 : a.kernel[2];
    t.words = a.words * (a.kernel[2] / t.runs);
    begin_matrices(int(t.rows), int(t.words % matrix_rows));
    at.for_each_row(a, [&](const T* x, int64_t y) {
        t.x = x;
        with_constant<2>(int(parts_of(at.channels, matrix_rows)), [&](auto v) { matrix_row<v.value>(a, at, t, y); });
    });
    end_matrices();
}

}  // namespace
}  // namespace fastconv
