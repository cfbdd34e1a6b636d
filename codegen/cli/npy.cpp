// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "codegen/cli/options.h"
#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

constexpr std::array<std::pair<std::string_view, DType>, 12> kDescr = {{{"<f8", DType::f64},
                                                                        {"<f4", DType::f32},
                                                                        {"<f2", DType::f16},
                                                                        {"|b1", DType::boolean},
                                                                        {"|i1", DType::i8},
                                                                        {"<i2", DType::i16},
                                                                        {"<i4", DType::i32},
                                                                        {"<i8", DType::i64},
                                                                        {"|u1", DType::u8},
                                                                        {"<u2", DType::u16},
                                                                        {"<u4", DType::u32},
                                                                        {"<u8", DType::u64}}};

/// Reads the header's Python dictionary: exactly the three keys, in any order.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  void parse() {
    take('{');
    while (!try_take('}')) {
      const auto key = quoted();
      take(':');
      if (key == "descr" && !descr) {
        descr = quoted();
      } else if (key == "fortran_order" && !fortran) {
        fortran = boolean();
      } else if (key == "shape" && !shape) {
        shape = tuple();
      } else {
        malformed("unexpected or repeated key");
      }
      if (!try_take(',')) {
        take('}');
        break;
      }
    }
    skip();
    if (!text_.empty()) malformed("text behind the dictionary");
    if (!descr || !fortran || !shape) malformed("descr, fortran_order and shape are needed");
  }

  std::optional<std::string_view> descr;
  std::optional<bool> fortran;
  std::optional<Extents> shape;

 private:
  [[noreturn]] void malformed(std::string_view what) const {
    fail(ErrorCode::corrupt_package, "[npy] {}: malformed header: {}", name_, what);
  }
  void skip() {
    while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\n')) text_.remove_prefix(1);
  }
  bool try_take(char c) {
    skip();
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  void take(char c) {
    if (!try_take(c)) malformed(fmt::format("expected '{}'", c));
  }
  std::string_view quoted() {
    take('\'');
    const auto end = text_.find('\'');
    if (end == text_.npos) malformed("a string without end");
    return take_prefix(end, end + 1);
  }
  std::string_view take_prefix(std::size_t length, std::size_t drop) {
    const auto part = text_.substr(0, length);
    text_.remove_prefix(drop);
    return part;
  }
  bool boolean() {
    skip();
    for (const auto& [word, value] : {std::pair<std::string_view, bool>{"True", true}, {"False", false}})
      if (text_.starts_with(word)) return text_.remove_prefix(word.size()), value;
    malformed("fortran_order is neither True nor False");
  }
  Extents tuple() {
    Extents extents;
    take('(');
    while (!try_take(')')) {
      skip();
      std::int64_t extent = 0;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), extent);
      if (error != std::errc() || extent < 0) malformed("a shape is a tuple of sizes");
      if (extents.size() == 8) fail(ErrorCode::unsupported, "[npy] {}: more than 8 dimensions", name_);
      text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
      extents.push_back(extent);
      if (!try_take(',')) {
        take(')');
        break;
      }
    }
    return extents;
  }

  std::string_view text_;
  const std::string& name_;
};

DType dtype_of_descr(std::string_view descr, const std::string& name) {
  for (const auto& [text, dtype] : kDescr)
    if (text == descr || (text[0] == '|' && descr.size() == 3 && descr.substr(1) == text.substr(1))) return dtype;
  if (descr.starts_with('>'))
    fail(ErrorCode::unsupported, "[npy] {}: big-endian '{}'; save it with .astype('<{}')", name, descr,
         descr.substr(1));
  fail(ErrorCode::unsupported, "[npy] {}: elements of type '{}' have no dtype here", name, descr);
}

/// Header text and data of the file.
std::pair<std::string_view, std::string_view> split(std::string_view file, const std::string& name) {
  if (!file.starts_with(kMagic) || file.size() < 12)
    fail(ErrorCode::corrupt_package, "[npy] {} is not an .npy file", name);
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(file[i])); };
  const auto version = byte(6);
  if (version != 1 && version != 2)
    fail(ErrorCode::unsupported, "[npy] {}: version {}; 1 and 2 are read", name, version);
  const std::size_t start = version == 1 ? 10 : 12;
  const std::size_t length = byte(8) | byte(9) << 8 | (version == 1 ? 0 : byte(10) << 16 | byte(11) << 24);
  if (length > file.size() - start)
    fail(ErrorCode::corrupt_package, "[npy] {}: the header of {} bytes ends behind the file's {}", name, length,
         file.size());
  return {file.substr(start, length), file.substr(start + length)};
}

/// Errors: corrupt_package, by name, for a product that leaves the range of sizes.
std::uint64_t data_size(DType dtype, const Extents& shape, const std::string& name) try {
  return static_cast<std::uint64_t>(size_bytes(dtype, element_count(shape)));
} catch (const Error& error) {
  fail(ErrorCode::corrupt_package, "[npy] {}: the shape {}: {}", name, to_string(shape), error.message());
}

}  // namespace

Tensor parse_npy(std::string_view file, const std::string& name) {
  const auto [text, data] = split(file, name);
  HeaderParser header(text, name);
  header.parse();
  const DType dtype = dtype_of_descr(*header.descr, name);
  if (*header.fortran && header.shape->size() > 1)
    fail(ErrorCode::unsupported, "[npy] {}: Fortran order; save it with np.ascontiguousarray", name);
  const std::uint64_t size = data_size(dtype, *header.shape, name);
  if (size != data.size())
    fail(ErrorCode::corrupt_package, "[npy] {}: {} of {} take {} bytes, the file has {}", name,
         to_string(*header.shape), openinfer::name(dtype), size, data.size());
  if (dtype == DType::boolean && std::any_of(data.begin(), data.end(), [](char c) { return c != 0 && c != 1; }))
    fail(ErrorCode::corrupt_package, "[npy] {}: a bool is neither 0 nor 1", name);
  Tensor tensor(dtype, *header.shape, Location{});
  if (!data.empty()) std::memcpy(tensor.mutable_bytes().data(), data.data(), data.size());
  return tensor;
}

Tensor read_npy(const std::string& path) { return parse_npy(read_if(path, kMagic), path); }

std::string npy_header(DType dtype, const Extents& shape) {
  const auto row = std::find_if(kDescr.begin(), kDescr.end(), [&](const auto& entry) { return entry.second == dtype; });
  if (row == kDescr.end())
    fail(ErrorCode::unsupported, "[npy] NumPy has no {}: cast the output to f32 in the graph", name(dtype));
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", row->first,
                                 fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  const std::size_t total = (10 + text.size() + 1 + 63) / 64 * 64;  // the data are aligned to 64 bytes
  text.resize(total - 11, ' ');
  const std::size_t length = text.size() + 1;
  return std::string(kMagic) + std::string("\x01\x00", 2) + static_cast<char>(length & 0xff) +
         static_cast<char>(length >> 8) + text + "\n";
}

}  // namespace openinfer::cli
