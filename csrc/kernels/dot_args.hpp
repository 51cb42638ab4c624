// The contract of the kernels that multiply bytes: plain data, decided at plan time.
//
// Four neighbouring channels of a pixel are a word, and one instruction adds the four products of two words to a sum.
#pragma once

#include "args.hpp"

namespace fastconv {

constexpr int word_bytes = 4;

// Images as their owner has them, copied to words: rows of pixels, the channels of a group side by side, padding around.
struct WordArgs {
    const uint8_t* from;
    uint8_t* to;
    TensorShape image;                // of bytes
    int64_t groups, channels, words;  // of a group
    int64_t padded[3], before[3];
    uint8_t flip;  // makes signed bytes unsigned ones, 128 larger
    uint8_t zero;  // what padding holds, flipped already
};

// y[n, o, j] = start[o] + sum over taps and words of x[n, j * step + tap * dilation] . w[o, tap]
struct DotArgs {
    const int32_t* x;        // [image][group][depth][height][width][word], unsigned bytes
    const int32_t* weights;  // [group][panel][tap][word][channel of the panel], signed bytes
    const int32_t* start;    // of each output channel
    void* y;                 // int32, or bytes if there is a scale
    const float* scale;      // of each output channel, or null: y = clamp(round(scale * float(sum)) + zero)
    int32_t zero, low, high;
    TensorShape in, out;  // in: of words, its c_stride lies between groups
    bool channels_first;
    int64_t images, groups, group_out, words;  // of a group
    int64_t kernel[3], step[3], dilation[3];
    int64_t panels, row_blocks;
};

struct DotTable {
    int lanes, panel;  // output channels of a panel
    // A row of one group of one image: task runs over images, groups, and rows of the padded image.
    void (*gather)(const WordArgs&, int64_t task);
    // A block of rows of one panel: task runs over groups, panels, images, blocks of rows.
    void (*run)(const DotArgs&, int64_t task);
};

}  // namespace fastconv
