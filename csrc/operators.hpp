// Operators that need no plan: the fully connected layer, activation functions, softmax.
#pragma once

#include "isa.hpp"
#include "problem.hpp"

namespace fastconv {

// y (rows, out) = activation(x (rows, in) w^T (out, in) + bias), all contiguous; bias may be null.
template <class T>
void run_linear(const T* x, const T* weights, const T* bias, T* y, int64_t rows, int64_t in, int64_t out,
                const ActivationSpec&);

template <class T>
void run_activation(const T* x, T* y, int64_t count, const ActivationSpec&);

// Softmax along the middle axis of a contiguous (outer, length, inner) array.
template <class T>
void run_softmax(const T* x, T* y, int64_t outer, int64_t length, int64_t inner);

// The sum over all else for each channel of a contiguous (outer, channels, inner) array.
template <class T>
void run_channel_sums(const T* x, int64_t outer, int64_t channels, int64_t inner, T* sums);

}  // namespace fastconv
