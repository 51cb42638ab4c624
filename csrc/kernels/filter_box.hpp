// Filters of boxes: the least, the greatest or the mean of windows without weights, which cost the same for any window.
//
//     y[p, r, c] = Op over h < height, w < width of x[p, row_of(r + h), pixel_of(c + w)], of the mean divided by their
//     number
//
// Windows of rows slide over the rows of x, then windows of columns along each reduced line (window.hpp). Where x has the
// type of the results, rows are taken in place and the ends of the reduced line are extended from itself; where it has not,
// or a strip sees something else beyond an end, each row is read into a line with its ends extended. Task: as of filter.hpp.
// Workspace: the struct BoxLayout.
#pragma once

#include "copy.hpp"
#include "filter_strip.hpp"
#include "window.hpp"

namespace fastconv {
namespace {

template <class T>
struct BoxLayout {
    int64_t reach, line;                              // elements
    int64_t rows, reduced, scratch, constant, bytes;  // where lines lie, in bytes

    explicit BoxLayout(const FilterArgs<T>& a) {
        reach = (a.second.width - 1) * a.channels;
        // An odd number of vectors: lines do not meet in the same sets of the cache.
        line = (((a.strip_pixels * a.channels + reach) / lanes<T> + 3) | 1) * lanes<T>;
        const int64_t line_bytes = line * int64_t(sizeof(T));
        rows = 0;
        reduced = rows + SlidingRows<T, Sum<T>, T*>::lines(a.first.height) * line_bytes;
        scratch = reduced + line_bytes;
        constant = scratch + line_bytes;
        bytes = constant + line_bytes;
    }
};

template <class T>
int64_t filter_box_workspace(const FilterArgs<T>& a) {
    return BoxLayout<T>(a).bytes;
}

template <class T, class Op>
class BoxTask : FilterStrip<T> {
    using Strip = FilterStrip<T>;
    using Strip::a, Strip::extended, Strip::rows;

   public:
    BoxTask(const FilterArgs<T>& args, const BoxLayout<T>& l, int64_t task, char* bytes)
        : Strip(args, task, l.reach),
          layout(l),
          memory(reinterpret_cast<T*>(bytes + l.rows)),
          reduced(reinterpret_cast<T*>(bytes + l.reduced)),
          scratch(reinterpret_cast<T*>(bytes + l.scratch)),
          constant(reinterpret_cast<T*>(bytes + l.constant)) {}

    void run() {
        const int64_t height = a.first.height, C = a.channels;
        const Range within = this->inside_x(extended);
        const bool in_place = a.in_place && sees_its_ends(within);
        const int64_t seen = in_place ? within.count() * C : this->elements();  // of each row
        T* ends = in_place ? reduced + (within.begin - extended.begin) * C : reduced;
        if (in_place) this->fill(constant, seen);
        SlidingRows<T, Op, T*> windows(memory, layout.line, seen, height, rows.begin);
        for (int64_t r = rows.begin; r < rows.end + height - 1; ++r) {
            const int64_t row = r - (height - 1);  // of y, whose window this row of x completes
            const bool wanted = row >= rows.begin;
            const char* x = this->row_of_x(0, r);
            if (in_place) {
                const T* from = x ? reinterpret_cast<const T*>(x) + (within.begin - a.before) * C : constant;
                if (x) prefetch_run<0>(from + rows_ahead * a.pixels_in * C, seen);
                windows.push(from, wanted, ends);
                if (wanted) extend_ends(within);
            } else {
                T* line = windows.slot();
                this->read(x, extended, line);
                windows.push(line, wanted, ends);
            }
            if (wanted) finish_row(row);
        }
    }

   private:
    // Rows of a strip lie apart, and the processor does not foresee the next: so many are asked for ahead.
    static constexpr int64_t rows_ahead = 2;

    template <class F>
    void each_end(Range within, const F& f) const {
        for (int64_t p = extended.begin; p < within.begin; ++p) f(p);
        for (int64_t p = within.end; p < extended.end; ++p) f(p);
    }

    // Whether what lies outside x is the constant or what the strip sees of x.
    bool sees_its_ends(Range within) const {
        bool all = within.count() > 0;
        each_end(within, [&](int64_t p) {
            const int64_t at = a.before + a.pixel_of[p];
            all &= a.pixel_of[p] < 0 || (within.begin <= at && at < within.end);
        });
        return all;
    }

    void extend_ends(Range within) {
        T outside = a.outside;
        if constexpr (!Op::idempotent) outside *= T(a.first.height);
        const int64_t C = a.channels;
        each_end(within, [&](int64_t p) {
            for (int64_t c = 0; c < C; ++c)
                reduced[(p - extended.begin) * C + c] =
                    a.pixel_of[p] < 0 ? outside : reduced[(a.before + a.pixel_of[p] - extended.begin) * C + c];
        });
    }

    void finish_row(int64_t row) {
        const int64_t width = a.second.width, count = this->elements() - layout.reach;
        slide_line<T, Op>(reduced, count, width, a.channels, scratch);
        if (a.op == FilterOp::mean) {
            const Vec<T> number = broadcast(T(a.first.height) * T(width));
            for (int64_t i = 0; i < count; i += lanes<T>) store(reduced + i, load(reduced + i) / number);
        }
        if (a.stored_as_is) prefetch_run<1>(reinterpret_cast<const T*>(this->row_of_y(row + 1)), count);
        a.store(reduced, count, this->row_of_y(row));
    }

    const BoxLayout<T>& layout;
    T *memory, *reduced, *scratch, *constant;
};

template <class T, class Op>
inline void filter_boxes(const FilterArgs<T>& a, int64_t task, char* memory) {
    const BoxLayout<T> layout(a);
    BoxTask<T, Op>(a, layout, task, memory).run();
}

template <class T>
void filter_box(const FilterArgs<T>& a, int64_t task, void* memory) {
    char* bytes = static_cast<char*>(memory);
    switch (a.op) {
        case FilterOp::minimum: return filter_boxes<T, Minimum<T>>(a, task, bytes);
        case FilterOp::maximum: return filter_boxes<T, Maximum<T>>(a, task, bytes);
        default: return filter_boxes<T, Sum<T>>(a, task, bytes);
    }
}

}  // namespace
}  // namespace fastconv
