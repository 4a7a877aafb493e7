#include "archive/scale_codes.hpp"

#include <algorithm>

namespace weft::archive {
namespace {

constexpr int kSymbols = 256;
constexpr int kZero = 128;                   // the symbol of code 0
constexpr std::uint32_t kPriorTotal = 1024;  // what a factor begins with; a code that occurs adds kStep
constexpr std::uint32_t kStep = 64;
constexpr std::uint32_t kMostCounted = 2048;  // codes of a factor before its counts are halved
constexpr std::uint32_t kPriorStep = 8;       // what a code adds to the next factors' prior
constexpr std::uint32_t kMostPrior = 1u << 15;

// What so many codes are padded to.
std::uint64_t least_bytes(std::uint64_t codes) { return (codes + kCodesPerByte - 1) / kCodesPerByte; }

class Model {
 public:
  Model(int first, int last) : first_(first), last_(last) {
    // A two-sided geometric distribution around zero to begin with.
    for (std::uint32_t size = 0, weight = 48; size < kSymbols / 2; size++, weight = weight * 3 / 5) {
      gathered_[kZero + static_cast<int>(size)] = weight;
      gathered_[kZero - static_cast<int>(size)] = weight;
    }
    begin_factor();
  }

  void begin_factor() {
    std::uint32_t sum = 0;
    for (int s = first_; s <= last_; s++) sum += gathered_[s];
    total_ = 0;
    for (int s = first_; s <= last_; s++) {
      prior_[s] = 1 + (sum == 0 ? 0 : gathered_[s] * kPriorTotal / sum);
      total_ += prior_[s];
      counts_[s] = 0;
    }
    counted_ = 0;
  }

  [[nodiscard]] std::uint32_t total() const { return total_; }
  [[nodiscard]] std::uint32_t frequency(int s) const { return prior_[s] + kStep * counts_[s]; }
  [[nodiscard]] std::uint32_t below(int s) const {
    std::uint32_t sum = 0;
    for (int i = first_; i < s; i++) sum += frequency(i);
    return sum;
  }
  // The symbol whose range holds `target`, and what lies below it.
  [[nodiscard]] int find(std::uint32_t target, std::uint32_t& below) const {
    int s = first_;
    for (below = 0; s < last_ && target - below >= frequency(s); s++) below += frequency(s);
    return s;
  }

  void add(int s) {
    gathered_[s] += kPriorStep;
    gathered_total_ += kPriorStep;
    if (gathered_total_ >= kMostPrior) {
      gathered_total_ = 0;
      for (std::uint32_t& g : gathered_) gathered_total_ += g /= 2;
    }
    counts_[s]++;
    total_ += kStep;
    if (++counted_ < kMostCounted) return;
    counted_ = 0;
    total_ = 0;
    for (int i = first_; i <= last_; i++) {
      counts_[i] /= 2;
      counted_ += counts_[i];
      total_ += frequency(i);
    }
  }

 private:
  int first_, last_;
  std::uint32_t gathered_[kSymbols] = {}, prior_[kSymbols] = {}, counts_[kSymbols] = {};
  std::uint32_t gathered_total_ = 0, total_ = 0, counted_ = 0;
};

class RangeEncoder {
 public:
  explicit RangeEncoder(std::vector<std::byte>& out) : out_(out) {}
  void encode(std::uint32_t below, std::uint32_t frequency, std::uint32_t total) {
    const std::uint32_t part = range_ / total;
    low_ += std::uint64_t{part} * below;
    range_ = part * frequency;
    for (; range_ < (1u << 24); range_ <<= 8) shift();
  }
  void finish() {
    for (int i = 0; i < 5; i++) shift();
  }

