// SPDX-License-Identifier: Apache-2.0
// Typed values of the package's maps: integers widen to i64, floats to double, nothing narrows.
#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

#include "lib/base/fail.h"
#include "lib/package/package.h"
#include "openinfer/half.h"

namespace openinfer {
namespace {

template <class T>
T load(std::span<const std::byte> bytes, std::size_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

[[noreturn]] void wrong_type(const opnf::Value& value, std::string_view wanted, Location at) {
  fail_at(at, ErrorCode::dtype_mismatch, "[model] \"{}\" is {}, not {}", value.key, value.type_name(), wanted);
}

template <class T>
std::int64_t load_integer(std::span<const std::byte> bytes, std::size_t i) {
  return static_cast<std::int64_t>(load<T>(bytes, i));
}

struct IntegerReader {
  DType dtype;
  std::int64_t (*load)(std::span<const std::byte>, std::size_t);
};
constexpr IntegerReader kIntegers[] = {
    {DType::i8, load_integer<std::int8_t>},    {DType::i16, load_integer<std::int16_t>},
    {DType::i32, load_integer<std::int32_t>},  {DType::i64, load_integer<std::int64_t>},
    {DType::u8, load_integer<std::uint8_t>},   {DType::u16, load_integer<std::uint16_t>},
    {DType::u32, load_integer<std::uint32_t>}, {DType::u64, load_integer<std::uint64_t>}};

std::int64_t integer_at(const opnf::Value& v, std::size_t i, Location at) {
  for (const IntegerReader& reader : kIntegers) {
    if (v.type != static_cast<std::uint8_t>(reader.dtype)) continue;
    const std::int64_t value = reader.load(v.bytes, i);
    if (reader.dtype == DType::u64 && value < 0) wrong_type(v, "within the range of i64", at);
    return value;
  }
  wrong_type(v, "an integer", at);
}

double number_at(const opnf::Value& v, std::size_t i, Location at) {
  if (v.type == static_cast<std::uint8_t>(DType::f64)) return load<double>(v.bytes, i);
  if (v.type == static_cast<std::uint8_t>(DType::f32)) return load<float>(v.bytes, i);
  if (v.type == static_cast<std::uint8_t>(DType::f16)) return half_to_float(load<std::uint16_t>(v.bytes, i));
  if (v.type == static_cast<std::uint8_t>(DType::bf16)) return bfloat_to_float(load<std::uint16_t>(v.bytes, i));
  wrong_type(v, "a floating-point number", at);
}

bool bool_at(const opnf::Value& v, std::size_t i, Location at) {
  if (v.type != static_cast<std::uint8_t>(DType::boolean)) wrong_type(v, "a bool", at);
  const auto byte = load<std::uint8_t>(v.bytes, i);
  if (byte > 1) fail_at(at, ErrorCode::corrupt_package, "[model] \"{}\" holds the bool {}", v.key, byte);
  return byte == 1;
}

template <class T>
T element(const opnf::Value& v, std::size_t i, Location at) {
  if constexpr (std::is_same_v<T, bool>)
    return bool_at(v, i, at);
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return integer_at(v, i, at);
  else
    return number_at(v, i, at);
}

template <class T>
struct Convert {
  static T from(const opnf::Value& v, Location at) {
    if (v.form != opnf::Form::scalar) wrong_type(v, "a scalar", at);
    if constexpr (std::is_same_v<T, std::string>) {
      if (v.type != opnf::kString) wrong_type(v, "a string", at);
      return std::string(v.string());
    } else {
      return element<T>(v, 0, at);
    }
  }
};

template <class T>
struct Convert<std::vector<T>> {
  static std::vector<T> from(const opnf::Value& v, Location at) {
    if (v.form != opnf::Form::array) wrong_type(v, "an array", at);
    std::vector<T> result;
    result.reserve(v.count);
    if constexpr (std::is_same_v<T, std::string>) {
      if (v.type != opnf::kString) wrong_type(v, "an array of strings", at);
      const opnf::Strings strings = v.strings();
      for (std::size_t i = 0; i < strings.size(); ++i) result.emplace_back(strings[i]);
    } else {
      for (std::size_t i = 0; i < v.count; ++i) result.push_back(element<T>(v, i, at));
    }
    return result;
  }
};

std::string shown(const opnf::Value& v) {
  constexpr std::size_t kShown = 4, kLongest = 60;
  if (v.type == opnf::kString && v.form == opnf::Form::scalar) {
    const auto text = v.string();
    if (text.size() <= kLongest) return fmt::format("\"{}\"", text);
    std::size_t cut = kLongest;
    while ((static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;  // never within a character
    return fmt::format("\"{}\"… ({} bytes)", text.substr(0, cut), text.size());
  }
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(v.count, kShown); ++i) {
    if (!text.empty()) text += ", ";
    if (v.type == opnf::kString)
      text += fmt::format("\"{}\"", v.strings()[i]);
    else if (v.type == static_cast<std::uint8_t>(DType::boolean))
      text += bool_at(v, i, {}) ? "true" : "false";
    else if (is_float(static_cast<DType>(v.type)))
      text += fmt::format("{}", number_at(v, i, {}));
    else if (v.type == static_cast<std::uint8_t>(DType::u64))
      text += fmt::format("{}", load<std::uint64_t>(v.bytes, i));
    else
      text += fmt::format("{}", integer_at(v, i, {}));
  }
  if (v.form == opnf::Form::scalar) return text;
  return fmt::format("[{}{}] ({})", text, v.count > kShown ? ", …" : "", v.count);
}

std::vector<MetaEntry> entries(const opnf::Map& map, const std::string& path) {
  return translated(path, [&] {
    std::vector<MetaEntry> result;
    for (std::size_t i = 0; i < map.size(); ++i) result.push_back({map[i].key, map[i].type_name(), shown(map[i])});
    return result;
  });
}

template <class T>
std::optional<T> find_in(const opnf::Map& map, const Model::Key& key, const std::string& path) {
  return translated(path, [&]() -> std::optional<T> {
    const auto value = map.find(key.text);
    if (!value) return std::nullopt;
    return Convert<T>::from(*value, key.at);
  });
}

}  // namespace

bool Model::has_tokenizer() const {
  return translated(path(), [&] { return package_->reader.tokenizer().size() > 0; });
}

std::vector<MetaEntry> Model::metadata() const { return entries(package_->reader.metadata(), path()); }
std::vector<MetaEntry> Model::tokenizer_metadata() const { return entries(package_->reader.tokenizer(), path()); }

template <class T>
std::optional<T> Model::find_meta(Key key) const {
  return find_in<T>(package_->reader.metadata(), key, path());
}
template <class T>
std::optional<T> Model::find_tokenizer(Key key) const {
  return find_in<T>(package_->reader.tokenizer(), key, path());
}

#define OPENINFER_META_TYPE(T)                                                            \
  template std::optional<T> Model::find_meta<T>(Key key) const;                           \
  template std::optional<std::vector<T>> Model::find_meta<std::vector<T>>(Key key) const; \
  template std::optional<T> Model::find_tokenizer<T>(Key key) const;                      \
  template std::optional<std::vector<T>> Model::find_tokenizer<std::vector<T>>(Key key) const;
OPENINFER_META_TYPE(bool)
OPENINFER_META_TYPE(std::int64_t)
OPENINFER_META_TYPE(double)
OPENINFER_META_TYPE(std::string)
#undef OPENINFER_META_TYPE

}  // namespace openinfer
