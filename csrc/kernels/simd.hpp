// Vectors of one instruction set: the only file that knows a width or names an instruction, but for matrix.hpp.
//
// Everything is written with the vector extensions of GCC and Clang, so one source serves every instruction set; the
// flags of the unit (-march=...) decide which one this is. To add one: a block of constants below, a line in
// CMakeLists.txt, a line in isa.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>  // intrinsics are always inlined, so they leave no symbol behind
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace fastconv {
namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64, vector_registers = 32, product_registers = 0;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32, vector_registers = 16, product_registers = 0;
#elif defined(__aarch64__)
constexpr int vector_bytes = 16, vector_registers = 32, product_registers = 0;
#else  // SSE, or any processor for which the compiler can emulate 16-byte vectors; a product needs a register of its own
constexpr int vector_bytes = 16, vector_registers = 16, product_registers = 1;
#endif

template <class T>
constexpr int lanes = vector_bytes / int(sizeof(T));

template <class T>
struct VectorOf {
    typedef T type __attribute__((vector_size(vector_bytes)));
    typedef T unaligned __attribute__((vector_size(vector_bytes), aligned(alignof(T)), may_alias));
};
template <class T>
using Vec = typename VectorOf<T>::type;

template <class T>
inline Vec<T> load(const T* p) {
    return *reinterpret_cast<const typename VectorOf<T>::unaligned*>(p);
}

template <class T>
inline void store(T* p, Vec<T> v) {
    *reinterpret_cast<typename VectorOf<T>::unaligned*>(p) = v;
}

template <class T>
inline Vec<T> broadcast(T s) {
    return s - Vec<T>{};  // s - 0 is s for every s, where s + 0 would turn -0 into +0
}

// a * b + c, rounded once where the processor has one instruction for it, as all those here have but SSE. Said by name:
// which products a compiler would contract by itself depends on the code around them, and with that the bits of a sum would
// depend on the shape of its tile.
template <class T>
inline Vec<T> multiply_add(Vec<T> a, Vec<T> b, Vec<T> c) {
    if constexpr (!std::is_floating_point_v<T>) return a * b + c;
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
    else
        return (Vec<T>)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
    else
        return (Vec<T>)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
    else
        return (Vec<T>)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
}

#if defined(__AVX512VNNI__)
// sum[i] + the four products of the bytes of lane i: unsigned ones of a, signed ones of b.
inline Vec<int32_t> dot_add(Vec<int32_t> a, Vec<int32_t> b, Vec<int32_t> sum) {
    return (Vec<int32_t>)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
}
#endif
#if defined(__AVX512BF16__)
// sum[i] + the two products of the bfloat16 of lane i; denormal numbers count as zeros.
inline Vec<float> dot_add(Vec<float> a, Vec<float> b, Vec<float> sum) {
    return (Vec<float>)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}
#endif
#if defined(__AVX512VNNI__) || defined(__AVX512BF16__)
// Lanes from and to unsigned integers of fewer bits, the first `count` of them.
inline Vec<int32_t> load_narrow(const uint8_t* p, int count) {
    return (Vec<int32_t>)_mm512_maskz_cvtepu8_epi32(__mmask16(-1), _mm_maskz_loadu_epi8(__mmask16((1u << count) - 1), p));
}
inline Vec<int32_t> load_narrow(const uint16_t* p, int count) {
    return (Vec<int32_t>)_mm512_maskz_cvtepu16_epi32(__mmask16(-1),
                                                     _mm256_maskz_loadu_epi16(__mmask16((1u << count) - 1), p));
}
inline void store_narrow(uint8_t* p, Vec<int32_t> v, int count) {
    _mm512_mask_cvtepi32_storeu_epi8(p, __mmask16((1u << count) - 1), (__m512i)v);
}
inline void store_narrow(uint16_t* p, Vec<int32_t> v, int count) {
    _mm512_mask_cvtepi32_storeu_epi16(p, __mmask16((1u << count) - 1), (__m512i)v);
}
inline void store_narrow(int32_t* p, Vec<int32_t> v, int count) {
    _mm512_mask_storeu_epi32(p, __mmask16((1u << count) - 1), (__m512i)v);
}
#endif

// The same vector, in a register: where it has several uses, compilers like to read it from memory for each of them.
template <class V>
inline V held(V v) {
#if defined(__AVX512F__)
    __asm__("" : "+v"(v));
#elif defined(__x86_64__)
    __asm__("" : "+x"(v));
#elif defined(__aarch64__)
    __asm__("" : "+w"(v));
#endif
    return v;
}

// The same pointer, of which the compiler knows nothing: what lies behind it is read anew. Otherwise GCC reads long lists of
// addresses once, runs out of registers, and keeps them in mask registers, from where they return by way of the port that
// multiplies.
template <class P>
inline P* unknown(P* p) {
    __asm__ volatile("" : "+r"(p));
    return p;
}

// Which lanes of a vector in memory exist. Lanes that do not are read as zero and never written: memory behind the last
// element of an array belongs to somebody else, or to nobody.
template <class T>
struct Mask {
#if defined(__AVX512F__)
    uint32_t bits;
#elif defined(__AVX2__)
    typedef typename std::conditional<sizeof(T) == 4, int32_t, int64_t>::type Int;
    typedef Int type __attribute__((vector_size(vector_bytes)));
    type lane;
#else
    bool lane[lanes<T>];
#endif
};

inline int between(int low, int x, int high) { return x < low ? low : x > high ? high : x; }

// The lanes begin <= i < end; with `parity` 0 or 1 only the even or odd ones of them.
template <class T>
inline Mask<T> lanes_between(int begin, int end, int parity = -1) {
    begin = between(0, begin, lanes<T>);
    end = between(begin, end, lanes<T>);
#if defined(__AVX512F__)
    const uint32_t chosen = parity < 0 ? 0xffffffffu : 0x55555555u << parity;
    return {((1u << end) - (1u << begin)) & chosen};
#elif defined(__AVX2__)
    using Int = typename Mask<T>::Int;
    typename Mask<T>::type number;
    for (int i = 0; i < lanes<T>; ++i) number[i] = Int(i);
    const Int odd = parity < 0 ? 0 : 1, wanted = parity < 0 ? 0 : Int(parity);
    return {(number >= Int(begin)) & (number < Int(end)) & ((number & odd) == wanted)};
#else
    Mask<T> m{};
    for (int i = begin; i < end; ++i) m.lane[i] = parity < 0 || i % 2 == parity;
    return m;
#endif
}

// The first n lanes, 0 <= n <= lanes.
template <class T>
inline Mask<T> first_lanes(int n) {
#if defined(__AVX512F__)
    return {_bzhi_u32((1u << lanes<T>)-1, unsigned(n))};
#else
    return lanes_between<T>(0, n);
#endif
}

template <class T>
inline Vec<T> load_masked(const T* p, const Mask<T>& m) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm512_maskz_loadu_ps(__mmask16(m.bits), p);
    else
        return (Vec<T>)_mm512_maskz_loadu_pd(__mmask8(m.bits), p);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm256_maskload_ps((const float*)p, (__m256i)m.lane);
    else
        return (Vec<T>)_mm256_maskload_pd((const double*)p, (__m256i)m.lane);
#else
    Vec<T> v{};
    for (int i = 0; i < lanes<T>; ++i)
        if (m.lane[i]) v[i] = p[i];
    return v;
#endif
}

