// The tiles of one block: which outputs each computes, and where it lies in the workspace.
//
// Tiles are numbered by image, strip of columns, phase of rows, row of tiles, phase of columns, tile, the last fastest; a
// block is a run of them. With dilation d the outputs of one phase (rows, or columns, equal modulo d) form a convolution
// without dilation, whose pixels are d apart. Strips bound the length of a line in wide images.
#pragma once

#include "grid.hpp"

namespace fastconv {
namespace {

// A row of tiles, or the part of one that lies in the block: tiles begin <= t < end of the block.
struct WinogradRow {
    int64_t image, out_row;  // of the first output row; the others are `dilation` apart
    int64_t begin, end;
    int64_t column, width;      // the output columns whose input its lines hold
    int64_t first_line, lines;  // its input lines, numbered through the block
    int64_t shared;             // those of them that the row before has read already
    bool edge;                  // few of the output rows exist, see list()
};

struct WinogradTile {
    int64_t column;  // the first output column; the others are `dilation` apart
    int64_t slot;    // in V and M
    bool edge;       // few of the output columns exist
    bool spoiled;    // left to the direct kernel, see winograd_guard.hpp
};

// Counts of tiles by kind. They lie in V and M in this order, so that the tiles that use a position are a range:
// right edge, whole tiles, lower edge, lower right corner.
struct WinogradKinds {
    int64_t end[4];
    static int kind(bool edge_row, bool edge_column) { return edge_row ? 2 + edge_column : !edge_column; }
    // Those that use a position which edge rows (columns) use, or do not.
    Range using_position(bool edge_row, bool edge_column) const {
        return {edge_column ? 0 : end[0], end[edge_row ? (edge_column ? 3 : 2) : 1]};
    }
};

// How tiles divide the output of a problem.
template <class T>
struct WinogradGrid {
    int64_t m, overlap, dilation, rows, columns, strips, image_tiles, image_rows;

    WinogradGrid(const ConvArgs<T>& a, int64_t outputs, int64_t taps)
        : m(outputs),
          overlap(taps - 1),
          dilation(a.dilation[2]),
          rows(a.tile_rows),
          columns(a.tile_columns),
          strips(a.strips),
          image_tiles(dilation * rows * dilation * columns),
          image_rows(strips * dilation * rows) {}

    // Output columns that the lines of a row of tiles span, at most.
    int64_t widest() const { return parts_of(columns, strips) * dilation * m; }

    // Block i of the tiles of all images. With dilation it must consist of whole rows, since lines mix the phases of
    // columns.
    Range block(const ConvArgs<T>& a, int64_t i) const {
        const auto begin = [&](int64_t block) {
            if (!a.whole_rows) return part_begin(a.batch * image_tiles, a.pixel_blocks, block);
            const int64_t row = part_begin(a.batch * image_rows, a.pixel_blocks, block), of_strip = dilation * rows;
            const int64_t strip = row % image_rows / of_strip;
            const int64_t across = part_begin(columns, strips, strip + 1) - part_begin(columns, strips, strip);
            return row / image_rows * image_tiles + strip_begin(strip) + row % of_strip * dilation * across;
        };
        return {begin(i), begin(i + 1)};
    }

    // Fills the tables with the tiles of a block. Tiles with `edge_outputs` outputs across the edge or fewer are those at
    // it.
    void list(const ConvArgs<T>& a, int64_t edge_outputs, Range block, WinogradRow* row, int64_t& row_count,
              WinogradTile* tile, WinogradKinds& kinds) const {
        row_count = 0;
        int64_t count[4] = {};
        for (int64_t t = block.begin; t < block.end;) {
            WinogradRow& r = row[row_count];
            r.image = t / image_tiles;
            int64_t rest = t % image_tiles, strip = 0;
            while (rest >= strip_begin(strip + 1)) ++strip;
            rest -= strip_begin(strip);
            const int64_t first = part_begin(columns, strips, strip),
                          across = part_begin(columns, strips, strip + 1) - first;
            const int64_t row_tiles = dilation * across, number = rest / row_tiles, offset = rest % row_tiles;
            const int64_t phase = number / rows, at = number % rows;
            r.out_row = phase + dilation * m * at;
            r.edge = at_edge(a.out.size[1], r.out_row, edge_outputs);
            r.begin = t - block.begin;
            r.end = r.begin + min_of(block.end - t, row_tiles - offset);
            r.column = first * dilation * m;
            r.width = row_tiles * m;
            if (block.count() == r.end && dilation == 1) {  // the only row: no more columns than it needs
                r.column += offset * m;
                r.width = (r.end - r.begin) * m;
            }
            const bool follows = row_count > 0 && at > 0 && offset == 0;
            r.shared = follows ? overlap : 0;
            r.lines = (r.edge ? edge_outputs : m) + overlap;
            r.first_line = row_count == 0 ? 0 : row[row_count - 1].first_line + (follows ? m : m + overlap);
            for (int64_t i = r.begin; i < r.end; ++i) {
                const int64_t n = offset + i - r.begin;
                tile[i].column = n / across + dilation * m * (first + n % across);
                tile[i].edge = at_edge(a.out.size[2], tile[i].column, edge_outputs);
                tile[i].spoiled = false;
                tile[i].slot = count[WinogradKinds::kind(r.edge, tile[i].edge)]++;
            }
            t += r.end - r.begin;
            ++row_count;
        }
        for (int64_t k = 0, end = 0; k < 4; ++k) kinds.end[k] = end += count[k];
        for (int64_t i = 0; i < row_count; ++i)
            for (int64_t t = row[i].begin; t < row[i].end; ++t)
                if (const int kind = WinogradKinds::kind(row[i].edge, tile[t].edge)) tile[t].slot += kinds.end[kind - 1];
    }

   private:
    int64_t strip_begin(int64_t strip) const { return dilation * rows * dilation * part_begin(columns, strips, strip); }
    bool at_edge(int64_t size, int64_t first, int64_t edge_outputs) const {
        return first + dilation * edge_outputs >= size;  // the next output would lie outside
    }
};

}  // namespace
}  // namespace fastconv
