#include "blocking.hpp"

#include <algorithm>
#include <cmath>

#include "cache.hpp"
#include "pack.hpp"
#include "schedule.hpp"

namespace fastconv {
namespace {

constexpr double operations_per_task = 256e6;            // at most, so that a call can be interrupted within milliseconds
constexpr int64_t im2col_most_panel = 512 << 10;         // bytes of patches gathered at a time
constexpr int64_t im2col_most_sums = 256 << 10;          // bytes of sums waiting for the next panel
constexpr int64_t most_block_counts = 1 << 12;           // tried for the most even one
constexpr int64_t few_pixel_tiles = 16;                  // of a 1x1 convolution, for each thread
constexpr int64_t winograd_many_tiles = 56;              // of a block, enough to hide the reading of weights
constexpr int64_t winograd_most_block = (15 << 20) / 4;  // bytes of transformed input and products of one
constexpr int64_t winograd_most_shared = 16 << 20;       // bytes of weights that threads better read but once
constexpr int64_t winograd_strip = 256;                  // output columns of a line, more or less
constexpr int64_t winograd_lane_strip = 1024;            // with tiles in lanes, whose last vector may be far from full
constexpr int64_t depthwise_vectors = 2;                 // of pixels: columns of a block are multiples of that,
constexpr int64_t depthwise_pixels = 8;                  // or of that where channels are in lanes

template <class T>
class Blocking {
   public:
    Blocking(const Problem& p, const Kernels<T>& k, int threads, ConvArgs<T>& a)
        : p_(p),
          a_(a),
          threads_(threads),
          rows_(k.tile_rows),
          pitch_(k.tile_vectors * k.lanes),
          lanes_(k.lanes),
          tile_sums_(k.tile_sums) {
        a.channel_block = pitch_;
        a.channel_blocks = a.panels = panels_of(a.group_out, k.lanes, k.tile_vectors);
    }

    void direct() {
        split_rows(images() * a_.channel_blocks, a_.out.size[0] * a_.out.size[1],
                   parts_of(a_.out.size[2], a_.pixel_lanes ? pitch_ : rows_));
    }

    void pointwise() {
        const int64_t tile = a_.pixel_lanes ? pitch_ : rows_, units = parts_of(p_.output_pixels(), tile);
        const int64_t tiles = parts_of(a_.group_out, rows_);
        if (a_.pixel_lanes) split_channels(tiles, units, images());
        // With fewer pixels than channels the weights are most of what is read: better each thread keeps its own.
        const bool few = p_.n * p_.output_pixels() < p_.oc && images() * units < few_pixel_tiles * threads_;
        if (a_.pixel_lanes && few) a_.channel_blocks = std::clamp<int64_t>(threads_, a_.channel_blocks, at_least_one(tiles));
        split_pixels(units, tile, images());
    }

    void im2col() {
        const int64_t tile_pixels = a_.pixel_lanes ? pitch_ : rows_;
        const int64_t tiles = a_.pixel_lanes ? parts_of(a_.group_out, rows_) : a_.panels;
        const int64_t units = parts_of(p_.n * p_.output_pixels(), tile_pixels);  // of all images together
        split_channels(tiles, units, p_.groups);
        a_.reduction_block = std::clamp<int64_t>(std::min(cache_sizes().l2 / 2, im2col_most_panel) / (tile_pixels * element),
                                                 1, at_least_one(a_.reduction));
        if (a_.reduction > a_.reduction_block) {
            const int64_t tile_bytes = tile_sums_ * element;
            const int64_t waiting = at_least_one(std::min(cache_sizes().l2 / 4, im2col_most_sums) / tile_bytes);
            a_.channel_blocks = std::max(a_.channel_blocks, parts_of(tiles, waiting));
        }
        split_pixels(units, tile_pixels, p_.groups);
    }

    void winograd(const WinogradSize& size, bool prepared) {
        const int64_t d = p_.dilation[2], m = size.outputs;
        a_.tile_rows = parts_of(parts_of(p_.output[1], d), m);
        a_.tile_columns = parts_of(parts_of(p_.output[2], d), m);
        const int64_t tiles = p_.n * a_.tile_rows * a_.tile_columns * d * d;
        const int64_t positions = size.points * size.points;
        const int64_t weights = positions * element * a_.group_in * a_.group_out;
        const int64_t l2 = cache_sizes().l2;
        const int64_t tile_bytes =
            positions * element * (a_.pixel_lanes ? 8 * a_.group_in : round_up(a_.group_in, lanes_) + pitch_);
        // A block's workspace fits the second-level cache (tiles in lanes: an eighth of it, for so little is read there
        // again), but more tiles share each reading of weights that do not.
        const int64_t wanted = std::max(l2 / tile_bytes, weights > l2 ? winograd_many_tiles : 2 * rows_);
        const int64_t affordable = at_least_one(winograd_most_block / tile_bytes);
        const int64_t most = std::min(wanted, affordable);
        const int64_t strips = std::max(parts_of(p_.output[2], a_.pixel_lanes ? winograd_lane_strip : winograd_strip),
                                        parts_of(a_.tile_columns, at_least_one(affordable / d)));
        a_.strips = std::clamp<int64_t>(strips, 1, at_least_one(a_.tile_columns));
        const int64_t row_tiles = d * parts_of(a_.tile_columns, a_.strips);
        // Long rows of tiles stay whole, since a block reads their lines whole, and two follow each other, as they share
        // lines.
        const bool long_rows = 2 * row_tiles > most;
        a_.whole_rows = d > 1 || long_rows || a_.pixel_lanes;
        const int64_t unit = a_.whole_rows ? row_tiles : 1;
        const int64_t units = a_.whole_rows ? p_.n * a_.strips * d * a_.tile_rows : tiles;
        const int64_t most_units = at_least_one(long_rows ? std::min<int64_t>(2, affordable / unit) : most / unit);
        int64_t blocks = parts_of(units, most_units);
        a_.channel_blocks = 1;
        // Threads share the output channels, each transforming the whole input, where that takes less than that each reads
        // the weights of all channels, or packs them.
        const bool few =
            tiles < rows_ * threads_ || weights > winograd_most_shared || (!prepared && tiles < 2 * a_.group_out);
        const int64_t sharing = parts_of(threads_, at_least_one(p_.groups * blocks));
        if (sharing > 1 && few && sharing <= a_.panels)
            a_.channel_blocks = sharing;
        else if (p_.groups % threads_ != 0)
            blocks = round_up(blocks, threads_);
        a_.pixel_blocks = std::clamp<int64_t>(blocks, 1, at_least_one(units));
        a_.pixel_block = parts_of(units, a_.pixel_blocks) * unit;
    }