template <class T>
inline void store_masked(T* p, Vec<T> v, const Mask<T>& m) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        _mm512_mask_storeu_ps(p, __mmask16(m.bits), (__m512)v);
    else
        _mm512_mask_storeu_pd(p, __mmask8(m.bits), (__m512d)v);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        _mm256_maskstore_ps((float*)p, (__m256i)m.lane, (__m256)v);
    else
        _mm256_maskstore_pd((double*)p, (__m256i)m.lane, (__m256d)v);
#else
    for (int i = 0; i < lanes<T>; ++i)
        if (m.lane[i]) p[i] = v[i];
#endif
}

// The first n lanes (0 <= n <= lanes), the rest zero.
template <class T>
inline Vec<T> load_partial(const T* p, int n) {
    return load_masked(p, first_lanes<T>(n));
}

template <class T>
inline void store_partial(T* p, Vec<T> v, int n) {
    store_masked(p, v, first_lanes<T>(n));
}

// Lane by lane, v where it exists and `otherwise` where not.
template <class T>
inline Vec<T> chosen(const Mask<T>& m, Vec<T> v, Vec<T> otherwise) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm512_mask_mov_ps((__m512)otherwise, __mmask16(m.bits), (__m512)v);
    else
        return (Vec<T>)_mm512_mask_mov_pd((__m512d)otherwise, __mmask8(m.bits), (__m512d)v);
