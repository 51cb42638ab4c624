// Padding modes by name.
#pragma once

#include "../boundary.hpp"
#include "arguments.hpp"

namespace fastconv {

// "zeros", "reflect", "replicate", "circular" or "symmetric"
Boundary padding_mode_of(py::handle value, const char* name);

}  // namespace fastconv
