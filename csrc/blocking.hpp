// Splits a convolution into tasks. Nothing decided here changes a result: sums are formed in one order however the pixels
// and channels around them are divided.
#pragma once

#include "cost.hpp"

namespace fastconv {

// Fills in the blocks of arguments that tell the problem and what lies in lanes; `prepared` says that weights come packed.
template <class T>
void block(const Problem&, AlgorithmId, const KernelTable&, int threads, bool prepared, ConvArgs<T>&);

}  // namespace fastconv
