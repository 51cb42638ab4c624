// The kernels of bytes, or of half-sized floats, by vectors, or by matrices: units of their own, for processors that have
// the instructions besides those of their level.
#include "dot.hpp"
#include "dot_words.hpp"
#if defined(__AMX_TILE__)
#include "dot_matrix.hpp"
#endif

namespace fastconv {

#if defined(__AVX512BF16__)
using Sum = float;
#else
using Sum = int32_t;
#endif

#if defined(__AMX_TILE__)
constexpr bool matrix = true;
constexpr auto kernel = dot_matrix<Sum>;
constexpr int rows = 2 * matrix_rows;
#else
constexpr bool matrix = false;
constexpr auto kernel = dot<Sum>;
constexpr int rows = rows_of(dot_vectors);
#endif

extern const DotKernels<Sum> FASTCONV_DOT;
const DotKernels<Sum> FASTCONV_DOT = {lanes<Sum>, dot_pitch, rows, matrix, gather_words<Sum>, kernel};

}  // namespace fastconv
