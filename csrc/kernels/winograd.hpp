// Winograd's minimal filtering for 3x3 and 2x2 kernels of stride 1 (transforms: winograd_transform.hpp), fused: a task
// transforms the input of a block of tiles, multiplies and transforms back while all of it stays in second-level cache.
//
// Channels in lanes here, tiles in lanes in winograd_pixel_lanes.hpp. Loops: task (group, panels of output channels, block
// of tiles) ->
//     input   lanes of channels -> row of tiles { new input lines -> tile }
//     panel { multiply: position -> tiles of the house;  output: row of tiles { tile -> lines of y } }
// Tiles whose pixels differ too much for this algorithm are left to the direct kernel: winograd_guard.hpp.
// Sums over channels begin anew every `restart` channels and are added up in M, so that their error does not grow with
// the number of channels.
//
// Packed weights: U [group][panel][position][c][panel width], transformed in float64; a task that was given them unpacked
// does so with one panel after another.
// Workspace: V [position][chunk of channels][tile][channel], M [position][tile][panel width], lines of pixels on the way
// in (a ring, [line][pixel][lane]) and out ([pixel][panel width]), magnitudes of pixels, tables of tiles.
#pragma once

#include "copy.hpp"
#include "gemm.hpp"
#include "winograd_pack.hpp"
#include "winograd_pixel_lanes.hpp"

