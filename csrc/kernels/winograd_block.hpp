// What a task of Winograd's algorithm works on: a block of tiles, and where things lie in its workspace.
#pragma once

#include "winograd_guard.hpp"
#include "winograd_transform.hpp"

namespace fastconv {
namespace {

// Channels whose values of one tile lie next to each other: a cache line.
template <class T>
constexpr int64_t winograd_chunk = 64 / sizeof(T);

// Where things lie in the workspace.
template <class T, class W>
struct WinogradBuffers {
    static constexpr int m = W::outputs, overlap = W::taps - 1, alpha = W::points, positions = alpha * alpha, ring = 2 * m;
    int64_t chunks, v_chunk, v_position, m_position, line;  // in elements
    int64_t magnitude_line, magnitude_lines;                // the last are followed by two of what inspect_row() finds
    int64_t rows_of_block, row_tiles;  // pixels in lanes: rows of tiles, and tiles of a row up to whole vectors
    int64_t v, sums, in, out, magnitudes, rows, tiles, total;  // in bytes

    explicit WinogradBuffers(const ConvArgs<T>& a) {
        const WinogradGrid<T> grid(a, m, W::taps);
        constexpr int64_t unit = 64 / sizeof(T);
        // Positions, and lines, lie an odd number of cache lines apart, or the stores of one tile would compete for one set.
        const auto odd = [](int64_t n) { return (parts_of(n, unit) | 1) * unit; };
        chunks = parts_of(a.group_in, winograd_chunk<T>);
        v_chunk = a.pixel_block * winograd_chunk<T>;
        const int64_t width = grid.widest();  // few tiles may lie in two rows too, which share lines of the whole strip
        magnitude_line = (parts_of(width + overlap * a.dilation[2], lanes<T>) + 1) * lanes<T>;  // blocks begin anywhere
        const int64_t across = grid.dilation * max_of(grid.columns / max_of(grid.strips, 1), 1);
        rows_of_block = min_of(a.pixel_block, a.pixel_block / across + 2);
        row_tiles = parts_of(width, m * lanes<T>) * lanes<T>;
        int64_t lines;  // elements of outputs on their way
        if (a.pixel_lanes) {
            magnitude_line = m * (row_tiles + lanes<T>);
            v_position = odd(a.group_in * row_tiles);
            m_position = 0;
            line = a.group_in * m * (row_tiles + lanes<T>);
            lines = 4 * m * alpha * lanes<T>;
        } else {
            v_position = odd(chunks * v_chunk);
            m_position = odd(a.pixel_block * widest_panel(a));
            line = odd(magnitude_line * lanes<T>);
            lines = parts_of(m * width + lanes<T>, lanes<T>) * lanes<T> * widest_panel(a);
        }
        v = 0;
        const auto place = [&](int64_t& at, int64_t after, int64_t bytes) { at = (after + bytes + 63) / 64 * 64; };
        place(sums, v, (a.pixel_lanes ? rows_of_block : 1) * positions * v_position * int64_t(sizeof(T)));
        place(in, sums, positions * m_position * int64_t(sizeof(T)));
        place(out, in, ring * line * int64_t(sizeof(T)));
        place(magnitudes, out, lines * int64_t(sizeof(T)));
        magnitude_lines = rows_of_block * alpha;
        place(rows, magnitudes, (magnitude_lines + 2) * magnitude_line * int64_t(sizeof(T)));
        place(tiles, rows, rows_of_block * int64_t(sizeof(WinogradRow)));
        place(total, tiles, a.pixel_block * int64_t(sizeof(WinogradTile)));
    }
};

template <class T, class W>
int64_t winograd_workspace(const ConvArgs<T>& a) {
    return WinogradBuffers<T, W>(a).total;
}

// What a task works with.
template <class T, class W>
struct WinogradBlock {
    using Buffers = WinogradBuffers<T, W>;
    const ConvArgs<T>& a;
    const Buffers buffers;
    char* memory;
    int64_t group;
    WinogradRow* row;
    int64_t rows = 0;
    WinogradTile* tile;
    WinogradKinds kinds;
    Magnitudes<T> magnitudes;

    WinogradBlock(const ConvArgs<T>& args, char* workspace, int64_t g, Range block)
        : a(args),
          buffers(args),
          memory(workspace),
          group(g),
          row(reinterpret_cast<WinogradRow*>(workspace + buffers.rows)),
          tile(reinterpret_cast<WinogradTile*>(workspace + buffers.tiles)) {
        magnitudes = {reinterpret_cast<Bits<T>*>(workspace + buffers.magnitudes), buffers.magnitude_line};
        WinogradGrid<T>(a, W::outputs, W::taps).list(a, a.pixel_lanes ? 0 : W::edge_outputs, block, row, rows, tile, kinds);
    }
    T* at(int64_t offset) const { return reinterpret_cast<T*>(memory + offset); }
};

}  // namespace
}  // namespace fastconv
