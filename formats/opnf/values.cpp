// SPDX-License-Identifier: Apache-2.0
// Typed values in their stored form.
#include "formats/opnf/writer.h"

namespace opnf {
namespace {

constexpr std::size_t kMaxString = 1 << 24;

void check_length(std::string_view text) {
  if (text.size() > kMaxString)
    throw Error(Code::invalid_argument, "a string has " + std::to_string(text.size()) + " bytes, at most " +
                                            std::to_string(kMaxString) + " are allowed");
}

std::string as_string(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

EncodedValue encode(std::string_view text) {
  check_length(text);
  return {kString, Form::scalar, 0, 1, std::string(text)};
}

EncodedValue encode(std::span<const std::string> texts) {
  std::vector<std::uint32_t> ends;
  std::string all;
  for (const std::string& text : texts) {
    check_length(text);
    all += text;
    if (all.size() > 0xFFFFFFFF) throw Error(Code::invalid_argument, "a string array holds at most 4 GiB");
    ends.push_back(static_cast<std::uint32_t>(all.size()));
  }
  return {kString, Form::array, 0, texts.size(), as_string(std::as_bytes(std::span(ends))) + all};
}

EncodedValue encode_array(std::string_view dtype, std::uint64_t count, std::span<const std::byte> elements) {
  const DTypeInfo* info = find_dtype_named(dtype);
  const bool allowed = info && info->block_size == 1 && (info->bits > 8 || !dtype.starts_with('f'));
  if (!allowed) throw Error(Code::invalid_argument, "a value cannot have the dtype " + std::string(dtype));
  if (count != elements.size() / info->block_bytes || elements.size() % info->block_bytes)
    throw Error(Code::invalid_argument, std::to_string(elements.size()) + " bytes are not " + std::to_string(count) +
                                            " elements of " + std::string(dtype));
  return {info->code, Form::array, 0, count, as_string(elements)};
}

EncodedValue encode_scalar(std::string_view dtype, std::span<const std::byte> element) {
  EncodedValue value = encode_array(dtype, 1, element);
  value.form = Form::scalar;
  return value;
}

EncodedValue encode_tensor(std::string_view dtype, std::span<const std::uint64_t> shape,
                           std::span<const std::byte> elements) {
  const char* why = nullptr;
  const DTypeInfo* info = find_dtype_named(dtype);
  const auto bytes = info ? stored_bytes(*info, shape, false, 0, why) : std::nullopt;
  if (!bytes || *bytes != elements.size())
    throw Error(Code::invalid_argument, "shape and elements of a tensor value do not agree");
  EncodedValue value = encode_array(dtype, elements.size() / info->block_bytes, elements);
  value.form = Form::tensor;
  value.rank = static_cast<std::uint8_t>(shape.size());
  value.bytes.insert(0, as_string(std::as_bytes(shape)));
  return value;
}

EncodedValue encode(const Value& value) {
  return {value.type, value.form, static_cast<std::uint8_t>(value.shape.size()), value.count,
          as_string(std::as_bytes(value.shape)) + as_string(value.bytes)};
}

}  // namespace opnf