namespace fastconv {
namespace {

// One input row of `lanes` channels from channel c on, from column `left` (which may be in the padding), as [pixel][lane];
// and the magnitudes of its pixels.
template <class T>
inline void winograd_load_line(const ConvArgs<T>& a, T* line, Bits<T>* magnitudes, const T* x, int64_t c, int64_t row,
                               int64_t left, int64_t width) {
    constexpr int L = lanes<T>;
    if (c == 0)
        for (int64_t i = 0; i < width; i += L) store(magnitudes + i, BitsVec<T>{});
    if (row < 0 || row >= a.in.size[1]) return zero_run(line, width * L);
    const int64_t channels = a.group_in - c;
    const Range valid = inside(left, 1, width, a.in.size[2]);
    zero_run(line, valid.begin * L);
    x += row * a.in.stride[1] + left * a.in.stride[2];
    if (!a.channels_first) {
        if (c == 0)
            magnitudes_channels_last(x + valid.begin * a.in.stride[2], a.in.stride[2], channels, valid.count(),
                                     magnitudes + valid.begin);
        for (int64_t i = valid.begin; i < valid.end; ++i) {
            const T* from = x + i * a.in.stride[2];
            store(line + i * L, channels >= L ? load(from) : load_partial(from, int(channels)));
        }
    } else {
        const int used = clamp_lanes(channels, L);
        const auto put = [&](int64_t i, const auto& pixels) {  // lines are padded to whole blocks
            Vec<T> block[L];
#pragma GCC unroll 16
            for (int j = 0; j < L; ++j) block[j] = pixels(j);
            BitsVec<T> most = load(magnitudes + i);
#pragma GCC unroll 16
            for (int j = 0; j < L; ++j) most = larger(most, magnitude<T>(block[j]));
            store(magnitudes + i, most);
            transpose<T>(block);
#pragma GCC unroll 16
            for (int j = 0; j < L; ++j) store(line + (i + j) * L, block[j]);
        };
        int64_t i = valid.begin;
        for (; used == L && i + L <= valid.end; i += L) put(i, [&](int j) { return load(x + j * a.in.c_stride + i); });
        const Mask<T> exists = first_lanes<T>(int(valid.end - i));
        if (used == L && i < valid.end) {
            put(i, [&](int j) { return load_masked(x + j * a.in.c_stride + i, exists); });
            i = valid.end;
        }
        for (; i < valid.end; i += L) {
            const Mask<T> some = first_lanes<T>(clamp_lanes(valid.end - i, L));
            put(i, [&](int j) { return j < used ? load_masked(x + j * a.in.c_stride + i, some) : Vec<T>{}; });
        }
    }
    zero_run(line + valid.end * L, (width - valid.end) * L);
}

template <class T, class W>
inline void winograd_input_stage(const WinogradBlock<T, W>& b) {
    constexpr int L = lanes<T>;
    constexpr int64_t chunk = winograd_chunk<T>;
    const ConvArgs<T>& a = b.a;
    const auto& buffers = b.buffers;
    const int64_t d = a.dilation[2], pixel = d * L;
    for (int64_t c = 0; c < a.group_in; c += L) {
        T* to = b.at(buffers.v) + c / chunk * buffers.v_chunk + c % chunk;
        for (const WinogradRow* row = b.row; row < b.row + b.rows; ++row) {
            const T* x = a.x + row->image * a.in.n_stride + (b.group * a.group_in + c) * a.in.c_stride;
            const T* line[W::points];
            for (int64_t i = 0; i < row->lines; ++i) {
                T* at = b.at(buffers.in) + (row->first_line + i) % buffers.ring * buffers.line;
                line[i] = at;
                if (i >= row->shared)
                    winograd_load_line(a, at, b.magnitudes.line(row->first_line + i), x, c,
                                       row->out_row + i * d - a.before[1], row->column - a.before[2],
                                       row->width + (W::taps - 1) * d);
            }
            for (int64_t t = row->begin; t < row->end; ++t) {
                const WinogradTile& tile = b.tile[t];
                const T* from[W::points];
                for (int i = 0; i < row->lines; ++i) from[i] = line[i] + (tile.column - row->column) * L;
                const auto pixels = [&](int i, int j) { return load(from[i] + j * pixel); };
                T* v = to + tile.slot * chunk;
                if (row->edge && tile.edge)
                    winograd_input<T, W, true, true>(pixels, v, buffers.v_position);
                else if (row->edge)
                    winograd_input<T, W, true, false>(pixels, v, buffers.v_position);
                else if (tile.edge)
                    winograd_input<T, W, false, true>(pixels, v, buffers.v_position);
                else
                    winograd_input<T, W, false, false>(pixels, v, buffers.v_position);
            }
        }
    }
}

// The weights of a panel: those of position xi and the chunks of channels from `first` on, at u + xi * position.
template <class T>
struct WinogradWeights {
    const T* u;
    int64_t position, first;
};

// Adds to M, at position xi, the products of a block of chunks of channels; the first block begins the sums.
template <class T, class W, int V>
inline void winograd_multiply(const WinogradBlock<T, W>& b, int xi, Range chunks, const WinogradWeights<T>& weights,
                              int64_t part, int64_t parts, Range slots) {
    constexpr int most = rows_of(V);
    constexpr int64_t chunk = winograd_chunk<T>, width = V * lanes<T>;
    const auto& buffers = b.buffers;
    const int64_t first = slots.begin + part_begin(slots.count(), parts, part);
    const int64_t count = slots.begin + part_begin(slots.count(), parts, part + 1) - first;
    const T* from = b.at(buffers.v) + xi * buffers.v_position + first * chunk;
    const T* u = weights.u + xi * weights.position - weights.first * chunk * width;
    T* sums = b.at(buffers.sums) + xi * buffers.m_position + first * width;
    with_constant<most>(int(count), [&](auto n) {
        Tile<T, n.value, V> tile;
        tile.begin_rows(nullptr);
        for (int64_t i = chunks.begin; i < chunks.end; ++i) {
            const DenseRows<T> rows{from + i * buffers.v_chunk, chunk};
            const int64_t k = min_of(chunk, b.a.group_in - i * chunk);
            // Weights come from afar. The first part asks for its own some time ahead, each further one for a vector of
            // those of the next position, so that there is less to wait for then.
            const T* here = u + i * chunk * width;
            if (part == 0)
                tile.add(rows, StreamedColumns<T>{here, width}, k);
            else if (part <= V)
                tile.add(rows, PanelColumns<T>{here, width, here + weights.position + (part - 1) * lanes<T>, width}, k);
            else
                tile.add(rows, Columns<T>{here, width}, k);
        }
        if (chunks.begin) tile.add_from(sums, width);
        tile.store_to(sums, width);
    });
}

// M of one panel of output channels. Weights that come unpacked are packed a block of channels at a time, of all positions,
// so that they stay in the second-level cache; packed ones are read once in a row.
template <class T, class W>
inline void winograd_multiply_stage(const WinogradBlock<T, W>& b, const Panel& panel) {
    constexpr int64_t chunk = winograd_chunk<T>;
    const ConvArgs<T>& a = b.a;
    const auto& buffers = b.buffers;
    const int64_t blocks = parts_of(buffers.chunks * chunk, winograd_restart);
    const auto chunks = [&](int64_t block) {
        return Range{part_begin(buffers.chunks, blocks, block), part_begin(buffers.chunks, blocks, block + 1)};
    };
    with_vectors<T>(panel.width, [&](auto v) {
        const auto multiply = [&](int64_t first, int64_t end, const WinogradWeights<T>& weights) {
            for (int xi = 0; xi < buffers.positions; ++xi) {
                const Range slots = b.kinds.using_position(W::at_edge(xi / W::points), W::at_edge(xi % W::points));
                const int64_t parts = parts_of(slots.count(), rows_of(v.value));
                for (int64_t part = 0; part < parts; ++part)
                    for (int64_t block = first; block < end; ++block)
                        winograd_multiply<T, W, v.value>(b, xi, chunks(block), weights, part, parts, slots);
            }
        };
        if (!a.unpacked)
            return multiply(0, blocks,
                            {a.weights + panel.weights * a.group_in * buffers.positions, a.group_in * panel.width, 0});
        for (int64_t block = 0; block < blocks; ++block) {
            const Range channels{chunks(block).begin * chunk, min_of(chunks(block).end * chunk, a.group_in)};
            winograd_pack_panel<T, W>(a, a.unpacked->order, panel, channels, a.direct_weights, a.panel_weights);
            multiply(block, block + 1, {a.panel_weights, channels.count() * panel.width, chunks(block).begin});
        }
    });
}

// Outputs of one panel.
template <class T, class W>
inline void winograd_output_stage(const WinogradBlock<T, W>& b, const Panel& panel) {
    constexpr int m = W::outputs;
    const ConvArgs<T>& a = b.a;
    const auto& buffers = b.buffers;
    const int64_t channel = b.group * a.group_out + panel.channel, d = a.dilation[2];
    T* lines = b.at(buffers.out);
    for (const WinogradRow* row = b.row; row < b.row + b.rows; ++row) {
        const int64_t rows = min_of(m, parts_of(a.out.size[1] - row->out_row, d));
        const int64_t first = d == 1 ? b.tile[row->begin].column : row->column;
        const int64_t width = min_of(d == 1 ? (row->end - row->begin) * m : row->width, a.out.size[2] - first);
        for (int64_t t = row->begin; t < row->end; ++t) {
            const WinogradTile& tile = b.tile[t];
            const int columns = int(min_of(m, parts_of(a.out.size[2] - tile.column, d)));
            for (int64_t c = 0; c < panel.width; c += lanes<T>) {
                const T* from = b.at(buffers.sums) + tile.slot * panel.width + c;
                const T* bias = bias_of(a.epilogue, channel + c);
                const int used = between(0, int(panel.channels - c), lanes<T>);
                const Vec<T> start = bias ? load_partial(bias, used) : Vec<T>{};
                T* to = lines + (tile.column - first) * panel.width + c;
                const auto put = [&](int i, const Vec<T>* y) {
                    T* line = to + i * width * panel.width;
                    if (columns == m) {
#pragma GCC unroll 5
                        for (int j = 0; j < m; ++j) store(line + j * d * panel.width, y[j] + start);
                    } else if (i < rows) {
                        for (int j = 0; j < columns; ++j) store(line + j * d * panel.width, y[j] + start);
                    }
                };
                if (row->edge && tile.edge)
                    winograd_output<T, W, true, true>(from, buffers.m_position, put);
                else if (row->edge)
                    winograd_output<T, W, true, false>(from, buffers.m_position, put);
                else if (tile.edge)
                    winograd_output<T, W, false, true>(from, buffers.m_position, put);
                else
                    winograd_output<T, W, false, false>(from, buffers.m_position, put);
            }
        }
        T* y = a.y + row->image * a.out.n_stride + channel * a.out.c_stride + row->out_row * a.out.stride[1] +
               first * a.out.stride[2];
        if (d == 1 && width == a.out.size[2])  // rows follow each other
            finish_pixels(a.epilogue, lines, panel.width, rows * width, panel.channels, y, a.out.c_stride, a.out.stride[2]);
        else
            for (int64_t i = 0; i < rows; ++i)
                finish_pixels(a.epilogue, lines + i * width * panel.width, panel.width, width, panel.channels,
                              y + i * d * a.out.stride[1], a.out.c_stride, a.out.stride[2]);
    }
}

// Marks the tiles that this algorithm would spoil; whether there are any.
template <class T, class W>
inline bool winograd_inspect(const WinogradBlock<T, W>& b) {
    constexpr int m = W::outputs, overlap = W::taps - 1;
    const ConvArgs<T>& a = b.a;
    const int64_t d = a.dilation[2];
    bool any = false;
    Bits<T>* largest = b.magnitudes.line(b.buffers.magnitude_lines);
    T* least = reinterpret_cast<T*>(b.magnitudes.line(b.buffers.magnitude_lines + 1));
    for (const WinogradRow* row = b.row; row < b.row + b.rows; ++row) {
        const int64_t high = min_of(row->lines - overlap, parts_of(a.out.size[1] - row->out_row, d));
        if (high <= 0 || inspect_row<T, W::taps>(a, b.magnitudes, *row, high, largest, least)) continue;
        for (int64_t t = row->begin; t < row->end; ++t) {
            WinogradTile& tile = b.tile[t];
            const int64_t wide = min_of(m, parts_of(a.out.size[2] - tile.column, d));
            const int64_t pixels = (tile.edge ? W::edge_outputs : m) + overlap;
            tile.spoiled = wide > 0 && !tile_passes(a, largest, least, tile.column - row->column, pixels, wide);
            any |= tile.spoiled;
        }
    }
    return any;
}

// Computes the spoiled tiles of one panel from the definition.
template <class T, class W>
inline void winograd_repair(const WinogradBlock<T, W>& b, int64_t panel) {
    constexpr int m = W::outputs;
    const int64_t d = b.a.dilation[2];
    ConvArgs<T> one = b.a;  // the outputs of a tile: a convolution of stride d
    one.weights = b.a.direct_weights;
    one.channel_blocks = b.a.panels;
    one.images = one.pixel_blocks = one.column_blocks = 1;
    one.pixel_lanes = false;
    for (int i = 1; i < 3; ++i) {
        one.step[i] = d;
        one.out.stride[i] *= d;
    }
    for (const WinogradRow* row = b.row; row < b.row + b.rows; ++row)
        for (int64_t t = row->begin; t < row->end; ++t) {
            if (!b.tile[t].spoiled) continue;
            // Channels first, a row of outputs must be dense: those of a dilated convolution are computed one by one.
            const int64_t wide = min_of(m, parts_of(b.a.out.size[2] - b.tile[t].column, d)), parts = d == 1 ? 1 : wide;
            one.out.size[1] = min_of(m, parts_of(b.a.out.size[1] - row->out_row, d));
            one.out.size[2] = wide / parts;
            one.before[1] = b.a.before[1] - row->out_row;
            one.x = b.a.x + row->image * b.a.in.n_stride;
            for (int64_t i = 0; i < parts; ++i) {
                const int64_t column = b.tile[t].column + i * d;
                one.before[2] = b.a.before[2] - column;
                one.y =
                    b.a.y + row->image * b.a.out.n_stride + row->out_row * b.a.out.stride[1] + column * b.a.out.stride[2];
                direct(one, b.group * one.channel_blocks + panel, nullptr);
            }
        }
}

template <class T, class W>
void winograd(const ConvArgs<T>& call, int64_t task, void* memory) {
    ConvArgs<T> a = call;
    const Cell at = cell_of(a, task);
    WinogradBlock<T, W> block(a, static_cast<char*>(memory), at.group,
                              WinogradGrid<T>(a, W::outputs, W::taps).block(a, at.pixel_block));
    int64_t time = a.stages ? a.stages->now() : 0;
    const auto end_stage = [&](int stage) {
        if (!a.stages) return;
        const int64_t now = a.stages->now();
        a.stages->nanoseconds[stage] += now - time;
        time = now;
    };
    const Range panels{part_begin(a.panels, a.channel_blocks, at.channel_block),
                       part_begin(a.panels, a.channel_blocks, at.channel_block + 1)};
    if constexpr (W::outputs == 4) {
        if (a.pixel_lanes) {
            winograd_input_pixel_lanes(block);
            const bool spoiled = winograd_inspect(block);
            end_stage(0);
            winograd_output_pixel_lanes(block, panels.begin, panels.end);
            for (int64_t i = panels.begin; spoiled && i < panels.end; ++i) winograd_repair(block, i);
            return end_stage(1);
        }
    }
    winograd_input_stage(block);
    const bool spoiled = winograd_inspect(block);
    end_stage(0);
    for (int64_t i = panels.begin; i < panels.end; ++i) {
        const Panel panel = panel_of(a, at.group, i);
        if (a.unpacked) {
            T* dense = a.panel_weights + winograd_restart * panel.width * block.buffers.positions;
            pack_panel(a, *a.unpacked, at.group, panel, dense);
            a.direct_weights = dense;
            a.weights_first = panel.weights;
        }
        winograd_multiply_stage(block, panel);
        end_stage(1);
        winograd_output_stage(block, panel);
        if (spoiled) winograd_repair(block, i);
        end_stage(2);
    }
}

}  // namespace
}  // namespace fastconv
