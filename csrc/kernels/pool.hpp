// Maximum and average over windows, which are data: for each axis a table of where each window begins and how many of
// its taps lie inside the input. Strided, dilated, padded, ceil-mode and adaptive pooling are the same code.
//
//     maximum: y[o] = max x[first(o) + t * dilation], NaN if any is      average: y[o] = sum / divisor(o)
//
// The rows of a window are reduced into a line, straight from the input; rows of depth and height are all the same. The
// line, with identities where there is padding, is reduced along itself (window.hpp has both), and every stride-th element
// of it is an output. With channels last a row is a line too, of pixels times channels: what is a step of one element
// with channels first is a step of all channels. A window of whole rows is a run of memory, reduced as it is read. Windows
// of few columns need no line (pool_few.hpp).
//
// With indices, the elements of a line are pairs, of a value and its number in the image; of equal values that with the
// smaller number counts, and a NaN as the maximum.
//
//     Task: planes (images, their channels if these come first), block of output rows, strip of columns: so narrow that its
//     line and rows stay in the cache. Workspace: that line, and what else PoolSpace lists.
#pragma once

#include "copy.hpp"
#include "epilogue.hpp"
#include "grid.hpp"
#include "pool_few.hpp"
#include "pool_numbered.hpp"
#include "window_args.hpp"

namespace fastconv {
namespace {

// ---------------------------------------------------------------- what is pooled, and how its results are stored

// Maximum or average.
template <class T, class Operation>
struct PoolValues {
    using Op = Operation;
    using Line = T*;
    static constexpr int64_t element_size = sizeof(T);
    static constexpr bool averages = !Op::idempotent;

    static Line line_at(char* p, int64_t) { return reinterpret_cast<T*>(p); }
    static const T* row(const T* x, int64_t offset) { return x + offset; }

    T* y;               // of a row of outputs
    T divisor;          // of the row,
    const T* divisors;  // and of each element in it, or null

    template <class Exists>
    void put(int64_t i, Vec<T> v, const Exists& exists) const {
        if constexpr (averages) {
            const Vec<T> by = broadcast(divisor);
            v = v / (divisors ? by * load_masked(divisors + i, exists) : by);
        }
        store_masked(y + i, v, exists);
    }
    // Its first lane: dividing one number takes half the time of dividing a vector, or less.
    void put_one(int64_t i, Vec<T> v) const { y[i] = averages ? v[0] / (divisors ? divisor * divisors[i] : divisor) : v[0]; }
};

// Maximum and where it is: the numbers wait until the row is complete.
template <class T>
struct PoolNumbered {
    using Op = FirstMaximum<T>;
    using Line = NumberedLine<T>;
    static constexpr int64_t element_size = sizeof(T) + sizeof(Bits<T>);
    static constexpr bool averages = false;

    static Line line_at(char* p, int64_t count) {
        return {reinterpret_cast<T*>(p), reinterpret_cast<Bits<T>*>(p + count * int64_t(sizeof(T)))};
    }
    static NumberedRow<T> row(const T* x, int64_t offset) { return {x + offset, Bits<T>(offset)}; }

    T* y;
    Bits<T>* numbers;

