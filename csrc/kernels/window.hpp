// Reductions over sliding windows, of a line and of rows, by any semigroup: what pooling and the filters of ranks share.
//
//     line: y[i] = Op of x[i + t * dilation], t < window          rows: y[o] = Op of rows o, ..., o + window - 1
//
// Along a line, reductions of 4 neighbours give those of 16, these those of 64, and so on: the last step combines as many
// of them as cover the window, overlapping where that does no harm (Op::idempotent). Sums are made of four of a quarter of
// the window and of what is left. Four to a step rather than two, since each step stores the line. The cost grows with the
// logarithm of the window, and a sum is a tree: at most 1.5 log2(window) roundings in a row.
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
constexpr T lowest = std::is_integral_v<T> ? std::numeric_limits<T>::min() : -std::numeric_limits<T>::infinity();
template <class T>
constexpr T highest = std::is_integral_v<T> ? std::numeric_limits<T>::max() : std::numeric_limits<T>::infinity();

template <class T>
struct Maximum {
    static constexpr bool idempotent = true;
    static Vec<T> identity() { return broadcast(lowest<T>); }
    static Vec<T> combine(Vec<T> a, Vec<T> b) { return larger_or_nan<T>(a, b); }
};
template <class T>
struct Minimum {
    static constexpr bool idempotent = true;
    static Vec<T> identity() { return broadcast(highest<T>); }
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
template <class T, class Op, int H = lanes<T> / 2, class V>
inline V combined_lanes(V v) {
    if constexpr (H == 0)
        return v;
    else
        return combined_lanes<T, Op, H / 2>(Op::combine(v, swapped<H>(v, typename MakeIndices<lanes<T>>::type{})));
}

// ---------------------------------------------------------------- along a line

constexpr int line_taps = 4;  // combined in one pass

// What is combined to a window that begins at i: what begins at i, i + step, ..., the last at i + last.
struct Cover {
    int64_t taps, step, last;
    int64_t offset(int64_t t) const { return t + 1 < taps ? t * step : last; }
};

// to[i] = Op of K elements that cover the window at from[i]; `with(i, v)` adds to them what else there is.
template <class T, class Op, int K, class Line, class With>
FASTCONV_INLINE void combine_cover(Line to, Line from, int64_t count, const Cover& cover, const With& with) {
    Line tap[K];
    for (int j = 0; j < K; ++j) tap[j] = from + cover.offset(j);
    for (int64_t i = 0; i < count; i += lanes<T>)
        store(to + i, with(i, combined<Op, K>([&](int j) { return load(tap[j] + i); })));
}

// The same for up to line_taps elements and nothing else.
template <class T, class Op, class Line>
inline void combine_taps(Line to, Line from, int64_t count, const Cover& cover) {
    with_constant<line_taps>(int(cover.taps), [&](auto k) {
        combine_cover<T, Op, k.value>(to, from, count, cover, [](int64_t, auto v) { return v; });
    });
}

// line[i] = Op of `span` elements, the largest power of line_taps below the window, wherever a window of `count` begins;
// returns which of them cover a window. The line goes on for a vector beyond the last element of the last window.
template <class T, class Op, class Line>
inline Cover widen_line(Line line, int64_t count, int64_t window, int64_t dilation) {
    static_assert(Op::idempotent);
    int64_t span = 1;
    for (; window > line_taps * span; span *= line_taps) {
        const int64_t step = span * dilation, reach = count + (window - line_taps * span) * dilation;
        combine_taps<T, Op>(line, line, reach, Cover{line_taps, step, (line_taps - 1) * step});
    }
    return {(window + span - 1) / span, span * dilation, (window - span) * dilation};
}

// line[i] = Op of elements[i + t * dilation], t < window, for i < count, for what is not idempotent: four windows of a
// quarter, one behind the other, and the up to three elements that are left. At first the line is the elements.
template <class T, class Op, class Line>
inline void quarter_line(Line line, Line elements, int64_t count, int64_t window, int64_t dilation) {
    if (window <= line_taps) return combine_taps<T, Op>(line, line, count, Cover{window, dilation, (window - 1) * dilation});
    const int64_t quarter = window / line_taps, step = quarter * dilation;
    quarter_line<T, Op>(line, elements, count + (line_taps - 1) * step, quarter, dilation);
    const Line rest = elements + line_taps * step;
    with_constant<line_taps>(int(window % line_taps) + 1, [&](auto k) {
        const auto with_rest = [&](int64_t i, auto v) {
            if constexpr (k.value == 1)
                return v;
            else
                return Op::combine(v, combined<Op, k.value - 1>([&](int j) { return load(rest + (i + j * dilation)); }));
        };
        combine_cover<T, Op, line_taps>(line, line, count, Cover{line_taps, step, (line_taps - 1) * step}, with_rest);
    });
}

// line[i] = Op of line[i + t * dilation], t < window, for i < count. The line goes on for a vector beyond the last element
// of the last window; scratch is another as long, for what is not idempotent alone.
template <class T, class Op, class Line>
inline void slide_line(Line line, int64_t count, int64_t window, int64_t dilation, [[maybe_unused]] Line scratch) {
    if constexpr (Op::idempotent) {
        combine_taps<T, Op>(line, line, count, widen_line<T, Op>(line, count, window, dilation));
    } else {
        if (window > line_taps) combine_taps<T, Op>(scratch, line, count + (window - 1) * dilation, Cover{1, 0, 0});
        quarter_line<T, Op>(line, scratch, count, window, dilation);
    }
}

// Op of from[i], i < count, in every lane: several chains, so that nothing but reading takes time.
template <class T, class Op, class Line>
inline auto combined_run(Line from, int64_t count) {
    constexpr int chains = 8;
    if (count < lanes<T>) return combined_lanes<T, Op>(load_masked(from, first_lanes<T>(int(count)), Op::identity()));
    decltype(load(from)) chain[chains];
    for (auto& c : chain) c = Op::identity();
    int64_t i = 0;
    for (; i + chains * lanes<T> <= count; i += chains * lanes<T>)
#pragma GCC unroll 8
        for (int j = 0; j < chains; ++j) chain[j] = Op::combine(chain[j], load(from + (i + j * lanes<T>)));
    for (; i + lanes<T> <= count; i += lanes<T>) chain[0] = Op::combine(chain[0], load(from + i));
    if (i < count) chain[1] = Op::combine(chain[1], load_masked(from + i, first_lanes<T>(int(count - i)), Op::identity()));
    return combined_lanes<T, Op>(combined<Op, chains>([&](int j) { return chain[j]; }));
}

// slide_line_to() where neighbours lie side by side and a window is at most a vector long: what begins 4, 8 or 12 lanes
// further is taken from two vectors of reductions of 4. Reads two vectors beyond the last element.
template <class T, class Op>
inline void slide_lanes_to(T* to, const T* line, int64_t count, const Cover& cover) {
    const auto four = [&](int64_t i)
                          FASTCONV_INLINED { return combined<Op, line_taps>([&](int t) { return load(line + i + t); }); };
    with_constant<line_taps>(int(cover.taps), [&](auto k) {
        BitsVec<T> from[line_taps];
        for (int j = 0; j < k.value; ++j) from[j] = lane_numbers<Bits<T>>() + Bits<T>(cover.offset(j));
        Vec<T> here = four(0);
        each_vector<T>(count, [&](int64_t i, auto exists) {
            const Vec<T> next = four(i + lanes<T>);
            const auto tap = [&](int j) { return j == 0 ? here : permute<T>(here, next, from[j]); };
            store_masked(to + i, combined<Op, k.value>(tap), exists);
            here = next;
        });
    });
}

// to[i] = Op of line[i + t * dilation], t < window, for i < count and no further; the line, which goes on for two vectors
// beyond the last element of the last window, is spoilt.
template <class T, class Op>
inline void slide_line_to(T* to, T* line, int64_t count, int64_t window, int64_t dilation) {
    if constexpr (permutes_pairs)
        if (dilation == 1 && window > line_taps && window <= lanes<T>)
            return slide_lanes_to<T, Op>(to, line, count,
                                         Cover{(window + line_taps - 1) / line_taps, line_taps, window - line_taps});
    const Cover cover = widen_line<T, Op>(line, count, window, dilation);
    with_constant<line_taps>(int(cover.taps), [&](auto k) {
        each_vector<T>(count, [&](int64_t i, auto exists) {
            const auto tap = [&](int j) { return load(line + (i + cover.offset(j))); };
            store_masked(to + i, combined<Op, k.value>(tap), exists);
        });
    });
}

// ---------------------------------------------------------------- over rows

constexpr int rows_taps = 8;  // combined in one pass
constexpr int few_rows = 4;   // better combined for each window anew

// A line that is only read: few types of rows, few copies of the code.
template <class T>
inline const T* read_only(T* p) {
    return p;
}

// to = Op of rows[0], ..., rows[taps - 1], and of `to` before if it goes on.
template <class T, class Op, class Line, class Row>
__attribute__((noinline)) void combine_few_rows(Line to, const Row* rows, int taps, int64_t count, bool goes_on) {
    with_constant<rows_taps>(taps, [&](auto k) {
        Row at[k.value];
        for (int j = 0; j < k.value; ++j) at[j] = rows[j];
        each_vector<T>(count, [&](int64_t i, auto exists) {
            const auto v = combined<Op, k.value>([&](int j) { return load_masked(at[j] + i, exists); });
            store_masked(to + i, goes_on ? Op::combine(load_masked(to + i, exists), v) : v, exists);
        });
    });
}

// to = Op of row(0), ..., row(n - 1), `count` elements of each, and of `to` before if it goes on; or else n > 0. Eight at
// a time as a tree, one after another beyond.
template <class T, class Op, class Line, class RowOf>
inline void combine_rows(Line to, int64_t n, const RowOf& row, int64_t count, bool goes_on = false) {
    decltype(read_only(row(0))) rows[rows_taps];
    for (int64_t first = 0; first < n; first += rows_taps, goes_on = true) {
        const int taps = int(n - first < rows_taps ? n - first : rows_taps);
        for (int j = 0; j < taps; ++j) rows[j] = read_only(row(first + j));
        combine_few_rows<T, Op>(to, rows, taps, count, goes_on);
    }
}

constexpr int block_rows = vector_registers >= 32 ? 8 : 4;  // reduced at a time
constexpr int block_vectors = 2;                            // of each

// to + r * pitch = Op of rows[r], ..., rows[r + window - 1] for R rows, R <= window: what is common to them, before it the
// reductions of the ends of the first R - 1 rows, behind it those of the beginnings of the last.
template <class T, class Op, int R>
__attribute__((noinline)) void combine_block(T* to, int64_t pitch, const T* const* rows, int64_t window, int64_t count) {
    const auto columns = [&](int64_t i, auto v, const auto& read, const auto& write) FASTCONV_INLINED {
        constexpr int V = v.value;
        Vec<T> window_of[R][V], beginning[V];
        const auto reduce = [&](Vec<T>* all, const T* row) FASTCONV_INLINED {
#pragma GCC unroll 4
            for (int j = 0; j < V; ++j) all[j] = Op::combine(all[j], read(row + i + j * lanes<T>));
        };
#pragma GCC unroll 4
        for (int j = 0; j < V; ++j) window_of[R - 1][j] = read(rows[R - 1] + i + j * lanes<T>);
        for (int64_t r = R; r < window; ++r) reduce(window_of[R - 1], rows[r]);
#pragma GCC unroll 8
        for (int r = R - 2; r >= 0; --r) {
#pragma GCC unroll 4
            for (int j = 0; j < V; ++j) window_of[r][j] = window_of[r + 1][j];
            reduce(window_of[r], rows[r]);
        }
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
            for (int j = 0; j < V; ++j) {
                if (r == 1) beginning[j] = read(rows[window] + i + j * lanes<T>);
                if (r > 1) beginning[j] = Op::combine(beginning[j], read(rows[window + r - 1] + i + j * lanes<T>));
                write(to + r * pitch + i + j * lanes<T>,
                      r > 0 ? Op::combine(window_of[r][j], beginning[j]) : window_of[r][j]);
            }
        }
    };
    int64_t i = 0;
    for (; i + block_vectors * lanes<T> <= count; i += block_vectors * lanes<T>)
        columns(i, Constant<block_vectors>{}, [](const T* p) { return load(p); }, [](T* p, Vec<T> v) { store(p, v); });
    for (; i < count; i += lanes<T>) {
        const Mask<T> exists = first_lanes<T>(between(0, int(count - i), lanes<T>));
        columns(
            i, Constant<1>{}, [&](const T* p) { return load_masked(p, exists); },
            [&](T* p, Vec<T> v) { store_masked(p, v, exists); });
    }
}

