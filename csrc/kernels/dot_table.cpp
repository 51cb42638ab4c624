// The kernels of bytes: a unit of their own, for processors that have the instruction besides those of their level.
#include "dot.hpp"
#include "dot_words.hpp"

namespace fastconv {

extern const DotTable FASTCONV_DOT;
const DotTable FASTCONV_DOT = {lanes<int32_t>, dot_pitch, gather_words, dot};

}  // namespace fastconv
