// The entry points that MindSpore's `Custom` operator calls. Every size and type is checked here once more, as a wrong
// one would run past a buffer; a status other than zero makes MindSpore raise.
#include "arguments.h"
#include "layer.h"

namespace {

using scimind::Arguments;
using scimind::kFloat;
using scimind::kInt;

// Inputs 0: x [T, D], and from `weights` on w1, w3 [F, D], w2 [D, F], or [E, F / E, D] where `may_be_by_expert`; E is
// the last size of input `marker`.
bool read_layer(const Arguments& arguments, int weights, int marker, scimind::Layer* layer,
                bool may_be_by_expert = false) {
  if (arguments.ranks[0] != 2 || arguments.ranks[weights] != 2 || arguments.ranks[marker] < 1) return false;
  const int64_t tokens = arguments.shapes[0][0], width = arguments.shapes[0][1];
  const int64_t neurons = arguments.shapes[weights][0];
  const int64_t experts = arguments.shapes[marker][arguments.ranks[marker] - 1];
  if (tokens > INT32_MAX || width < 1 || experts < 1 || neurons < 1 || neurons % experts != 0) return false;
  *layer = {tokens, width, neurons, experts, arguments.at<float>(0), arguments.at<float>(weights),
            arguments.at<float>(weights + 1), arguments.at<float>(weights + 2)};
  layer->is_by_expert = may_be_by_expert && arguments.is(weights + 2, kFloat, {experts, layer->per(), width});
  return arguments.is(0, kFloat, {tokens, width}) && arguments.is(weights, kFloat, {neurons, width}) &&
         arguments.is(weights + 1, kFloat, {neurons, width}) &&
         (layer->is_by_expert || arguments.is(weights + 2, kFloat, {width, neurons}));
}

// (x [T, D], mask [T, E], w1, w3, w2) -> y [T, D] and, with two outputs, keep [2, T, F]; w2 may be by expert where
// nothing is kept.
bool selected(const Arguments& a, bool has_keep) {
  scimind::Layer layer;
  if (a.count != (has_keep ? 7 : 6) || !read_layer(a, 2, 1, &layer, !has_keep)) return false;
  const int64_t t = layer.tokens;
  if (!a.is(1, kFloat, {t, layer.experts}) || !a.is(5, kFloat, {t, layer.width})) return false;
  if (has_keep && !a.is(6, kFloat, {2, t, layer.neurons})) return false;
  const scimind::Plan plan = scimind::plan_of(a.at<float>(1), t, layer.experts);
  scimind::forward_selected(layer, plan, has_keep ? a.at<float>(6) : nullptr, a.at<float>(5));
  return true;
}

// (x [T, D], k [T], marker [E], w1, w3, w2) -> y [T, D], mask [T, E] and, if asked for, keep [2, T, F].
bool by_activation(const Arguments& a, bool has_keep) {
  scimind::Layer layer;
  if (a.count != (has_keep ? 9 : 8) || !read_layer(a, 3, 2, &layer)) return false;
  const int64_t t = layer.tokens;
  if (!a.is(1, kInt, {t}) || !a.is(6, kFloat, {t, layer.width}) || !a.is(7, kFloat, {t, layer.experts})) return false;
  if (has_keep && !a.is(8, kFloat, {2, t, layer.neurons})) return false;
  scimind::forward_by_activation(layer, a.at<int32_t>(1), has_keep ? a.at<float>(8) : nullptr, a.at<float>(7),
                                 a.at<float>(6));
  return true;
}

// (x, mask [T, E], w1, w3, w2, keep [2, T, F], dy [T, D]) -> gradients in the shapes of x, mask and, if asked for, w1,
// w3, w2.
bool gradients(const Arguments& a, bool has_weights) {
  scimind::Layer layer;
  if (a.count != (has_weights ? 12 : 9) || !read_layer(a, 2, 1, &layer)) return false;
  const int64_t t = layer.tokens, d = layer.width, f = layer.neurons, e = layer.experts;
  const bool is_right = a.is(1, kFloat, {t, e}) && a.is(5, kFloat, {2, t, f}) && a.is(6, kFloat, {t, d}) &&
                        a.is(7, kFloat, {t, d}) && a.is(8, kFloat, {t, e});
  if (!is_right) return false;
  scimind::Gradients to{a.at<float>(7), a.at<float>(8), nullptr, nullptr, nullptr};
  if (has_weights) {
    if (!a.is(9, kFloat, {f, d}) || !a.is(10, kFloat, {f, d}) || !a.is(11, kFloat, {d, f})) return false;
    to.w1 = a.at<float>(9), to.w3 = a.at<float>(10), to.w2 = a.at<float>(11);
  }
  scimind::backward(layer, scimind::plan_of(a.at<float>(1), t, e), a.at<float>(5), a.at<float>(6), to);
  return true;
}

}  // namespace

SCIMIND_OPERATOR(scimind_ffn_selected, selected(arguments, false))
SCIMIND_OPERATOR(scimind_ffn_selected_keep, selected(arguments, true))
SCIMIND_OPERATOR(scimind_ffn_by_activation, by_activation(arguments, false))
SCIMIND_OPERATOR(scimind_ffn_by_activation_keep, by_activation(arguments, true))
SCIMIND_OPERATOR(scimind_ffn_gradients, gradients(arguments, true))
SCIMIND_OPERATOR(scimind_ffn_input_gradients, gradients(arguments, false))
