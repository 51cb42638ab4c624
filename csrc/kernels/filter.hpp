// Filters: weighted sums over windows of an array, what lies outside it given by tables.
//
//     y[p, r, c] = sum over planes d, columns w, rows h of weights[d, w, h] * x[plane_of(p, d), row_of(r + h), pixel_of(c +
//     w)]
//
// and for two stages, along columns and then along rows, z[p, r, c] = sum_h first[h] * x[p, row_of(r + h), c] and
// y[p, r, c] = sum_w second[w] * z[p, r, pixel_of(c + w)].
//
// A tile is some rows of y times vectors of columns, so that each load serves the taps of several rows. Where x has the
// type of the sums, columns whose windows lie inside it are computed from it in place; the others, and all where it has
// another type, from lines into which rows are read: converted, their ends extended. Order of the sum: planes, columns,
// rows.
//     Task: plane, block of rows, strip of columns. Workspace: the struct FilterLayout.
#pragma once

#include "copy.hpp"
#include "filter_strip.hpp"
#include "window.hpp"

namespace fastconv {
namespace {

template <class T>
struct FilterLayout {
    static constexpr int64_t slack = stencil_rows * lanes<T>;  // a tile may read and write so much behind its last column
    int64_t first_reach, reach;  // elements that a column of the first stage, and of the whole filter, sees behind itself
    int64_t lines;               // for each plane of taps and each of the two edges
    int64_t line, between_line;  // elements of one of these, and of one between the stages
    int64_t between_lines;
    int64_t offsets, held, rows, constant, data, between, bytes;

