// The gradient of average pooling: a position of the input takes from each output whose window covers it.
//
//     to[i] = sum over o that cover i of from[o] / divisor(o)
//
// Along an axis those outputs are neighbours, so this is a sum over windows as well. The rows of outputs that cover a row
// of the input are added up into a line and divided. With `stride - 1` zeros between its pixels the line is summed over
// sliding windows (window.hpp): position i sees the `window` elements that end where it is. Adaptive windows that do not
// divide the input differ, and few of them overlap: there each position adds up its own.
//
// Rows that the same rows of outputs cover are the same.
//
//     Task: plane, block of rows of the input. Workspace: the divisors of a row, the line, the line with zeros between
//     and another as long.
#pragma once

#include "copy.hpp"
#include "grid.hpp"
#include "window.hpp"
#include "window_args.hpp"

namespace fastconv {
namespace {

template <class T>
class AverageGradientTask {
   public:
    static int64_t bytes(const AverageGradientArgs<T>& a) {
        return 2 * (line_elements(a) + spread_elements(a)) * int64_t(sizeof(T));
    }

    AverageGradientTask(const AverageGradientArgs<T>& args, int64_t task, void* workspace)
        : a(args), axis(args.axis[2]), inner(args.inputs.inner), count(args.outputs.row()) {
        rows = block_of(a.inputs.rows(), 1, a.row_blocks, task % a.row_blocks);
        const int64_t plane = task / a.row_blocks;
        from = a.from + plane * a.outputs.elements();
        to = a.to + plane * a.inputs.elements();
        divisors = static_cast<T*>(workspace);
        line = divisors + line_elements(a);
        spread = line + line_elements(a);
        scratch = spread + spread_elements(a);
    }

    void run() {
        for (int64_t i = 0; i < count; ++i) divisors[i] = T(a.fixed_divisor ? a.fixed_divisor : axis.divisor[i / inner]);
        zero_run(spread, spread_elements(a));
        Range depth{}, height{};
        for (int64_t row = rows.begin; row < rows.end; ++row) {
            const Range depth_before = depth, height_before = height;
            depth = covering(0, row / a.inputs.size[1]);
            height = covering(1, row % a.inputs.size[1]);
            T* out = to + row * a.inputs.row();
            if (row > rows.begin && same(depth, depth_before) && same(height, height_before)) {
                copy_run(out, out - a.inputs.row(), a.inputs.row(), 1);
                continue;
            }
            if (depth.count() * height.count() == 0) {
                zero_run(out, a.inputs.row());
                continue;
            }
            add_rows(depth, height);
            axis.stride ? slide(out) : gather(out);
        }
    }

   private:
    static int64_t vectors(int64_t n) { return parts_of(n, 64) * 64; }
    static int64_t line_elements(const AverageGradientArgs<T>& a) { return vectors(a.outputs.row() + lanes<T>); }
    static int64_t spread_elements(const AverageGradientArgs<T>& a) {
        if (!a.axis[2].stride) return 0;
        return vectors((a.inputs.size[2] + a.axis[2].window - 1) * a.inputs.inner + 2 * lanes<T>);
    }

    static bool same(Range x, Range y) { return x.begin == y.begin && x.end == y.end; }

    Range covering(int axis_number, int64_t i) const {
        const Neighbours& n = a.covered_by[axis_number];
        return {n.first[i], n.first[i] + n.count[i]};
    }

    // The line: rows of outputs, each divided by its divisors; or their sum, if they are the same.
    void add_rows(Range depth, Range height) {
        const int64_t n = depth.count() * height.count();
        const auto od = [&](int64_t i) { return depth.begin + i / height.count(); };
        const auto oh = [&](int64_t i) { return height.begin + i % height.count(); };
        const auto row = [&](int64_t i) { return from + (od(i) * a.outputs.size[1] + oh(i)) * count; };
        const auto divisor = [&](int64_t i) {
            return a.fixed_divisor ? 1 : a.axis[0].divisor[od(i)] * a.axis[1].divisor[oh(i)];
        };
        bool alike = true;
        for (int64_t i = 1; i < n; ++i) alike &= divisor(i) == divisor(0);
        if (alike) combine_rows<T, Sum<T>>(line, n, row, count);
        for (int64_t i = 0; i < (alike ? 1 : n); ++i) {
            const T* numerators = alike ? line : row(i);
            const Vec<T> by = broadcast(T(divisor(i)));
            each_vector<T>(count, [&](int64_t j, auto exists) {
                const Vec<T> v = load_masked(numerators + j, exists) / (by * load_masked(divisors + j, exists));
                store_masked(line + j, i > 0 ? load_masked(line + j, exists) + v : v, exists);
            });
        }
    }

    // The pixel of output o goes where its window, of which position i sees the end, ends.
    void spread_line() {
        const int64_t step = axis.stride * inner, outputs = a.outputs.size[2];
        T* first = spread + (axis.window - 1 - axis.before) * inner;
        if (axis.stride == 1) return copy_run(first, line, count, 1);
        if (inner > 1) {
            for (int64_t o = 0; o < outputs; ++o) copy_run(first + o * step, line + o * inner, inner, 1);
            return;
        }
        int64_t o = 0;
        if (step == 2)  // zeros behind the last pixel belong to nobody else
            for (constexpr typename MakeIndices<lanes<T>>::type all{}; o + lanes<T> < outputs; o += lanes<T>) {
                const Vec<T> v = load(line + o), zero{};
                store(first + 2 * o, low_zipped(v, zero, all));
                store(first + 2 * o + lanes<T>, high_zipped(v, zero, all));
            }
        for (; o < outputs; ++o) first[o * step] = line[o];
    }

    void slide(T* out) {
        const int64_t width = a.inputs.row();
        if (axis.window <= line_taps) {
            spread_line();
            return with_constant<line_taps>(int(axis.window), [&](auto k) {
                each_vector<T>(width, [&](int64_t i, auto exists) {
                    const auto tap = [&](int t) { return load_masked(spread + (i + t * inner), exists); };
                    store_masked(out + i, combined<Sum<T>, k.value>(tap), exists);
                });
            });
        }
        zero_run(spread, spread_elements(a));  // where the sums of the row before are
        spread_line();
        slide_line<T, Sum<T>>(spread, width, axis.window, inner, scratch);
        copy_run(out, spread, width, 1);
    }

    void gather(T* out) {
        for (int64_t i = 0; i < a.inputs.size[2]; ++i) {
            const Range o = covering(2, i);
            if (inner == 1) {
                T sum = T(0);
                for (int64_t j = o.begin; j < o.end; ++j) sum += line[j];
                out[i] = sum;
            } else {
                combine_rows<T, Sum<T>>(
                    out + i * inner, o.count(), [&](int64_t j) { return line + (o.begin + j) * inner; }, inner);
            }
        }
    }

    const AverageGradientArgs<T>& a;
    const PoolAxis& axis;  // of the width
    const int64_t inner, count;
    Range rows;
    const T* from;
    T *to, *divisors, *line, *spread, *scratch;
};

template <class T>
int64_t average_gradient_workspace(const AverageGradientArgs<T>& a) {
    return AverageGradientTask<T>::bytes(a);
}

template <class T>
void average_gradient(const AverageGradientArgs<T>& a, int64_t task, void* workspace) {
    AverageGradientTask<T>(a, task, workspace).run();
}

}  // namespace
}  // namespace fastconv
