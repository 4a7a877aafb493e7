// Modules of PTX, as nvcc writes them: one statement after the other, names as they are declared.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>

#include "ptx/program.hpp"

namespace weft::ptx {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& where) {
  throw std::runtime_error("PTX: " + what + ": " + where);
}

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// At commas that are not inside of brackets.
std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::string part;
  int depth = 0;
  for (const char c : text) {
    depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    if (c == ',' && depth == 0) {
      parts.push_back(trimmed(part));
      part.clear();
    } else {
      part += c;
    }
  }
  if (!trimmed(part).empty()) parts.push_back(trimmed(part));
  return parts;
}

std::vector<std::string> words(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::stringstream in(text);
  for (std::string part; std::getline(in, part, separator);)
    if (!trimmed(part).empty()) parts.push_back(trimmed(part));
  return parts;
}

std::optional<Type> type_of(const std::string& name) {
  static const std::set<std::string> kTypes{"b8",  "b16", "b32", "b64", "u8",  "u16", "u32",
                                            "u64", "s8",  "s16", "s32", "s64", "f32", "f64"};
  if (name == "pred") return Type{'p', 1};
  if (!kTypes.contains(name)) return std::nullopt;
  return Type{name[0], std::atoi(name.c_str() + 1)};
}

bool is_number(const std::string& text) {
  return std::isdigit(text[0]) != 0 || (text[0] == '-' && text.size() > 1 && std::isdigit(text[1]) != 0);
}

std::uint64_t number(const std::string& text) {
  if (text.starts_with("0f") || text.starts_with("0d")) return std::strtoull(text.c_str() + 2, nullptr, 16);
  if (text[0] == '-') return -std::strtoull(text.c_str() + 1, nullptr, 0);
  return std::strtoull(text.c_str(), nullptr, 0);
}

// `.align 16 .b8 name[64]`
struct Declaration {
  std::string name;
  std::size_t align = 1, bytes = 0, each = 0;
  bool is_array = false;
};
Declaration declaration_of(const std::string& text) {
  Declaration declaration;
  std::stringstream in(text);
  const std::vector<std::string> parts{std::istream_iterator<std::string>(in), {}};
  for (std::size_t i = 0; i < parts.size(); i++) {
    const auto type = parts[i][0] == '.' ? type_of(parts[i].substr(1)) : std::nullopt;
    if (parts[i] == ".align" && i + 1 < parts.size()) {
      declaration.align = number(parts[++i]);
    } else if (type) {
      declaration.each = static_cast<std::size_t>(type->bits) / 8;
    } else if (parts[i][0] != '.') {
      declaration.name = parts[i];
    }
  }
  declaration.bytes = declaration.each;
  declaration.align = std::max(declaration.align, declaration.each);
  const std::size_t bracket = declaration.name.find('[');
  if (bracket == std::string::npos) return declaration;
  declaration.is_array = true;
  declaration.bytes *= static_cast<std::size_t>(std::atoll(declaration.name.c_str() + bracket + 1));
  declaration.name.resize(bracket);
  return declaration;
}

// What a name of a variable stands for.
using Names = std::map<std::string, Operand>;

class KernelParser {
 public:
  KernelParser(Kernel& kernel, const Names& globals) : kernel_(kernel), names_(globals) {}

  void parameters(const std::string& text) {
    for (const std::string& one : split(text)) {
      const Declaration parameter = declaration_of(one);
      kernel_.parameter_bytes = round_up(kernel_.parameter_bytes, parameter.align);
      kernel_.parameters.push_back({kernel_.parameter_bytes, parameter.bytes});
      names_[parameter.name] = {.kind = Operand::Kind::kParameter, .value = kernel_.parameter_bytes};
      kernel_.parameter_bytes += parameter.bytes;
    }
  }

  void body(const std::string& text) {
    kernel_.shared_end = kSharedBegin;
    std::string statement;
    for (std::size_t i = 0; i < text.size(); i++) {
      const char c = text[i];
      if (c == '/' && text[i + 1] == '/') {
        i = text.find('\n', i);
      } else if (c == ';' || (c == ':' && text[i + 1] == '\n')) {
        c == ';' ? take(trimmed(statement)) : label(trimmed(statement));
        statement.clear();
      } else if (c == '{' && trimmed(statement).empty()) {
        scopes_.emplace_back();
      } else if (c == '}' && trimmed(statement).empty()) {
        scopes_.pop_back();
      } else {
        statement += c == '\n' ? ' ' : c;
      }
    }
    for (const auto& [at, name] : branches_) {
      const auto found = labels_.find(name);
      if (found == labels_.end()) fail("a label that is not there", name);
      kernel_.code[at].target = found->second;
    }
    kernel_.code.push_back({.opcode = Opcode::kExit, .text = "the end"});
  }

