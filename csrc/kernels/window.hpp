// Reductions over sliding windows, of a line and of rows, by any semigroup: what pooling and the filters of ranks share.
//
//     line: y[i] = Op of x[i + t * dilation], t < window          rows: y[o] = Op of rows o, ..., o + window - 1
//
// Along a line, reductions of 4 neighbours give those of 16, these those of 64, and so on: the last step combines as many
// of them as cover the window, overlapping where that does no harm (Op::idempotent), else those that the digits of the
// window ask for. Four to a step rather than two, since each step stores the line. The cost grows with the logarithm of
// the window, and a sum is a tree: at most log2(window) + 2 roundings in a row.
//
// Over rows, few are combined one by one. For more, the algorithm of van Herk (1992) and of Gil and Werman (1993): in
// blocks of `window` rows the reductions of each block's ends and beginnings; a window is the end of one block and the
// beginning of the next. Three combinations a row whatever the window; a sum is at most window - 1 additions in a row, and
// nothing is subtracted, so that an infinity or NaN does not leave its windows. Blocks begin at multiples of the window:
// the bits of a row do not depend on where the caller began.
//
// A line is a pointer, or whatever else has load, store, load_masked, store_masked and can be advanced.
#pragma once

#include "tile.hpp"

namespace fastconv {
namespace {

template <class T>
struct Maximum {
    static constexpr bool idempotent = true;
    static Vec<T> identity() { return broadcast<T>(T(-__builtin_inf())); }
    static Vec<T> combine(Vec<T> a, Vec<T> b) { return larger_or_nan<T>(a, b); }
};
template <class T>
struct Minimum {
    static constexpr bool idempotent = true;
    static Vec<T> identity() { return broadcast<T>(T(__builtin_inf())); }
    static Vec<T> combine(Vec<T> a, Vec<T> b) { return smaller_or_nan<T>(a, b); }
};
template <class T>
struct Sum {
    static constexpr bool idempotent = false;
    static Vec<T> identity() { return Vec<T>{}; }
    static Vec<T> combine(Vec<T> a, Vec<T> b) { return a + b; }
};

// of(first), ..., of(first + K - 1) combined as a tree, in their order.
template <class Op, int K, class Of>
FASTCONV_INLINE auto combined(const Of& of, int first = 0) {
    if constexpr (K == 1)
        return of(first);
    else
        return Op::combine(combined<Op, (K + 1) / 2>(of, first), combined<Op, K / 2>(of, first + (K + 1) / 2));
}

// Op of all lanes, in each of them.
template <class T, class Op, int H = lanes<T> / 2>
inline Vec<T> combined_lanes(Vec<T> v) {
    if constexpr (H == 0)
        return v;
    else
        return combined_lanes<T, Op, H / 2>(Op::combine(v, swapped<H>(v, typename MakeIndices<lanes<T>>::type{})));
}

// ---------------------------------------------------------------- along a line

constexpr int line_taps = 4;  // combined in one pass

// to[i] = Op of from[i + j * step], j + 1 < taps, and from[i + last]; `before(i)`, if anything, comes first.
template <class T, class Op, class Line, class Before>
FASTCONV_INLINE void combine_taps(Line to, Line from, int64_t count, int taps, int64_t step, int64_t last,
                                  const Before& before) {
    with_constant<line_taps>(taps, [&](auto k) {
        const auto tap = [&](int j) { return from + (j + 1 < k.value ? j * step : last); };
        for (int64_t i = 0; i < count; i += lanes<T>)
            store(to + i, before(i, combined<Op, k.value>([&](int j) { return load(tap(j) + i); })));
    });
}

// line[i] = Op of line[i + t * dilation], t < window, for i < count. The line goes on for a vector beyond the last element
// of the last window; scratch is another of `count` elements and a vector, for what is not idempotent alone.
template <class T, class Op, class Line>
inline void slide_line(Line line, int64_t count, int64_t window, int64_t dilation, Line scratch) {
    const auto alone = [](int64_t, auto v) { return v; };
    const auto after_scratch = [&](int64_t i, auto v) { return Op::combine(load(scratch + i), v); };
    int64_t span = 1, done = 0;  // line[i] holds `span` elements, scratch[i] the first `done` of the window
    for (; window > line_taps * span; span *= line_taps) {
        const int64_t step = span * dilation;
        if (const int digit = int(window / span % line_taps); digit && !Op::idempotent) {
            const Line from = line + done * dilation;
            if (done)
                combine_taps<T, Op>(scratch, from, count, digit, step, (digit - 1) * step, after_scratch);
            else
                combine_taps<T, Op>(scratch, from, count, digit, step, (digit - 1) * step, alone);
            done += digit * span;
        }
        const int64_t reach = count + (window - line_taps * span) * dilation;
        combine_taps<T, Op>(line, line, reach, line_taps, step, (line_taps - 1) * step, alone);
    }
    const int64_t rest = window - done;
    const int taps = int((rest + span - 1) / span);
    const Line from = line + done * dilation;
    if (done)
        combine_taps<T, Op>(line, from, count, taps, span * dilation, (rest - span) * dilation, after_scratch);
    else
        combine_taps<T, Op>(line, from, count, taps, span * dilation, (rest - span) * dilation, alone);
}

// ---------------------------------------------------------------- over rows

constexpr int rows_taps = 8;  // combined in one pass

// to = Op of row(0), ..., row(n - 1), n > 0, `count` elements of each: eight at a time as a tree, one after another beyond.
template <class T, class Op, class Line, class RowOf>
inline void combine_rows(Line to, int64_t n, const RowOf& row, int64_t count) {
    for (int64_t first = 0; first < n; first += rows_taps)
        with_constant<rows_taps>(int(n - first < rows_taps ? n - first : rows_taps), [&](auto k) {
            decltype(row(0)) rows[k.value] = {};
            for (int j = 0; j < k.value; ++j) rows[j] = row(first + j);
            each_vector<T>(count, [&](int64_t i, auto exists) {
                const auto v = combined<Op, k.value>([&](int j) { return load_masked(rows[j] + i, exists); });
                store_masked(to + i, first ? Op::combine(load_masked(to + i, exists), v) : v, exists);
            });
        });
}

// Windows of rows that come one after another. Rows have numbers, which begin anywhere; a row of identities stands for
// one that is outside. The memory, of `lines(window)` lines `pitch` apart, holds the last `window` rows or what became of
// them.
template <class T, class Op, class Line>
class SlidingRows {
   public:
    static int64_t lines(int64_t window) { return window + 1; }

