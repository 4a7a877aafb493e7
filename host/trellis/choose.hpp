// Choosing a tensor's model: which view, which scale factors, prediction or not. By estimated cost.
//
// Sums of squares over all weights fit the scale factors and rank sets of them. All else comes from samples of a few
// thousand weights: the best sets are priced, without and with prediction, the best of these again on a larger sample, and
// the rest of what is chosen is fitted on a third one. Whoever measures finds that larger samples choose no better.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "trellis/bank.hpp"
#include "trellis/scales.hpp"
#include "weft/archive.hpp"

namespace weft::trellis {

struct Choice {
  TrellisStream stream;  // without step, states and labelling; shape: a number of typical_shapes()
  double bits = 0;       // estimated; to be relied on if that is asked for
  double side_bits = 0;  // the part that is not the weights themselves
  Histogram histogram;   // of a sample, as a scalar quantizer codes it; not where `flat` is asked for
};

struct Choices {
  Choice best;
  std::optional<Choice> flat;  // the best that does not predict means, if asked for; often the same
};

// What may be tried; the defaults are what a user wants.
struct Allowed {
  bool scales = true, prediction = true;
  bool energy = true;            // classes that follow the local energy
  bool only_prediction = false;  // nothing without it
  bool views = true;
  bool compared = false;  // its bits are compared with those of other values
  bool flat = false;      // the best without prediction is wanted too: a labelling that keeps zero cannot predict
};

class ModelChooser {
 public:
  ModelChooser();
  ~ModelChooser();
  // values: the tensor in steps, in its own order; shape: its dimensions. Needs at least one value.
  [[nodiscard]] Choices choose(std::span<const float> values, std::span<const std::uint64_t> shape,
                               const Allowed& allowed);

 private:
  struct Orders;
  std::unique_ptr<Orders> orders_;  // whose memory serves one tensor after another
};

// The box reversed: element (i, j, k) of the data is (k, j, i) of the view. Without a view, a copy.
template <class T>
void to_view(const std::array<std::uint64_t, 3>& box, const T* data, T* view) {
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < box[0]; i++)
    for (std::uint64_t j = 0; j < box[1]; j++)
      for (std::uint64_t k = 0; k < box[2]; k++) view[(k * box[1] + j) * box[0] + i] = data[at++];
}
template <class T>
void from_view(const std::array<std::uint64_t, 3>& box, const T* view, T* data) {
  to_view<T>({box[2], box[1], box[0]}, view, data);
}

}  // namespace weft::trellis
