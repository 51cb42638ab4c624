#include "pool_plan.hpp"

#include <algorithm>

namespace fastconv {

PoolTable sliding_windows(const Problem& p, int axis) {
    PoolTable t;
    t.dilation = p.dilation[axis];
    t.stride = p.stride[axis];
    t.before = p.before[axis];
    t.window = p.kernel[axis];
    const int64_t size = p.input[axis], before = p.before[axis], k = p.kernel[axis];
    for (int64_t o = 0; o < p.output[axis]; ++o) {
        const int64_t begin = o * p.stride[axis] - before;
        const int64_t skipped = begin < 0 ? parts_of(-begin, t.dilation) : 0;
        const int64_t within = begin < size ? parts_of(size - begin, t.dilation) : 0;
        t.first.push_back(begin + skipped * t.dilation);
        t.taps.push_back(std::max<int64_t>(std::min(k, within) - skipped, 0));
        // Counting the padding, a window still ends where the padding does.
        t.divisor.push_back(p.count_include_pad ? std::min(k, size + p.after[axis] - begin) : t.taps.back());
    }
    return t;
}

PoolTable adaptive_windows(int64_t input, int64_t output) {
    PoolTable t;
    for (int64_t o = 0; o < output; ++o) {
        // floor and ceil of o * input / output without overflowing the product
        const int64_t whole = input / output, rest = input % output;
        const auto scaled = [&](int64_t i, int64_t round) {
            return i * whole + int64_t((__int128(i) * rest + round) / output);
        };
        t.first.push_back(scaled(o, 0));
        t.taps.push_back(scaled(o + 1, output - 1) - t.first.back());
        t.divisor.push_back(t.taps.back());
    }
    return t;
}

PoolPlan::PoolPlan(const Problem& p, std::array<PoolTable, 3> tables, const KernelTable& isa, int threads)
    : isa_(&isa), tables_(std::move(tables)) {
    const auto plan = [&]<class T>(PoolArgs<T>& a) {
        a.kind = p.op == Op::max_pool ? PoolKind::maximum : PoolKind::average;
        a.in = dense_tensor(p, p.ic, p.input);
        a.out = dense_tensor(p, p.oc, p.output);
        a.channels_first = p.layout == Layout::channels_first;
        a.channels = p.ic;
        a.fixed_divisor = p.divisor_override;
        a.with_indices = p.indices;
        for (size_t i = 0; i < 3; ++i) {
            const PoolTable& t = tables_[i];
            a.axis[i] = {t.first.data(), t.taps.data(), t.divisor.data(), t.dilation, t.stride, t.before, t.window};
        }
        const int64_t planes = a.channels_first ? p.n * p.ic : p.n, rows = p.output[0] * p.output[1];
        summary_.threads = worthwhile_threads(p.operations(), threads);
        int64_t blocks =
            summary_.threads > 1 ? parts_of(tasks_per_thread * summary_.threads, std::max<int64_t>(planes, 1)) : 1;
        blocks = std::clamp<int64_t>(blocks, 1, std::max<int64_t>(rows, 1));
        a.row_blocks = blocks;
        summary_.tasks = p.output_pixels() && p.ic ? planes * a.row_blocks : 0;
        if (summary_.tasks > 0) summary_.workspace_bytes = kernels_of<T>(isa).pool.workspace(a);
        summary_.threads = int(std::clamp<int64_t>(summary_.threads, 1, std::max<int64_t>(summary_.tasks, 1)));
        summary_.tile = tile_text(1, "row", kernels_of<T>(isa).lanes, a.channels_first ? "pixels" : "channels");
        summary_.blocking = {{"row_blocks", a.row_blocks}, {"row_block", parts_of(rows, blocks)}};
    };
    if (p.dtype == DType::f32)
        plan(args_.emplace<PoolArgs<float>>());
    else
        plan(args_.emplace<PoolArgs<double>>());
}

void PoolPlan::run(const void* x, void* y, int64_t* indices) const {
    if (summary_.tasks == 0) return;
    std::visit(
        [&]<class T>(const PoolArgs<T>& planned) {
            PoolArgs<T> a = planned;
            a.x = static_cast<const T*>(x);
            a.y = static_cast<T*>(y);
            a.indices = indices;
            const auto kernel = kernels_of<T>(*isa_).pool.run;
            run_tasks(summary_, 0, [&](int64_t task, char* workspace, char*) { kernel(a, task, workspace); });
        },
        args_);
}

}  // namespace fastconv
