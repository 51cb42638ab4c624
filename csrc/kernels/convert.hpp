// Runs of elements from one type to another. Whole numbers of a narrower type are cut towards zero, as C does, and what
// does not fit becomes the nearest number that does, NaN zero; from 64-bit integers they are what is left modulo 2^n.
#pragma once

#include <limits>
#include <type_traits>

#include "args.hpp"

namespace fastconv {
namespace {

template <class S, class T>
void load_elements(const void* from, int64_t count, T* to) {
    const S* f = static_cast<const S*>(from);
    for (int64_t i = 0; i < count; ++i) to[i] = T(f[i]);
}

template <class T, class D>
inline D converted(T v) {
    if constexpr (std::is_integral_v<D> && std::is_floating_point_v<T>) {
        // The greatest integer may have no place in T: then the bound is the power of two above it.
        constexpr T low = T(std::numeric_limits<D>::min()), high = T(std::numeric_limits<D>::max());
        v = v == v ? v : T(0);
        return v <= low ? std::numeric_limits<D>::min() : v >= high ? std::numeric_limits<D>::max() : D(v);
    } else {
        return D(v);
    }
}

template <class T, class D>
void store_elements(const T* from, int64_t count, void* to) {
    D* t = static_cast<D*>(to);
    for (int64_t i = 0; i < count; ++i) t[i] = converted<T, D>(from[i]);
}

template <class... Elements>
struct ElementList {
    template <class T>
    static constexpr void fill(FilterKernel<T>& k) {
        static_assert(sizeof...(Elements) == element_types);
        int i = 0;
        ((k.load[i] = load_elements<Elements, T>, k.store[i] = store_elements<T, Elements>, ++i), ...);
    }
};
// In the order of ElementType.
using AllElements = ElementList<float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>;

}  // namespace
}  // namespace fastconv
