// Elements that know where they belong, by the flat indices that maximum pooling returns.
//
//     scatter: to[indices[o]] = from[o], or += ; zero elsewhere          gather: to[o] = from[indices[o]]
//
// Elements of a plane are taken in ascending order of o, so that sums have one order and of several with one index the last
// one stays. A negative index is none: its element goes nowhere.
//
//     Task: plane, block of its channels (scatter, channels last) or of its indexed pixels (gather).
#pragma once

#include "copy.hpp"
#include "grid.hpp"
#include "window_args.hpp"

namespace fastconv {
namespace {

template <class T, bool add>
void scatter(const IndexedArgs<T>& a, int64_t task) {
    const int64_t plane = task / a.blocks, inner = a.inner;
    const Range channels = block_of(inner, lanes<T>, a.blocks, task % a.blocks);
    T* to = a.to + plane * a.pixels * inner;
    const T* from = a.from + plane * a.indexed * inner;
    const int64_t* indices = a.indices + plane * a.indexed * inner;
    if (a.blocks == 1)
        zero_run(to, a.pixels * inner);
    else
        for (int64_t i = 0; i < a.pixels; ++i) zero_run(to + i * inner + channels.begin, channels.count());
    const auto move = [&](int64_t at, int64_t c) {
        const int64_t index = indices[at];
        if (index < 0) return;
        T& y = to[index * inner + c];
        y = add ? y + from[at] : from[at];
    };
    if (inner == 1)
        for (int64_t o = 0; o < a.indexed; ++o) move(o, 0);
    else
        for (int64_t o = 0; o < a.indexed; ++o)
            for (int64_t c = channels.begin; c < channels.end; ++c) move(o * inner + c, c);
}

template <class T>
void gather(const IndexedArgs<T>& a, int64_t task) {
    const int64_t plane = task / a.blocks, inner = a.inner;
    const Range pixels = block_of(a.indexed, 1, a.blocks, task % a.blocks);
    const T* from = a.from + plane * a.pixels * inner;
    const int64_t first = plane * a.indexed * inner;
    const auto move = [&](int64_t at, int64_t c) {
        const int64_t index = a.indices[first + at];
        a.to[first + at] = index < 0 ? T(0) : from[index * inner + c];
    };
    for (int64_t o = pixels.begin; o < pixels.end; ++o)
        for (int64_t c = 0; c < inner; ++c) move(o * inner + c, c);
}

// Blocks of indices are looked at by vectors, and one that has a wrong one once more.
inline int64_t first_outside(const int64_t* indices, int64_t count, int64_t low, int64_t high) {
    constexpr int64_t block = 64 * lanes<int64_t>;
    int64_t i = 0;
    for (; i + block <= count; i += block) {
        Vec<int64_t> wrong{};
        for (int64_t j = 0; j < block; j += lanes<int64_t>) {
            const Vec<int64_t> v = load(indices + i + j);
            wrong |= (v < low) | (v >= high);
        }
        int64_t any = 0;
        for (int l = 0; l < lanes<int64_t>; ++l) any |= wrong[l];
        if (any) break;
    }
    for (; i < count; ++i)
        if (indices[i] < low || indices[i] >= high) return i;
    return count;
}

}  // namespace
}  // namespace fastconv