    explicit FilterLayout(const FilterArgs<T>& a) {
        const auto aligned = [](int64_t n) { return (n + vector_bytes - 1) / vector_bytes * vector_bytes; };
        // An odd number of vectors: lines do not meet in the same sets of the cache.
        const auto padded = [](int64_t n) { return ((n + slack) / lanes<T> | 1) * lanes<T>; };
        const int64_t planes = a.first.planes, strip = a.strip_pixels * a.channels;
        first_reach = (a.first.width - 1) * a.channels;
        reach = a.two_stages ? (a.second.width - 1) * a.channels : first_reach;
        lines = a.first.height + filter_rows - 1;
        line = padded(a.in_place ? 2 * reach + slack + a.channels : strip + reach);
        between_line = padded(strip + reach);
        offsets = 0;
        held = (reach / a.channels + 1) * int64_t(sizeof(int64_t));
        rows = held + 2 * planes * lines * int64_t(sizeof(int64_t));
        constant = aligned(rows + planes * lines * int64_t(sizeof(T*)));
        data = constant + between_line * int64_t(sizeof(T));
        between = data + (a.in_place ? 2 : 1) * planes * lines * line * int64_t(sizeof(T));
        between_lines = a.two_stages || !a.stored_as_is ? filter_rows : 0;
        bytes = between + between_lines * between_line * int64_t(sizeof(T));
    }
};

template <class T>
int64_t filter_workspace(const FilterArgs<T>& a) {
    return FilterLayout<T>(a).bytes;
}

// Weighted sums of a tile.
struct WeightedSum {
    template <int R, class T, int V, class Columns>
    static FASTCONV_INLINE void add(Tile<T, R, V>& tile, const T* const* rows, const Columns& column, const T* weights,
                                    int64_t height, int64_t width) {
        stencil_add_columns<R, V, 1>(tile, rows, column, ScalarWeights<T>{weights, 0}, height, width);
    }
    template <class T>
    static T start() {
        return T(0);
    }
};

// The least or greatest of the taps whose weight is not zero.
template <class Op>
struct Rank {
    template <int R, class T, int V, class Columns>
    static FASTCONV_INLINE void add(Tile<T, R, V>& tile, const T* const* rows, const Columns& column, const T* weights,
                                    int64_t height, int64_t width) {
        for (int64_t w = 0; w < width; ++w)
            column(w, [&](const auto& read) FASTCONV_INLINED {
                for (int64_t h = 0; h < height; ++h)
                    if (weights[w * height + h] != 0)
#pragma GCC unroll 8
                        for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
                            for (int v = 0; v < V; ++v) tile.sum[r][v] = Op::combine(tile.sum[r][v], read(rows[h + r], v));
            });
    }
    template <class T>
    static T start() {
        return Op::identity()[0];
    }
};

// R rows of a stage, `count` columns of them, into rows `pitch` apart; what a tile computes behind them is thrown away.
template <class Stage, class T, int R>
inline void filter_tiles(const FilterStage<T>& s, const T* const* lines, int64_t lines_of_plane, const int64_t* offset,
                         int64_t count, T* to, int64_t pitch) {
    constexpr int V = filter_vectors(R);
    T start[R];
    for (T& t : start) t = Stage::template start<T>();
    for (int64_t column = 0; column < count; column += V * lanes<T>) {
        const auto read = [&](int64_t w, const auto& f) FASTCONV_INLINED {
            f([from = column + offset[w]](const T* row, int v) { return load(row + from + v * lanes<T>); });
        };
        with_constant<V>(int(min_of(parts_of(count - column, lanes<T>), V)), [&](auto v) {
            Tile<T, R, v.value> tile;
            tile.begin_rows(start);
            for (int64_t d = 0; d < s.planes; ++d)
                Stage::template add<R>(tile, lines + d * lines_of_plane, read, s.weights + d * s.width * s.height, s.height,
                                       s.width);
            tile.store_to(to + column, pitch, min_of(count - column, v.value * lanes<T>));
        });
    }
}

template <class T>
inline void filter_stage(FilterOp op, const FilterStage<T>& s, const T* const* lines, int64_t lines_of_plane,
                         const int64_t* offset, int64_t rows, int64_t count, T* to, int64_t pitch) {
    if (count == 0) return;
    with_constant<filter_rows>(int(rows), [&](auto r) {
        const auto tiles = [&](auto stage) {
            filter_tiles<decltype(stage), T, r.value>(s, lines, lines_of_plane, offset, count, to, pitch);
        };
        if (op == FilterOp::minimum) return tiles(Rank<Minimum<T>>{});
        if (op == FilterOp::maximum) return tiles(Rank<Maximum<T>>{});
        tiles(WeightedSum{});
    });
}

// What a task works with.
template <class T>
struct FilterTask : FilterStrip<T> {
    using Strip = FilterStrip<T>;
    using Strip::a, Strip::extended;
    const FilterLayout<T>& layout;
    int64_t* offset;  // of the columns of taps
    int64_t* held;    // which row each line holds
    const T** lines;  // where a tile finds its rows
    T *constant, *data, *between;

    FilterTask(const FilterArgs<T>& args, const FilterLayout<T>& l, int64_t task, void* memory)
        : Strip(args, task, l.reach), layout(l) {
        char* bytes = static_cast<char*>(memory);
        offset = reinterpret_cast<int64_t*>(bytes + layout.offsets);
        held = reinterpret_cast<int64_t*>(bytes + layout.held);
        lines = reinterpret_cast<const T**>(bytes + layout.rows);
        constant = reinterpret_cast<T*>(bytes + layout.constant);
        data = reinterpret_cast<T*>(bytes + layout.data);
        between = reinterpret_cast<T*>(bytes + layout.between);
        // Tiles compute beyond the last column and throw that away; it must not be what happens to lie in memory, for where
        // that is taken for denormal numbers, some processors need a hundred times as long for it.
        for (int64_t r = 0; r < layout.between_lines; ++r)
            zero_run(between + r * layout.between_line + this->elements(), layout.between_line - this->elements());
        for (int64_t w = 0; w <= layout.reach / a.channels; ++w) offset[w] = w * a.channels;
        for (int64_t i = 0; i < 2 * a.first.planes * layout.lines; ++i) held[i] = -1;
        this->fill(constant, layout.between_line);
    }