    SlidingRows(Line memory, int64_t pitch, int64_t count, int64_t window, int64_t first)
        : slots_(memory), pitch_(pitch), count_(count), window_(window), first_(first), next_(first) {}

    // Where the next row may be put before it is pushed, which saves copying it.
    Line slot() const { return slot(next_ % window_); }

    // Takes the next row. If the window that ends with it is wanted, which needs `window` rows, `out` receives it.
    template <class Row>
    void push(Row row, bool wanted, Line out) {
        const int64_t at = next_++ % window_;
        if (window_ <= rows_taps) {
            copy(slot(at), row);
            if (wanted) combine_rows<T, Op>(out, window_, [&](int64_t t) { return slot((at + 1 + t) % window_); }, count_);
        } else if (at == window_ - 1) {
            copy(slot(at), row);
            reduce_ends();
            if (wanted) copy(out, slot(0));
        } else if (next_ <= first_ - first_ % window_ + window_) {
            copy(slot(at), row);  // of the first block, whose beginning nobody needs
        } else {
            extend_beginning(row, at, wanted, out);
        }
    }

   private:
    Line slot(int64_t i) const { return slots_ + i * pitch_; }
    Line beginning() const { return slot(window_); }

    template <class Row>
    void copy(Line to, Row from) {
        each_vector<T>(count_, [&](int64_t i, auto exists) { store_masked(to + i, load_masked(from + i, exists), exists); });
    }

    // A block is complete: its rows become the reductions from each to the last.
    void reduce_ends() {
        const int64_t seen = next_ - first_;
        for (int64_t r = window_ - 2; r >= 0 && r >= window_ - seen; --r) {
            const Line to = slot(r), behind = slot(r + 1);
            each_vector<T>(count_, [&](int64_t i, auto exists) {
                store_masked(to + i, Op::combine(load_masked(to + i, exists), load_masked(behind + i, exists)), exists);
            });
        }
    }

    // A row of a block: in its slot for later, and in the reduction of the block's rows so far, which together with the
    // end of the block before is a window.
    template <class Row>
    void extend_beginning(Row row, int64_t at, bool wanted, Line out) {
        const Line to = slot(at), so_far = beginning(), end = slot(at + 1);
        each_vector<T>(count_, [&](int64_t i, auto exists) {
            auto v = load_masked(row + i, exists);
            store_masked(to + i, v, exists);
            if (at > 0) v = Op::combine(load_masked(so_far + i, exists), v);
            store_masked(so_far + i, v, exists);
            if (wanted) store_masked(out + i, Op::combine(load_masked(end + i, exists), v), exists);
        });
    }

    Line slots_;
    int64_t pitch_, count_, window_, first_, next_;
};

}  // namespace
}  // namespace fastconv
