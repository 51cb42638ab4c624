#include "weight_gradient_plan.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "cache.hpp"
#include "isa.hpp"

namespace fastconv {
namespace {

constexpr int64_t most_columns = 160;     // of a row that is copied at a time
constexpr int64_t pixels_at_once = 160;   // about so many stay in the first-level cache, and hide that sums are reloaded
constexpr int64_t copied_pixels = 512;    // of a block: neighbouring ones copy some of the same rows
constexpr int64_t most_sums = 256 << 10;  // bytes, of a block of channels
constexpr int64_t fewest_tasks = 32;      // for whatever number of threads
constexpr int64_t pixels_of_part = 512;   // at least
constexpr double operations_per_task = 256e6;

constexpr int64_t winograd_side = 4, winograd_positions = 36;  // of F(3x3, 4x4)
constexpr int64_t winograd_fewest_tiles = 12;                  // below, transforming sums back costs more than is saved
constexpr int64_t winograd_fewest_channels = 16;
constexpr int64_t winograd_tiles_of_part = 48;  // at least, if there are as many
constexpr int64_t winograd_strip = 16;          // tiles
constexpr int64_t winograd_most_tiles = 64;     // at once

// Why Winograd's algorithm cannot do it, or nothing.
std::string unsupported_winograd(const Problem& p) {
    if (p.rank != 2 || p.kernel != Axes{1, 3, 3}) return "needs a 2-D kernel of 3 x 3";
    if (p.stride != Axes{1, 1, 1} || p.dilation != Axes{1, 1, 1}) return "needs stride 1 and dilation 1";
    return "";
}

int64_t winograd_tile_rows(const Problem& p) { return p.n * parts_of(p.output[1], winograd_side); }
int64_t winograd_tiles(const Problem& p) { return winograd_tile_rows(p) * parts_of(p.output[2], winograd_side); }

bool winograd_pays(const Problem& p) {
    return unsupported_winograd(p).empty() && std::min(p.ic, p.oc) / p.groups >= winograd_fewest_channels &&
           winograd_tiles(p) >= winograd_fewest_tiles;
}

bool by_winograd(const Problem& p, const std::string& algorithm) {
    if (algorithm == "auto") return winograd_pays(p);
    if (algorithm == "strict" || algorithm == "direct") return false;
    if (algorithm != "winograd4")
        throw std::invalid_argument("algorithm='" + algorithm + "': expected 'auto', 'strict', 'direct' or 'winograd4'");
    const std::string reason = unsupported_winograd(p);
    if (!reason.empty())
        throw std::invalid_argument("algorithm='" + algorithm + "': it " + reason + ", the problem is " + to_string(p));
    return true;
}

// Channels of a block: enough that copying them is little beside the products.
constexpr int64_t channels_of_block(int64_t taps) { return taps > 1 ? 64 : 128; }

}  // namespace

template <class T>
WeightGradientArgs<T> WeightGradientPlan::arguments(bool winograd, bool finite) const {
    const Problem& p = problem_;
    const Kernels<T>& k = kernels_of<T>(isa_);
    WeightGradientArgs<T> a{};
    describe(p, a);
    a.winograd = winograd;
    if (p.taps() == 1 && p.input == p.output && !p.padded()) {
        flatten(a.in);
        flatten(a.out);
        for (auto& step : a.step) step = 1;  // a stride along an axis of one pixel is none
    }
    a.depthwise = !winograd && finite && p.groups > 1 && a.group_in == 1 && a.group_out == 1;
    if (a.depthwise) {
        a.group_in = a.group_out = p.groups;
        a.groups = 1;
    }
    a.joined_columns =
        a.depthwise || (!winograd && finite && p.kernel[2] > 1 && p.dilation[2] == 1 && a.group_in < k.tile_rows);

    const auto at_least_one = [](int64_t n) { return std::max<int64_t>(n, 1); };
    const int64_t panel = k.tile_vectors * k.lanes, rows = p.n * a.out.size[0] * a.out.size[1], columns = a.out.size[2];
    const int64_t out_block =
        a.depthwise ? panel : std::min(round_up(at_least_one(a.group_out), panel), channels_of_block(p.taps()));
    const int64_t in_block = a.joined_columns ? a.group_in
                                              : std::clamp<int64_t>(most_sums / (out_block * p.taps() * int64_t(sizeof(T))),
                                                                    std::min(k.tile_rows, 8), channels_of_block(p.taps()));
    a.out_blocks = at_least_one(parts_of(a.group_out, out_block));
    a.in_blocks = at_least_one(parts_of(a.group_in, at_least_one(in_block)));
    const int64_t in_channels = a.depthwise ? 1 : parts_of(a.group_in, a.in_blocks);
    a.sums = round_up(parts_of(a.group_out, a.out_blocks) + panel, panel) * p.taps() * in_channels;

    if (winograd) {
        a.column_parts = at_least_one(parts_of(parts_of(columns, winograd_side), winograd_strip));
        const int64_t wanted = parts_of(fewest_tasks, at_least_one(a.groups * a.out_blocks * a.in_blocks));
        a.parts = std::clamp<int64_t>(std::min(wanted, winograd_tiles(p) / winograd_tiles_of_part), 1,
                                      at_least_one(winograd_tile_rows(p)));
        // The sums of a block and what is multiplied at once share the second-level cache with the lines these come from.
        const int64_t sums = winograd_positions * a.sums / p.taps(), tile = winograd_positions * (out_block + in_channels);
        const int64_t affordable = (cache_sizes().l2 * 3 / 4 / int64_t(sizeof(T)) - sums) / tile;
        a.tiles_at_once = std::clamp<int64_t>(affordable, 16, winograd_most_tiles);
        return a;
    }
    a.column_parts = at_least_one(parts_of(columns, most_columns));
    const int64_t width = at_least_one(parts_of(columns, a.column_parts)), pixels = rows * columns;
    const int64_t blocks = a.groups * a.out_blocks * a.in_blocks;
    const auto by_time = int64_t(std::min(p.operations() / operations_per_task / double(at_least_one(blocks)), 1e9)) + 1;
    const int64_t wanted = std::clamp<int64_t>(std::max(parts_of(fewest_tasks, at_least_one(blocks)), by_time), 1,
                                               at_least_one(pixels / pixels_of_part));
    const int64_t row_parts = std::clamp<int64_t>(wanted, 1, at_least_one(rows));
    a.column_splits = std::clamp<int64_t>(wanted / row_parts, 1, a.column_parts);
    a.parts = row_parts * a.column_splits;
    const int64_t part_rows = at_least_one(parts_of(rows, row_parts));
    const int64_t row_bytes =
        width * ((a.depthwise ? panel : in_block) * p.stride[1] * p.stride[2] + out_block) * int64_t(sizeof(T));
    const auto even = [&](int64_t total, int64_t most) { return parts_of(total, parts_of(total, most)); };
    a.rows_at_once = std::clamp<int64_t>(pixels_at_once / width, 1, part_rows);
    const int64_t affordable = cache_sizes().l2 / 2 / at_least_one(row_bytes);
    const int64_t block_rows = std::min(parts_of(copied_pixels, width), affordable);
    a.block_rows = even(part_rows, std::clamp(block_rows, a.rows_at_once, part_rows));
    a.rows_at_once = even(a.block_rows, a.rows_at_once);
    a.most_slabs = std::min(a.block_rows, parts_of(a.block_rows - 1, at_least_one(a.out.size[1])) + 1);
    return a;
}

template <class T>
const WeightGradientKernel<T>& WeightGradientPlan::kernel(const WeightGradientArgs<T>& a) const {
    const GradientKernels<T>& k = kernels_of<T>(*isa_.gradients);
    return a.winograd ? k.winograd_weights : k.weights;
}

WeightGradientPlan::WeightGradientPlan(const Problem& p, const std::string& algorithm, const KernelTable& isa, int threads,
                                       bool finite)
    : problem_(p), isa_(isa), threads_(threads) {
    const bool winograd = by_winograd(p, algorithm);
    const auto plan = [&]<class T>(const WeightGradientArgs<T>& a) {
        summary_.tasks = a.groups * a.out_blocks * a.in_blocks * a.parts;
        summary_.workspace_bytes = round_up(kernel(a).workspace(a), alignment);
        if (a.parts == 1) summary_.workspace_bytes += a.sums * int64_t(sizeof(T));
        const int available = worthwhile_threads(p.operations(), threads);
        summary_.threads = int(std::clamp<int64_t>(summary_.tasks, 1, available));
        args_ = a;
    };
    with_type(p.dtype, [&]<class T>(T) { plan(arguments<T>(winograd, finite)); });
}

template <class T>
void WeightGradientPlan::run(WeightGradientArgs<T> a, const void* x, const void* dy, void* dw) const {
    const Problem& p = problem_;
    const int64_t weights = p.oc * (p.ic / p.groups) * p.taps();
    a.x = static_cast<const T*>(x);
    a.dy = static_cast<const T*>(dy);
    a.dw = static_cast<T*>(dw);
    if (p.n * p.output_pixels() == 0) return std::fill_n(a.dw, weights, T(0)), void();
    if (weights == 0) return;

    const GradientKernels<T>& k = kernels_of<T>(*isa_.gradients);
    const auto run = kernel(a).run;
    const int64_t copies = a.parts == 1 ? summary_.workspace_bytes - a.sums * int64_t(sizeof(T)) : 0;
    if (a.parts == 1) {
        run_tasks(summary_, 0, [&](int64_t task, char* workspace, char*) {
            T* sums = reinterpret_cast<T*>(workspace + copies);
            run(a, task, sums, workspace);
            k.weights_finish(a, task, sums);
        });
    } else {
        const Workspace shared(summary_.tasks * a.sums * int64_t(sizeof(T)));
        T* sums = reinterpret_cast<T*>(shared.data());
        run_tasks(summary_, 0, [&](int64_t task, char* workspace, char*) { run(a, task, sums + task * a.sums, workspace); });
        parallel_for(summary_.tasks / a.parts, summary_.threads,
                     [&](int64_t block, int) { k.weights_finish(a, block, sums + block * a.parts * a.sums); });
    }
    if (a.joined_columns && p.padded() && std::isnan(kernels_of<T>(isa_).largest(a.dw, weights)))
        WeightGradientPlan(p, "direct", isa_, threads_, false).run(x, dy, dw);
}

void WeightGradientPlan::run(const void* x, const void* dy, void* dw) const {
    std::visit([&](const auto& a) { run(a, x, dy, dw); }, args_);
}

}  // namespace fastconv
