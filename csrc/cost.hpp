// What a convolution would cost by each algorithm, as its kernel would go about it: the estimates behind "auto".
#pragma once

#include "isa.hpp"
#include "problem.hpp"

namespace fastconv {

enum class AlgorithmId { direct, im2col, pointwise, winograd2, winograd4, depthwise, dot, pool };
inline bool is_winograd(AlgorithmId id) { return id == AlgorithmId::winograd2 || id == AlgorithmId::winograd4; }

// F(outputs x outputs, taps x taps) by so many points along an axis. Tiles at the edge with at most `edge_outputs` outputs
// use but `edge_points`.
struct WinogradSize {
    int64_t outputs, taps, points, edge_outputs, edge_points;
};
WinogradSize winograd_size(const Problem&, AlgorithmId);

// The convolution that a kernel computes, of an image drawn anew where that is worth it: with its border, if that shows the
// image itself; by direct and pointwise also with its phases sorted (phases.hpp), channels first. Zeros as padding are then
// numbers like others, so `finite` has to say that no weight is infinite.
Problem as_computed(const Problem&, AlgorithmId, const KernelTable&, bool finite = true);

// Microseconds on one thread, of a problem that is computed as `computed`; `prepared` says that the weights are packed
// already. Never a matter of the thread count, so that what is decided by it, and with it every bit of a result, is the same
// for any number of threads.
double estimated_microseconds(const Problem& asked, const Problem& computed, AlgorithmId, const KernelTable&,
                              bool prepared = true);

// Positions of transformed tiles in a problem, of each channel; `edges` says that tiles at the edge have fewer.
double winograd_positions(const Problem&, AlgorithmId, bool edges);

// Whether an algorithm that can do either puts pixels rather than output channels in lanes: whichever costs less.
bool pixels_in_lanes(const Problem&, AlgorithmId, const KernelTable&);

}  // namespace fastconv
