// Filters of boxes: the least, the greatest or the mean of windows without weights, which cost the same for any window.
//
//     y[p, r, c] = Op over h < height, w < width of x[p, row_of(r + h), pixel_of(c + w)], of the mean divided by their
//     number
//
// Windows of rows are reduced first, for some rows at a time straight from x, then windows of columns along each reduced
// line (window.hpp). What lies in the middle of a tall window is reduced once for the many windows that it is in: as groups
// of rows. Where x has the type of the results, rows are taken in place and the ends of the reduced line are extended from
// itself; where it has not, or a strip sees something else beyond an end, each row is read into a line with its ends
// extended. Task: as of filter.hpp. Workspace: the struct BoxLayout.
#pragma once

#include "copy.hpp"
#include "filter_strip.hpp"
#include "window.hpp"

namespace fastconv {
namespace {

template <class T>
struct BoxLayout {
    int64_t reach, line;    // elements
    int64_t lines, groups;  // how many rows of x and reductions of filter_rows of them are kept
    int64_t held, grouped, pointers, rows, reduced, scratch, constant, bytes;  // where things lie, in bytes

    explicit BoxLayout(const FilterArgs<T>& a) {
        reach = (a.second.width - 1) * a.channels;
        // An odd number of vectors: lines do not meet in the same sets of the cache.
        line = (((a.strip_pixels * a.channels + reach) / lanes<T> + 3) | 1) * lanes<T>;
        lines = a.first.height + filter_rows - 1;
        groups = a.first.height / filter_rows + 1;
        const int64_t line_bytes = line * int64_t(sizeof(T));
        const auto whole = [](int64_t bytes) { return parts_of(bytes, vector_bytes) * vector_bytes; };
        held = 0;
        grouped = held + whole(lines * int64_t(sizeof(int64_t)));
        pointers = grouped + whole(groups * int64_t(sizeof(int64_t)));
        rows = pointers + whole(lines * int64_t(sizeof(T*)));
        reduced = rows + (lines + groups) * line_bytes;
        scratch = reduced + filter_rows * line_bytes;
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
          held(reinterpret_cast<int64_t*>(bytes + l.held)),
          grouped(reinterpret_cast<int64_t*>(bytes + l.grouped)),
          pointers(reinterpret_cast<const T**>(bytes + l.pointers)),
          reduced(reinterpret_cast<T*>(bytes + l.reduced)),
          scratch(reinterpret_cast<T*>(bytes + l.scratch)),
          constant(reinterpret_cast<T*>(bytes + l.constant)) {}

    void run() {
        within = this->inside_x(extended);
        in_place = a.in_place && sees_its_ends();
        seen = in_place ? within.count() * a.channels : this->elements();
        const int64_t begin = in_place ? (within.begin - extended.begin) * a.channels : 0;  // in the reduced line
        if (in_place) this->fill(constant, seen);
        // What lies behind a line is computed with, though thrown away: as numbers that are quick to divide.
        for (int64_t r = 0; r <= filter_rows; ++r)
            zero_run(reduced + r * layout.line + this->elements(), layout.line - this->elements());
        for (int64_t i = 0; i < layout.lines; ++i) held[i] = -1;
        for (int64_t i = 0; i < layout.groups; ++i) grouped[i] = -1;
        for (int64_t row = rows.begin; row < rows.end; row += filter_rows) {
            const int64_t together = min_of(filter_rows, rows.end - row);
            const int64_t window = list_rows(row, together);
            combine_blocks<T, Op>(reduced + begin, layout.line, pointers, window, seen, together);
            for (int64_t r = 0; r < together; ++r) finish_row(row + r, reduced + r * layout.line);
        }
    }

   private:
    // Lists what the windows of some rows of y consist of; each begins and ends one place behind the last. Returns how long
    // they are: groups of rows count once.
    int64_t list_rows(int64_t row, int64_t together) {
        const int64_t end = row + a.first.height;
        int64_t count = 0, r = row;
        const auto list = [&](int64_t until) {
            for (; r < until; ++r) pointers[count++] = row_of(r);
        };
        list(min_of(row + filter_rows, end));
        for (; r + filter_rows <= end; r += filter_rows) pointers[count++] = group_of(r);
        list(end);
        const int64_t window = count;
        list(end + together - 1);
        return window;
    }

    const T* row_of(int64_t r) {
        const char* x = this->row_of_x(0, r);
        if (in_place) return x ? reinterpret_cast<const T*>(x) + (within.begin - a.before) * a.channels : constant;
        const int64_t i = r % layout.lines;
        T* line = memory + i * layout.line;
        if (held[i] != r) this->read(x, extended, line);
        held[i] = r;
        return line;
    }

    // The reduction of the rows from r on, a multiple of filter_rows.
    const T* group_of(int64_t r) {
        const int64_t i = r / filter_rows % layout.groups;
        T* line = memory + (layout.lines + i) * layout.line;
        if (grouped[i] != r) combine_rows<T, Op>(line, filter_rows, [&](int64_t t) { return row_of(r + t); }, seen);
        grouped[i] = r;
        return line;
    }

    template <class F>
    void each_end(const F& f) const {
        for (int64_t p = extended.begin; p < within.begin; ++p) f(p);
        for (int64_t p = within.end; p < extended.end; ++p) f(p);
    }

    // Whether what lies outside x is the constant or what the strip sees of x.
    bool sees_its_ends() const {
        bool all = within.count() > 0;
        each_end([&](int64_t p) {
            const int64_t at = a.before + a.pixel_of[p];
            all &= a.pixel_of[p] < 0 || (within.begin <= at && at < within.end);
        });
        return all;
    }

    void extend_ends(T* line) const {
        T outside = a.outside;
        if constexpr (!Op::idempotent) outside *= T(a.first.height);
        const int64_t C = a.channels;
        each_end([&](int64_t p) {
            for (int64_t c = 0; c < C; ++c)
                line[(p - extended.begin) * C + c] =
                    a.pixel_of[p] < 0 ? outside : line[(a.before + a.pixel_of[p] - extended.begin) * C + c];
        });
    }

    void finish_row(int64_t row, T* line) {
        if (in_place) extend_ends(line);
        const int64_t width = a.second.width, count = this->elements() - layout.reach;
        T* to = a.stored_as_is ? reinterpret_cast<T*>(this->row_of_y(row)) : line;
        if constexpr (Op::idempotent) {
            slide_line_to<T, Op>(to, line, count, width, a.channels);
        } else {
            slide_line<T, Op>(line, count, width, a.channels, scratch);
            const Vec<T> number = broadcast(T(a.first.height) * T(width));
            each_vector<T>(count, [&](int64_t i, auto exists) { store_masked(to + i, load(line + i) / number, exists); });
        }
        if (!a.stored_as_is) a.store(line, count, this->row_of_y(row));
    }

    const BoxLayout<T>& layout;
    T* memory;                        // lines of rows and of groups,
    int64_t *held, *grouped;          // which each holds, by its first row,
    const T** pointers;               // and where what windows consist of lies
    T *reduced, *scratch, *constant;  // lines
    Range within{};                   // of the extended pixels, those inside x
    bool in_place = false;            // rows of x are not copied
    int64_t seen = 0;                 // elements of a row that are reduced
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