#elif defined(__AVX2__)
    return m.lane ? v : otherwise;
#else
    for (int i = 0; i < lanes<T>; ++i)
        if (m.lane[i]) otherwise[i] = v[i];
    return otherwise;
#endif
}

// Lanes that do not exist are those of `otherwise`.
template <class T>
inline Vec<T> load_masked(const T* p, const Mask<T>& m, Vec<T> otherwise) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm512_mask_loadu_ps((__m512)otherwise, __mmask16(m.bits), p);
    else
        return (Vec<T>)_mm512_mask_loadu_pd((__m512d)otherwise, __mmask8(m.bits), p);
#else
    return chosen(m, load_masked(p, m), otherwise);
#endif
}

// What stands for the mask of a whole vector, where one piece of code serves whole and partial vectors.
struct AllLanes {};
template <class T>
inline Vec<T> load_masked(const T* p, AllLanes) {
    return load(p);
}
template <class T>
inline Vec<T> load_masked(const T* p, AllLanes, Vec<T>) {
    return load(p);
}
template <class T>
inline void store_masked(T* p, Vec<T> v, AllLanes) {
    store(p, v);
}

// Calls f(i, exists) for the vectors that begin at i = 0, lanes, ... of `count` elements, the last with its mask.
template <class T, class F>
inline __attribute__((always_inline)) void each_vector(int64_t count, const F& f) {
    int64_t i = 0;
    for (; i + lanes<T> <= count; i += lanes<T>) f(i, AllLanes{});
    if (i < count) f(i, first_lanes<T>(int(count - i)));
}

// Bounds, lane by lane; a NaN in b stays, since every comparison with it is false.
template <class V>
inline V at_least(V b, V low) {
    return b < low ? low : b;
}
template <class V>
inline V at_most(V b, V high) {
    return b > high ? high : b;
}

// The larger, the smaller; a NaN if either is.
template <class T>
inline Vec<T> larger_or_nan(Vec<T> a, Vec<T> b) {
    if constexpr (std::is_integral_v<T>) return b > a ? b : a;
#if defined(__AVX512F__)  // max and min yield b where either is NaN
    if constexpr (sizeof(T) == 4) {
        const __m512 p = (__m512)a, q = (__m512)b;
        return (Vec<T>)_mm512_mask_max_ps(p, _mm512_cmp_ps_mask(p, p, _CMP_ORD_Q), p, q);
    } else {
        const __m512d p = (__m512d)a, q = (__m512d)b;
        return (Vec<T>)_mm512_mask_max_pd(p, _mm512_cmp_pd_mask(p, p, _CMP_ORD_Q), p, q);
    }
#else
    return (b > a) | (b != b) ? b : a;
#endif
}
template <class T>
inline Vec<T> smaller_or_nan(Vec<T> a, Vec<T> b) {
    if constexpr (std::is_integral_v<T>) return b < a ? b : a;
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) {
        const __m512 p = (__m512)a, q = (__m512)b;
        return (Vec<T>)_mm512_mask_min_ps(p, _mm512_cmp_ps_mask(p, p, _CMP_ORD_Q), p, q);
    } else {
        const __m512d p = (__m512d)a, q = (__m512d)b;
        return (Vec<T>)_mm512_mask_min_pd(p, _mm512_cmp_pd_mask(p, p, _CMP_ORD_Q), p, q);
    }
