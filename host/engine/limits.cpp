#include "engine/limits.hpp"

#include <algorithm>

#include "engine/codebooks.hpp"
#include "engine/models.hpp"
#include "engine/scales.hpp"
#include "engine/workers.hpp"

namespace weft::engine {

std::uint32_t limit_threads(Plan& plan, const RunOptions& options, std::uint64_t encode_bytes) {
  const std::uint64_t limit = options.memory_limit, for_codebooks = codebook_bytes(plan),
                      for_models = std::max(model_bytes(plan), scale_bytes(plan));
  (void)thread_count(1, limit, std::max({encode_bytes, for_codebooks, for_models}));
  const std::uint32_t threads = thread_count(options.threads, limit, encode_bytes);
  plan.codebook_threads = thread_count(threads, limit, for_codebooks);
  plan.model_threads = thread_count(threads, limit, for_models);
  return threads;
}

}  // namespace weft::engine
