// What operators on whole arrays share: element types, extents, an axis.
#pragma once

#include "arguments.hpp"

namespace fastconv {

inline int64_t extents(const Shape& s, size_t begin, size_t end) {
    int64_t n = 1;
    for (size_t i = begin; i < end; ++i) n *= s[i];  // extents of an array that exists
    return n;
}

template <class T>
const T* data(const py::array& a) {
    return static_cast<const T*>(a.data());
}

// One of so many axes, negative ones counted from the last.
inline size_t axis_of(py::handle axis, size_t axes) {
    const int64_t i = integer(axis, "axis");
    const auto rank = int64_t(axes);
    if (i < -rank || i >= rank) value_error("axis", axis, "an axis of an array with " + std::to_string(rank) + " axes");
    return size_t(i < 0 ? i + rank : i);
}

}  // namespace fastconv
