// Windows of few columns, channels first: nothing but outputs is stored.
//
// The rows of a window are reduced a vector of columns at a time. With stride 1 lane i of a reduced vector is the first tap
// of output i, and the other taps lie i + t lanes further: in the same vector or the next. With stride S, S reduced vectors
// are sorted by the remainder of their columns first. Columns outside are lanes that do not exist, the same in every row, so
// that borders cost no more than their masks. A row of outputs is done in all planes of a task before the next: what is to
// be known about a row is found once, which in small images would take longer than to compute it.
#pragma once

#include "grid.hpp"
#include "window.hpp"
#include "window_args.hpp"

namespace fastconv {
namespace {

// Vectors of input columns from the first column of the first window on, and which of their lanes exist.
template <class T>
struct ColumnVectors {
    int64_t count;      // with the last column of the input; none behind it have anything
    Range whole;        // those all of whose lanes exist,
    const Mask<T>* of;  // and each of the others
};

// The rows of input that a row of outputs sees, at least one, and how far apart they and the planes are.
template <class T>
struct SeenRows {
    const T* first;
    int64_t count, pitch, plane;
};

template <class T, class Op, int S, int K>
class FewTaps {
   public:
    FewTaps(const SeenRows<T>& rows, const ColumnVectors<T>& columns) : rows_(rows), columns_(columns) {}

    // A row of outputs in each of so many planes.
    template <class P>
    void put(P out, int64_t outputs, int64_t planes, int64_t out_plane) {
        const int64_t whole = outputs / lanes<T>;
        const Mask<T> last = first_lanes<T>(int(outputs % lanes<T>));
        for (; planes > 0; --planes, rows_.first += rows_.plane, out.y += out_plane) {
            Sorted here = sorted(0);
            for (int64_t i = 0; i < whole; ++i) out.put(i * lanes<T>, next_windows(here, i), AllLanes{});
            if (whole * lanes<T> < outputs) out.put(whole * lanes<T>, next_windows(here, whole), last);
        }
    }

   private:
    struct Sorted {
        Vec<T> remainder[S];
    };
    using AllIndices = typename MakeIndices<lanes<T>>::type;

    // Those that begin in vector i, which is `here`; leaves there the next.
    FASTCONV_INLINE Vec<T> next_windows(Sorted& here, int64_t i) const {
        const Sorted next = sorted(i + 1);
        const Vec<T> v = windows(here, next, typename MakeIndices<K>::type{});
        here = next;
        return v;
    }
    template <int... J>
    FASTCONV_INLINE static Vec<T> windows(const Sorted& here, const Sorted& next, Indices<J...>) {
        const Vec<T> taps[] = {further<J / S>(here.remainder[J % S], next.remainder[J % S], AllIndices{})...};
        return combined<Op, K>([&](int t) { return taps[t]; });
    }

    FASTCONV_INLINE Sorted sorted(int64_t i) const {
        if constexpr (S == 1) {
            return {{reduced(i)}};
        } else {
            const Vec<T> a = reduced(S * i), b = reduced(S * i + 1);
            return {{even_of(a, b, AllIndices{}), odd_of(a, b, AllIndices{})}};
        }
    }
    FASTCONV_INLINE Vec<T> reduced(int64_t i) const {
        if (i >= columns_.count) return Op::identity();
        if (i >= columns_.whole.begin && i < columns_.whole.end) return reduced_rows(i, AllLanes{});
        return chosen<T>(columns_.of[i], reduced_rows(i, columns_.of[i]), Op::identity());
    }
    template <class Exists>
    FASTCONV_INLINE Vec<T> reduced_rows(int64_t i, const Exists& exists) const {
        const T* row = rows_.first + i * lanes<T>;
        Vec<T> v = load_masked(row, exists);
        for (int64_t r = 1; r < rows_.count; ++r) v = Op::combine(v, load_masked(row += rows_.pitch, exists));
        return v;
    }

    SeenRows<T> rows_;
    ColumnVectors<T> columns_;
};

}  // namespace
}  // namespace fastconv
