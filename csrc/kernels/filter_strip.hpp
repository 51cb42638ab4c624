// What a task of a filter sees of its input: a strip of columns of some rows of one plane, what lies outside given by
// tables.
#pragma once

#include "convert.hpp"
#include "grid.hpp"
#include "stencil.hpp"

namespace fastconv {
namespace {

constexpr int filter_rows = stencil_rows;  // of y worked on at a time
// One row alone takes more vectors: sums enough to hide the latency of a multiply-add.
constexpr int filter_vectors(int rows) { return rows == 1 ? filter_rows : 2; }

template <class T>
struct FilterStrip {
    const FilterArgs<T>& a;
    int64_t plane;
    Range rows, extended;  // rows of y; the pixels, as pixel_of numbers them, that its columns see

    // Columns see `reach` elements behind themselves.
    FilterStrip(const FilterArgs<T>& args, int64_t task, int64_t reach) : a(args) {
        const int64_t strip = task % a.strips, block = task / a.strips % a.row_blocks;
        plane = task / a.strips / a.row_blocks;
        rows = block_of(a.rows, filter_rows, a.row_blocks, block);
        extended = {part_begin(a.pixels, a.strips, strip), part_begin(a.pixels, a.strips, strip + 1) + reach / a.channels};
    }

    int64_t elements() const { return extended.count() * a.channels; }

    // Where column 0 of a row of y lies.
    char* row_of_y(int64_t row) const {
        return static_cast<char*>(a.y) + ((plane * a.rows + row) * a.pixels + extended.begin) * a.channels * a.to_bytes;
    }

    void fill(T* to, int64_t count) const {
        for (int64_t i = 0; i < count; ++i) to[i] = a.outside;
    }

    // A row of x for plane d of the taps, or null for the constant.
    const char* row_of_x(int64_t d, int64_t r) const {
        const int64_t at = a.plane_of[plane * a.first.planes + d], row = a.row_of[r];
        if (at < 0 || row < 0) return nullptr;
        return static_cast<const char*>(a.x) + (at * a.rows_in + row) * a.pixels_in * a.channels * a.from_bytes;
    }

    // Those extended pixels that lie inside x.
    Range inside_x(Range pixels) const {
        const int64_t begin = min_of(max_of(a.before, pixels.begin), pixels.end);
        return {begin, max_of(min_of(a.before + a.pixels_in, pixels.end), begin)};
    }

    // Extended pixels of a row of x, one after the other.
    void read(const char* row, Range pixels, T* line) const {
        const int64_t C = a.channels;
        if (!row) return fill(line, pixels.count() * C);
        const auto one_by_one = [&](int64_t begin, int64_t end) {
            for (int64_t p = begin; p < end; ++p) {
                T* to = line + (p - pixels.begin) * C;
                if (const int64_t at = a.pixel_of[p]; at >= 0)
                    a.load(row + at * C * a.from_bytes, C, to);
                else
                    fill(to, C);
            }
        };
        const Range within = inside_x(pixels);
        one_by_one(pixels.begin, within.begin);
        a.load(row + (within.begin - a.before) * C * a.from_bytes, within.count() * C,
               line + (within.begin - pixels.begin) * C);
        one_by_one(within.end, pixels.end);
    }
};

}  // namespace
}  // namespace fastconv