    template <class Exists>
    void put(int64_t i, Numbered<T> v, const Exists& exists) const {
        store_masked(y + i, v.value, exists);
        store_masked(numbers + i, v.number, same_lanes(exists));
    }
    void put_one(int64_t i, Numbered<T> v) const {
        y[i] = v.value[0];
        numbers[i] = v.number[0];
    }
    void store_indices(int64_t* indices, int64_t count, int64_t inner) const {
        constexpr Bits<T> none = FirstMaximum<T>::none;
        if (inner == 1)
            for (int64_t i = 0; i < count; ++i) indices[i] = numbers[i] == none ? -1 : numbers[i];
        else
            for (int64_t i = 0; i < count; ++i) indices[i] = numbers[i] == none ? -1 : numbers[i] / Bits<T>(inner);
    }
};

// ---------------------------------------------------------------- strips

// Columns of the output and what they see of the input; before and behind the input is padding.
struct PoolStrip {
    Range outputs, columns, inside;
};

template <class T>
inline PoolStrip pool_strip(const PoolArgs<T>& a, int64_t i) {
    const PoolAxis& axis = a.axis[2];
    PoolStrip s;
    s.outputs = block_of(a.out.size[2], 1, a.strips, i);
    const int64_t first = s.outputs.begin, last = s.outputs.end - 1;
    if (axis.stride)
        s.columns = {first * axis.stride - axis.before,
                     last * axis.stride - axis.before + (axis.window - 1) * axis.dilation + 1};
    else
        s.columns = {axis.first[first], axis.first[last] + axis.taps[last]};
    s.inside.begin = min_of(max_of(s.columns.begin, 0), s.columns.end);
    s.inside.end = max_of(min_of(s.columns.end, a.in.size[2]), s.inside.begin);
    return s;
}

// The columns that a strip of so many outputs sees at most.
template <class T>
inline int64_t columns_under(const PoolArgs<T>& a, int64_t outputs) {
    const PoolAxis& axis = a.axis[2];
    if (axis.stride) return (outputs - 1) * axis.stride + (axis.window - 1) * axis.dilation + 1;
    return a.strips == 1 ? a.in.size[2] : parts_of(outputs * a.in.size[2], a.out.size[2]) + 1;
}

// Elements of a pixel that lie side by side.
template <class T>
inline int64_t pool_inner(const PoolArgs<T>& a) {
    return a.channels_first ? 1 : a.channels;
}

// What a task needs, in bytes from the beginning of its workspace.
template <class T, class P>
struct PoolSpace {
    int64_t line_elements;  // of the line and of what is beside it
    int64_t row_elements;   // of the lines between which rows slide
    int64_t vectors;        // of the columns of windows with few taps
    int64_t beside, divisors, masks, outside, depth, rows, bytes;

    explicit PoolSpace(const PoolArgs<T>& a) {
        const int64_t inner = pool_inner(a);
        const int64_t outputs = a.whole_rows ? 1 : parts_of(a.out.size[2], a.strips);
        const int64_t columns = a.whole_rows ? 1 : columns_under(a, outputs);
        const auto rounded = [](int64_t n) { return parts_of(n, 64) * 64; };
        row_elements = rounded(columns * inner);
        // The idle lanes of the last output reach beyond the last column.
        line_elements = rounded(max_of(columns, outputs) * inner + 2 * lanes<T>);
        vectors = a.few_taps ? parts_of(columns, lanes<T>) : 0;
        beside = line_elements * P::element_size;
        divisors = beside + (a.sliding_line || a.with_indices ? beside : 0);
        masks = divisors + (P::averages && !a.fixed_divisor ? line_elements * int64_t(sizeof(T)) : 0);
        outside = masks + rounded(vectors * int64_t(sizeof(Mask<T>)));
        const int64_t line = a.sliding_rows ? row_elements * P::element_size : 0;
        depth = outside + line;
        rows = depth + line;
        bytes = rows + line * SlidingRows<T, typename P::Op, typename P::Line>::lines(a.axis[1].window);
    }
};

// ---------------------------------------------------------------- a task

template <class T, class P>
class PoolTask {
   public:
    PoolTask(const PoolArgs<T>& args, int64_t task, void* workspace)
        : a(args), inner(pool_inner(args)), space(args), memory(static_cast<char*>(workspace)) {
        strip = pool_strip(a, task % a.strips);
        task /= a.strips;
        rows = block_of(a.out.size[0] * a.out.size[1], 1, a.row_blocks, task % a.row_blocks);
        task /= a.row_blocks;
        channels = block_of(inner, 2 * lanes<T>, a.channel_blocks, task % a.channel_blocks);
        task /= a.channel_blocks;
        planes = block_of(a.planes, 1, a.plane_blocks, task);
        line = P::line_at(memory, space.line_elements);
        beside = P::line_at(memory + space.beside, space.line_elements);
        divisors = reinterpret_cast<T*>(memory + space.divisors);
    }

    void run() {
        prepare_divisors();
        if constexpr (!std::is_same_v<P, PoolNumbered<T>>)
            if (a.whole_rows && a.channels_first && a.in.size[0] == 1) return reduce_runs();
        if (a.whole_rows) return each_row([&](int64_t od, int64_t oh) { reduce_whole_rows(od, oh); });
        fill(line, space.line_elements);
        if constexpr (!std::is_same_v<P, PoolNumbered<T>>)
            if (a.few_taps) return reduce_few_taps();
        if (a.sliding_rows) return each_plane([&] { slide_rows(); });
        each_row([&](int64_t od, int64_t oh) {
            reduce_rows(od, oh);
            reduce_line(od, oh);
        });
    }

