// Runs every operator on buffers of exactly the right size, under the sanitizers, without oneDNN: so the library's own
// matrix products are tried too, against the textbook's loops. Exit status 0 means that all was well.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "gemm.h"
#include "tiles.h"

extern "C" {
int scimind_ffn_selected(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_ffn_selected_keep(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_ffn_by_activation(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_ffn_by_activation_keep(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_ffn_gradients(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_ffn_input_gradients(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_linear(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_linear_input_gradient(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_linear_weight_gradient(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_half_squares(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_adamw(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_norm(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_norm_gradients(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_swiglu(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_swiglu_gradients(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_masked_swiglu(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_masked_swiglu_gradients(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_loss(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_loss_gradients(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_attention(int, void**, int*, int64_t**, const char**, void*, void*);
int scimind_attention_gradients(int, void**, int*, int64_t**, const char**, void*, void*);
}

namespace {

using Operator = int (*)(int, void**, int*, int64_t**, const char**, void*, void*);
int failures = 0;

void expect(bool is_right, const std::string& what) {
  if (is_right) return;
  std::printf("wrong: %s\n", what.c_str());
  ++failures;
}

float next_value() {
  static uint32_t state = 1;
  state = state * 1664525u + 1013904223u;
  return static_cast<float>(state >> 8) / (1 << 24) - 0.5f;
}

struct Tensor {
  std::vector<int64_t> shape;
  const char* type;
  std::unique_ptr<float[]> data;  // of the exact size, so that one element too many is noticed

  explicit Tensor(std::vector<int64_t> sizes, const char* name = "float32") : shape(std::move(sizes)), type(name) {
    data.reset(new float[size()]);
    for (int64_t i = 0; i < size(); ++i) data[i] = next_value();
  }
  int64_t size() const {
    int64_t count = 1;
    for (int64_t extent : shape) count *= extent;
    return count;
  }
};

int call(Operator operation, std::vector<Tensor*> tensors) {
  std::vector<void*> data;
  std::vector<int> ranks;
  std::vector<int64_t*> shapes;
  std::vector<const char*> types;
  for (Tensor* tensor : tensors) {
    data.push_back(tensor->data.get());
    ranks.push_back(static_cast<int>(tensor->shape.size()));
    shapes.push_back(tensor->shape.data());
    types.push_back(tensor->type);
  }
  const int count = static_cast<int>(tensors.size());
  return operation(count, data.data(), ranks.data(), shapes.data(), types.data(), nullptr, nullptr);
}

void try_layer(int64_t t, int64_t d, int64_t per, int64_t e) {
  const int64_t f = per * e;
  const std::string name = std::to_string(t) + "x" + std::to_string(d) + ", " + std::to_string(e) + " experts";
  Tensor x({t, d}), mask({t, e}), k({t}, "int32"), marker({e}, "int32"), w1({f, d}), w3({f, d}), w2({d, f});
  Tensor y({t, d}), chosen({t, e}), keep({2, t, f}), dy({t, d});
  Tensor dx({t, d}), dmask({t, e}), dw1({f, d}), dw3({f, d}), dw2({d, f});
  // A single expert has all tokens: that fills the work buffers to the last element.
  for (int64_t i = 0; i < mask.size(); ++i) mask.data[i] = mask.data[i] > 0.0f || e == 1 ? 1.0f : 0.0f;
  for (int64_t i = 0; i < t; ++i) reinterpret_cast<int32_t*>(k.data.get())[i] = static_cast<int32_t>(i % (e + 2)) - 1;
  expect(call(scimind_ffn_selected, {&x, &mask, &w1, &w3, &w2, &y}) == 0, name);
  expect(call(scimind_ffn_selected_keep, {&x, &mask, &w1, &w3, &w2, &y, &keep}) == 0, name);
  expect(call(scimind_ffn_gradients,
              {&x, &mask, &w1, &w3, &w2, &keep, &dy, &dx, &dmask, &dw1, &dw3, &dw2}) == 0, name);
  expect(call(scimind_ffn_input_gradients, {&x, &mask, &w1, &w3, &w2, &keep, &dy, &dx, &dmask}) == 0, name);
  expect(call(scimind_ffn_by_activation, {&x, &k, &marker, &w1, &w3, &w2, &y, &chosen}) == 0, name);
  expect(call(scimind_ffn_by_activation_keep, {&x, &k, &marker, &w1, &w3, &w2, &y, &chosen, &keep}) == 0, name);
  expect(call(scimind_ffn_gradients,
              {&x, &chosen, &w1, &w3, &w2, &keep, &dy, &dx, &dmask, &dw1, &dw3, &dw2}) == 0, name);
}

void try_masked(int64_t t, int64_t per, int64_t e) {
  const int64_t f = per * e;
  const std::string name = "masked " + std::to_string(t) + "x" + std::to_string(f);
  Tensor gate({t, f}), up({t, f}), h({t, f}), dh({t, f}), dgate({t, f}), dup({t, f}), mask({t, e});
  Tensor k({t}, "int32"), marker({e}, "int32");
  for (int64_t i = 0; i < t; ++i) reinterpret_cast<int32_t*>(k.data.get())[i] = static_cast<int32_t>(i % (e + 2)) - 1;
  expect(call(scimind_masked_swiglu, {&gate, &up, &k, &marker, &h, &mask}) == 0, name);
  expect(call(scimind_masked_swiglu_gradients, {&gate, &up, &mask, &dh, &dgate, &dup}) == 0, name);
  expect(call(scimind_masked_swiglu, {&gate, &up, &k, &h, &marker, &mask}) != 0, "tensors in another order are refused");
}

void try_rows(int64_t t, int64_t d) {
  const std::string name = "rows " + std::to_string(t) + "x" + std::to_string(d);
  Tensor x({t, d}), up({t, d}), dy({t, d}), y({t, d}), dx({t, d}), dup({t, d}), weight({d}), dweight({d}), eps({1});
  Tensor scales({t}), labels({t}, "int32"), ignored({1}, "int32"), losses({t}), logs({t}), dlosses({t});
  reinterpret_cast<int32_t*>(ignored.data.get())[0] = -100;
  for (int64_t i = 0; i < t; ++i) {
    reinterpret_cast<int32_t*>(labels.data.get())[i] = i % 3 == 1 ? -100 : static_cast<int32_t>(d - 1 - i % d);
  }
  eps.data[0] = 1e-5f;
  expect(call(scimind_norm, {&x, &weight, &eps, &y, &scales}) == 0, name);
  expect(call(scimind_norm_gradients, {&x, &weight, &scales, &dy, &dx, &dweight}) == 0, name);
  expect(call(scimind_swiglu, {&x, &up, &y}) == 0, name);
  expect(call(scimind_swiglu_gradients, {&x, &up, &dy, &dx, &dup}) == 0, name);
  expect(call(scimind_loss, {&x, &labels, &ignored, &losses, &logs}) == 0, name);
  expect(call(scimind_loss_gradients, {&x, &labels, &ignored, &logs, &dlosses, &dx}) == 0, name);
  reinterpret_cast<int32_t*>(labels.data.get())[0] = static_cast<int32_t>(d);
  expect(call(scimind_loss, {&x, &labels, &ignored, &losses, &logs}) != 0, "a label beyond the classes is refused");
  expect(call(scimind_norm, {&x, &weight, &eps, &y, &losses, &logs}) != 0, "a tensor too many is refused");
}

void try_linear(int64_t t, int64_t in, int64_t out) {
  const std::string name = "linear of " + std::to_string(in) + " to " + std::to_string(out);
  Tensor x({t, in}), weight({out, in}), y({t, out}), dx({t, in}), dweight({out, in}), flat({t * in}), sum({1});
  expect(call(scimind_linear, {&x, &weight, &y}) == 0, name);
  expect(call(scimind_linear_input_gradient, {&y, &weight, &dx}) == 0, name);
  expect(call(scimind_linear_weight_gradient, {&y, &x, &dweight}) == 0, name);
  expect(call(scimind_half_squares, {&flat, &y, &dweight, &sum}) == 0, name);
  expect(call(scimind_linear, {&weight, &x, &flat}) != 0, "a result of another shape is refused");
}

void try_update(int64_t rows, int64_t width) {
  Tensor told({4}), fixed({3}), decays({2}), done({1});
  Tensor table({rows, width}), first({rows, width}), second({rows, width}), gradient({rows, width});
  Tensor vector({width}), vector_first({width}), vector_second({width}), vector_gradient({width});
  for (int64_t i = 0; i < table.size(); ++i) second.data[i] = std::fabs(second.data[i]);
  for (int64_t i = 0; i < width; ++i) vector_second.data[i] = std::fabs(vector_second.data[i]);
  const std::string name = "update of " + std::to_string(rows) + "x" + std::to_string(width);
  const float settings[] = {0.1f, 0.9f, 0.8f, NAN, 0.9f, 0.8f, 1e-8f}, before = table.data[0];
  std::copy(settings, settings + 4, told.data.get());
  std::copy(settings + 4, settings + 7, fixed.data.get());
  const auto update = [&](Tensor* of_vector) {
    return call(scimind_adamw, {&told, &fixed, &decays, &table, &vector, &first, &vector_first, &second, &vector_second,
                                &gradient, of_vector, &done});
  };
  expect(update(&vector_gradient) == 0 && table.data[0] == before, name + " by no number changes nothing");
  told.data[3] = 0.5f;
  expect(update(&vector_gradient) == 0 && table.data[0] != before, name);
  for (int64_t i = 0; i < table.size(); ++i) expect(std::isfinite(table.data[i]), name + " is finite");
  expect(rows == 1 || update(&gradient) != 0, "a gradient of another size is refused");
  expect(call(scimind_adamw, {&told, &fixed, &decays, &table, &first, &second, &gradient, &done}) != 0,
         "a missing weight is refused");
}

void try_attention(int64_t b, int64_t s, int64_t heads, int64_t groups, int64_t d) {
  const std::string name = "attention of " + std::to_string(s) + " tokens";
  Tensor q({b, s, heads * d}), k({b, s, groups * d}), v({b, s, groups * d}), cos({s, d}), sin({s, d});
  Tensor visible({b, 1, s, s}, "bool"), out({b, s, heads * d}), logs({b, heads, s}), dout({b, s, heads * d});
  Tensor dq({b, s, heads * d}), dk({b, s, groups * d}), dv({b, s, groups * d});
  // Exactly so many bytes: each query sees itself and what is before it, the first one of a row nothing.
  visible.data.reset(new float[(b * s * s + 3) / 4]);
  bool* sees = reinterpret_cast<bool*>(visible.data.get());
  for (int64_t i = 0; i < b * s * s; ++i) sees[i] = i % s <= i / s % s && i / s % s > 0;
  expect(call(scimind_attention, {&q, &k, &v, &cos, &sin, &visible, &out, &logs}) == 0, name);
  expect(call(scimind_attention_gradients,
              {&q, &k, &v, &cos, &sin, &visible, &out, &logs, &dout, &dq, &dk, &dv}) == 0, name);
  for (int64_t i = 0; i < dq.size(); ++i) expect(std::isfinite(dq.data[i]), name + ": dq is finite");
  expect(call(scimind_attention, {&q, &k, &v, &cos, &sin, &out, &out, &logs}) != 0, "a mask of numbers is refused");
  expect(call(scimind_attention, {&q, &k, &v, &cos, &dk, &visible, &out, &logs}) != 0, "another sine is refused");
}

void refuse_wrong_arguments() {
  Tensor x({3, 16}), mask({3, 4}), w1({32, 16}), w3({32, 16}), w2({16, 32}), y({3, 16});
  Tensor wide({3, 17}), three({3, 3}), flat({48}), whole({3, 16}, "int32");
  expect(call(scimind_ffn_selected, {&wide, &mask, &w1, &w3, &w2, &y}) != 0, "another width is refused");
  expect(call(scimind_ffn_selected, {&x, &three, &w1, &w3, &w2, &y}) != 0, "experts that do not divide are refused");
  expect(call(scimind_ffn_selected, {&x, &mask, &w1, &w3, &w1, &y}) != 0, "a w2 of another shape is refused");
  expect(call(scimind_ffn_selected, {&flat, &mask, &w1, &w3, &w2, &y}) != 0, "another rank is refused");
  expect(call(scimind_ffn_selected, {&whole, &mask, &w1, &w3, &w2, &y}) != 0, "another type is refused");
  expect(call(scimind_ffn_selected, {&x, &mask, &w1, &w3, &w2}) != 0, "a missing tensor is refused");
}

void try_product(int64_t m, int64_t n, int64_t k, bool is_a_transposed, bool is_b_transposed, bool accumulate) {
  Tensor a(is_a_transposed ? std::vector<int64_t>{k, m} : std::vector<int64_t>{m, k});
  Tensor b(is_b_transposed ? std::vector<int64_t>{n, k} : std::vector<int64_t>{k, n});
  Tensor c({m, n}), expected({m, n});
  for (int64_t i = 0; i < m * n; ++i) {
    double sum = accumulate ? c.data[i] : 0.0;
    for (int64_t p = 0; p < k; ++p) {
      const double left = is_a_transposed ? a.data[p * m + i / n] : a.data[i / n * k + p];
      sum += left * (is_b_transposed ? b.data[i % n * k + p] : b.data[p * n + i % n]);
    }
    expected.data[i] = static_cast<float>(sum);
  }
  const std::vector<float> before(c.data.get(), c.data.get() + m * n);
  scimind::multiply(m, n, k, {a.data.get(), a.shape[1], is_a_transposed}, {b.data.get(), b.shape[1], is_b_transposed},
                    accumulate, c.data.get(), n);
  float worst = 0.0f;
  for (int64_t i = 0; i < m * n; ++i) worst = std::fmax(worst, std::fabs(c.data[i] - expected.data[i]));
  if (k > 0 && scimind::has_tiles()) {
    std::copy(before.begin(), before.end(), c.data.get());
    scimind::multiply_by_tiles(m, n, k, {a.data.get(), a.shape[1], is_a_transposed},
                               {b.data.get(), b.shape[1], is_b_transposed}, accumulate, c.data.get(), n, accumulate);
    for (int64_t i = 0; i < m * n; ++i) worst = std::fmax(worst, std::fabs(c.data[i] - expected.data[i]));
  }
  expect(worst < 1e-4f, "product " + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k));
}

}  // namespace

int main() {
  const int64_t layers[][4] = {{0, 16, 8, 2},   {1, 16, 44, 4},   {3, 1, 1, 1},     {3, 17, 5, 3},
                               {12, 16, 44, 3}, {13, 100, 20, 2}, {300, 130, 9, 5}, {1030, 16, 3, 4},
                               {12, 64, 5, 1},  {256, 128, 7, 1}};
  for (const auto& sizes : layers) try_layer(sizes[0], sizes[1], sizes[2], sizes[3]);
  const int64_t rows[][2] = {{1, 1}, {3, 16}, {70, 33}, {300, 100}};
  for (const auto& sizes : rows) try_rows(sizes[0], sizes[1]);
  try_masked(3, 5, 3);
  try_masked(1, 16, 1);
  try_masked(90, 21, 16);
  const int64_t linears[][3] = {{1, 1, 1}, {5, 17, 3}, {300, 40, 530}, {40, 2100, 530}};
  for (const auto& sizes : linears) try_linear(sizes[0], sizes[1], sizes[2]);
  try_update(1, 1);
  try_update(300, 130);
  const int64_t attentions[][5] = {{1, 1, 1, 1, 2}, {2, 9, 4, 2, 6}, {1, 70, 3, 3, 4}, {2, 130, 4, 1, 20}};
  for (const auto& sizes : attentions) try_attention(sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]);
  refuse_wrong_arguments();
  const int64_t products[][3] = {{1, 1, 1},   {1, 33, 17},   {5, 7, 16},    {12, 19, 44},
                                 {13, 33, 0}, {37, 70, 300}, {150, 130, 33}};
  for (const auto& sizes : products) {
    for (int form = 0; form < 8; ++form) {
      try_product(sizes[0], sizes[1], sizes[2], form & 1, form & 2, form & 4);
    }
  }
  return failures == 0 ? 0 : 1;
}