#else
    return (b < a) | (b != b) ? b : a;
#endif
}

// The bits of |x|; as integers they are in the order of the numbers, with NaN above all.
template <class T>
using Bits = typename std::conditional<sizeof(T) == 4, int32_t, int64_t>::type;
template <class T>
using BitsVec = typename VectorOf<Bits<T>>::type;

template <class T>
constexpr Bits<T> all_but_sign = std::numeric_limits<Bits<T>>::max();

template <class T>
inline BitsVec<T> magnitude(Vec<T> v) {
    return reinterpret_cast<BitsVec<T>>(v) & all_but_sign<T>;
}
template <class V>
inline V larger(V a, V b) {
    return a > b ? a : b;
}

// As many half-sized floats as a vector has floats: IEEE's of 16 bits, or bfloat16, the upper half of a float.
struct Halves {
    typedef uint16_t type __attribute__((vector_size(vector_bytes / 2)));
    typedef uint16_t unaligned __attribute__((vector_size(vector_bytes / 2), aligned(alignof(uint16_t)), may_alias));
};
inline Halves::type load_halves(const uint16_t* p) { return *reinterpret_cast<const Halves::unaligned*>(p); }
inline void store_halves(uint16_t* p, Halves::type h) { *reinterpret_cast<Halves::unaligned*>(p) = h; }

// To floats, exactly, and back, to the nearest, ties to even. The integers below do what instructions do elsewhere, to the
// bit: a NaN keeps its sign and the upper bits that fit, and is quiet.
inline Vec<float> widen_f16(Halves::type h) {
#if defined(__AVX512F__)
    return (Vec<float>)_mm512_maskz_cvtph_ps(__mmask16(-1), (__m256i)h);
#elif defined(__AVX2__)
    return (Vec<float>)_mm256_cvtph_ps((__m128i)h);
#elif defined(__aarch64__)
    return (Vec<float>)vcvt_f32_f16((float16x4_t)h);
#else
    using Ints = BitsVec<float>;
    constexpr int32_t rebias = 112 << 23,
                      smallest = 113 << 23;  // between the exponents' zeros; 2^-14, the least normal half
    const Ints bits = __builtin_convertvector(h, Ints), m = (bits & 0x7fff) << 13;
    const Ints normal = m + rebias, not_finite = normal + rebias;
    const Ints special = m > (0x7c00 << 13) ? not_finite | 0x00400000 : not_finite;
    const Vec<float> least = reinterpret_cast<Vec<float>>(Ints{} + smallest);
    const Ints subnormal = reinterpret_cast<Ints>(reinterpret_cast<Vec<float>>(m + smallest) - least);
    const Ints value = m < (0x0400 << 13) ? subnormal : m >= (0x7c00 << 13) ? special : normal;
    return reinterpret_cast<Vec<float>>(value | (bits & 0x8000) << 16);
#endif
}

