// SPDX-License-Identifier: Apache-2.0
#include "lib/package/values.h"

#include <fmt/format.h>

#include <cstdint>
#include <type_traits>
#include <vector>

namespace openinfer {
namespace {

using opnf::Form;
using opnf::Value;

/// Element i of a number array or tensor as a scalar of its own.
Value element(const Value& v, std::size_t i) {
  const std::size_t width = opnf::find_dtype(v.type)->block_bytes;
  return {v.key, v.type, Form::scalar, 1, {}, v.bytes.subspan(i * width, width)};
}

[[noreturn]] void wrong(const Value& v, std::string_view wanted) {
  throw opnf::Error(opnf::Code::wrong_type, fmt::format("\"{}\" is {}, not {}", v.key, v.type_name(), wanted));
}

bool is_integer(const Value& v) {
  if (v.type == opnf::kString) return false;
  const char first = opnf::find_dtype(v.type)->name[0];
  return first == 'i' || first == 'u';
}
bool is_bool(const Value& v) { return v.type != opnf::kString && opnf::find_dtype(v.type)->name == "bool"; }

template <class T>
T scalar(const Value& v) {
  if constexpr (std::is_same_v<T, bool>) {
    if (is_bool(v) && v.bytes[0] > std::byte{1})
      throw opnf::Error(opnf::Code::corrupt, fmt::format("\"{}\" holds a bool that is neither 0 nor 1", v.key));
    return v.boolean();
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return v.integer();
  } else if constexpr (std::is_same_v<T, double>) {
    if (!is_integer(v)) return v.number();
    const std::int64_t n = v.integer();
    if (n > std::int64_t{1} << 53 || n < -(std::int64_t{1} << 53)) wrong(v, "a real number that holds it exactly");
    return static_cast<double>(n);
  } else {
    return std::string(v.string());
  }
}

constexpr std::size_t kShownElements = 8, kShownBytes = 96;

std::string cut(std::string_view text) {
  std::size_t end = std::min(text.size(), kShownBytes);
  while (end > 0 && end < text.size() && (text[end] & 0xC0) == 0x80) --end;  // between UTF-8 characters
  std::string out;
  for (const char c : text.substr(0, end)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n')
      out += "\\n";
    else if (byte < 32 || byte == 127)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return end == text.size() ? out : fmt::format("{}… ({} bytes)", out, text.size());
}

std::string print_scalar(const Value& v) {
  if (v.type == opnf::kString) return cut(v.string());
  if (is_bool(v)) return v.bytes[0] == std::byte{0} ? "false" : "true";
  if (opnf::find_dtype(v.type)->name == "u64") return std::to_string(v.array<std::uint64_t>(v.type)[0]);
  return is_integer(v) ? std::to_string(v.integer()) : fmt::format("{}", v.number());
}

}  // namespace

template <class T>
T convert(const Value& v) {
  if constexpr (requires(T list) { list.clear(), list.push_back({}); } && !std::is_same_v<T, std::string>) {
    using Element = typename T::value_type;
    T out;
    if (v.form != Form::array) wrong(v, "an array");
    if constexpr (std::is_same_v<Element, std::string>) {
      const opnf::Strings strings = v.strings();
      out.reserve(strings.size());
      for (std::size_t i = 0; i < strings.size(); ++i) out.emplace_back(strings[i]);
    } else {
      if (v.type == opnf::kString) wrong(v, "an array of numbers");
      if (v.count == 0) return out;  // has the right form; nothing to convert
      out.reserve(v.count);
      for (std::size_t i = 0; i < v.count; ++i) out.push_back(scalar<Element>(element(v, i)));
    }
    return out;
  } else {
    return scalar<T>(v);
  }
}

template bool convert(const Value&);
template std::int64_t convert(const Value&);
template double convert(const Value&);
template std::string convert(const Value&);
template std::vector<bool> convert(const Value&);
template std::vector<std::int64_t> convert(const Value&);
template std::vector<double> convert(const Value&);
template std::vector<std::string> convert(const Value&);

std::string print(const Value& v) {
  if (v.form == Form::scalar) return print_scalar(v);
  const opnf::Strings strings = v.type == opnf::kString ? v.strings() : opnf::Strings();
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < v.count && i < kShownElements; ++i)
    shown.push_back(v.type == opnf::kString ? fmt::format("\"{}\"", cut(strings[i])) : print_scalar(element(v, i)));
  const std::string list = fmt::format("[{}{}]", fmt::join(shown, ", "),
                                       v.count > kShownElements ? fmt::format(", … ({} elements)", v.count) : "");
  return v.form == Form::tensor ? fmt::format("({}) {}", fmt::join(v.shape, ", "), list) : list;
}

}  // namespace openinfer
