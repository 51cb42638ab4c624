// What explain() returns: a plan as data.
#pragma once

#include "../plan.hpp"
#include "arguments.hpp"

namespace fastconv {

py::dict explanation(const Problem&, const Choice&, const PlanSummary&, const KernelTable&, int64_t packed_weight_bytes);

}  // namespace fastconv