   private:
    using Op = typename P::Op;
    using Line = typename P::Line;

    template <class F>
    void each_plane(const F& f) {
        for (int64_t plane = planes.begin; plane < planes.end; ++plane) {
            to_plane(plane);
            f();
        }
    }
    void to_plane(int64_t plane) {
        const int64_t of_image = a.channels_first ? a.channels : 1, n = plane / of_image, c = plane % of_image;
        x = a.x + n * a.in.n_stride + c * a.in.c_stride;
        to = n * a.out.n_stride + c * a.out.c_stride;
    }
    template <class F>
    void each_row(const F& f) {
        const int64_t first_od = rows.begin / a.out.size[1], first_oh = rows.begin % a.out.size[1];
        each_plane([&] {
            int64_t od = first_od, oh = first_oh;
            for (int64_t row = rows.begin; row < rows.end; ++row) {
                f(od, oh);
                if (++oh == a.out.size[1]) ++od, oh = 0;
            }
        });
    }
    void fill(Line to, int64_t count) {
        each_vector<T>(count, [&](int64_t i, auto exists) { store_masked(to + i, Op::identity(), exists); });
    }
    // Of every element of a row of outputs, but for the factor of the other axes.
    void prepare_divisors() {
        if constexpr (P::averages)
            if (!a.fixed_divisor)
                for (int64_t o = strip.outputs.begin, i = 0; o < strip.outputs.end; ++o)
                    for (int64_t c = 0; c < inner; ++c) divisors[i++] = T(a.axis[2].divisor[o]);
    }

    // ------------------------------------------------ rows, into the line

    int64_t row_at(int axis, int64_t o, int64_t tap) const {
        return (a.axis[axis].first[o] + tap * a.axis[axis].dilation) * a.in.stride[axis];
    }
    Line inside() const { return line + (strip.inside.begin - strip.columns.begin) * inner; }
    int64_t inside_count() const { return strip.inside.count() * inner; }

    void reduce_rows(int64_t od, int64_t oh) {
        const int64_t depth = a.axis[0].taps[od], height = a.axis[1].taps[oh], column = strip.inside.begin * inner;
        if (depth * height == 0) return fill(inside(), inside_count());
        for (int64_t d = 0; d < depth; ++d) {
            const auto row = [&](int64_t h) { return P::row(x, row_at(0, od, d) + row_at(1, oh, h) + column); };
            expect_row(row_at(0, od, d) + row_at(1, oh, height - 1));
            combine_rows<T, Op>(inside(), height, row, inside_count(), d > 0);
        }
    }

    void reduce_few_taps() {
        const ColumnVectors<T> columns = column_vectors();
        to_plane(planes.begin);
        for (int64_t row = rows.begin; row < rows.end; ++row) {
            const int64_t od = row / a.out.size[1], oh = row % a.out.size[1];
            const SeenRows<T> seen = seen_rows(od, oh);
            const P out = results(od, oh, strip.outputs.begin);
            if (a.strips > 1) {
                expect_row(row_at(0, od, 0) + row_at(1, oh, seen.count - 1));
                expect_results(od, oh);
            }
            with_constant<few_stride>(int(a.axis[2].stride), [&](auto s) {
                with_constant<few_columns>(int(a.axis[2].window), [&](auto k) {
                    FewTaps<T, Op, s.value, k.value>(seen, columns)
                        .put(out, strip.outputs.count(), planes.count(), a.out.c_stride);
                });
            });
        }
    }
    // The line, which holds identities, is the row of windows that are outside.
    SeenRows<T> seen_rows(int64_t od, int64_t oh) const {
        const int64_t count = a.axis[1].taps[oh], pitch = a.axis[1].dilation * a.in.stride[1];
        if (count == 0) return {line, 1, 0, 0};
        return {x + row_at(0, od, 0) + row_at(1, oh, 0) + strip.columns.begin, count, pitch, a.in.c_stride};
    }
    ColumnVectors<T> column_vectors() const {
        const int64_t begin = strip.inside.begin - strip.columns.begin, end = strip.inside.end - strip.columns.begin;
        Mask<T>* masks = reinterpret_cast<Mask<T>*>(memory + space.masks);
        for (int64_t i = 0; i < space.vectors; ++i) {
            const auto lane = [&](int64_t column) { return int(min_of(max_of(column - i * lanes<T>, 0), lanes<T>)); };
            masks[i] = lanes_between<T>(lane(begin), lane(end));
        }
        return {parts_of(end, lanes<T>), {parts_of(begin, lanes<T>), end / lanes<T>}, masks};
    }

