// A strided convolution's image, sorted so that neighbouring outputs read neighbouring pixels. Pixels whose places differ by
// multiples of the stride are a phase of the image (Vaidyanathan, "Multirate Systems and Filter Banks", 1993: polyphase
// components). Along a row the pixels of each phase follow one another, and the convolution has stride 1; what differs is
// where a tap lies. Slices and rows stay in their order, for the taps of a column are near each other so. Phases that no tap
// reads are left out, and so are pixels that no output does.
#pragma once

#include <vector>

#include "problem.hpp"

namespace fastconv {

// One axis of a sorted image.
class Phases {
   public:
    Phases(const Problem&, size_t axis);

    int64_t size() const { return extent_ * int64_t(remainders_.size()); }
    int64_t output_step() const { return position(remainders_[0], 1); }  // between the first taps of neighbouring outputs
    const std::vector<int64_t>& taps() const { return taps_; }           // where those of the first output lie
    std::vector<int64_t> places() const;  // in the image with its border, by position in the sorted one

   private:
    int64_t position(int64_t remainder, int64_t pixel) const;

    bool apart_;                       // one phase after the other
    int64_t stride_, extent_;          // pixels of a phase
    std::vector<int64_t> remainders_;  // of the phases, in ascending order
    std::vector<int64_t> taps_;
};

// The same convolution of its sorted image: stride 1, no padding, no dilation, and an image that is as large as that would
// need. Kernels are told of the places of the taps besides.
Problem with_phases_sorted(const Problem&);
bool are_phases_sorted(const Problem& asked, const Problem& computed);

}  // namespace fastconv
