// Parts of a training step that plain operators would spread over many results, forward and backward. Every sum is taken
// in an order that depends on the shapes alone, so the same inputs give the same bits with any number of threads.
#pragma once

#include <cstdint>

namespace scimind {

// y = x / sqrt(mean(x^2) + eps) * weight; x and y [rows, width]; `scales` [rows] gets the factor of every row.
void norm_forward(int64_t rows, int64_t width, const float* x, const float* weight, float eps, float* y,
                  float* scales);
void norm_backward(int64_t rows, int64_t width, const float* x, const float* weight, const float* scales,
                   const float* dy, float* dx, float* dweight);

// h = silu(gate) * up, elementwise.
void swiglu_forward(int64_t count, const float* gate, const float* up, float* h);
void swiglu_backward(int64_t count, const float* gate, const float* up, const float* dh, float* dgate, float* dup);

// losses [rows] = log sum exp(logits) - logits[label], 0 where the label is `ignored`; `logs` [rows] gets the first term.
void loss_forward(int64_t rows, int64_t classes, const float* logits, const int32_t* labels, int32_t ignored,
                  float* losses, float* logs);
void loss_backward(int64_t rows, int64_t classes, const float* logits, const int32_t* labels, int32_t ignored,
                   const float* logs, const float* dlosses, float* dlogits);

// Products of a linear layer: y [rows, out] = x W^T, dx [rows, in] = dy W, dw [out, in] = dy^T x, W [out, in].
void linear_forward(int64_t rows, int64_t in, int64_t out, const float* x, const float* weight, float* y);
void linear_input_gradient(int64_t rows, int64_t in, int64_t out, const float* dy, const float* weight, float* dx);
void linear_weight_gradient(int64_t rows, int64_t in, int64_t out, const float* dy, const float* x, float* dweight);

// Attention with rotary positions over B rows of S tokens: q [B, S, heads * size], k and v [B, S, groups * size], cos and
// sin [S, size], visible [B, S, S] (1: the query of the first axis may see the key of the second).
struct Attention {
  int64_t batch, length, heads, groups, size;
  const float *q, *k, *v, *cos, *sin;
  const bool* visible;
};

// out [B, S, heads * size]; `logs` [B, heads, S] gets the log of every query's sum of exponentials.
void attention_forward(const Attention& attention, float* out, float* logs);
void attention_backward(const Attention& attention, const float* out, const float* logs, const float* dout, float* dq,
                        float* dk, float* dv);

}  // namespace scimind
