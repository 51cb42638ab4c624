// The contract of the kernels that multiply bytes, or half-sized floats: plain data, decided at plan time.
//
// Neighbouring channels of a pixel, four bytes or two bfloat16, are a word, and one instruction adds the products of two
// words to a sum: an int32, or a float.
#pragma once

#include "args.hpp"

namespace fastconv {

constexpr int64_t word_bytes = 4;

// What a word of sums of type T consists of, and how many of them.
template <class T>
struct WordOf;
template <>
struct WordOf<int32_t> {
    using Element = uint8_t;
};
template <>
struct WordOf<float> {
    using Element = uint16_t;
};
template <class T>
constexpr int64_t word_elements = word_bytes / int64_t(sizeof(typename WordOf<T>::Element));

// Images as their owner has them, copied to words: rows of pixels, the channels of a group side by side, padding around.
template <class T>
struct WordArgs {
    using Element = typename WordOf<T>::Element;
    const Element* from;
    Element* to;
    TensorShape image;
    int64_t groups, channels, words;  // of a group
    int64_t padded[3], before[3];
    Element flip;  // makes signed bytes unsigned ones, 128 larger
    Element zero;  // what padding holds, flipped already
};

// y[n, o, j] = start[o] + sum over taps and words of x[n, j * step + tap * dilation] . w[o, tap]
template <class T>
struct DotArgs {
    const T* x;        // [image][group][depth][height][width][word]; bytes are unsigned
    const T* weights;  // [group][panel][tap][word][channel of the panel]; bytes are signed
    const T* start;    // of each output channel, or null
    void* y;           // of floats: bfloat16, after the activation
    Epilogue<T> epilogue;
    const float* scale;  // of each output channel, or null; of int32: bytes, clamp(round(scale * float(sum)) + zero)
    int32_t zero, low, high;
    TensorShape in, out;  // in: of words, its c_stride lies between groups
    bool channels_first;
    int64_t images, groups, group_out, words;  // of a group
    int64_t kernel[3], step[3], dilation[3];
    int64_t panels, row_blocks;
};

template <class T>
struct DotKernels {
    int lanes, panel, rows;  // output channels of a vector and of a panel, pixels of a tile
    bool matrix;             // reads pixels behind the last of a row, as many as make a tile whole
    // A row of one group of one image: task runs over images, groups, and rows of the padded image.
    void (*gather)(const WordArgs<T>&, int64_t task);
    // A block of rows of one panel: task runs over groups, panels, images, blocks of rows.
    void (*run)(const DotArgs<T>&, int64_t task);
};

}  // namespace fastconv
