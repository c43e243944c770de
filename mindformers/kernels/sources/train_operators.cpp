// The entry points of `train.h`. Every size and type is checked here once more, as in operators.cpp.
#include "arguments.h"
#include "train.h"

namespace {

using scimind::Arguments;
using scimind::kBool;
using scimind::kFloat;
using scimind::kInt;

// (x [T, D], weight [D], eps [1]) -> y [T, D], scales [T].
bool norm(const Arguments& a) {
  if (a.count != 5 || a.ranks[0] != 2) return false;
  const int64_t t = a.shapes[0][0], d = a.shapes[0][1];
  const bool is_right = a.is(0, kFloat, {t, d}) && a.is(1, kFloat, {d}) && a.is(2, kFloat, {1}) &&
                        a.is(3, kFloat, {t, d}) && a.is(4, kFloat, {t});
  if (!is_right || d < 1) return false;
  scimind::norm_forward(t, d, a.at<float>(0), a.at<float>(1), *a.at<float>(2), a.at<float>(3), a.at<float>(4));
  return true;
}

// (x [T, D], weight [D], scales [T], dy [T, D]) -> dx [T, D], dweight [D].
bool norm_gradients(const Arguments& a) {
  if (a.count != 6 || a.ranks[0] != 2) return false;
  const int64_t t = a.shapes[0][0], d = a.shapes[0][1];
  const bool is_right = a.is(0, kFloat, {t, d}) && a.is(1, kFloat, {d}) && a.is(2, kFloat, {t}) &&
                        a.is(3, kFloat, {t, d}) && a.is(4, kFloat, {t, d}) && a.is(5, kFloat, {d});
  if (!is_right || d < 1) return false;
  scimind::norm_backward(t, d, a.at<float>(0), a.at<float>(1), a.at<float>(2), a.at<float>(3), a.at<float>(4),
                         a.at<float>(5));
  return true;
}

// (gate [T, F], up [T, F]) -> h [T, F].
bool swiglu(const Arguments& a) {
  if (a.count != 3 || a.ranks[0] != 2) return false;
  const int64_t t = a.shapes[0][0], f = a.shapes[0][1];
  if (!a.is(0, kFloat, {t, f}) || !a.is(1, kFloat, {t, f}) || !a.is(2, kFloat, {t, f})) return false;
  scimind::swiglu_forward(t * f, a.at<float>(0), a.at<float>(1), a.at<float>(2));
  return true;
}

// (gate, up, dh [T, F]) -> dgate, dup [T, F].
bool swiglu_gradients(const Arguments& a) {
  if (a.count != 5 || a.ranks[0] != 2) return false;
  const int64_t t = a.shapes[0][0], f = a.shapes[0][1];
  for (int i = 0; i < a.count; ++i) {
    if (!a.is(i, kFloat, {t, f})) return false;
  }
  scimind::swiglu_backward(t * f, a.at<float>(0), a.at<float>(1), a.at<float>(2), a.at<float>(3), a.at<float>(4));
  return true;
}

// Whether every label is a class or the ignored one.
bool are_labels(const int32_t* labels, int64_t count, int64_t classes, int32_t ignored) {
  for (int64_t i = 0; i < count; ++i) {
    if (labels[i] != ignored && (labels[i] < 0 || labels[i] >= classes)) return false;
  }
  return true;
}

// (logits [T, V], labels [T], ignored [1]) -> losses [T], logs [T].
bool loss(const Arguments& a) {
  if (a.count != 5 || a.ranks[0] != 2) return false;
  const int64_t t = a.shapes[0][0], v = a.shapes[0][1];
  const bool is_right = a.is(0, kFloat, {t, v}) && a.is(1, kInt, {t}) && a.is(2, kInt, {1}) && a.is(3, kFloat, {t}) &&
                        a.is(4, kFloat, {t});
  if (!is_right || v < 1 || !are_labels(a.at<int32_t>(1), t, v, *a.at<int32_t>(2))) return false;
  scimind::loss_forward(t, v, a.at<float>(0), a.at<int32_t>(1), *a.at<int32_t>(2), a.at<float>(3), a.at<float>(4));
  return true;
}

// (logits [T, V], labels [T], ignored [1], logs [T], dlosses [T]) -> dlogits [T, V].
bool loss_gradients(const Arguments& a) {
  if (a.count != 6 || a.ranks[0] != 2) return false;
  const int64_t t = a.shapes[0][0], v = a.shapes[0][1];
  const bool is_right = a.is(0, kFloat, {t, v}) && a.is(1, kInt, {t}) && a.is(2, kInt, {1}) && a.is(3, kFloat, {t}) &&
                        a.is(4, kFloat, {t}) && a.is(5, kFloat, {t, v});
  if (!is_right || v < 1 || !are_labels(a.at<int32_t>(1), t, v, *a.at<int32_t>(2))) return false;
  scimind::loss_backward(t, v, a.at<float>(0), a.at<int32_t>(1), *a.at<int32_t>(2), a.at<float>(3), a.at<float>(4),
                         a.at<float>(5));
  return true;
}

// (x [T, in], weight [out, in]) -> y [T, out].
bool linear(const Arguments& a) {
  if (a.count != 3 || a.ranks[0] != 2 || a.ranks[1] != 2) return false;
  const int64_t t = a.shapes[0][0], in = a.shapes[0][1], out = a.shapes[1][0];
  if (!a.is(0, kFloat, {t, in}) || !a.is(1, kFloat, {out, in}) || !a.is(2, kFloat, {t, out})) return false;
  scimind::linear_forward(t, in, out, a.at<float>(0), a.at<float>(1), a.at<float>(2));
  return true;
}

// (dy [T, out], weight [out, in]) -> dx [T, in].
bool linear_input_gradient(const Arguments& a) {
  if (a.count != 3 || a.ranks[0] != 2 || a.ranks[1] != 2) return false;
  const int64_t t = a.shapes[0][0], out = a.shapes[0][1], in = a.shapes[1][1];
  if (!a.is(0, kFloat, {t, out}) || !a.is(1, kFloat, {out, in}) || !a.is(2, kFloat, {t, in})) return false;
  scimind::linear_input_gradient(t, in, out, a.at<float>(0), a.at<float>(1), a.at<float>(2));
  return true;
}

// (dy [T, out], x [T, in]) -> dweight [out, in].
bool linear_weight_gradient(const Arguments& a) {
  if (a.count != 3 || a.ranks[0] != 2 || a.ranks[1] != 2) return false;
  const int64_t t = a.shapes[0][0], out = a.shapes[0][1], in = a.shapes[1][1];
  if (!a.is(0, kFloat, {t, out}) || !a.is(1, kFloat, {t, in}) || !a.is(2, kFloat, {out, in})) return false;
  scimind::linear_weight_gradient(t, in, out, a.at<float>(0), a.at<float>(1), a.at<float>(2));
  return true;
}

// Inputs 0 to 5: q [B, S, H d], k and v [B, S, G d], cos and sin [S, d], visible [B, 1, S, S].
bool read_attention(const Arguments& a, scimind::Attention* to) {
  if (a.ranks[0] != 3 || a.ranks[1] != 3 || a.ranks[3] != 2) return false;
  const int64_t b = a.shapes[0][0], s = a.shapes[0][1], queries = a.shapes[0][2], keys = a.shapes[1][2];
  const int64_t d = a.shapes[3][1];
  if (s < 1 || d < 2 || d % 2 || keys < d || keys % d || queries % keys) return false;
  *to = {b, s, queries / d, keys / d, d, a.at<float>(0), a.at<float>(1), a.at<float>(2), a.at<float>(3),
         a.at<float>(4), a.at<bool>(5)};
  return a.is(0, kFloat, {b, s, queries}) && a.is(1, kFloat, {b, s, keys}) && a.is(2, kFloat, {b, s, keys}) &&
         a.is(3, kFloat, {s, d}) && a.is(4, kFloat, {s, d}) && a.is(5, kBool, {b, 1, s, s});
}

// Inputs of `read_attention` -> out [B, S, H d], logs [B, H, S].
bool attention(const Arguments& a) {
  scimind::Attention found;
  if (a.count != 8 || !read_attention(a, &found)) return false;
  const int64_t width = found.heads * found.size;
  if (!a.is(6, kFloat, {found.batch, found.length, width})) return false;
  if (!a.is(7, kFloat, {found.batch, found.heads, found.length})) return false;
  scimind::attention_forward(found, a.at<float>(6), a.at<float>(7));
  return true;
}

// Inputs of `read_attention`, out, logs, dout -> dq, dk, dv.
bool attention_gradients(const Arguments& a) {
  scimind::Attention found;
  if (a.count != 12 || !read_attention(a, &found)) return false;
  const int64_t b = found.batch, s = found.length, width = found.heads * found.size, keys = found.groups * found.size;
  const bool is_right = a.is(6, kFloat, {b, s, width}) && a.is(7, kFloat, {b, found.heads, s}) &&
                        a.is(8, kFloat, {b, s, width}) && a.is(9, kFloat, {b, s, width}) &&
                        a.is(10, kFloat, {b, s, keys}) && a.is(11, kFloat, {b, s, keys});
  if (!is_right) return false;
  scimind::attention_backward(found, a.at<float>(6), a.at<float>(7), a.at<float>(8), a.at<float>(9), a.at<float>(10),
                              a.at<float>(11));
  return true;
}

}  // namespace

SCIMIND_OPERATOR(scimind_norm, norm(arguments))
SCIMIND_OPERATOR(scimind_norm_gradients, norm_gradients(arguments))
SCIMIND_OPERATOR(scimind_swiglu, swiglu(arguments))
SCIMIND_OPERATOR(scimind_swiglu_gradients, swiglu_gradients(arguments))
SCIMIND_OPERATOR(scimind_loss, loss(arguments))
SCIMIND_OPERATOR(scimind_loss_gradients, loss_gradients(arguments))
SCIMIND_OPERATOR(scimind_attention, attention(arguments))
SCIMIND_OPERATOR(scimind_attention_gradients, attention_gradients(arguments))
SCIMIND_OPERATOR(scimind_linear, linear(arguments))
SCIMIND_OPERATOR(scimind_linear_input_gradient, linear_input_gradient(arguments))
SCIMIND_OPERATOR(scimind_linear_weight_gradient, linear_weight_gradient(arguments))
