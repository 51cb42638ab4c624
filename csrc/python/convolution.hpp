// All that is known of a convolution before its input is, made from the arguments of a call.
#pragma once

#include <optional>
#include <string>

#include "arguments.hpp"

namespace fastconv {

struct Convolution {
    Problem problem;  // without n and extents
    Padding padding;
    std::string algorithm = "auto";

    // The problem on an input of this shape, the argument `name`, not complete()d yet.
    Problem on(const Shape& input, bool& batched, const char* name = "input") const;
    Problem complete_on(const Shape& input, bool& batched, const char* name = "input") const;
};

Convolution convolution(py::handle rank, const Shape& weight, py::handle stride, py::handle padding, py::handle dilation,
                        py::handle groups, py::handle layout, const char* weight_name = "weight");

// The bias of so many channels as an array, if it is not None.
std::optional<py::array> bias_of(py::handle value, const Problem&, int64_t channels);

}  // namespace fastconv
