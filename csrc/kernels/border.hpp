// A border around planes, by tables of what its positions show, which may sort the phases of the plane as well; and its
// gradient, which adds it back.
//
//     pad: to[j] = from[shown[j]], or 0          gradient: to[i] = sum over j with shown[j] = i of from[j]
//
// Runs of a row are copied by vectors, what is beside them pixel by pixel. In the gradient the padded rows that show a
// row are added up into a line; then each position of the line beside the plane is added to what it shows, the first first.
//
//     Task: plane, block of rows of the result. Workspace of the gradient: the line.
#pragma once

#include "copy.hpp"
#include "grid.hpp"
#include "window.hpp"
#include "window_args.hpp"

namespace fastconv {
namespace {

template <class T>
void pad(const BorderArgs<T>& a, int64_t task) {
    const int64_t inner = a.plane.inner, plane = task / a.row_blocks;
    const Range rows = block_of(a.padded.rows(), 1, a.row_blocks, task % a.row_blocks);
    const T* from = a.from + plane * a.plane.elements();
    T* to = a.to + plane * a.padded.elements() + rows.begin * a.padded.row();
    for (int64_t row = rows.begin; row < rows.end; ++row, to += a.padded.row()) {
        const int64_t d = a.shown[0][row / a.padded.size[1]], h = a.shown[1][row % a.padded.size[1]];
        if (d < 0 || h < 0) {
            zero_run(to, a.padded.row());
            continue;
        }
        const T* source = from + (d * a.plane.size[1] + h) * a.plane.row();
        const auto show = [&](int64_t begin, int64_t end) {
            for (int64_t j = begin; j < end; ++j) {
                const int64_t i = a.shown[2][j];
                if (inner == 1)
                    to[j] = i < 0 ? T(0) : source[i];
                else if (i < 0)
                    zero_run(to + j * inner, inner);
                else
                    copy_run(to + j * inner, source + i * inner, inner, 1);
            }
        };
        int64_t done = 0;
        for (const ColumnRun* run = a.runs; run != a.runs + a.run_count; ++run) {
            show(done, run->to);
            copy_run(to + run->to * inner, source + run->from * inner, run->count * inner, a.step);
            done = run->to + run->count;
        }
        show(done, a.padded.size[2]);
    }
}

template <class T>
int64_t pad_gradient_workspace(const BorderArgs<T>& a) {
    return a.padded.row() * int64_t(sizeof(T));
}

template <class T>
void pad_gradient(const BorderArgs<T>& a, int64_t task, void* workspace) {
    const int64_t inner = a.plane.inner, plane = task / a.row_blocks;
    const Range rows = block_of(a.plane.rows(), 1, a.row_blocks, task % a.row_blocks);
    const T* from = a.from + plane * a.padded.elements();
    T* to = a.to + plane * a.plane.elements() + rows.begin * a.plane.row();
    T* line = static_cast<T*>(workspace);
    const Range middle{a.before, a.before + a.plane.size[2]};
    for (int64_t row = rows.begin; row < rows.end; ++row, to += a.plane.row()) {
        const int64_t d = row / a.plane.size[1], h = row % a.plane.size[1];
        const int64_t slices = a.showing[0].count[d], lines = a.showing[1].count[h];
        const auto padded_row = [&](int64_t i) {
            const int64_t pd = a.positions[0][a.showing[0].first[d] + i / lines];
            const int64_t ph = a.positions[1][a.showing[1].first[h] + i % lines];
            return from + (pd * a.padded.size[1] + ph) * a.padded.row();
        };
        combine_rows<T, Sum<T>>(line, slices * lines, padded_row, a.padded.row());
        copy_run(to, line + middle.begin * inner, a.plane.row(), 1);
        const auto add = [&](int64_t begin, int64_t end) {
            for (int64_t j = begin; j < end; ++j) {
                const int64_t i = a.shown[2][j];
                if (i < 0) continue;
                if (inner == 1)
                    to[i] += line[j];
                else
                    each_vector<T>(inner, [&](int64_t c, auto exists) {
                        T* at = to + i * inner + c;
                        store_masked(at, load_masked(at, exists) + load_masked(line + j * inner + c, exists), exists);
                    });
            }
        };
        add(0, middle.begin);
        add(middle.end, a.padded.size[2]);
    }
}

}  // namespace
}  // namespace fastconv