inline Halves::type narrow_f16(Vec<float> v) {
#if defined(__AVX512F__)
    return (Halves::type)_mm512_maskz_cvtps_ph(__mmask16(-1), (__m512)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
    return (Halves::type)_mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__aarch64__)
    return (Halves::type)vcvt_f16_f32((float32x4_t)v);
#else
    using Ints = BitsVec<float>;
    constexpr int32_t rebias = 112 << 23, smallest = 113 << 23, infinity = 0x7f800000;
    constexpr int32_t overflow = 0x47800000;  // 2^16; what rounds up to it becomes infinity by a carry
    const Ints m = magnitude<float>(v), sign = (reinterpret_cast<Ints>(v) >> 16) & 0x8000;
    const Ints normal = (m - rebias + 0xfff + ((m >> 13) & 1)) >> 13;
    // The last place of a half is that of the least subnormal, so that the sum rounds there.
    const Vec<float> half = broadcast(0.5f);
    const Ints subnormal = reinterpret_cast<Ints>(reinterpret_cast<Vec<float>>(m) + half) - reinterpret_cast<Ints>(half);
    const Ints nan = 0x7e00 | ((m >> 13) & 0x3ff);
    const Ints infinite = Ints{} + 0x7c00;
    const Ints value = m < smallest ? subnormal : m > infinity ? nan : m >= overflow ? infinite : normal;
    return __builtin_convertvector(value | sign, Halves::type);
#endif
}

inline Vec<float> widen_bf16(Halves::type h) {
    return reinterpret_cast<Vec<float>>(__builtin_convertvector(h, BitsVec<float>) << 16);
}

inline Halves::type narrow_bf16(Vec<float> v) {
    using Ints = BitsVec<float>;
    constexpr int32_t infinity = 0x7f800000;
    const Ints bits = reinterpret_cast<Ints>(v), sign = (bits >> 16) & 0x8000, m = magnitude<float>(v);
    const Ints rounded = (m + 0x7fff + ((m >> 16) & 1)) >> 16, nan = (m >> 16) | 0x40;
    return __builtin_convertvector((m > infinity ? nan : rounded) | sign, Halves::type);
}

// 0, 1, 2, ...
template <class T>
inline Vec<T> lane_numbers() {
    Vec<T> v;
    for (int i = 0; i < lanes<T>; ++i) v[i] = T(i);
    return v;
}

template <class T>
inline T number(Bits<T> bits) {
    T value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

template <int... I>
struct Indices {};
template <int N, int... I>
struct MakeIndices : MakeIndices<N - 1, N - 1, I...> {};
template <int... I>
struct MakeIndices<0, I...> {
    using type = Indices<I...>;
};

template <class V, int... J>
inline V even_lanes(V a, V b, Indices<J...>) {
    // b begins at the last element of a, so that nothing behind the last lane wanted is read
    constexpr int L = sizeof...(J);
    return __builtin_shufflevector(a, b, (2 * J < L ? 2 * J : 2 * J + 1)...);
}

// Of two vectors that follow each other.
template <class V, int... J>
inline V even_of(V a, V b, Indices<J...>) {
    return __builtin_shufflevector(a, b, (2 * J)...);
}
template <class V, int... J>
inline V odd_of(V a, V b, Indices<J...>) {
    return __builtin_shufflevector(a, b, (2 * J + 1)...);
}

// The lanes from N on of two vectors that follow each other.
template <int N, class V, int... J>
inline V further(V a, V b, Indices<J...>) {
    return __builtin_shufflevector(a, b, (J + N)...);
}

// The lanes of two vectors in turn: a0, b0, a1, b1, ..., the first half of them and the second.
template <class V, int... J>
inline V low_zipped(V a, V b, Indices<J...>) {
    constexpr int L = sizeof...(J);
    return __builtin_shufflevector(a, b, (J / 2 + J % 2 * L)...);
}
template <class V, int... J>
inline V high_zipped(V a, V b, Indices<J...>) {
    constexpr int L = sizeof...(J);
    return __builtin_shufflevector(a, b, (L / 2 + J / 2 + J % 2 * L)...);
}

// p[0], p[S], p[2 S], ...; reads up to p[(lanes - 1) S] and no further.
template <int S, class T>
inline Vec<T> load_step(const T* p) {
    static_assert(S == 1 || S == 2);
    if constexpr (S == 1)
        return load(p);
    else
        return even_lanes(load(p), load(p + lanes<T> - 1), typename MakeIndices<lanes<T>>::type{});
}

// The masks of load_step<S>(p, ...) that read the elements wanted by lanes begin <= i < end alone.
template <class T, int S>
struct StepMask {
    Mask<T> part[S];
    StepMask() = default;
    StepMask(int begin, int end) {
        constexpr int behind = lanes<T> - 1;  // where the second vector begins, an odd number
        part[0] = lanes_between<T>(begin * S, end * S, S == 2 ? 0 : -1);
        if constexpr (S == 2) part[1] = lanes_between<T>(begin * S - behind, end * S - behind, 1);
    }
};

template <int S, class T>
inline Vec<T> load_step(const T* p, const StepMask<T, S>& m) {
    if constexpr (S == 1)
        return load_masked(p, m.part[0]);
    else
        return even_lanes(load_masked(p, m.part[0]), load_masked(p + lanes<T> - 1, m.part[1]),
                          typename MakeIndices<lanes<T>>::type{});
}

// Lanes H apart, a power of two, change places.
template <int H, class V, int... J>
inline V swapped(V v, Indices<J...>) {
    return __builtin_shufflevector(v, v, (J ^ H)...);
}

// Lane i of the result is lane from[i] of v.
template <class T>
inline Vec<T> permute(Vec<T> v, BitsVec<T> from) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm512_maskz_permutexvar_ps(__mmask16(-1), (__m512i)from, (__m512)v);
    else
        return (Vec<T>)_mm512_maskz_permutexvar_pd(__mmask8(-1), (__m512i)from, (__m512d)v);
#else
#if defined(__AVX2__)
    if constexpr (sizeof(T) == 4) return (Vec<T>)_mm256_permutevar8x32_ps((__m256)v, (__m256i)from);
#endif
    Vec<T> to;
    for (int i = 0; i < lanes<T>; ++i) to[i] = v[from[i]];
    return to;
#endif
}