    void depthwise(int64_t panels) {
        const int64_t rows = p_.output[0] * p_.output[1];
        a_.panels = panels;
        a_.channel_block = a_.group_out % 4 == 0 ? 4 : a_.group_out % 2 == 0 ? 2 : 1;  // that see the same input
        a_.column_unit = a_.pixel_lanes ? depthwise_vectors * lanes_ : depthwise_pixels;
        a_.channel_blocks = !a_.channels_first ? 1
                            : a_.pixel_lanes   ? balanced_blocks(p_.n, p_.oc / a_.channel_block)
                                               : panels;
        split_rows(p_.n * a_.channel_blocks, rows, parts_of(p_.output[2], a_.column_unit));
    }

   private:
    static constexpr int64_t element = sizeof(T);
    static int64_t at_least_one(int64_t n) { return std::max<int64_t>(n, 1); }
    int64_t images() const { return p_.n * p_.groups; }

    // Blocks of the `units` in each of `others` cells of the grid: enough that there are tasks for all threads, that none is
    // too long, and that threads finish together; no more than that takes.
    int64_t balanced_blocks(int64_t others, int64_t units) const {
        others = at_least_one(others);
        units = at_least_one(units);
        const double by_time = std::ceil(p_.operations() / operations_per_task / double(others));
        const int64_t by_threads = threads_ > 1 ? parts_of(tasks_per_thread * threads_, others) : 1;
        const int64_t least = std::min<int64_t>(std::max<int64_t>(int64_t(std::min(by_time, 1e9)), by_threads), units);
        int64_t best = least;
        if (threads_ == 1) return best;
        const auto longest = [&](int64_t blocks) {  // units that one thread does, of blocks that are nearly equal
            return double(parts_of(others * blocks, threads_)) * double(units) / double(blocks);
        };
        const int64_t most = std::min({units, 8 * least, least + most_block_counts});  // enormous problems plan quickly too
        for (int64_t blocks = least + 1; blocks <= most; ++blocks)
            if (longest(blocks) < 0.98 * longest(best)) best = blocks;
        return best;
    }

    // `units` of `unit` pixels (or rows) into blocks.
    void split_pixels(int64_t units, int64_t unit, int64_t outer) {
        a_.pixel_blocks = balanced_blocks(outer * a_.channel_blocks, units);
        a_.pixel_block = parts_of(units, a_.pixel_blocks) * unit;
    }

    // Rows first; columns, `tiles` of them, where there are too few rows.
    void split_rows(int64_t others, int64_t rows, int64_t tiles) {
        const int64_t row_blocks = balanced_blocks(others, rows);
        a_.column_blocks = row_blocks < rows ? 1 : balanced_blocks(others * row_blocks, tiles);
        a_.pixel_blocks = row_blocks * a_.column_blocks;
        a_.pixel_block = parts_of(rows, row_blocks) * parts_of(a_.out.size[2], a_.column_blocks);
    }

    // Where pixels alone make too few tasks, output channels are split too.
    void split_channels(int64_t tiles, int64_t pixel_units, int64_t outer) {
        const int64_t wanted = threads_ > 1 ? tasks_per_thread * threads_ : 1;
        a_.channel_blocks = std::clamp<int64_t>(parts_of(wanted, at_least_one(outer * pixel_units)), 1, at_least_one(tiles));
    }

    const Problem& p_;
    ConvArgs<T>& a_;
    const int64_t threads_, rows_, pitch_, lanes_, tile_sums_;
};

}  // namespace

template <class T>
void block(const Problem& p, AlgorithmId id, const KernelTable& isa, int threads, bool prepared, ConvArgs<T>& a) {
    Blocking<T> blocking(p, kernels_of<T>(isa), threads, a);
    switch (id) {
        case AlgorithmId::im2col: return blocking.im2col();
        case AlgorithmId::pointwise: return blocking.pointwise();
        case AlgorithmId::winograd2:
        case AlgorithmId::winograd4: return blocking.winograd(winograd_size(p, id), prepared);
        case AlgorithmId::depthwise: return blocking.depthwise(kernels_of<T>(*isa.depthwise).panels(a));
        default: return blocking.direct();
    }
}

template void block(const Problem&, AlgorithmId, const KernelTable&, int, bool, ConvArgs<float>&);
template void block(const Problem&, AlgorithmId, const KernelTable&, int, bool, ConvArgs<double>&);

}  // namespace fastconv
