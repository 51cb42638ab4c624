// Values with their numbers in an image, as lines of which window.hpp can take the first maximum.
#pragma once

#include "window.hpp"

namespace fastconv {
namespace {

template <class T>
struct Numbered {
    Vec<T> value;
    BitsVec<T> number;
};

// A line of them.
template <class T>
struct NumberedLine {
    T* value;
    Bits<T>* number;
    NumberedLine operator+(int64_t i) const { return {value + i, number + i}; }
};

// Values of the input, numbered as they lie.
template <class T>
struct NumberedRow {
    const T* value;
    Bits<T> first;
    NumberedRow operator+(int64_t i) const { return {value + i, Bits<T>(first + i)}; }
};

template <class T>
inline BitsVec<T> numbers_from(Bits<T> first) {
    return first + lane_numbers<Bits<T>>();
}
template <class T>
inline Mask<Bits<T>> same_lanes(const Mask<T>& m) {
    return __builtin_bit_cast(Mask<Bits<T>>, m);
}
inline AllLanes same_lanes(AllLanes all) { return all; }

template <class T>
inline Numbered<T> load(NumberedLine<T> p) {
    return {load(p.value), load(p.number)};
}
template <int S, class T>
inline Numbered<T> load_step(NumberedLine<T> p) {
    return {load_step<S>(p.value), load_step<S>(p.number)};
}
template <class T, class Exists>
inline Numbered<T> load_masked(NumberedLine<T> p, const Exists& m) {
    return {load_masked(p.value, m), load_masked(p.number, same_lanes(m))};
}
template <class T>
inline Numbered<T> load_masked(NumberedLine<T> p, const Mask<T>& m, Numbered<T> otherwise) {
    return {load_masked(p.value, m, otherwise.value), load_masked(p.number, same_lanes(m), otherwise.number)};
}
template <class T>
inline void store(NumberedLine<T> p, Numbered<T> v) {
    store(p.value, v.value);
    store(p.number, v.number);
}
template <class T, class Exists>
inline void store_masked(NumberedLine<T> p, Numbered<T> v, const Exists& m) {
    store_masked(p.value, v.value, m);
    store_masked(p.number, v.number, same_lanes(m));
}
template <class T>
inline Numbered<T> load(NumberedRow<T> p) {
    return {load(p.value), numbers_from<T>(p.first)};
}
template <class T, class Exists>
inline Numbered<T> load_masked(NumberedRow<T> p, const Exists& m) {
    return {load_masked(p.value, m), numbers_from<T>(p.first)};
}
template <class T>
inline Numbered<T> load_masked(NumberedRow<T> p, const Mask<T>& m, Numbered<T> otherwise) {
    // numbers of lanes that do not exist are larger than those that do
    return {load_masked(p.value, m, otherwise.value), numbers_from<T>(p.first)};
}
template <class T>
inline NumberedLine<T> read_only(NumberedLine<T> p) {
    return p;
}
template <class T>
inline NumberedRow<T> read_only(NumberedRow<T> p) {
    return p;
}
template <int H, class T, int... J>
inline Numbered<T> swapped(Numbered<T> v, Indices<J...> all) {
    return {swapped<H>(v.value, all), swapped<H>(v.number, all)};
}

template <class T>
struct FirstMaximum {
    static constexpr bool idempotent = true;
    static constexpr Bits<T> none = all_but_sign<T>;  // the number of what is no element
    static Numbered<T> identity() { return {Maximum<T>::identity(), broadcast<Bits<T>>(none)}; }
    static Numbered<T> combine(Numbered<T> a, Numbered<T> b) {
        const auto nan = b.value != b.value, earlier = b.number < a.number;
        const auto other = (b.value > a.value) | (nan & (a.value == a.value)) |
                           (((b.value == a.value) | (nan & (a.value != a.value))) & earlier);
        return {other ? b.value : a.value, other ? b.number : a.number};
    }
};

}  // namespace
}  // namespace fastconv