 private:
  void label(const std::string& name) { labels_[name] = static_cast<int>(kernel_.code.size()); }

  void take(const std::string& statement) {
    if (statement.empty() || statement.starts_with(".pragma")) return;
    if (statement.starts_with(".reg")) return registers(statement);
    if (statement.starts_with(".shared") || statement.starts_with(".local")) return variable(statement);
    if (statement[0] == '.') fail("a directive that is not known", statement);
    instruction(statement);
  }

  void registers(const std::string& statement) {
    const std::size_t names = statement.find_first_of(" \t", statement.find_first_not_of(" \t", 4));
    for (const std::string& name : split(statement.substr(names))) {
      const std::size_t many = name.find('<');
      if (many == std::string::npos) {
        scopes_.back()[name] = kernel_.registers++;
      } else {
        for (int i = 0; i < std::atoi(name.c_str() + many + 1); i++)
          scopes_.back()[name.substr(0, many) + std::to_string(i)] = kernel_.registers++;
      }
    }
  }

  // Alignment beyond what the begin of shared memory has is not there.
  void variable(const std::string& statement) {
    const Declaration declared = declaration_of(statement);
    const bool is_shared = statement.starts_with(".shared");
    std::size_t& end = is_shared ? kernel_.shared_end : kernel_.local_bytes;
    end = round_up(end, std::min(declared.align, kSharedBegin));
    names_[declared.name] = {.kind = is_shared ? Operand::Kind::kImmediate : Operand::Kind::kLocal, .value = end};
    end += declared.bytes;
  }

  [[nodiscard]] int find_register(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
      if (const auto found = scope->find(name); found != scope->end()) return found->second;
    return -1;
  }

  Operand operand(const std::string& text) const {
    static const std::map<std::string, Special> kSpecial{{"%tid.x", Special::kThread},
                                                         {"%ntid.x", Special::kThreads},
                                                         {"%ctaid.x", Special::kBlock},
                                                         {"%nctaid.x", Special::kBlocks},
                                                         {"%laneid", Special::kLane},
                                                         {"%lanemask_lt", Special::kLanesBelow},
                                                         {"%lanemask_gt", Special::kLanesAbove},
                                                         {"%lanemask_le", Special::kLanesUpTo},
                                                         {"%lanemask_ge", Special::kLanesFrom},
                                                         {"%lanemask_eq", Special::kOneLane}};
    if (text == "_") return {};
    if (text[0] == '!') {
      Operand predicate = operand(text.substr(1));
      predicate.negated = true;
      return predicate;
    }
    if (text[0] == '{') {
      Operand list{.kind = Operand::Kind::kList};
      for (const std::string& one : split(text.substr(1, text.size() - 2))) list.list.push_back(operand(one));
      return list;
    }
    if (text[0] == '[') {
      const std::vector<std::string> sum = words(text.substr(1, text.size() - 2), '+');
      Operand place = operand(sum[0]);
      if (sum.size() > 1) place.value += number(sum[1]);
      return place;
    }
    if (const int reg = find_register(text); reg >= 0) return {.kind = Operand::Kind::kRegister, .reg = reg};
    if (is_number(text)) return {.kind = Operand::Kind::kImmediate, .value = number(text)};
    if (const auto found = kSpecial.find(text); found != kSpecial.end())
      return {.kind = Operand::Kind::kSpecial, .special = found->second};
    const auto found = names_.find(text);
    if (found == names_.end()) fail("a name that is not known", text);
    return found->second;
  }

