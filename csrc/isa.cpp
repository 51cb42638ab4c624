#include "isa.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace fastconv {

// FASTCONV_BUILT_ISAS is X(table, level) for each instruction set that CMakeLists.txt builds, the lowest first: its table,
// and the level a processor must have.
#define X(table, level) extern const KernelTable table;
FASTCONV_BUILT_ISAS
#undef X
// FASTCONV_BUILT_DOTS is X(table, kernels of bytes and of bfloat16 by vectors, those by matrices) for those that have some.
#define X(table, bytes, halves, matrix_bytes, matrix_halves) \
    extern const DotKernels<int32_t> bytes, matrix_bytes;    \
    extern const DotKernels<float> halves, matrix_halves;
FASTCONV_BUILT_DOTS
#undef X

namespace {

struct Entry {
    const KernelTable* table;
    int level;
};

#define X(table, level) {&table, level},
const Entry entries[] = {FASTCONV_BUILT_ISAS};
#undef X

int processor_level() {
#if defined(__x86_64__)
    X86Features f{};
    uint32_t eax, ebx, ecx, edx;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) f.leaf1_ecx = ecx, f.leaf1_edx = edx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) f.leaf7_ebx = ebx;
    if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx)) f.extended1_ecx = ecx;
    if (f.leaf1_ecx & bit_OSXSAVE) {
        uint32_t low, high;
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        f.xcr0 = (uint64_t(high) << 32) | low;
    }
    return x86_level(f);
#else
    return 0;
#endif
}

// Linux keeps matrix registers for processes that have asked for them.
bool matrices_granted() {
#if defined(__x86_64__) && defined(__linux__) && defined(SYS_arch_prctl)
    constexpr long request = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, request, tile_data) == 0;
#else
    return false;
#endif
}

// What no level has.
struct DotFeatures {
    bool bytes = false, halves = false, matrix_bytes = false, matrix_halves = false;
    // Intel's vectors multiply bfloat16 more slowly than float32 (Sapphire Rapids, November 2026: 104 and 146 GFLOP/s).
    bool slow_halves = false;
};

DotFeatures dot_features() {
    DotFeatures f;
#if defined(__x86_64__)
    uint32_t eax, ebx, ecx, edx;
    const auto bit = [](uint32_t reg, int i) { return (reg >> i & 1) != 0; };
    if (!__get_cpuid(0, &eax, &ebx, &ecx, &edx)) return f;
    const bool intel = ebx == signature_INTEL_ebx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
        f.bytes = bit(ecx, 11);  // AVX512_VNNI
        const bool registers = bit(edx, 24) && matrices_granted();
        f.matrix_halves = registers && bit(edx, 22);
        f.matrix_bytes = registers && bit(edx, 25);
    }
    f.halves = __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && bit(eax, 5);  // AVX512_BF16
    f.slow_halves = intel;
#endif
    return f;
}

std::atomic<bool> matrices_wanted{true};

std::string names(const std::vector<const KernelTable*>& tables) {
    std::string text;
    for (const auto* t : tables) text += (text.empty() ? "" : ", ") + std::string(t->name);
    return text;
}

std::atomic<const KernelTable*> current{nullptr};

}  // namespace

int x86_level(const X86Features& f) {
    const auto has = [](uint32_t reg, std::initializer_list<int> bits) {
        for (const int b : bits)
            if (!(reg >> b & 1)) return false;
        return true;
    };
    // Bits as the Intel and AMD manuals number them.
    if (!has(f.leaf1_edx, {0, 8, 15, 23, 24, 25, 26})) return 0;               // FPU, CX8, CMOV, MMX, FXSR, SSE, SSE2
    if (!has(f.leaf1_ecx, {0, 9, 13, 19, 20, 23})) return 1;                   // SSE3, SSSE3, CX16, SSE4.1, SSE4.2, POPCNT
    if (!has(f.extended1_ecx, {0})) return 1;                                  // LAHF
    if (!has(f.leaf1_ecx, {12, 22, 27, 28, 29})) return 2;                     // FMA, MOVBE, OSXSAVE, AVX, F16C
    if (!has(f.leaf7_ebx, {3, 5, 8}) || !has(f.extended1_ecx, {5})) return 2;  // BMI1, AVX2, BMI2; LZCNT
    if ((f.xcr0 & 0x06) != 0x06) return 2;                                     // XMM and YMM saved
    if (!has(f.leaf7_ebx, {16, 17, 28, 30, 31})) return 3;                     // AVX-512 F, DQ, CD, BW, VL
    if ((f.xcr0 & 0xe6) != 0xe6) return 3;                                     // mask registers and ZMM saved
    return 4;
}

std::vector<const KernelTable*> built_isas() {
    std::vector<const KernelTable*> tables;
    for (const auto& e : entries) tables.push_back(e.table);
    return tables;
}

std::vector<const KernelTable*> usable_isas() {
    const int level = processor_level();
    std::vector<const KernelTable*> usable;
    for (const auto& e : entries)
        if (e.level <= level) usable.push_back(e.table);
    if (usable.empty())
        throw std::runtime_error("this processor lacks the instruction set " + std::string(entries[0].table->name));
    const char* wanted = std::getenv("FASTCONV_ISA");
    if (!wanted || !*wanted) return usable;
    size_t keep = 0;
    for (size_t i = 0; i < usable.size(); ++i)
        if (usable[i]->name == std::string(wanted)) keep = i + 1;
    if (keep) return {usable.begin(), usable.begin() + keep};
    for (const auto* t : built_isas())
        if (t->name == std::string(wanted)) return usable;  // more than this processor has: it can only lower
    throw std::invalid_argument("FASTCONV_ISA='" + std::string(wanted) + "': expected one of " + names(built_isas()));
}

template <class T>
const DotKernels<T>* dot_kernels([[maybe_unused]] const KernelTable& isa) {
    static const DotFeatures has = dot_features();
    constexpr bool of_bytes = std::is_same_v<T, int32_t>;
    const bool wanted = matrices_wanted.load(std::memory_order_relaxed);
    [[maybe_unused]] const bool vectors = of_bytes ? has.bytes : has.halves && !(has.slow_halves && wanted),
                                matrices = wanted && (of_bytes ? has.matrix_bytes : has.matrix_halves);
#define X(table, bytes_, halves_, matrix_bytes_, matrix_halves_)              \
    if (&isa == &table) {                                                     \
        if constexpr (of_bytes)                                               \
            return matrices ? &matrix_bytes_ : vectors ? &bytes_ : nullptr;   \
        else                                                                  \
            return matrices ? &matrix_halves_ : vectors ? &halves_ : nullptr; \
    }
    FASTCONV_BUILT_DOTS
#undef X
    return nullptr;
}
template const DotKernels<int32_t>* dot_kernels(const KernelTable&);
template const DotKernels<float>* dot_kernels(const KernelTable&);

void use_matrices(bool wanted) { matrices_wanted.store(wanted, std::memory_order_relaxed); }

const KernelTable& current_isa() {
    const KernelTable* table = current.load(std::memory_order_relaxed);
    if (!table) {
        table = usable_isas().back();
        current.store(table, std::memory_order_relaxed);
    }
    return *table;
}

void set_current_isa(const std::string& name) {
    const auto usable = usable_isas();
    for (const auto* t : usable)
        if (t->name == name) return current.store(t, std::memory_order_relaxed);
    throw std::invalid_argument("name='" + name + "': expected an instruction set usable here: " + names(usable));
}

}  // namespace fastconv