// The same for any number of rows.
template <class T, class Op>
inline void combine_blocks(T* to, int64_t pitch, const T* const* rows, int64_t window, int64_t count, int64_t wanted) {
    const auto blocks = [&](auto r) FASTCONV_INLINED {
        for (; wanted >= r.value && window >= r.value; wanted -= r.value, rows += r.value, to += r.value * pitch)
            combine_block<T, Op, r.value>(to, pitch, rows, window, count);
    };
    if constexpr (block_rows >= 8) blocks(Constant<8>{});
    blocks(Constant<4>{});
    blocks(Constant<2>{});
    blocks(Constant<1>{});
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
        take(read_only(row), wanted, out);
    }

   private:
    Line slot(int64_t i) const { return slots_ + i * pitch_; }
    Line beginning() const { return slot(window_); }

    template <class Row>
    void take(Row row, bool wanted, Line out) {
        const int64_t at = next_++ % window_;
        if (window_ <= few_rows) {
            copy(slot(at), row);
            if (wanted) combine_rows<T, Op>(out, window_, [&](int64_t t) { return slot((at + 1 + t) % window_); }, count_);
        } else if (at == window_ - 1) {
            copy(slot(at), row);
            reduce_ends();
            if (wanted) copy(out, read_only(slot(0)));
        } else if (next_ <= first_ - first_ % window_ + window_) {
            copy(slot(at), row);  // of the first block, whose beginning nobody needs
        } else {
            extend_beginning(row, at, wanted, out);
        }
    }

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