 private:
  // Holds back bytes that a carry may still change.
  void shift() {
    if (low_ < 0xFF000000u || low_ > 0xFFFFFFFFu) {
      const auto carry = static_cast<std::uint8_t>(low_ >> 32);
      if (has_held_) put(static_cast<std::uint8_t>(held_ + carry));
      for (; pending_ != 0; pending_--) put(static_cast<std::uint8_t>(0xFF + carry));
      held_ = static_cast<std::uint8_t>(low_ >> 24);
      has_held_ = true;
    } else {
      pending_++;
    }
    low_ = (low_ & 0x00FFFFFFu) << 8;
  }
  void put(std::uint8_t byte) { out_.push_back(static_cast<std::byte>(byte)); }

  std::vector<std::byte>& out_;
  std::uint64_t low_ = 0, pending_ = 0;
  std::uint32_t range_ = ~0u;
  std::uint8_t held_ = 0;
  bool has_held_ = false;
};

class RangeDecoder {
 public:
  explicit RangeDecoder(std::span<const std::byte> bytes) : rest_(bytes) {
    for (int i = 0; i < 4; i++) code_ = code_ << 8 | next();
  }
  std::uint32_t target(std::uint32_t total) {
    part_ = range_ / total;
    return std::min(code_ / part_, total - 1);
  }
  void consume(std::uint32_t below, std::uint32_t frequency) {
    code_ -= part_ * below;
    range_ = part_ * frequency;
    for (; range_ < (1u << 24); range_ <<= 8) code_ = code_ << 8 | next();
  }
  // Bytes read, those past the end included; and whether only zeros are left.
  [[nodiscard]] std::uint64_t consumed() const { return consumed_; }
  [[nodiscard]] bool rest_is_zero() const {
    return std::all_of(rest_.begin(), rest_.end(), [](std::byte b) { return b == std::byte{0}; });
  }

 private:
  std::uint32_t next() {
    consumed_++;
    if (rest_.empty()) return 0;
    const auto byte = static_cast<std::uint32_t>(rest_.front());
    rest_ = rest_.subspan(1);
    return byte;
  }
  std::span<const std::byte> rest_;
  std::uint64_t consumed_ = 0;
  std::uint32_t range_ = ~0u, code_ = 0, part_ = 1;
};

}  // namespace

void put_codes(ByteWriter& out, std::span<const std::span<const std::int8_t>> factors) {
  int first = kSymbols, last = -1;
  std::uint64_t total = 0;
  for (const auto& codes : factors) {
    total += codes.size();
    for (const std::int8_t code : codes) {
      first = std::min(first, code + kZero);
      last = std::max(last, code + kZero);
    }
  }
  if (total == 0) return;
  out.put_u8(static_cast<std::uint64_t>(first));
  out.put_u8(static_cast<std::uint64_t>(last));
  const std::size_t begin = out.bytes().size();
  Model model(first, last);
  RangeEncoder encoder(out.bytes());
  for (const auto& codes : factors) {
    model.begin_factor();
    for (const std::int8_t code : codes) {
      const int s = code + kZero;
      encoder.encode(model.below(s), model.frequency(s), model.total());
      model.add(s);
    }
  }
  encoder.finish();
  const std::uint64_t least = least_bytes(total);
  if (out.bytes().size() - begin < least) out.bytes().resize(begin + least);
}

void read_codes(ByteReader& in, std::span<const std::span<std::int8_t>> factors) {
  if (std::all_of(factors.begin(), factors.end(), [](const auto& codes) { return codes.empty(); })) return;
  const int first = in.get_u8(), last = in.get_u8();
  in.require(first <= last, "a section of codes has no range");
  const std::uint64_t size = in.left();
  Model model(first, last);
  RangeDecoder decoder(in.take(size));
  for (const auto& codes : factors) {
    model.begin_factor();
    for (std::int8_t& code : codes) {
      std::uint32_t below = 0;
      const int s = model.find(decoder.target(model.total()), below);
      decoder.consume(below, model.frequency(s));
      model.add(s);
      code = static_cast<std::int8_t>(s - kZero);
    }
  }
  std::uint64_t total = 0;
  for (const auto& codes : factors) total += codes.size();
  in.require(size == std::max(decoder.consumed(), least_bytes(total)) && decoder.rest_is_zero(),
             "a section of codes is shorter or longer than its content");
}

}  // namespace weft::archive
