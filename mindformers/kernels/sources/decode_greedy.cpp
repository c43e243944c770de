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

void decode_greedily(const Model& model, int64_t rows, const int32_t* ids, const int32_t* positions, int64_t steps,
                     int32_t end_id, int64_t limit, int32_t* chosen) {
  std::vector<int32_t> last(ids, ids + rows), places(positions, positions + rows);
  Buffer logits(rows * model.vocab);
  std::fill_n(chosen, rows * steps, -1);
  const auto is_running = [](int32_t place) { return place >= 0; };
  for (int64_t i = 0; i < steps && std::any_of(places.begin(), places.end(), is_running); ++i) {
    step(model, rows, last.data(), places.data(), logits);
    for (int64_t row = 0; row < rows; ++row) {
      if (places[row] < 0) continue;
      last[row] = static_cast<int32_t>(place_of_highest(logits + row * model.vocab, model.vocab));
      chosen[row * steps + i] = last[row];
      const bool has_ended = last[row] == end_id || places[row] + 1 >= limit;
      places[row] = has_ended ? -1 : places[row] + 1;
    }
  }
}

}  // namespace decode
}  // namespace scimind