    void slide_rows() {
        const PoolAxis& height = a.axis[1];
        const Line outside = P::line_at(memory + space.outside, space.row_elements);
        fill(outside, space.row_elements);
        for (int64_t row = rows.begin; row < rows.end;) {
            const int64_t od = row / a.out.size[1];
            int64_t oh = row % a.out.size[1];
            const int64_t end = min_of(oh + rows.end - row, a.out.size[1]);
            row += end - oh;
            SlidingRows<T, Op, Line> windows(P::line_at(memory + space.rows, row_count()), space.row_elements,
                                             inside_count(), height.window, oh * height.stride);
            for (int64_t i = oh * height.stride; oh < end; ++i) {
                const bool wanted = i == oh * height.stride + height.window - 1;
                const int64_t ih = i - height.before;
                if (ih < 0 || ih >= a.in.size[1] || a.axis[0].taps[od] == 0)
                    windows.push(outside, wanted, inside());
                else
                    push_row(windows, od, ih, wanted);
                if (wanted) reduce_line(od, oh++);
            }
        }
    }
    int64_t row_count() const { return space.row_elements * (a.axis[1].window + 1); }

    void push_row(SlidingRows<T, Op, Line>& windows, int64_t od, int64_t ih, bool wanted) {
        const int64_t depth = a.axis[0].taps[od];
        const auto row = [&](int64_t d) {
            return P::row(x, row_at(0, od, d) + ih * a.in.stride[1] + strip.inside.begin * inner);
        };
        if (depth == 1) {
            expect_row(row_at(0, od, 0) + ih * a.in.stride[1]);
            return windows.push(row(0), wanted, inside());
        }
        const Line reduced = P::line_at(memory + space.depth, space.row_elements);
        combine_rows<T, Op>(reduced, depth, row, inside_count());
        windows.push(reduced, wanted, inside());
    }

    // Rows of a strip lie apart, and the processor does not foresee the next: asked for two rows of the input ahead, and
    // one of the output, a strip of a large image takes 0.6 of the time (Zen 5, November 2026).
    // Inlined for the same reason as prefetch_run.
    FASTCONV_INLINE void expect_row(int64_t row) const {
        prefetch_run<0>(x + row + 2 * a.in.stride[1] + strip.inside.begin * inner, inside_count());
    }
    FASTCONV_INLINE void expect_results(int64_t od, int64_t oh) const {
        prefetch_run<1>(a.y + output_at(od, oh + 1) + strip.outputs.begin * inner, strip.outputs.count() * inner);
    }

    // Where a window is one run of memory, as it is but for depth: the same output of all planes before the next.
    void reduce_runs() {
        const int64_t in_plane = a.in.c_stride, out_plane = a.out.c_stride;
        to_plane(planes.begin);
        for (int64_t row = rows.begin; row < rows.end; ++row) {
            const int64_t od = row / a.out.size[1], oh = row % a.out.size[1];
            const int64_t pixels = a.axis[0].taps[od] * a.axis[1].taps[oh] * a.in.size[2];
            const T* run = x + row_at(0, od, 0) + row_at(1, oh, 0);
            P out = results(od, oh, 0);
            for (int64_t n = planes.count(); n > 0; --n, run += in_plane, out.y += out_plane)
                out.put_one(0, combined_run<T, Op>(run, pixels));
        }
    }
    void reduce_whole_rows(int64_t od, int64_t oh) {
        const int64_t depth = a.axis[0].taps[od], pixels = a.axis[1].taps[oh] * a.in.size[2];
        const auto out = results(od, oh, channels.begin);
        if (inner == 1) {
            auto v = Op::identity();
            for (int64_t d = 0; d < depth && pixels > 0; ++d)
                v = Op::combine(v, combined_run<T, Op>(P::row(x, row_at(0, od, d) + row_at(1, oh, 0)), pixels));
            out.put_one(0, v);
        } else {
            if (depth * pixels == 0) fill(line, channels.count());
            for (int64_t d = 0; d < depth; ++d) {
                const int64_t first = row_at(0, od, d) + row_at(1, oh, 0) + channels.begin;
                const auto pixel = [&](int64_t i) { return P::row(x, first + i * inner); };
                combine_rows<T, Op>(line, pixels, pixel, channels.count(), d > 0);
            }
            put_vectors<1>(out, channels.count(), Cover{1, 0, 0});
        }
        finish(out, od, oh, channels.begin, channels.count());
    }