// Lane i of the result is lane from[i] of two vectors, b behind a. One instruction, or better not used.
#if defined(__AVX512F__)
constexpr bool permutes_pairs = true;
template <class T>
inline Vec<T> permute(Vec<T> a, Vec<T> b, BitsVec<T> from) {
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm512_permutex2var_ps((__m512)a, (__m512i)from, (__m512)b);
    else
        return (Vec<T>)_mm512_permutex2var_pd((__m512d)a, (__m512i)from, (__m512d)b);
}
#else
constexpr bool permutes_pairs = false;
template <class T>
Vec<T> permute(Vec<T> a, Vec<T> b, BitsVec<T> from);
#endif

template <int H, class V, int... J>
inline void exchange(V& a, V& b, Indices<J...>) {
    constexpr int L = sizeof...(J);
    const V low = __builtin_shufflevector(a, b, ((J & H) ? L + J - H : J)...);
    b = __builtin_shufflevector(a, b, ((J & H) ? L + J : J + H)...);
    a = low;
}

template <class T, int H>
inline void transpose_step(Vec<T>* r) {
    if constexpr (H > 0) {
#pragma GCC unroll 16
        for (int i = 0; i < lanes<T>; ++i)
            if (!(i & H)) exchange<H>(r[i], r[i + H], typename MakeIndices<lanes<T>>::type{});
        transpose_step<T, H / 2>(r);
    }
}

// r[i][j] <-> r[j][i]: log2(lanes) rounds, each swapping off-diagonal blocks of half the size.
template <class T>
inline void transpose(Vec<T>* r) {
    transpose_step<T, lanes<T> / 2>(r);
}

// Calls f(Constant<m>) for the run-time m in 1..Max, so that m is a constant inside.
template <int N>
struct Constant {
    static constexpr int value = N;
};
template <int Max, class F>
__attribute__((always_inline)) inline void with_constant(int m, const F& f) {
    if constexpr (Max == 1)
        f(Constant<1>{});
    else if (m == Max)
        f(Constant<Max>{});
    else
        with_constant<Max - 1>(m, f);
}

}  // namespace
}  // namespace fastconv
