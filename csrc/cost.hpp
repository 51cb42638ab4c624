// What a convolution would cost by each algorithm, as its kernel would go about it: the estimates behind "auto".
#pragma once

#include "isa.hpp"
#include "problem.hpp"

namespace fastconv {

enum class AlgorithmId { direct, im2col, pointwise, winograd2, winograd4, depthwise, pool };

// Microseconds on one thread, weights packed. Never a matter of the thread count, so that what is decided by it, and with
// it every bit of a result, is the same for any number of threads.
double estimated_microseconds(const Problem&, AlgorithmId, const KernelTable&);

// Whether an algorithm that can do either puts pixels rather than output channels in lanes: whichever costs less.
bool pixels_in_lanes(const Problem&, AlgorithmId, const KernelTable&);

}  // namespace fastconv
