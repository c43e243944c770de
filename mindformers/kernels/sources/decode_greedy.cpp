#include "decode_greedy.h"

#include <algorithm>
#include <vector>

namespace scimind {
namespace decode {

void decode_greedily(const Model& model, const Row* rows, int64_t count, const int32_t* counts, const Limits& limits,
                     int32_t* chosen) {
  std::vector<Row> running(rows, rows + count);
  for (int64_t i = 0; i < count; ++i) running[i].output = static_cast<int32_t>(i);
  std::vector<int32_t> likeliest(count);
  std::fill_n(chosen, count * limits.steps, -1);
  bool has_ended = false;
  for (int64_t i = 0; i < limits.steps && !running.empty() && !(has_ended && limits.stops_at_end); ++i) {
    likeliest_after(model, running.data(), static_cast<int64_t>(running.size()), likeliest.data());
    for (Row& row : running) {
      row.id = likeliest[row.output];
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