    // The first stage from lines: columns begin..end of the strip, at its left or right edge.
    void from_lines(int edge, Range columns, int64_t row, int64_t together, T* to, int64_t pitch) {
        if (!columns.count()) return;
        const int64_t C = a.channels, skipped = columns.begin / C;
        const Range pixels{extended.begin + skipped, extended.begin + parts_of(columns.end + layout.first_reach, C)};
        for (int64_t d = 0; d < a.first.planes; ++d)
            for (int64_t r = row; r < row + together + a.first.height - 1; ++r) {
                const int64_t i = (edge * a.first.planes + d) * layout.lines + r % layout.lines;
                T* line = data + i * layout.line;
                lines[d * layout.lines + r - row] = line + columns.begin - skipped * C;
                if (held[i] == r) continue;
                held[i] = r;
                this->read(this->row_of_x(d, r), pixels, line);
                zero_run(line + pixels.count() * C, layout.line - pixels.count() * C);
            }
        filter_stage(a.op, a.first, lines, layout.lines, offset, together, columns.count(), to + columns.begin, pitch);
    }

    // The same from x itself; columns are whole vectors, so that a tile reads nothing behind the row.
    void in_place(Range columns, int64_t row, int64_t together, T* to, int64_t pitch) {
        for (int64_t d = 0; d < a.first.planes; ++d)
            for (int64_t r = row; r < row + together + a.first.height - 1; ++r) {
                const T* x = reinterpret_cast<const T*>(this->row_of_x(d, r));
                lines[d * layout.lines + r - row] =
                    x ? x + (extended.begin - a.before) * a.channels + columns.begin : constant;
            }
        filter_stage(a.op, a.first, lines, layout.lines, offset, together, columns.count(), to + columns.begin, pitch);
    }

    void first_stage(int64_t row, int64_t together, int64_t count, T* to, int64_t pitch) {
        if (!a.in_place) return from_lines(0, {0, count}, row, together, to, pitch);
        const Range within = this->inside_x(extended);
        const int64_t begin = min_of((within.begin - extended.begin) * a.channels, count);
        const int64_t whole = max_of((within.end - extended.begin) * a.channels - layout.first_reach - begin, 0);
        const int64_t end = begin + min_of(whole, count - begin) / lanes<T> * lanes<T>;
        from_lines(0, {0, begin}, row, together, to, pitch);
        in_place({begin, end}, row, together, to, pitch);
        from_lines(1, {end, count}, row, together, to, pitch);
    }

    // Outside what the first stage made, the constant begins anew.
    void begin_anew(int64_t together) {
        const Range within = this->inside_x(extended);
        const auto do_pixels = [&](int64_t begin, int64_t end) {
            for (int64_t p = begin; p < end; ++p)
                if (a.pixel_of[p] < 0)
                    for (int64_t r = 0; r < together; ++r)
                        this->fill(between + r * layout.between_line + (p - extended.begin) * a.channels, a.channels);
        };
        do_pixels(extended.begin, within.begin);
        do_pixels(within.end, extended.end);
    }

    void run() {
        const Range rows = this->rows;
        const int64_t count = this->elements() - layout.reach, y_pitch = a.pixels * a.channels;
        for (int64_t row = rows.begin; row < rows.end; row += filter_rows) {
            const int64_t together = min_of(filter_rows, rows.end - row);
            char* y = this->row_of_y(row);
            T* done = a.stored_as_is ? reinterpret_cast<T*>(y) : between;
            const int64_t pitch = a.stored_as_is ? y_pitch : layout.between_line;
            if (a.two_stages) {
                first_stage(row, together, count + layout.reach, between, layout.between_line);
                begin_anew(together);
                for (int64_t r = 0; r < together; ++r) lines[r] = between + r * layout.between_line;
                // Which may write over what it has read: a tile's columns lie before those still to be read.
                filter_stage(a.op, a.second, lines, layout.lines, offset, together, count, done, pitch);
            } else {
                first_stage(row, together, count, done, pitch);
            }
            if (!a.stored_as_is)
                for (int64_t r = 0; r < together; ++r) a.store(done + r * pitch, count, y + r * y_pitch * a.to_bytes);
        }
    }
};

template <class T>
void filter(const FilterArgs<T>& a, int64_t task, void* memory) {
    const FilterLayout<T> layout(a);
    FilterTask<T>(a, layout, task, memory).run();
}

}  // namespace
}  // namespace fastconv
