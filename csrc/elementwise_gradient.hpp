// Gradients of activations and softmax, and cross-entropy: operators that need no plan.
#pragma once

#include "isa.hpp"
#include "problem.hpp"

namespace fastconv {

// dx = dy f'(..) where f returned `at`; for silu, where it was given it.
template <class T>
void run_activation_gradient(const T* dy, const T* at, T* dx, int64_t count, const ActivationSpec&);

// Along the middle axis of contiguous (outer, length, inner) arrays, y being what softmax returned.
template <class T>
void run_softmax_gradient(const T* dy, const T* y, T* dx, int64_t outer, int64_t length, int64_t inner);

// Of logits x and (outer, inner) targets within the length: the losses, scale times their gradient; either may be null.
template <class T>
void run_cross_entropy(const T* x, const int64_t* target, T* loss, T* dx, double scale, int64_t outer, int64_t length,
                       int64_t inner);

}  // namespace fastconv
