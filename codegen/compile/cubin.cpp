// SPDX-License-Identifier: Apache-2.0
#include "codegen/compile/cubin.h"

#include <elf.h>

#include <cstring>
#include <optional>

#include "lib/base/fail.h"

namespace openinfer::compile {
namespace {

// An attribute of .nv.info: its form, its number, 16 bits; of the form "sized" these are the bytes that follow. The two
// here hold a symbol and a value. Source: what cuobjdump -elf prints of CUDA 12 and 13.
constexpr std::uint8_t kSized = 4;
constexpr std::uint8_t kFrameSize = 0x11, kRegisters = 0x2f;
constexpr std::uint32_t kSymbol = 0xffffff;  // of sh_info of .text.*: the rest is flags

class Elf {
 public:
  Elf(std::string_view bytes, std::string_view kernel) : bytes_(bytes), kernel_(kernel) {
    header_ = at<Elf64_Ehdr>(0);
    if (std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0 || header_.e_shentsize != sizeof(Elf64_Shdr))
      refuse("no ELF file");
    names_ = content(section(header_.e_shstrndx));
  }

  std::optional<Elf64_Shdr> find(const std::string& wanted) const {
    for (std::size_t i = 0; i < header_.e_shnum; ++i) {
      const Elf64_Shdr s = section(i);
      if (s.sh_name >= names_.size()) refuse("a section without a name");
      const std::string_view name = names_.substr(s.sh_name);
      if (name.substr(0, name.find('\0')) == wanted) return s;
    }
    return std::nullopt;
  }
  std::string_view content(const Elf64_Shdr& s) const {
    if (s.sh_offset > bytes_.size() || s.sh_size > bytes_.size() - s.sh_offset) refuse("a section beyond its end");
    return bytes_.substr(s.sh_offset, s.sh_size);
  }
  [[noreturn]] void refuse(std::string_view what) const { fail(ErrorCode::internal, "[cubin] {}: {}", kernel_, what); }

 private:
  template <class T>
  T at(std::size_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) refuse("cut short");
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }
  Elf64_Shdr section(std::size_t i) const { return at<Elf64_Shdr>(header_.e_shoff + i * sizeof(Elf64_Shdr)); }

  std::string_view bytes_, kernel_, names_;
  Elf64_Ehdr header_;
};

std::uint32_t word(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// The value of that attribute for that symbol.
std::optional<int> attribute(std::string_view info, std::uint8_t wanted, std::uint32_t symbol) {
  while (info.size() >= 4) {
    const bool sized = static_cast<std::uint8_t>(info[0]) == kSized;
    const std::size_t bytes = sized ? word(info, 0) >> 16 : 0;
    if (info.size() - 4 < bytes) break;
    if (sized && static_cast<std::uint8_t>(info[1]) == wanted && bytes >= 8 && word(info, 4) == symbol)
      return static_cast<int>(word(info, 8));
    info.remove_prefix(4 + bytes);
  }
  return std::nullopt;
}

}  // namespace

CubinUse cubin_use(std::string_view cubin, std::string_view kernel) {
  const Elf elf(cubin, kernel);
  const auto text = elf.find(fmt::format(".text.{}", kernel)), info = elf.find(".nv.info");
  if (!text || !info) elf.refuse("it has no such kernel");
  const std::uint32_t symbol = text->sh_info & kSymbol;
  const auto registers = attribute(elf.content(*info), kRegisters, symbol),
             frame = attribute(elf.content(*info), kFrameSize, symbol);
  if (!registers || !frame) elf.refuse("it does not say what its kernel takes");
  return {.registers = *registers, .frame_bytes = *frame};
}

}  // namespace openinfer::compile
