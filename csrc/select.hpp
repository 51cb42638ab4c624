// Which algorithm: one list, each entry a name and what it cannot do; the cheapest that can is chosen (cost.hpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cost.hpp"

namespace fastconv {

struct Algorithm {
    AlgorithmId id;
    const char* name;
    const char* summary;
    std::string (*unsupported)(const Problem& as_computed, const KernelTable&);  // see why_unsupported
};

const std::vector<Algorithm>& algorithms();
const Algorithm& algorithm_of(AlgorithmId);

// Why an algorithm cannot do a problem, as the end of a sentence that begins with its name; empty if it can.
std::string why_unsupported(const Problem&, const Algorithm&, const KernelTable&);

// How the products of a sum follow one another, as far as an algorithm leaves a choice: by the kernel's columns within each
// channel, or all channels of a tap; and, depthwise and in Winograd's tiles, as suits pixels in lanes or channels in lanes.
// Which is faster depends on extents and padding. Who computes a problem in parts asks for the order of the whole
// (sum_order), for its bits.
struct SumOrder {
    bool by_taps, pixel_lanes;
    bool operator==(const SumOrder&) const = default;
};
std::string to_string(SumOrder);

struct Candidate {
    const Algorithm* algorithm;
    std::string unsupported;
    double microseconds;  // estimated
};

struct Choice {
    const Algorithm* algorithm;
    std::string reason;
    std::vector<Candidate> candidates;
    std::optional<SumOrder> order = std::nullopt;  // if one was asked for
};

// `name` is an algorithm, "winograd" for the cheaper of its two sizes, "auto" for the cheapest of all, or "strict" for the
// cheapest that adds up the products of the definition and nothing else, small ones too; behind it there may be a slash and
// a SumOrder. `prepared`: whether weights are packed but once. Throws std::invalid_argument for a name that does not exist
// or cannot do the problem, saying why.
Choice choose(const Problem&, const std::string& name, const KernelTable&, bool prepared = true);

// What was measured goes before what is estimated: "auto" takes the algorithm remembered for a problem and an instruction
// set. The generation counts what was remembered or forgotten, so that whoever keeps a choice knows when it is out of date.
void remember_choice(const Problem&, const KernelTable&, AlgorithmId);
void forget_choices();
uint64_t choice_generation();

// Throws std::invalid_argument unless `name` is "auto", "strict", "winograd" or an algorithm, with a SumOrder or without.
void check_algorithm_name(const std::string& name);

}  // namespace fastconv
