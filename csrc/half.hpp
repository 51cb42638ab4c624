// Dense arrays of half-sized floats, to the floats that they are computed in, and back.
#pragma once

#include <optional>

#include "memory.hpp"
#include "problem.hpp"

namespace fastconv {

void widen(DType, const void* from, int64_t count, float* to);
void narrow(DType, const float* from, int64_t count, void* to);  // rounded to the nearest, ties to even

// So many elements as they are computed in: where they are, or a copy that lives as long as this.
class Widened {
   public:
    Widened(DType, const void* from, int64_t count);
    const void* data() const { return copy_ ? copy_->data() : from_; }

   private:
    const void* from_;
    std::optional<Workspace> copy_;
};

}  // namespace fastconv
