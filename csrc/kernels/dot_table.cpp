// The kernels of bytes, or of half-sized floats: units of their own, for processors that have the instruction besides those
// of their level.
#include "dot.hpp"
#include "dot_words.hpp"

namespace fastconv {

#if defined(__AVX512BF16__)
using Sum = float;
#else
using Sum = int32_t;
#endif

extern const DotKernels<Sum> FASTCONV_DOT;
const DotKernels<Sum> FASTCONV_DOT = {lanes<Sum>, dot_pitch, rows_of(dot_vectors), gather_words<Sum>, dot<Sum>};

}  // namespace fastconv
