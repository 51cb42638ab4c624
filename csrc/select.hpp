// Which algorithm: one list, each entry a name and what it cannot do; the cheapest that can is chosen (cost.hpp).
#pragma once

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

struct Candidate {
    const Algorithm* algorithm;
    std::string unsupported;
    double microseconds;  // estimated
};

struct Choice {
    const Algorithm* algorithm;
    std::string reason;
    std::vector<Candidate> candidates;
};

// `name` is an algorithm, "winograd" for the cheaper of its two sizes, "auto" for the cheapest of all, or "strict" for the
// cheapest that adds up the products of the definition and nothing else, small ones too. `prepared`: whether weights are
// packed but once. Throws std::invalid_argument for a name that does not exist or cannot do the problem, saying why.
Choice choose(const Problem&, const std::string& name, const KernelTable&, bool prepared = true);

// What was measured goes before what is estimated: "auto" takes the algorithm remembered for a problem and an instruction
// set. The generation counts what was remembered or forgotten, so that whoever keeps a choice knows when it is out of date.
void remember_choice(const Problem&, const KernelTable&, AlgorithmId);
void forget_choices();
uint64_t choice_generation();

// Throws std::invalid_argument unless `name` is "auto", "strict", "winograd" or an algorithm.
void check_algorithm_name(const std::string& name);

}  // namespace fastconv
