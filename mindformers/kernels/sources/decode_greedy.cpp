#include "decode_greedy.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "buffer.h"
#include "vec.h"

namespace scimind {
namespace decode {
namespace {

// The first of the highest values.
int64_t place_of_highest(const float* values, int64_t count) {
  Vec highest = fill(-std::numeric_limits<float>::infinity());
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vec v = load(values + i);
    highest = v > highest ? v : highest;
  }
  float best = highest[0];
  for (int64_t lane = 1; lane < kLanes; ++lane) best = std::max(best, highest[lane]);
  for (; i < count; ++i) best = std::max(best, values[i]);
  const int64_t place = std::find(values, values + count, best) - values;
  return place < count ? place : 0;  // not found where all are NaN
}

}  // namespace

void decode_greedily(const Model& model, const Row* rows, int64_t count, const int32_t* counts, const Limits& limits,
                     int32_t* chosen) {
  std::vector<Row> running(rows, rows + count);
  for (int64_t i = 0; i < count; ++i) running[i].output = static_cast<int32_t>(i);
  Buffer logits(count * model.vocab);
  std::fill_n(chosen, count * limits.steps, -1);
  bool has_ended = false;
  for (int64_t i = 0; i < limits.steps && !running.empty() && !(has_ended && limits.stops_at_end); ++i) {
    step(model, running.data(), static_cast<int64_t>(running.size()), logits);
    for (Row& row : running) {
      row.id = static_cast<int32_t>(place_of_highest(logits + row.output * model.vocab, model.vocab));
      row.position += 1;
      chosen[row.output * limits.steps + i] = row.id;
    }
    const auto ends = [&](const Row& row) { return row.id == limits.end_id || i + 1 >= counts[row.output]; };
    const auto end = std::remove_if(running.begin(), running.end(), ends);
    has_ended |= end != running.end();
    running.erase(end, running.end());
  }
}

}  // namespace decode
}  // namespace scimind
