// SPDX-License-Identifier: Apache-2.0
#include "codegen/devices/fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <charconv>
#include <type_traits>

#include "lib/base/fail.h"

namespace openinfer {
namespace {

template <class T>
constexpr bool is_optional = false;
template <class T>
constexpr bool is_optional<std::optional<T>> = true;
template <class T>
constexpr bool is_vector = false;
template <class T>
constexpr bool is_vector<std::vector<T>> = true;

[[noreturn]] void bad(std::string_view text, std::string_view wanted) {
  fail(ErrorCode::invalid_argument, "[device] '{}' is not {}", text, wanted);
}

template <class Number>
Number number_of(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) bad(text, "a number that is not negative");
  return value;
}

template <class Enum, std::size_t N>
Enum one_of(std::string_view text, const std::array<Enum, N>& values, std::string_view what) {
  for (const Enum value : values)
    if (name(value) == text) return value;
  bad(text, what);
}

/// "16x8x32:i8:i32"
MmaShape mma_of(std::string_view text) {
  MmaShape shape;
  const auto parts = [&](std::string_view rest, char by) {
    std::vector<std::string_view> found;
    for (std::size_t at; (at = rest.find(by)) != rest.npos; rest.remove_prefix(at + 1))
      found.push_back(rest.substr(0, at));
    found.push_back(rest);
    return found;
  };
  const auto fields = parts(text, ':');
  const auto sizes = parts(fields[0], 'x');
  if (fields.size() != 3 || sizes.size() != 3) bad(text, "a fragment like 16x16x16:f16:f32");
  shape.m = number_of<int>(sizes[0]), shape.n = number_of<int>(sizes[1]), shape.k = number_of<int>(sizes[2]);
  const auto operand = dtype_from_name(fields[1]), sum = dtype_from_name(fields[2]);
  if (!operand || !sum) bad(text, "a fragment with two dtypes");
  shape.operand = *operand, shape.sum = *sum;
  return shape;
}

template <class T>
T parse(std::string_view text) {
  if constexpr (is_optional<T>) {
    if (text == "unknown") return std::nullopt;
    return parse<typename T::value_type>(text);
  } else if constexpr (is_vector<T>) {
    T list;
    if (text == "none") return list;
    for (const auto& word : words(text)) list.push_back(parse<typename T::value_type>(word));
    return list;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (text != "yes" && text != "no") bad(text, "yes or no");
    return text == "yes";
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return text == "unlimited" ? kUnlimited : number_of<std::int64_t>(text);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return number_of<T>(text);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return std::string(text);
  } else if constexpr (std::is_same_v<T, MmaShape>) {
    return mma_of(text);
  } else if constexpr (std::is_same_v<T, DeviceClass>) {
    return one_of(text, std::array{DeviceClass::cpu, DeviceClass::gpu}, "a class: cpu or gpu");
  } else if constexpr (std::is_same_v<T, Api>) {
    return one_of(text, std::array{Api::cpu, Api::vulkan, Api::cuda}, "an api: cpu, vulkan or cuda");
  } else if constexpr (std::is_same_v<T, Dot4>) {
    return one_of(text, std::array{Dot4::none, Dot4::ss, Dot4::us, Dot4::us_sat16}, "a dot4: none, ss, us or us_sat16");
  } else {
    static_assert(std::is_same_v<T, SubgroupOp>);
    using enum SubgroupOp;
    return one_of(text, std::array{basic, vote, arithmetic, ballot, shuffle, shuffle_relative, clustered, quad},
                  "a subgroup operation");
  }
}

template <class T>
std::string word(const T& value) {
  if constexpr (std::is_same_v<T, std::string>)
    return value;
  else if constexpr (std::is_same_v<T, MmaShape>)
    return fmt::format("{}x{}x{}:{}:{}", value.m, value.n, value.k, name(value.operand), name(value.sum));
  else
    return std::string(name(value));
}

template <class T>
FieldValue value_of(const T& value) {
  if constexpr (is_optional<T>) {
    return value ? value_of(*value) : FieldValue();
  } else if constexpr (is_vector<T>) {
    std::vector<std::string> list;
    for (const auto& element : value) list.push_back(word(element));
    return list;
  } else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, double>) {
    return value;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return value == kUnlimited ? FieldValue(std::string("unlimited")) : FieldValue(value);
  } else if constexpr (std::is_same_v<T, int>) {
    return std::int64_t{value};
  } else {
    return word(value);
  }
}

template <auto Member>
FieldValue get(const Device& device) {
  return value_of(device.*Member);
}

template <auto Member>
void set(Device& device, std::string_view text) {
  device.*Member = parse<std::remove_reference_t<decltype(device.*Member)>>(text);
}

FieldValue get_tuned(const Device& device) {
  return std::map<std::string, std::int64_t>(device.tuned.begin(), device.tuned.end());
}

/// "matvec_run 4": the row's "tune.matvec_run  4".
void set_tuned(Device& device, std::string_view text) {
  const auto parts = words(text);
  if (parts.size() != 2) bad(text, "a tuned parameter and its value");
  device.tuned[parts[0]] = number_of<int>(parts[1]);
}

template <auto Member>
constexpr Field field(std::string_view name, std::string_view unit, FieldFor applies, std::string_view meaning) {
  return {name, unit, meaning, applies, get<Member>, set<Member>};
}