    // ------------------------------------------------ the line, into outputs

    void reduce_line(int64_t od, int64_t oh) {
        const PoolAxis& axis = a.axis[2];
        const int64_t outputs = strip.outputs.count();
        const auto out = results(od, oh, strip.outputs.begin * inner);
        expect_results(od, oh);
        const Cover cover = a.sliding_line ? slid_line() : Cover{axis.window, step(), (axis.window - 1) * step()};
        if (axis.stride == 1)
            put_vectors<1>(out, outputs * inner, cover);
        else if (axis.stride == 2 && inner == 1)
            put_vectors<2>(out, outputs, cover);
        else
            put_pixels(out, cover);
        finish(out, od, oh, strip.outputs.begin * inner, outputs * inner);
    }

    // A line that was reduced in place has lost the identities around what is inside.
    void fill_padding() {
        fill(line, (strip.inside.begin - strip.columns.begin) * inner);
        fill(inside() + inside_count(), (strip.columns.end - strip.inside.end) * inner);
    }

    int64_t step() const { return a.axis[2].dilation * inner; }  // between the taps of a window

    // Leaves to the results to combine the last few elements of the line.
    Cover slid_line() {
        const PoolAxis& axis = a.axis[2];
        const int64_t count = ((strip.outputs.count() - 1) * axis.stride + 1) * inner;
        fill_padding();
        if constexpr (Op::idempotent) return widen_line<T, Op>(line, count, axis.window, step());
        slide_line<T, Op>(line, count, axis.window, step(), beside);
        return {1, 0, 0};
    }

    // Every S-th element of the line.
    template <int S>
    void put_vectors(const P& out, int64_t count, const Cover& cover) {
        if (cover.taps > line_taps) return put_vectors_of<S>(out, count, [&](Line from) { return covered<S>(from, cover); });
        with_constant<line_taps>(int(cover.taps), [&](auto k) {
            int64_t offset[k.value];
            for (int t = 0; t < k.value; ++t) offset[t] = cover.offset(t);
            put_vectors_of<S>(out, count, [&](Line from) {
                return combined<Op, k.value>([&](int t) { return load_step<S>(from + offset[t]); });
            });
        });
    }
    template <int S, class At>
    FASTCONV_INLINE void put_vectors_of(const P& out, int64_t count, const At& at) {
        each_vector<T>(count, [&](int64_t i, auto exists) { out.put(i, at(line + i * S), exists); });
    }
    template <int S>
    static auto covered(Line from, const Cover& cover) {
        auto v = load_step<S>(from);
        for (int64_t t = 1; t < cover.taps; ++t) v = Op::combine(v, load_step<S>(from + cover.offset(t)));
        return v;
    }

    // Pixels anywhere in the line, one after another.
    void put_pixels(const P& out, Cover cover) {
        const PoolAxis& axis = a.axis[2];
        for (int64_t o = strip.outputs.begin; o < strip.outputs.end; ++o) {
            const int64_t i = o - strip.outputs.begin;
            if (!axis.stride) cover = {axis.taps[o], inner, (axis.taps[o] - 1) * inner};
            const Line from = line + (axis.stride ? i * axis.stride : axis.first[o] - strip.columns.begin) * inner;
            if (cover.taps > 1 && cover.step == 1 && cover.last == cover.taps - 1)
                out.put_one(i, combined_run<T, Op>(from, cover.taps));
            else
                each_vector<T>(inner, [&](int64_t c, auto exists) {
                    auto v = load_masked(from + c, exists);
                    for (int64_t t = 1; t < cover.taps; ++t)
                        v = Op::combine(v, load_masked(from + (cover.offset(t) + c), exists));
                    out.put(i * inner + c, v, exists);
                });
        }
    }