  void instruction(std::string text) {
    Instruction one;
    one.text = text;
    if (text[0] == '@') {
      const std::size_t end = text.find_first_of(" \t");
      one.guard_negated = text[1] == '!';
      one.guard = find_register(text.substr(one.guard_negated ? 2 : 1, end - (one.guard_negated ? 2 : 1)));
      if (one.guard < 0) fail("a guard that is not known", text);
      text = trimmed(text.substr(end));
    }
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    std::vector<std::string> name = words(text.substr(0, end), '.');
    one.modifiers.assign(name.begin() + 1, name.end());
    classify(name[0], one);
    for (std::string part : split(text.substr(end))) {
      if (one.opcode == Opcode::kBranch) {
        branches_.emplace_back(kernel_.code.size(), part);
        break;
      }
      if (const std::size_t bar = part.find('|'); bar != std::string::npos) {
        one.second = find_register(part.substr(bar + 1));
        part.resize(bar);
      }
      one.operands.push_back(operand(part));
    }
    kernel_.code.push_back(std::move(one));
  }

  static void classify(const std::string& name, Instruction& one);

  Kernel& kernel_;
  Names names_;
  std::vector<std::map<std::string, int>> scopes_{1};
  std::map<std::string, int> labels_;
  std::vector<std::pair<std::size_t, std::string>> branches_;
};

void KernelParser::classify(const std::string& name, Instruction& one) {
  static const std::map<std::string, Opcode> kOpcodes{
      {"ld", Opcode::kLoad},          {"st", Opcode::kStore},        {"mov", Opcode::kMove},
      {"cvta", Opcode::kChangeSpace}, {"setp", Opcode::kCompare},    {"selp", Opcode::kSelect},
      {"bra", Opcode::kBranch},       {"ret", Opcode::kExit},        {"exit", Opcode::kExit},
      {"mad", Opcode::kMultiplyAdd},  {"fma", Opcode::kMultiplyAdd}, {"addc", Opcode::kAddCarry},
      {"bfi", Opcode::kInsertBits},   {"bfe", Opcode::kExtractBits}, {"lop3", Opcode::kLogic},
      {"prmt", Opcode::kPermute},     {"bmsk", Opcode::kMask},       {"shf", Opcode::kFunnel},
      {"dp4a", Opcode::kDot},         {"vote", Opcode::kVote},       {"cvt", Opcode::kConvert},
      {"shfl", Opcode::kShuffle},     {"atom", Opcode::kAtomic},     {"redux", Opcode::kReduce},
      {"membar", Opcode::kNothing},   {"cp", Opcode::kCopy},         {"nanosleep", Opcode::kNothing},
      {"prefetch", Opcode::kNothing}, {"bar", Opcode::kMeetBlock}};
  static const std::map<std::string, Math> kBinary{
      {"add", Math::kAdd}, {"sub", Math::kSub},       {"and", Math::kAnd},        {"or", Math::kOr},
      {"xor", Math::kXor}, {"shl", Math::kShiftLeft}, {"shr", Math::kShiftRight}, {"min", Math::kMin},
      {"max", Math::kMax}, {"div", Math::kDivide},    {"rem", Math::kRemainder},  {"mul", Math::kMultiply}};
  static const std::map<std::string, Math> kUnary{
      {"neg", Math::kNegate},       {"not", Math::kNot},      {"abs", Math::kAbs},       {"popc", Math::kCountOnes},
      {"clz", Math::kLeadingZeros}, {"brev", Math::kReverse}, {"rcp", Math::kReciprocal}};
  static const std::map<std::string, Space> kSpaces{{"global", Space::kGlobal},
                                                    {"shared", Space::kShared},
                                                    {"local", Space::kLocal},
                                                    {"param", Space::kParameter},
                                                    {"const", Space::kConstant}};
  bool has_type = false;
  for (const std::string& modifier : one.modifiers) {
    if (const auto type = type_of(modifier)) (has_type ? one.from : one.type) = *type, has_type = true;
    if (const auto space = kSpaces.find(modifier); space != kSpaces.end()) one.space = space->second;
    if (modifier == "v2" || modifier == "v4") one.count = modifier[1] - '0';
  }
  const bool is_wide = one.has("wide"), is_high = one.has("hi");
  const Math product = is_wide ? Math::kMultiplyWide : is_high ? Math::kMultiplyHigh : Math::kMultiply;
  if (const auto binary = kBinary.find(name); binary != kBinary.end()) {
    one.opcode = one.has("cc") ? Opcode::kAddCarry : Opcode::kBinary;
    one.math = binary->second == Math::kMultiply                 ? product
               : binary->second == Math::kMin && one.has("relu") ? Math::kMinOrZero
                                                                 : binary->second;
  } else if (const auto unary = kUnary.find(name); unary != kUnary.end()) {
    one.opcode = Opcode::kUnary;
    one.math = unary->second;
  } else if (const auto other = kOpcodes.find(name); other != kOpcodes.end()) {
    one.opcode = other->second;
    one.math = product;
    one.takes_carry = name == "addc";
    if (name == "bar" && one.has("warp")) one.opcode = Opcode::kMeetWarp;
    if (name == "bar" && one.has("red")) one.opcode = Opcode::kAskBlock;
    if (name == "cp" && one.has("commit_group")) one.opcode = Opcode::kCloseCopies;
    if (name == "cp" && (one.has("wait_group") || one.has("wait_all"))) one.opcode = Opcode::kAwaitCopies;
  } else {
    fail("an instruction that is not known", one.text);
  }
}