using D = Device;
using enum FieldFor;
// clang-format off
constexpr Field kFields[] = {
    field<&D::name>("name", "", identity, "what --device takes"),
    field<&D::title>("title", "", identity, "for people"),
    field<&D::vendor>("vendor", "", identity, "who makes it"),
    field<&D::architecture>("architecture", "", identity, "what DeviceSpec::architecture asks for; several rows may share one"),
    field<&D::device_class>("class", "", identity, "cpu or gpu"),
    field<&D::apis>("apis", "", identity, "what it can be driven by, best first"),
    field<&D::api>("api", "", identity, "the one that these numbers hold for"),
    field<&D::driver>("driver", "", identity, "as asked for; empty: a current one"),
    field<&D::reference_product>("reference_product", "", identity, "whose peaks these are; empty: of no one product"),
    field<&D::lanes>("lanes", "", both, "per subgroup, as kernels are built; CPU: f32 in a vector register"),
    field<&D::subgroup_size_min>("subgroup_size_min", "", both, "the least lanes a subgroup may have"),
    field<&D::subgroup_size_max>("subgroup_size_max", "", both, "the most"),
    field<&D::subgroup_size_control>("subgroup_size_control", "", gpu, "the host may require `lanes` and full subgroups"),
    field<&D::subgroups>("subgroups", "", both, "per workgroup, unless a template chooses"),
    field<&D::registers_per_lane>("registers_per_lane", "", both, "32-bit values one lane can hold; CPU: vector registers"),
    field<&D::max_workgroup_size>("max_workgroup_size", "", both, "lanes in a workgroup"),
    field<&D::subgroup_ops>("subgroup_ops", "", gpu, "operations between lanes"),
    field<&D::shared_memory_bytes>("shared_memory_bytes", "bytes", both, "per workgroup"),
    field<&D::max_storage_buffer_range_bytes>("max_storage_buffer_range_bytes", "bytes", both, "of one binding"),
    field<&D::push_constant_bytes>("push_constant_bytes", "bytes", gpu, "parameters that need no buffer"),
    field<&D::buffer_device_address>("buffer_device_address", "", gpu, "pointers into buffers inside kernels"),
    field<&D::storage_8bit>("storage_8bit", "", gpu, "i8 in buffers"),
    field<&D::storage_16bit>("storage_16bit", "", gpu, "f16 in buffers"),
    field<&D::int8_arithmetic>("int8_arithmetic", "", gpu, "i8 as the type of a variable"),
    field<&D::f16_arithmetic>("f16_arithmetic", "", gpu, "f16 as the type of a variable"),
    field<&D::dot4>("dot4", "", both, "four int8 products into an int32: none, ss, us or us_sat16"),
    field<&D::dot4_accelerated>("dot4_accelerated", "", both, "one instruction (us_sat16: two); otherwise spelled out"),
    field<&D::mma>("mma", "", both, "matrix fragments, MxNxK:operands:sum"),
    field<&D::denormals_preserved>("denormals_preserved", "", gpu, "f32; otherwise they may be flushed to zero"),
    field<&D::bf16_dot>("bf16_dot", "", cpu, "two bf16 products into an f32 by one instruction, above the rate of f32"),
    field<&D::isa>("isa", "", cpu, "instruction sets that emitted code may use"),
    field<&D::compiler_flags>("compiler_flags", "", cpu, "what gives g++ and clang++ that isa"),
    field<&D::cuda_archs>("cuda_archs", "", gpu, "for NVRTC and ptxas, first the one to compile for"),
    field<&D::cache_line_bytes>("cache_line_bytes", "bytes", cpu, "what one miss fetches"),
    field<&D::read_gb_per_s>("read_gb_per_s", "GB/s", both, "memory, 10^9 bytes"),
    field<&D::f32_gflop_per_s>("f32_gflop_per_s", "GFLOP/s", both, "outside matrix units; a multiply-add is two"),
    field<&D::int8_gop_per_s>("int8_gop_per_s", "GOP/s", both, "dense, by the fastest unit there is"),
    field<&D::bf16_gflop_per_s>("bf16_gflop_per_s", "GFLOP/s", cpu, "dense, sums in f32, by the fastest unit there is"),
    {"tuned", "", "template parameters", identity, get_tuned, set_tuned},
};
// clang-format on

}  // namespace

std::span<const Field> device_fields() { return kFields; }

const Field* find_field(std::string_view name) {
  if (name.starts_with("tune.")) name = "tuned";
  for (const Field& field : kFields)
    if (field.name == name) return &field;
  return nullptr;
}

bool applies(const Field& field, DeviceClass device_class) {
  switch (field.applies) {
    case FieldFor::identity: return false;
    case FieldFor::both: return true;
    case FieldFor::cpu: return device_class == DeviceClass::cpu;
    case FieldFor::gpu: return device_class == DeviceClass::gpu;
  }
  fail(ErrorCode::internal, "[device] {} is no FieldFor", static_cast<int>(field.applies));
}

std::string to_text(const FieldValue& value) {
  struct Visitor {
    std::string operator()(std::monostate) const { return "unknown"; }
    std::string operator()(bool yes) const { return yes ? "yes" : "no"; }
    std::string operator()(std::int64_t number) const { return std::to_string(number); }
    std::string operator()(double number) const { return fmt::format("{}", number); }
    std::string operator()(const std::string& text) const { return text; }
    std::string operator()(const std::vector<std::string>& list) const {
      return list.empty() ? "none" : fmt::format("{}", fmt::join(list, " "));
    }
    std::string operator()(const std::map<std::string, std::int64_t>& named) const {
      std::vector<std::string> list;
      for (const auto& [key, number] : named) list.push_back(fmt::format("{}={}", key, number));
      return (*this)(list);
    }
  };
  return std::visit(Visitor(), value);
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> found;
  constexpr std::string_view kSpace = " \t";
  for (std::size_t from = text.find_first_not_of(kSpace); from != text.npos;) {
    const std::size_t to = std::min(text.find_first_of(kSpace, from), text.size());
    found.emplace_back(text.substr(from, to - from));
    from = text.find_first_not_of(kSpace, to);
  }
  return found;
}

}  // namespace openinfer
