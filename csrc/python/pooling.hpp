// The arguments of pooling, to a Problem and the tables of its windows.
#pragma once

#include "../pool_plan.hpp"
#include "arguments.hpp"

namespace fastconv {

// Sliding windows on an input of this shape.
Problem sliding_problem(py::handle rank, Op, const Shape& input, py::handle kernel_size, py::handle stride,
                        py::handle padding, py::handle dilation, py::handle ceil_mode, py::handle layout, bool& batched);
// What an average is divided by.
void set_divisor(Problem&, py::handle count_include_pad, py::handle divisor_override);

std::array<PoolTable, 3> sliding_tables(const Problem&);
std::array<PoolTable, 3> adaptive_tables(const Problem&);

}  // namespace fastconv
