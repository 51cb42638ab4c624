// What an axis is taken to be beyond its ends, as tables of where to read instead: kernels know no modes.
#pragma once

#include <cstdint>
#include <vector>

namespace fastconv {

// Here for the elements a b c d.
enum class Boundary {
    constant,  // k k | a b c d | k k
    nearest,   // a a | a b c d | d d
    reflect,   // b a | a b c d | d c
    mirror,    // c b | a b c d | c b
    wrap,      // c d | a b c d | a b
};

// The element of `size` that a position of the endless axis shows, or -1 for the constant.
int64_t element_shown(Boundary, int64_t size, int64_t position);

// Where positions first, first + 1, ... of an axis of `size` elements are read: an index, or -1 for the constant.
std::vector<int64_t> boundary_table(Boundary, int64_t size, int64_t first, int64_t count);

}  // namespace fastconv
