// What the kernels that lead back through activations and softmax are told, and their table.
#pragma once

#include "args.hpp"

namespace fastconv {

// dx[i] = dy[i] * f'(..) for contiguous arrays, where f returned at[i]; for silu, where at[i] is what f was given.
template <class T>
struct MapGradientArgs {
    const T *dy, *at;
    T* dx;
    Activation activation;
    T low, high;  // clamp: the bounds, NaN for none; leaky_relu: low is the slope
};

// The gradient of softmax over the middle axis of contiguous (outer, length, inner) arrays, from what softmax returned.
template <class T>
struct SoftmaxGradientArgs {
    const T *dy, *y;
    T* dx;
    int64_t length, inner;
};

// Cross-entropy between softmax over the middle axis of a contiguous (outer, length, inner) array and the class that each
// (outer, inner) target names: the losses, scale times their gradient, or both; the other is null.
template <class T>
struct CrossEntropyArgs {
    const T* x;
    const int64_t* target;
    T *loss, *dx;
    T scale;
    int64_t length, inner;
};

// What leads back through activations, softmax and its loss. The last two work on units begin .. end: rows where inner is 1,
// else vectors of columns, so many to each (length, inner) array.
template <class T>
struct ElementwiseGradients {
    void (*map)(const MapGradientArgs<T>&, int64_t begin, int64_t end);
    void (*softmax)(const SoftmaxGradientArgs<T>&, int64_t begin, int64_t end);
    void (*cross_entropy)(const CrossEntropyArgs<T>&, int64_t begin, int64_t end);
};

struct ElementwiseGradientTable {
    ElementwiseGradients<float> f32;
    ElementwiseGradients<double> f64;
};

}  // namespace fastconv