    // Where the results of a row go, from an element of it on.
    P results(int64_t od, int64_t oh, int64_t element) const {
        T* y = a.y + output_at(od, oh) + element;
        if constexpr (std::is_same_v<P, PoolNumbered<T>>)
            return {y, beside.number};
        else if (!P::averages)
            return {y, T(1), nullptr};
        else if (a.fixed_divisor)
            return {y, T(a.fixed_divisor), nullptr};
        else
            return {y, T(a.axis[0].divisor[od] * a.axis[1].divisor[oh]), divisors};
    }
    void finish(const P& out, int64_t od, int64_t oh, int64_t element, int64_t count) const {
        if constexpr (std::is_same_v<P, PoolNumbered<T>>)
            out.store_indices(a.indices + output_at(od, oh) + element, count, inner);
    }
    int64_t output_at(int64_t od, int64_t oh) const { return to + od * a.out.stride[0] + oh * a.out.stride[1]; }

    const PoolArgs<T>& a;
    const int64_t inner;
    const PoolSpace<T, P> space;
    char* const memory;
    Range planes, rows, channels;  // channels: of a pixel, where windows are whole rows
    const T* x;                    // of the plane
    int64_t to;                    // where its outputs begin
    PoolStrip strip;
    Line line, beside;  // beside: for sums of a line, or the numbers of outputs
    T* divisors;
};

// ---------------------------------------------------------------- images too large for numbers beside float32 values

// One output of one channel, with the flat index of its maximum in the input volume; -1 if no tap is inside.
template <class T>
inline int64_t pool_index(const PoolArgs<T>& a, const T* x, int64_t od, int64_t oh, int64_t ow, T& best) {
    int64_t index = -1;
    best = T(-__builtin_inf());
    for (int64_t d = 0; d < a.axis[0].taps[od]; ++d)
        for (int64_t h = 0; h < a.axis[1].taps[oh]; ++h)
            for (int64_t w = 0; w < a.axis[2].taps[ow]; ++w) {
                const int64_t id = a.axis[0].first[od] + d * a.axis[0].dilation;
                const int64_t ih = a.axis[1].first[oh] + h * a.axis[1].dilation;
                const int64_t iw = a.axis[2].first[ow] + w * a.axis[2].dilation;
                const T value = x[id * a.in.stride[0] + ih * a.in.stride[1] + iw * a.in.stride[2]];
                if (index < 0 || value > best || (value != value && best == best)) {
                    best = value;
                    index = (id * a.in.size[1] + ih) * a.in.size[2] + iw;
                }
            }
    return index;
}

template <class T>
inline void pool_one_by_one(const PoolArgs<T>& a, int64_t task) {
    const Range rows = block_of(a.out.size[0] * a.out.size[1], 1, a.row_blocks, task % a.row_blocks);
    const int64_t plane = task / a.row_blocks, planes = a.channels_first ? a.channels : 1;
    const int64_t n = plane / planes, first = plane % planes, last = a.channels_first ? first + 1 : a.channels;
    for (int64_t row = rows.begin; row < rows.end; ++row)
        for (int64_t ow = 0; ow < a.out.size[2]; ++ow)
            for (int64_t c = first; c < last; ++c) {
                const int64_t od = row / a.out.size[1], oh = row % a.out.size[1];
                const int64_t to = n * a.out.n_stride + c * a.out.c_stride + od * a.out.stride[0] + oh * a.out.stride[1] +
                                   ow * a.out.stride[2];
                a.indices[to] = pool_index(a, a.x + n * a.in.n_stride + c * a.in.c_stride, od, oh, ow, a.y[to]);
            }
}

// ---------------------------------------------------------------- the kernel

// Calls f with what is pooled.
template <class T, class F>
inline auto with_pooled(const PoolArgs<T>& a, const F& f) {
    if (a.with_indices) return f(static_cast<PoolNumbered<T>*>(nullptr));
    if (a.kind == PoolKind::maximum) return f(static_cast<PoolValues<T, Maximum<T>>*>(nullptr));
    return f(static_cast<PoolValues<T, Sum<T>>*>(nullptr));
}

template <class T>
int64_t pool_workspace(const PoolArgs<T>& a) {
    return with_pooled(a, [&]<class P>(P*) { return PoolSpace<T, P>(a).bytes; });
}

template <class T>
void pool(const PoolArgs<T>& a, int64_t task, void* workspace) {
    if (a.wide_numbers) return pool_one_by_one(a, task);
    with_pooled(a, [&]<class P>(P*) { PoolTask<T, P>(a, task, workspace).run(); });
}

}  // namespace
}  // namespace fastconv
