#include "phases.hpp"

#include <algorithm>

namespace fastconv {

Phases::Phases(const Problem& p, size_t axis)
    : apart_(axis == 2),
      stride_(p.stride[axis]),
      extent_(p.output[axis] + (p.kernel[axis] - 1) * p.dilation[axis] / p.stride[axis]) {
    for (int64_t tap = 0; tap < p.kernel[axis]; ++tap) remainders_.push_back(tap * p.dilation[axis] % stride_);
    std::sort(remainders_.begin(), remainders_.end());
    remainders_.erase(std::unique(remainders_.begin(), remainders_.end()), remainders_.end());
    for (int64_t tap = 0; tap < p.kernel[axis]; ++tap) {
        const int64_t place = tap * p.dilation[axis];
        taps_.push_back(position(place % stride_, place / stride_));
    }
}

int64_t Phases::position(int64_t remainder, int64_t pixel) const {
    const int64_t phase = std::lower_bound(remainders_.begin(), remainders_.end(), remainder) - remainders_.begin();
    return apart_ ? phase * extent_ + pixel : pixel * int64_t(remainders_.size()) + phase;
}

std::vector<int64_t> Phases::places() const {
    std::vector<int64_t> places(static_cast<size_t>(size()));
    for (const int64_t remainder : remainders_)
        for (int64_t pixel = 0; pixel < extent_; ++pixel)
            places[size_t(position(remainder, pixel))] = remainder + pixel * stride_;
    return places;
}

Problem with_phases_sorted(const Problem& p) {
    Problem q = p;
    q.boundary = Boundary::constant;
    q.dtype = computed_in(p.dtype);  // images are drawn in that
    for (size_t i = 0; i < 3; ++i) {
        q.input[i] = p.output[i] + p.kernel[i] - 1;
        q.stride[i] = q.dilation[i] = 1;
        q.before[i] = q.after[i] = 0;
    }
    return q;
}

bool are_phases_sorted(const Problem& asked, const Problem& computed) {
    return asked.stride != computed.stride || asked.dilation != computed.dilation;
}

}  // namespace fastconv
