// Matrix registers of Intel's processors (AMX): beside simd.hpp, the only file that names an instruction. Compilers take
// their numbers as literals alone, hence macros, and do not see that memory is read and written, hence the fences.
//
// Registers 0 to 3 are sums, 16 rows of 16. Of factors there is one each for 16 words in a row (4: left, 5: right), and one
// each for what is left of a run (6, 7). A product adds to sum[i][j] all those of row i of the left factor, words of
// unsigned bytes or of bfloat16, with column j of the right one.
#pragma once

#include "simd.hpp"

namespace fastconv {
namespace {

constexpr int matrix_rows = 16;  // and words of a row

// Registers of sums and of left factors get so many rows; those for the rest, so many words.
inline void begin_matrices(int rows, int rest) {
    struct alignas(64) {
        uint8_t palette = 1, start_row = 0, reserved[14] = {};
        uint16_t row_bytes[16] = {};
        uint8_t rows[16] = {};
    } shape;
    const auto set = [&](int i, int height, int words) {
        shape.rows[i] = uint8_t(height);
        shape.row_bytes[i] = uint16_t(words * 4);
    };
    for (int i = 0; i < 5; ++i) set(i, rows, matrix_rows);
    set(5, matrix_rows, matrix_rows);
    if (rest > 0) {
        set(6, rows, rest);
        set(7, rest, matrix_rows);
    }
    __asm__ volatile("" ::: "memory");
    _tile_loadconfig(&shape);
}
inline void end_matrices() { _tile_release(); }
inline void fence_matrices() { __asm__ volatile("" ::: "memory"); }

#define FASTCONV_MATRIX_LOAD(i, from, pitch_bytes) _tile_loadd(i, from, pitch_bytes)
#define FASTCONV_MATRIX_STORE(i, to, pitch_bytes) _tile_stored(i, to, pitch_bytes)
#if defined(__AMX_BF16__)
#define FASTCONV_MATRIX_DOT(sum, left, right) _tile_dpbf16ps(sum, left, right)
#else
#define FASTCONV_MATRIX_DOT(sum, left, right) _tile_dpbusd(sum, left, right)
#endif

}  // namespace
}  // namespace fastconv