// Names of an anonymous namespace as a host compiler makes them, which knows of no file.
std::string host_name(std::string name) {
  const std::size_t found = name.find("_GLOBAL__N__");
  if (found == std::string::npos) return name;
  std::size_t digits = found;
  while (std::isdigit(name[digits - 1]) != 0) digits--;
  const auto length = static_cast<std::size_t>(std::atoi(name.c_str() + digits));
  return name.replace(digits, found + length - digits, "12_GLOBAL__N_1");
}

std::size_t matching_brace(const std::string& text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); i++) {
    depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
    if (depth == 0) return i;
  }
  fail("a brace that is not closed", text.substr(open, 60));
}

}  // namespace

bool Instruction::has(const char* modifier) const {
  return std::find(modifiers.begin(), modifiers.end(), modifier) != modifiers.end();
}

void Program::add(const std::string& text) {
  Names globals;
  std::size_t at = text.find(".version");
  while ((at = text.find_first_not_of(" \t\r\n", at)) < text.size()) {
    const std::size_t line = std::min(text.find('\n', at), text.size());
    if (text[at] != '.' || text.compare(at, 8, ".version") == 0 || text.compare(at, 7, ".target") == 0 ||
        text.compare(at, 8, ".address") == 0) {
      at = line;
      continue;
    }
    const std::size_t brace = text.find('{', at), end = text.find(';', at);
    const std::string head = text.substr(at, std::min(brace, end) - at);
    if (const std::size_t entry = head.find(".entry"); entry != std::string::npos) {
      const std::size_t open = head.find('('), close = matching_brace(text, brace);
      Kernel kernel;
      kernel.name = host_name(trimmed(head.substr(entry + 6, open - entry - 6)));
      KernelParser parser(kernel, globals);
      parser.parameters(head.substr(open + 1, head.find(')') - open - 1));
      parser.body(text.substr(brace + 1, close - brace - 1));
      kernels_.insert_or_assign(kernel.name, std::move(kernel));
      at = close + 1;
      continue;
    }
    const std::string variable = text.substr(at, end - at);
    const std::size_t equals = variable.find('=');
    const Declaration declared = declaration_of(variable.substr(0, equals));
    if (variable.find(".shared") != std::string::npos) {
      globals[declared.name] = {.kind = Operand::Kind::kDynamicShared};
    } else {
      constexpr std::size_t kAlign = 64;
      auto memory = std::make_unique<std::byte[]>(declared.bytes + kAlign);
      const auto place = round_up(reinterpret_cast<std::uintptr_t>(memory.get()), kAlign);
      if (equals != std::string::npos) {
        const std::size_t open = variable.find('{', equals);
        const std::string values = open == std::string::npos ? variable.substr(equals + 1)
                                                             : variable.substr(open + 1, variable.find('}') - open - 1);
        std::size_t offset = 0;
        for (const std::string& value : split(values)) {
          const std::uint64_t bits = number(value);
          std::memcpy(reinterpret_cast<std::byte*>(place) + offset, &bits, declared.each);
          offset += declared.each;
        }
      }
      globals[declared.name] = {.kind = Operand::Kind::kImmediate, .value = place};
      variables_.push_back(std::move(memory));
    }
    at = end + 1;
  }
}

const Kernel* Program::find(const std::string& name) const {
  const auto found = kernels_.find(name);
  return found == kernels_.end() ? nullptr : &found->second;
}

}  // namespace weft::ptx
