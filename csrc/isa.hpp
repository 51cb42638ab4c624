// Which instruction sets this build carries, which of them this processor and operating system can run, which is in use.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/args.hpp"
#include "kernels/dot_args.hpp"

namespace fastconv {

// What a table has for an element type: kernels_of<float>(isa), kernels_of<double>(*isa.gradients), ...
template <class T, class Table>
const auto& kernels_of(const Table& table) {
    if constexpr (std::is_integral_v<T>)
        return table.i64;
    else if constexpr (sizeof(T) == 4)
        return table.f32;
    else
        return table.f64;
}

// The registers that tell an x86-64 processor's level. A plain struct, so that tests can invent processors.
struct X86Features {
    uint32_t leaf1_ecx, leaf1_edx, leaf7_ebx, extended1_ecx;
    uint64_t xcr0;  // which register states the operating system saves; without them vectors would be lost at a switch
};

// The microarchitecture level of the x86-64 psABI: 1 (the baseline) to 4; 0 if not even that.
int x86_level(const X86Features&);

// Usable here and not above FASTCONV_ISA, lowest first. Throws std::invalid_argument if FASTCONV_ISA names none that is
// built, std::runtime_error if this processor can run none.
std::vector<const KernelTable*> usable_isas();
std::vector<const KernelTable*> built_isas();

// What this processor may have besides the instructions of its level: kernels that go with an instruction set and multiply
// bytes (T = int32_t), or bfloat16 (float); or null.
template <class T>
const DotKernels<T>* dot_kernels(const KernelTable&);
void use_matrices(bool);  // where there are some; as from the beginning, but for tests of what there is beside

const KernelTable& current_isa();
void set_current_isa(const std::string& name);  // one of usable_isas()

}  // namespace fastconv
