// What the plan of a plain function depends on.
#pragma once

#include <algorithm>
#include <string>

#include "../parallel.hpp"
#include "../select.hpp"

namespace fastconv {

struct PlanKey {
    Problem problem;
    std::string method;  // the algorithm asked for, or the kind of windows
    const KernelTable* isa = &current_isa();
    int threads = get_num_threads();
    uint64_t choices = choice_generation();

    bool operator==(const PlanKey&) const = default;

    // A plan has tables as long as a sum or an output. Where they are long, planning is little beside the work, and their
    // memory better given back.
    bool worth_remembering() const {
        constexpr int64_t longest = 1 << 14;
        const Problem& p = problem;
        if (p.op == Op::conv) return p.ic / p.groups * p.taps() <= longest;
        return std::max({p.output[0], p.output[1], p.output[2]}) <= longest;
    }
};

}  // namespace fastconv
