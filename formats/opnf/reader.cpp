// SPDX-License-Identifier: Apache-2.0
// In file order: checksum, dtype table, map sections, files, then the rules of spec.md for header, sections and rows.
#include "reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <concepts>
#include <cstring>
#include <mutex>
#include <utility>

static_assert(std::endian::native == std::endian::little, "OPNF is used in place on little-endian machines");
static_assert(sizeof(std::size_t) == 8, "packages are mapped whole: a 64-bit address space is needed");

namespace opnf {
namespace {

using std::size_t, std::string, std::string_view, std::uint16_t, std::uint32_t, std::uint64_t, std::uint8_t;

constexpr uint64_t kMaxDim = std::uint64_t{1} << 62, kMaxBytes = std::uint64_t{1} << 63;
constexpr uint64_t kPage = 4096, kMaxSection = 0xFFFFFFFF, kMaxString = 1 << 24;
constexpr uint32_t kNone = 0xFFFFFFFF, kEndian = 0x01020304, kSectionKinds = 10;

// ---- messages: built on failure only ----
/// A piece of a message: text, or a number. Nothing but handing them over is compiled anew for each combination.
class Part {
 public:
  Part(string_view text) : text_(text) {}
  Part(const string& text) : text_(text) {}
  Part(const char* text) : text_(text) {}
  Part(std::integral auto number)
      : size_(static_cast<uint64_t>(number)),
        form_(std::signed_integral<decltype(number)> ? Form::number : Form::size) {}
  string text() const {
    if (form_ == Form::text) return string(text_);
    return form_ == Form::size ? std::to_string(size_) : std::to_string(static_cast<std::int64_t>(size_));
  }

 private:
  enum class Form { text, size, number };
  string_view text_;
  uint64_t size_ = 0;
  Form form_ = Form::text;
};
string quoted(string_view s) {
  string out = "\"";
  for (const char c : s.substr(0, 80)) out += c >= 32 && c < 127 ? c : '?';
  return out + (s.size() > 80 ? "…\"" : "\"");
}
using Parts = std::initializer_list<Part>;  // and no templates, which would compile for each of a hundred messages
string joined(Parts parts) {
  string text;
  for (const Part& part : parts) text += part.text();
  return text;
}
[[noreturn]] void fail(Code code, Parts parts) { throw Error(code, joined(parts)); }
[[noreturn]] void corrupt(Parts parts) { fail(Code::corrupt, parts); }

// ---- arithmetic and bytes ----
template <class T>
T load(const void* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}
uint64_t aligned(uint64_t x, uint64_t a) {  // a is a power of two; callers keep x below 2^63
  return (x + a - 1) & ~(a - 1);
}
bool power_of_two_in(uint64_t x, uint64_t low, uint64_t high) {
  return std::has_single_bit(x) && x >= low && x <= high;
}
bool all_zero(const std::byte* from, uint64_t size) {
  return std::all_of(from, from + size, [](std::byte b) { return b == std::byte{0}; });
}
bool key_char(char c) {  // without a branch, and in bytes, so that compilers vectorise the loop below
  const auto u = static_cast<uint8_t>(c);
  const bool letter = static_cast<uint8_t>((u | 32) - 'a') < 26,
             rest = static_cast<uint8_t>(u - '-') < 13;  // - . / 0-9
  return letter | rest | (u == '_');
}
void check_key_chars(string_view what, string_view keys) {
  constexpr size_t kChunk = 512;  // one reduction for many vectors
  size_t at = 0;
  for (; at + kChunk <= keys.size(); at += kChunk) {
    uint8_t good = 1;
    for (size_t i = 0; i < kChunk; ++i) good &= key_char(keys[at + i]);
    if (!good) break;
  }
  const auto bad = std::find_if_not(keys.begin() + static_cast<std::ptrdiff_t>(at), keys.end(), key_char);
  if (bad == keys.end()) return;
  corrupt({what, ": byte ", static_cast<int>(static_cast<uint8_t>(*bad)), " in a key; A-Za-z0-9._/- are allowed"});
}
/// memcmp's order, eight bytes at a time: both are followed by at least eight bytes that may be read.
inline bool ascending(string_view a, string_view b) {
  const size_t common = std::min(a.size(), b.size());
  for (size_t at = 0; at < common; at += 8) {
    const auto x = load<uint64_t>(a.data() + at), y = load<uint64_t>(b.data() + at);
    if (x == y) continue;
    const int bit = std::countr_zero(x ^ y) & ~7;
    if (at + static_cast<size_t>(bit) / 8 >= common) break;
    return (x >> bit & 255) < (y >> bit & 255);
  }
  return a.size() < b.size();
}
bool is_name(string_view s) { return !s.empty() && s.size() <= 255 && std::all_of(s.begin(), s.end(), key_char); }

// ---- XXH64 ----
constexpr uint64_t kP1 = 0x9E3779B185EBCA87, kP2 = 0xC2B2AE3D27D4EB4F, kP3 = 0x165667B19E3779F9,
                   kP4 = 0x85EBCA77C2B2AE63, kP5 = 0x27D4EB2F165667C5;
uint64_t mix_product(uint64_t acc, uint64_t product) { return std::rotl(acc + product, 31) * kP1; }
uint64_t mix(uint64_t acc, uint64_t lane) { return mix_product(acc, lane * kP2); }
using Pair = uint64_t __attribute__((vector_size(16)));  // two lanes, multiplied where scalar multiplication is busy

// ---- dtypes: code, name, bits, block elements, block bytes; lib/base/dtype.cpp has the same table (a test compares)
// ----
// clang-format off
constexpr DTypeInfo kDTypes[] = {
    {1, "f64", 64, 1, 8}, {2, "f32", 32, 1, 4}, {3, "f16", 16, 1, 2}, {4, "bf16", 16, 1, 2}, {5, "f8e4m3", 8, 1, 1}, {6, "f8e5m2", 8, 1, 1},
    {16, "i1", 1, 8, 1}, {17, "i2", 2, 4, 1}, {18, "i4", 4, 2, 1}, {19, "i8", 8, 1, 1}, {20, "i16", 16, 1, 2}, {21, "i32", 32, 1, 4}, {22, "i64", 64, 1, 8},
    {32, "u1", 1, 8, 1}, {33, "u2", 2, 4, 1}, {34, "u4", 4, 2, 1}, {35, "u8", 8, 1, 1}, {36, "u16", 16, 1, 2}, {37, "u32", 32, 1, 4}, {38, "u64", 64, 1, 8},
    {48, "bool", 8, 1, 1}, {49, "t1", 0, 5, 1}, {50, "t2", 0, 4, 1},
    {64, "q4_0", 0, 32, 18}, {65, "q4_1", 0, 32, 20}, {66, "q5_0", 0, 32, 22}, {67, "q5_1", 0, 32, 24}, {68, "q8_0", 0, 32, 34},
    {69, "q2_k", 0, 256, 84}, {70, "q3_k", 0, 256, 110}, {71, "q4_k", 0, 256, 144}, {72, "q5_k", 0, 256, 176}, {73, "q6_k", 0, 256, 210}, {74, "mxfp4", 0, 32, 17},
    {80, "iq4_nl", 0, 32, 18}, {81, "iq4_xs", 0, 256, 136}, {82, "iq2_xxs", 0, 256, 66}, {83, "iq2_xs", 0, 256, 74}, {84, "iq2_s", 0, 256, 82},
    {85, "iq3_xxs", 0, 256, 98}, {86, "iq3_s", 0, 256, 110}, {87, "iq1_s", 0, 256, 50}, {88, "iq1_m", 0, 256, 56}, {89, "tq1_0", 0, 256, 54},
    {90, "tq2_0", 0, 256, 66}, {91, "q8_1", 0, 32, 36}, {92, "q8_k", 0, 256, 292},
};
// clang-format on
constexpr auto kDTypeOfCode = [] {
  std::array<const DTypeInfo*, 256> rows{};
  for (const DTypeInfo& d : kDTypes) rows[d.code] = &d;
  return rows;
}();
bool is_float(uint8_t code) { return code >= 1 && code <= 6; }
bool is_integer(uint8_t code) { return code >= 16 && code <= 38; }
bool is_value_type(uint8_t code) {
  return (code >= 1 && code <= 4) || (code >= 19 && code <= 22) || (code >= 35 && code <= 38) || code == 48;
}
constexpr uint8_t kBool = 48, kI64 = 22, kU64 = 38;
}  // namespace

// ---- records, as they lie in the file; named, since Reader::Package has them and may be compiled in one unit with
// others ----
namespace stored {
struct Header {
  char magic[8];
  uint32_t endian;
  uint16_t major, minor;
  uint32_t header_size, section_count;
  uint64_t file_size, required, optional, index_end, checksum;
};
struct Entry {  // of a map
  uint32_t key_offset;
  uint8_t key_length, type, form, rank;
  uint64_t value_offset, count, length;
};
struct TensorsHeader {
  uint32_t rows, row_size, dims, quants, pattern_bytes, key_bytes, alignment, zero;
};
struct Row {
  uint32_t key_offset;
  uint8_t key_length, dtype, rank, kind;
  uint32_t dims_offset;
  uint8_t layout, flags;
  uint16_t shard;
  uint64_t offset, nbytes, checksum;
  uint32_t target, quant;
};
struct Quant {
  uint32_t scale, zero_point;
  uint8_t granularity, axis;
  uint16_t zero;
  uint32_t zero2;
  uint64_t group_size;
};
static_assert(sizeof(Header) == 64 && sizeof(SectionEntry) == 40 && sizeof(Entry) == 32 && sizeof(Row) == 48 &&
              sizeof(Quant) == 24);
}  // namespace stored

namespace {
using namespace stored;

/// Element count by checked products; a zero dimension makes it 0 whatever the others are.
bool product(const uint64_t* dims, size_t rank, uint64_t& count) {
  count = 1;
  bool fits = true;
  for (size_t i = 0; i < rank; ++i) {
    if (dims[i] == 0) return count = 0, true;
    fits = fits && dims[i] < kMaxDim && !__builtin_mul_overflow(count, dims[i], &count) && count < kMaxBytes;
  }
  return fits;
}

void check_value(const Entry& e, const std::byte* at, string_view where, string_view key) {
  const auto bad = [&](Parts what) { corrupt({where, " ", quoted(key), ": ", joined(what)}); };
  if (e.form > 2 || (e.type == kString && e.form == 2)) bad({"unknown form ", e.form});
  if (e.type != kString && !is_value_type(e.type)) bad({"unknown value type ", e.type});
  if (e.form == 0 && e.count != 1) bad({"a scalar with ", e.count, " elements"});
  if (e.rank > 8 || (e.rank && e.form != 2)) bad({"rank ", e.rank});
  if (e.type == kString) {
    if (e.form == 0 && e.length > kMaxString)
      bad({"a string of ", e.length, " bytes, at most ", kMaxString, " are allowed"});
    if (e.form == 0) return;
    if (e.count > e.length / 4) bad({e.count, " strings cannot fit ", e.length, " bytes"});
    const uint64_t last = e.count ? load<uint32_t>(at + 4 * (e.count - 1)) : 0;
    if (last != e.length - 4 * e.count) bad({"its strings end at ", last, " of ", e.length - 4 * e.count, " bytes"});
    return;
  }
  const uint64_t width = kDTypeOfCode[e.type]->block_bytes, dims = 8 * uint64_t{e.rank};
  if (e.length < dims || (e.length - dims) % width || (e.length - dims) / width != e.count)
    bad({e.count, " elements of ", width, " bytes do not take ", e.length, " bytes"});
  uint64_t count = 0;
  if (e.form == 2 && (!product(reinterpret_cast<const uint64_t*>(at), e.rank, count) || count != e.count))
    bad({"its dimensions do not give ", e.count, " elements"});
  if (e.form == 0 && e.type == kBool && load<uint8_t>(at) > 1)
    bad({"a bool that is ", load<uint8_t>(at), ", neither 0 nor 1"});
}

}  // namespace

uint64_t xxh64(const void* data, size_t size, uint64_t seed) {
  const auto* p = static_cast<const std::byte*>(data);
  const std::byte* const end = p + size;
  uint64_t h = seed + kP5;
  if (size >= 32) {
    uint64_t a = seed + kP1 + kP2, b = seed + kP2, c = seed, d = seed - kP1;
    for (; end - p >= 32; p += 32) {
      const Pair products = load<Pair>(p) * kP2;
      a = mix_product(a, products[0]), b = mix_product(b, products[1]);
      c = mix(c, load<uint64_t>(p + 16)), d = mix(d, load<uint64_t>(p + 24));
    }
    h = std::rotl(a, 1) + std::rotl(b, 7) + std::rotl(c, 12) + std::rotl(d, 18);
    for (const uint64_t lane : {a, b, c, d}) h = (h ^ mix(0, lane)) * kP1 + kP4;
  }
  h += size;
  for (; end - p >= 8; p += 8) h = std::rotl(h ^ mix(0, load<uint64_t>(p)), 27) * kP1 + kP4;
  for (; end - p >= 4; p += 4) h = std::rotl(h ^ load<uint32_t>(p) * kP1, 23) * kP2 + kP3;
  for (; p < end; ++p) h = std::rotl(h ^ load<uint8_t>(p) * kP5, 11) * kP1;
  h = (h ^ h >> 33) * kP2;
  h = (h ^ h >> 29) * kP3;
  return h ^ h >> 32;
}

std::span<const DTypeInfo> dtypes() { return kDTypes; }
const DTypeInfo* find_dtype(uint8_t code) { return kDTypeOfCode[code]; }
const DTypeInfo* find_dtype_named(string_view name) {
  const auto row =
      std::find_if(std::begin(kDTypes), std::end(kDTypes), [&](const DTypeInfo& d) { return d.name == name; });
  return row == std::end(kDTypes) ? nullptr : row;
}

std::optional<uint64_t> stored_bytes(const DTypeInfo& dtype, std::span<const uint64_t> shape, bool transposed,
                                     uint8_t layout, const char*& why) {
  const size_t rank = shape.size();
  const auto no = [&](const char* reason) { return why = reason, std::nullopt; };
  if (rank > 8) return no("more than 8 dimensions");
  if (transposed && rank < 2) return no("transposed, but has fewer than two dimensions");
  if (layout > 1) return no("unknown layout");
  if (dtype.block_size != 1 && (rank == 0 || shape[rank - (transposed ? 2 : 1)] % dtype.block_size))
    return no("its last stored dimension is not a multiple of the dtype's block");
  const bool panels = (dtype.code >= 64 && dtype.code <= 68) || (dtype.code >= 71 && dtype.code <= 73);
  if (layout == 1 && (!panels || rank < 2 || shape[rank - (transposed ? 1 : 2)] % 16))
    return no("layout panel16 needs q4_0 … q8_0 or q4_k … q6_k and a multiple of 16 rows");
  uint64_t count = 0, bytes = 0;
  if (!product(shape.data(), rank, count)) return no("its element count overflows");
  if (__builtin_mul_overflow(dtype.block_size == 1 ? count : count / dtype.block_size, uint64_t{dtype.block_bytes},
                             &bytes) ||
      bytes >= kMaxBytes)
    return no("its byte count overflows");
  return bytes;
}

string_view section_name(uint32_t kind) {
  constexpr string_view kNames[kSectionKinds] = {"",      "METADATA", "DIMS",    "STATES", "TOKENIZER",
                                                 "GRAPH", "TENSORS",  "KEYHASH", "SHARDS", "DATA"};
  return kind < kSectionKinds ? kNames[kind] : "";
}

// ---- values and maps ----
string_view Strings::operator[](size_t i) const {
  const uint32_t from = i ? ends_[i - 1] : 0, to = ends_[i];
  if (from > to || to > text_.size())
    corrupt({"string ", i, " of an array ends at ", to, ", it begins at ", from, " of ", text_.size(), " bytes"});
  return text_.substr(from, to - from);
}

string Value::type_name() const {
  const std::string element = type == kString ? "string" : std::string(kDTypeOfCode[type]->name);
  return form == Form::scalar ? element : form == Form::array ? element + "[]" : element + " tensor";
}
void Value::wrong(string_view wanted) const {
  fail(Code::wrong_type, {quoted(key), " is ", type_name(), ", not ", wanted});
}
void Value::expect(uint8_t code, size_t width) const {
  const DTypeInfo* wanted = kDTypeOfCode[code];
  if (type != code || width != wanted->block_bytes) wrong(wanted->name);
}
string_view Value::string() const {
  if (type != kString || form != Form::scalar) wrong("string");
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
Strings Value::strings() const {
  if (type != kString || form != Form::array) wrong("string[]");
  const auto tail = bytes.subspan(4 * count);
  return {{reinterpret_cast<const uint32_t*>(bytes.data()), count},
          {reinterpret_cast<const char*>(tail.data()), tail.size()}};
}
bool Value::boolean() const {
  if (type != kBool || form != Form::scalar) wrong("bool");
  return bytes[0] != std::byte{0};
}
std::int64_t Value::integer() const {
  if (form != Form::scalar || !is_integer(type)) wrong("an integer");
  switch (type) {
    case 19: return load<std::int8_t>(bytes.data());
    case 20: return load<std::int16_t>(bytes.data());
    case 21: return load<std::int32_t>(bytes.data());
    case 35: return load<uint8_t>(bytes.data());
    case 36: return load<uint16_t>(bytes.data());
    case 37: return load<uint32_t>(bytes.data());
    default: break;
  }
  if (type == kU64 && load<uint64_t>(bytes.data()) >= kMaxBytes) wrong("an integer below 2^63");
  return load<std::int64_t>(bytes.data());
}
double Value::number() const {
  if (form != Form::scalar || !is_float(type)) wrong("a real number");
  if (type == 1) return load<double>(bytes.data());
  if (type == 2) return load<float>(bytes.data());
  const uint32_t bits = load<uint16_t>(bytes.data());
  if (type == 4) return std::bit_cast<float>(bits << 16);
  const uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double magnitude = exponent == 31 ? (fraction ? __builtin_nan("") : __builtin_inf())
                                          : __builtin_ldexp(exponent ? fraction + 1024 : fraction,
                                                            exponent ? static_cast<int>(exponent) - 25 : -24);
  return bits >> 15 ? -magnitude : magnitude;
}

Map::Map(string_view name, std::span<const std::byte> section) : name_(name), bytes_(section) {
  const std::byte* base = section.data();
  if (section.size() < 8) corrupt({name, ": ", section.size(), " bytes are no map"});
  size_ = load<uint32_t>(base);
  if (size_ > (section.size() - 8) / 32) corrupt({name, ": ", size_, " entries cannot fit ", section.size(), " bytes"});
  uint64_t key_at = 8 + 32 * size_, keys_end = key_at;
  for (size_t i = 0; i < size_; ++i) {
    const uint8_t length = load<Entry>(base + 8 + 32 * i).key_length;
    if (!length) corrupt({name, ": entry ", i, " has an empty key"});
    keys_end += length;
  }
  if (keys_end > section.size()) corrupt({name, ": the keys reach beyond the section"});
  check_key_chars(name, {reinterpret_cast<const char*>(base) + key_at, keys_end - key_at});
  uint64_t end = keys_end;
  string_view before;
  for (size_t i = 0; i < size_; ++i) {
    const auto e = load<Entry>(base + 8 + 32 * i);
    if (e.key_offset != key_at)
      corrupt(
          {name, ": entry ", i, " has its key at ", e.key_offset, " (", e.key_length, " bytes), expected at ", key_at});
    const string_view key{reinterpret_cast<const char*>(base) + key_at, e.key_length};
    if (key <= before) corrupt({name, ": key ", quoted(key), key == before ? " occurs twice" : " is out of order"});
    const uint64_t at = aligned(end, 8);
    if (e.value_offset != at || at > section.size() || e.length > section.size() - at)
      corrupt({name, " ", quoted(key), ": ", e.length, " bytes at ", e.value_offset, ", expected at ", at, " of ",
               section.size()});
    if (!all_zero(base + end, at - end)) corrupt({name, " ", quoted(key), ": the padding before it is not zero"});
    check_value(e, base + at, name, key);
    key_at += e.key_length, end = at + e.length, before = key;
  }
  if (load<uint32_t>(base + 4) || end != section.size())
    corrupt({name, ": ends at ", end, " of ", section.size(), " bytes"});
}

Value Map::operator[](size_t i) const {
  const std::byte* base = bytes_.data();
  const auto e = load<Entry>(base + 8 + 32 * i);
  const std::byte* at = base + e.value_offset;
  const size_t dims = 8 * size_t{e.rank};
  return {{reinterpret_cast<const char*>(base) + e.key_offset, e.key_length},
          e.type,
          static_cast<Form>(e.form),
          e.count,
          {reinterpret_cast<const uint64_t*>(at), e.rank},
          {at + dims, e.length - dims}};
}
std::optional<Value> Map::find(string_view key) const {
  size_t low = 0, high = size_;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    const Value value = (*this)[middle];
    if (value.key == key) return value;
    (value.key < key ? low : high) = value.key < key ? middle + 1 : middle;
  }
  return std::nullopt;
}
Value Map::at(string_view key) const {
  if (const auto value = find(key)) return *value;
  fail(Code::not_found, {name_.empty() ? "the package" : name_, " has no ", quoted(key)});
}

// ---- the open package ----
namespace stored {
/// An error of what is read, with the file that it is of.
template <class Read>
void naming(const string& path, const Read& read) {
  try {
    read();
  } catch (const Error& e) {
    throw Error(e.code() == Code::io || e.code() == Code::unsupported ? e.code() : Code::corrupt,
                path + ": " + e.what());
  }
}
struct File {
  string path;
  int fd = -1;
  uint64_t size = 0;
  const std::byte* mapped = nullptr;

  File() = default;
  File(File&& other) noexcept
      : path(std::move(other.path)),
        fd(std::exchange(other.fd, -1)),
        size(other.size),
        mapped(std::exchange(other.mapped, nullptr)) {}
  File& operator=(File&&) = delete;
  ~File() {
    if (mapped) ::munmap(const_cast<std::byte*>(mapped), size);
    if (fd >= 0) ::close(fd);
  }
  void open(bool follow_links) {
    fd = ::open(path.c_str(),
                O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follow_links ? 0 : O_NOFOLLOW));  // a pipe must not block
    if (fd < 0 && errno == ELOOP && !follow_links)
      corrupt({"is a symbolic link; a shard must be a file of the same folder"});
    if (fd < 0) fail(Code::io, {"cannot open: ", std::strerror(errno)});
    struct stat status {};
    if (::fstat(fd, &status) != 0) fail(Code::io, {"cannot stat: ", std::strerror(errno)});
    if (S_ISDIR(status.st_mode)) fail(Code::io, {"is a directory, not a package"});
    if (!S_ISREG(status.st_mode)) fail(Code::io, {"is not a regular file"});
    size = static_cast<uint64_t>(status.st_size);
  }
  void map() {
    if (size == 0) return;
    void* at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) fail(Code::io, {"cannot map ", size, " bytes: ", std::strerror(errno)});
#ifdef MADV_HUGEPAGE
    // Read from the disk in pages of megabytes where the file system has them: each costs what a small one does.
    ::madvise(at, size, MADV_HUGEPAGE);  // it is advice: nothing to check
#endif
    mapped = static_cast<const std::byte*>(at);
  }
  void check_not_cut() const {
    struct stat status {};
    if (::fstat(fd, &status) != 0 || static_cast<uint64_t>(status.st_size) < size)
      fail(Code::io,
           {path, ": was cut from ", size, " to ", static_cast<uint64_t>(status.st_size), " bytes while open"});
  }
  void read(uint64_t offset, std::span<std::byte> to) const {
    if (offset > size || to.size() > size - offset)
      fail(Code::io, {to.size(), " bytes at ", offset, " lie beyond its end"});
    while (!to.empty()) {
      const ssize_t got = ::pread(fd, to.data(), to.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail(Code::io, {"cannot read: ", std::strerror(errno)});
      if (got == 0) fail(Code::io, {"was cut while open: no bytes at ", offset});
      to = to.subspan(static_cast<size_t>(got)), offset += static_cast<uint64_t>(got);
    }
  }
};
}  // namespace stored

static void check_sum(const SectionEntry& s, std::span<const std::byte> bytes) {
  if (xxh64(bytes.data(), bytes.size()) != s.checksum)
    corrupt({section_name(s.kind), " (kind ", s.kind, ") is damaged: the checksum differs"});
}

struct Reader::Package {
  Mode mode;
  Sections wanted;
  std::mutex reading;                      // of Sections::on_use
  std::array<bool, kSectionKinds> read{};  // of those
  std::vector<File> files;
  std::vector<std::unique_ptr<uint64_t[]>> copies;  // of the sections, each followed by eight zero bytes at least
  std::array<std::span<const std::byte>, kSectionKinds> known{};
  std::span<const SectionEntry> sections;
  Header header{};
  uint64_t data_offset = 0, data_end = 0;  // of DATA in the main file; 0 without it
  Map metadata, dims, states, tokenizer, graphs, shards;
  TensorsHeader tensors{};
  const Row* rows = nullptr;
  const uint64_t* row_dims = nullptr;
  const Quant* quants = nullptr;
  const std::byte* patterns = nullptr;
  const char* keys = nullptr;
  uint64_t alignment = 0;                // of tensors
  std::unique_ptr<uint32_t[]> key_ends;  // by row: small enough to stay in a cache while keys are looked up
  std::span<const uint64_t> slots;

  /// What the rows before have used up.
  struct Cursor {
    uint64_t key = 0, dims = 0, pattern = 0, quant = 0;
    size_t file = 0;
    uint64_t end = 0, limit = 0;  // of the bytes in that file, of the file
  };

  /// Copies: the file may be changed or cut while it is open, and the tables have been checked only once.
  std::span<const std::byte> fetch(uint64_t offset, uint64_t size) {  // callers have checked the range
    if (size > kMaxSection) corrupt({"a section of ", size, " bytes; at most ", kMaxSection, " are allowed"});
    copies.push_back(std::make_unique_for_overwrite<uint64_t[]>(size / 8 + 2));
    copies.back()[size / 8] = copies.back()[size / 8 + 1] = 0;
    const std::span<std::byte> copy{reinterpret_cast<std::byte*>(copies.back().get()), size};
    files[0].read(offset, copy);
    return copy;
  }
  string_view key(const Row& row) const { return {keys + row.key_offset, row.key_length}; }
  string_view key(size_t row) const {
    const uint32_t from = row ? key_ends[row - 1] : 0;
    return {keys + from, key_ends[row] - from};
  }
  std::span<const uint64_t> shape(const Row& row) const { return {row_dims + row.dims_offset, row.rank}; }
  std::array<uint64_t, 8> stored_shape(const Row& row) const {
    std::array<uint64_t, 8> out{};
    std::copy_n(row_dims + row.dims_offset, row.rank, out.begin());
    if (row.flags & 1) std::swap(out[row.rank - 1], out[row.rank - 2]);
    return out;
  }
  [[noreturn]] void bad(const Row& row, Parts what) const {
    corrupt({"tensor ", quoted(key(row)), ": ", joined(what)});
  }

  void read_header();
  void read_sections(std::span<const std::byte> index);
  void read_on_use(Section kind, Map& map);
  void read_dims();
  void read_states();
  void open_shards();
  void read_tensors();
  void check_rows();
  uint32_t skip_usual(uint32_t i, Cursor& at, string_view& before) const;
  void check_row(const Row& row) const;
  void check_place(const Row& row, Cursor& at) const;
  void check_alias(const Row& row) const;
  void check_quant(const Row& row) const;
  void check_scale(const Row& row, uint32_t other, bool floating, const Quant& q) const;
  void read_keyhash();
};

void Reader::Package::read_header() {
  const uint64_t size = files[0].size;
  if (size < sizeof(Header)) corrupt({"has ", size, " bytes, fewer than a package's header"});
  files[0].read(0, {reinterpret_cast<std::byte*>(&header), sizeof(Header)});
  const Header& h = header;
  if (string_view(h.magic, 4) == "GGUF")
    corrupt({"is a GGUF file, not a package: convert it first (scripts/convert.py)"});
  if (string_view(h.magic, 4) == "OINS") corrupt({"is a shard of a package: open the .oinf file beside it"});
  if (string_view(h.magic, 8) != "OINF\r\n\x1a\n") corrupt({"is not an OPNF package: its first bytes are not OINF"});
  if (h.endian != kEndian) corrupt({"has the endian tag ", h.endian, ", expected ", kEndian});
  if (h.major != 1) fail(Code::unsupported, {"has format version ", h.major, ".", h.minor, ", this reader knows 1.x"});
  if (h.header_size != sizeof(Header))
    corrupt({"says its header has ", h.header_size, " bytes, expected ", sizeof(Header)});
  if (h.file_size != size)
    corrupt({"is ", size, " bytes long, its header says ", h.file_size,
             size < h.file_size ? ": cut short or not complete" : ": something stands behind its end"});
  if (h.required)
    fail(Code::unsupported, {"needs feature ", std::countr_zero(h.required), ", which this reader does not know"});
  if (h.section_count == 0 || h.section_count > 1024)
    corrupt({"says it has ", h.section_count, " sections, 1 … 1024 are allowed"});
  const uint64_t table_end = sizeof(Header) + sizeof(SectionEntry) * uint64_t{h.section_count};
  if (h.index_end < table_end || h.index_end > size)
    corrupt({"says its index ends at ", h.index_end, " of ", size, " bytes"});
  if (mode == Mode::map) files[0].map();
  const auto index = fetch(0, h.index_end);
  const uint64_t sum = xxh64(index.data() + sizeof(Header), h.index_end - sizeof(Header), xxh64(&header, 56));
  if (sum != h.checksum) corrupt({"its header or index is damaged: the checksum differs"});
  read_sections(index);
}

/// Sections::on_use leaves it where it is.
static bool on_use(Section kind) { return kind == Section::tokenizer || kind == Section::graph; }

void Reader::Package::read_sections(std::span<const std::byte> index) {
  sections = {reinterpret_cast<const SectionEntry*>(index.data() + sizeof(Header)), header.section_count};
  uint64_t end = sizeof(Header) + sections.size_bytes();
  bool after_tensors = false;
  std::array<bool, kSectionKinds> seen{};
  for (const SectionEntry& s : sections) {
    const string name =
        section_name(s.kind).empty() ? "section kind " + std::to_string(s.kind) : string(section_name(s.kind));
    if (s.flags > 1 || s.zero) corrupt({name, ": flags ", s.flags, " and ", s.zero, " are not known"});
    if (!power_of_two_in(s.alignment, 8, 1 << 20))
      corrupt({name, ": alignment ", s.alignment, " is no power of two from 8 to 2^20"});
    if (s.offset < end) corrupt({name, ": begins at ", s.offset, " and overlaps what ends at ", end});
    if (s.offset != aligned(end, s.alignment))
      corrupt({name, ": begins at ", s.offset, ", expected at ", aligned(end, s.alignment)});
    if (s.offset > header.file_size || s.length > header.file_size - s.offset)
      corrupt(
          {name, ": ", s.length, " bytes at ", s.offset, " reach beyond the end of the file (", header.file_size, ")"});
    if (section_name(s.kind).empty() && (s.flags & 1))
      fail(Code::unsupported, {name, " is required, and this reader does not know it"});
    if (data_end) corrupt({name, ": follows DATA, which must be the last section"});
    if (s.offset <= header.index_end && !all_zero(index.data() + end, s.offset - end))
      corrupt({name, ": the bytes before it are not zero"});
    end = s.offset + s.length;
    if (section_name(s.kind).empty()) continue;
    const auto kind = static_cast<Section>(s.kind);
    if (std::exchange(seen[s.kind], true)) corrupt({name, " occurs twice"});
    if (after_tensors && (s.kind <= 3 || kind == Section::shards)) corrupt({name, ": must lie before TENSORS"});
    if (kind == Section::data) {
      if (s.alignment < kPage) corrupt({name, ": alignment ", s.alignment, ", expected ", kPage});
      data_offset = s.offset, data_end = end;
    } else if (end <= header.index_end) {
      known[s.kind] = index.subspan(s.offset, s.length);
    } else if (wanted == Sections::all || !on_use(kind)) {
      known[s.kind] = fetch(s.offset, s.length);
    }
    after_tensors = after_tensors || kind == Section::tensors;
    if (kind == Section::tensors && end != header.index_end)
      corrupt({"TENSORS: ends at ", end, ", the index at ", header.index_end});
  }
  if (end != header.file_size) corrupt({"its sections end at ", end, " of ", header.file_size, " bytes"});
  if (!after_tensors) corrupt({"has no TENSORS section"});
  for (auto [kind, map] : {std::pair{Section::metadata, &metadata},
                           {Section::dims, &dims},
                           {Section::states, &states},
                           {Section::tokenizer, &tokenizer},
                           {Section::graph, &graphs},
                           {Section::shards, &shards}})
    if (const auto bytes = known[static_cast<size_t>(kind)]; bytes.data())
      *map = Map(section_name(static_cast<uint32_t>(kind)), bytes);
}

/// `known` stays as it is: others may look at it meanwhile.
void Reader::Package::read_on_use(Section kind, Map& map) {
  for (const SectionEntry& s : sections) {
    if (s.kind != static_cast<uint32_t>(kind) || known[s.kind].data()) continue;
    const auto bytes = fetch(s.offset, s.length);
    check_sum(s, bytes);
    map = Map(section_name(s.kind), bytes);
  }
}

void Reader::Package::read_dims() {
  for (size_t i = 0; i < dims.size(); ++i) {
    const Value v = dims[i];
    if (v.type != kI64 || v.form != Form::array || v.count != 2)
      corrupt({"DIMS ", quoted(v.key), ": is ", v.type_name(), ", expected i64[2]"});
    const auto bounds = v.array<std::int64_t>(kI64);
    if (bounds[0] < 0 || bounds[0] > bounds[1] || bounds[1] >= static_cast<std::int64_t>(kMaxDim))
      corrupt({"DIMS ", quoted(v.key), ": bounds [", bounds[0], ", ", bounds[1], "] are not 0 <= min <= max < 2^62"});
    if (((v.key[0] | 32) < 'a' || (v.key[0] | 32) > 'z') && v.key[0] != '_')
      corrupt({"DIMS ", quoted(v.key), ": a name begins with a letter or _"});
  }
}

void Reader::Package::read_states() {
  const auto decimal = [](string_view s) {
    return !s.empty() && s.size() <= 19 && (s == "0" || s[0] != '0') && s.find_first_not_of("0123456789") == s.npos &&
           std::stoull(string(s)) < kMaxDim;
  };
  if (states.size() % 3) corrupt({"STATES: ", states.size(), " entries, a state has three"});
  for (size_t i = 0; i < states.size(); i += 3) {
    const Value dtype = states[i], layout = states[i + 1], shape = states[i + 2];
    const string name(dtype.key.substr(0, dtype.key.find('/')));
    if (name.empty() || dtype.key != name + "/dtype" || layout.key != name + "/layout" || shape.key != name + "/shape")
      corrupt({"STATES ", quoted(dtype.key), ": a state has dtype, layout and shape"});
    if (dtype.type != kString || layout.type != kString || shape.type != kString || dtype.form != Form::scalar ||
        layout.form != Form::scalar || shape.form != Form::array)
      corrupt({"STATES ", quoted(name), ": dtype and layout are strings, shape is a string array"});
    if (!find_dtype_named(dtype.string()))
      corrupt({"STATES ", quoted(name), ": unknown dtype ", quoted(dtype.string())});
    const bool cache = layout.string() == "kv_cache";
    if (!cache && layout.string() != "tensor")
      corrupt({"STATES ", quoted(name), ": unknown layout ", quoted(layout.string())});
    const Strings sizes = shape.strings();
    if (cache ? sizes.size() != 5 : sizes.size() > 8)
      corrupt({"STATES ", quoted(name), ": ", sizes.size(), " sizes for ", layout.string()});
    for (size_t d = 0; d < sizes.size(); ++d)
      if (!decimal(sizes[d]) && !dims.find(sizes[d]))
        corrupt({"STATES ", quoted(name), ": size ", quoted(sizes[d]), " is no number and not in DIMS"});
  }
}

void Reader::Package::open_shards() {
  if (!shards.size()) return;
  const auto names = shards.at("names").strings();
  const auto sizes = shards.at("sizes").array<uint64_t>(kU64), hashes = shards.at("hashes").array<uint64_t>(kU64);
  if (shards.size() != 3 || names.size() == 0 || names.size() > 65535 || sizes.size() != names.size() ||
      hashes.size() != names.size())
    corrupt({"SHARDS: ", names.size(), " names, ", sizes.size(), " sizes and ", hashes.size(), " hashes do not agree"});
  const string folder = files[0].path.substr(0, files[0].path.rfind('/') + 1);
  for (size_t i = 0; i < names.size(); ++i) {
    if (!is_name(names[i]) || names[i][0] == '.' || names[i].find('/') != names[i].npos)
      corrupt({"SHARDS: ", quoted(names[i]), " is not a plain file name"});
    File& file = files.emplace_back();
    file.path = folder + string(names[i]);
    for (size_t before = 0; before < i; ++before)
      if (names[before] == names[i]) corrupt({"SHARDS: ", quoted(names[i]), " occurs twice"});
    try {
      file.open(false);
      if (file.size != sizes[i]) corrupt({"is ", file.size, " bytes long, the package says ", sizes[i]});
      struct {
        char magic[8];
        uint32_t endian;
        uint16_t major, minor;
        uint32_t number, zero;
        uint64_t size;
      } head;
      if (file.size < kPage) corrupt({"has ", file.size, " bytes, fewer than a shard's header"});
      file.read(0, {reinterpret_cast<std::byte*>(&head), sizeof head});
      if (string_view(head.magic, 8) != "OINS\r\n\x1a\n" || head.endian != kEndian || head.major != 1 ||
          head.number != i + 1 || head.size != file.size)
        corrupt({"is not shard ", i + 1, " of an OPNF package"});
      if (mode == Mode::map) file.map();
    } catch (const Error& e) {
      throw Error(e.code(), "shard " + quoted(names[i]) + ": " + e.what());
    }
  }
}

void Reader::Package::read_tensors() {
  const auto section = known[static_cast<size_t>(Section::tensors)];
  if (section.size() < sizeof(TensorsHeader)) corrupt({"TENSORS: ", section.size(), " bytes are no index"});
  tensors = load<TensorsHeader>(section.data());
  const TensorsHeader& t = tensors;
  alignment = t.alignment;
  if (t.row_size != sizeof(Row) || t.zero) corrupt({"TENSORS: rows of ", t.row_size, " bytes, expected ", sizeof(Row)});
  if (!power_of_two_in(t.alignment, 64, 1 << 20))
    corrupt({"TENSORS: alignment ", t.alignment, " is no power of two from 64 to 2^20"});
  const uint64_t dims_at = sizeof t + sizeof(Row) * uint64_t{t.rows}, quants_at = dims_at + 8 * uint64_t{t.dims};
  const uint64_t patterns_at = quants_at + sizeof(Quant) * uint64_t{t.quants}, keys_at = patterns_at + t.pattern_bytes;
  if (keys_at + t.key_bytes != section.size())  // 32-bit counts: the sum stays far below 2^64
    corrupt({"TENSORS: ", t.rows, " rows and what belongs to them take ", keys_at + t.key_bytes,
             " bytes, the section has ", section.size()});
  const std::byte* base = section.data();
  rows = reinterpret_cast<const Row*>(base + sizeof t), row_dims = reinterpret_cast<const uint64_t*>(base + dims_at);
  quants = reinterpret_cast<const Quant*>(base + quants_at), patterns = base + patterns_at;
  keys = reinterpret_cast<const char*>(base + keys_at);
  check_key_chars("TENSORS", {keys, t.key_bytes});
  check_rows();
}

/// Walks over rows that keep every rule and are what most rows are: small matrices or vectors, data in one file, in
/// place behind the one before. It stops at any other row and says nothing of it; the caller then asks every rule.
uint32_t Reader::Package::skip_usual(uint32_t i, Cursor& at, string_view& before) const {
  if (files.size() > 1) return i;
  const uint32_t count = tensors.rows, dims_end = tensors.dims;
  const uint64_t key_bytes = tensors.key_bytes;
  uint32_t* const ends = key_ends.get();
  const char* const names = keys;
  const uint64_t* shape = row_dims + at.dims;
  uint64_t key = at.key, dims = at.dims, end = at.end;
  for (; i < count; ++i) {
    const Row& row = rows[i];
    const auto* bytes = reinterpret_cast<const std::byte*>(&row);
    const DTypeInfo* dtype = kDTypeOfCode[row.dtype];
    const uint64_t rank = row.rank, begin = aligned(end, alignment);
    const uint64_t where = load<uint64_t>(bytes + offsetof(Row, dims_offset));
    const uint64_t turned = where >> 40 & 1;  // dims_offset, layout, flags, shard: all but this bit is known
    if (!dtype || rank - 1 > 1 || turned >= rank || dims + rank > dims_end) break;
    const uint64_t second = rank == 2 ? shape[1] : 1, elements = shape[0] * second, block = dtype->block_size;
    uint64_t nbytes = elements * dtype->block_bytes;
    if (block != 1) {
      if (shape[rank - 1 - turned] % block) break;
      nbytes = elements / block * dtype->block_bytes;
    }
    if (((shape[0] | second) >> 24) | (row.key_offset ^ key) | ((where & ~(uint64_t{1} << 40)) ^ dims) | row.kind |
        (row.nbytes ^ nbytes) | (row.offset ^ begin) | load<uint64_t>(bytes + offsetof(Row, target)))  // and quant
      break;
    const string_view name{names + key, row.key_length};
    if (name.empty() || key + name.size() > key_bytes || begin + nbytes > at.limit || !ascending(before, name)) break;
    key += name.size(), dims += rank, shape += rank, end = begin + nbytes, before = name;
    ends[i] = static_cast<uint32_t>(key);
  }
  at.key = key, at.dims = dims, at.end = end;
  return i;
}

/// The rules of a row that look at no other row.
inline void Reader::Package::check_row(const Row& row) const {
  const DTypeInfo* dtype = kDTypeOfCode[row.dtype];
  if (!dtype) bad(row, {"unknown dtype code ", row.dtype});
  if (row.kind > 2) bad(row, {"unknown kind ", row.kind});
  if (row.flags > 1) bad(row, {"unknown flags ", row.flags});
  const char* why = nullptr;
  const auto nbytes = stored_bytes(*dtype, shape(row), row.flags & 1, row.layout, why);
  if (!nbytes) bad(row, {why});
  if (*nbytes != row.nbytes) bad(row, {"says ", row.nbytes, " bytes, dtype and shape give ", *nbytes});
  if (row.kind != 0 && (row.shard || row.checksum)) bad(row, {"has no bytes of its own, but a shard or a checksum"});
  if (row.kind != 2 && row.target) bad(row, {"is no alias, but has a target"});
}

/// Where the bytes or the pattern of a row lie.
void Reader::Package::check_place(const Row& row, Cursor& at) const {
  if (row.kind == 0) {
    if (row.shard != at.file || (at.file == 0 && files.size() > 1)) {
      if (row.shard != at.file + 1 || row.shard >= files.size())
        bad(row, {"is in shard ", row.shard, " of ", files.size() - 1, ", after shard ", at.file});
      if (at.file && at.end != at.limit)
        bad(row, {"shard ", at.file, " ends at ", at.limit, ", its tensors at ", at.end});
      at.file = row.shard, at.end = kPage, at.limit = files[at.file].size;
    }
    const uint64_t begin = aligned(at.end, alignment);
    if (row.offset < at.end) bad(row, {"its bytes at ", row.offset, " overlap what ends at ", at.end});
    if (row.offset != begin) bad(row, {"its bytes are at ", row.offset, ", expected at ", begin});
    if (begin > at.limit || row.nbytes > at.limit - begin)
      bad(row, {row.nbytes, " bytes at ", begin, " reach beyond the end of the data (", at.limit, ")"});
    at.end = begin + row.nbytes;
  } else if (row.kind == 1) {
    const uint64_t size = kDTypeOfCode[row.dtype]->block_bytes, room = aligned(size, 8);
    if (row.offset != at.pattern || room > tensors.pattern_bytes - at.pattern)
      bad(row, {"its pattern is at ", row.offset, ", expected at ", at.pattern, " of ", tensors.pattern_bytes});
    if (!all_zero(patterns + at.pattern + size, room - size)) bad(row, {"the padding of its pattern is not zero"});
    at.pattern += room;
  }
  if (row.quant && row.quant != ++at.quant) bad(row, {"has quantisation ", row.quant, ", expected ", at.quant});
}

void Reader::Package::check_rows() {
  const uint32_t count = tensors.rows, key_bytes = tensors.key_bytes, dims = tensors.dims;
  Cursor at{.end = data_offset, .limit = data_end};
  string_view before{keys, 0};
  bool refers = false;
  key_ends = std::make_unique_for_overwrite<uint32_t[]>(count);
  for (uint32_t i = 0; (i = skip_usual(i, at, before)) < count; ++i) {
    const Row& row = rows[i];
    if (row.key_offset != at.key || !row.key_length || at.key + row.key_length > key_bytes)
      corrupt({"TENSORS: row ", i, " has its key at ", row.key_offset, " (", row.key_length, " bytes), expected at ",
               at.key, " of ", key_bytes});
    const string_view name = key(row);
    if (!ascending(before, name)) bad(row, {name == before ? "its key occurs twice" : "its key is out of order"});
    if (row.rank > 8) bad(row, {"rank ", row.rank, ", at most 8 are allowed"});
    if (row.dims_offset != at.dims || at.dims + row.rank > dims)
      bad(row, {"its dimensions are at ", row.dims_offset, ", expected at ", at.dims, " of ", dims});
    check_row(row);
    check_place(row, at);
    refers = refers || row.kind == 2 || row.quant;
    at.key += row.key_length, at.dims += row.rank, before = name;
    key_ends[i] = static_cast<uint32_t>(at.key);
  }
  if (at.key != key_bytes || at.dims != dims || at.pattern != tensors.pattern_bytes || at.quant != tensors.quants)
    corrupt({"TENSORS: keys, dimensions, patterns or quantisations that belong to no row"});
  if (at.file + 1 != files.size()) corrupt({"SHARDS: no tensor lies in shard ", at.file + 1});
  if (at.end != at.limit) corrupt({"the last tensor ends at ", at.end, ", its file at ", at.limit});
  if (!refers) return;
  for (uint32_t i = 0; i < count; ++i) {
    if (rows[i].kind == 2) check_alias(rows[i]);
    if (rows[i].quant) check_quant(rows[i]);
  }
}

void Reader::Package::check_alias(const Row& row) const {
  if (row.target >= tensors.rows) bad(row, {"is an alias of row ", row.target, " of ", tensors.rows});
  const Row& target = rows[row.target];
  if (target.kind == 2) bad(row, {"is an alias of the alias ", quoted(key(target)), "; only tensors can be aliased"});
  if (row.offset || row.quant) bad(row, {"is an alias, but has an offset or a quantisation"});
  if (row.dtype != target.dtype || row.layout != target.layout || row.rank != target.rank ||
      stored_shape(row) != stored_shape(target))
    bad(row, {"has another dtype, layout or stored shape than ", quoted(key(target)), ", whose bytes it names"});
}

void Reader::Package::check_quant(const Row& row) const {
  const Quant& q = quants[row.quant - 1];
  if (!is_integer(row.dtype)) bad(row, {"is quantised, but ", kDTypeOfCode[row.dtype]->name, " is no integer dtype"});
  const bool grouped = q.granularity == 3;
  if (q.granularity < 1 || q.granularity > 3 || q.zero || q.zero2) bad(row, {"unknown quantisation ", q.granularity});
  if (q.granularity == 1 ? q.axis != 0 : q.axis >= row.rank)
    bad(row, {"quantised along axis ", q.axis, " of ", row.rank});
  if (grouped ? q.group_size == 0 || stored_shape(row)[q.axis] % q.group_size : q.group_size != 0)
    bad(row, {"its group size ", q.group_size, " does not divide ", grouped ? stored_shape(row)[q.axis] : 0});
  check_scale(row, q.scale, true, q);
  if (q.zero_point != kNone) check_scale(row, q.zero_point, false, q);
}

void Reader::Package::check_scale(const Row& row, uint32_t other, bool floating, const Quant& q) const {
  const string_view what = floating ? "scale" : "zero point";
  if (other >= tensors.rows) bad(row, {"its ", what, " is row ", other, " of ", tensors.rows});
  const Row& r = rows[other];
  const auto stored = stored_shape(row);
  std::array<uint64_t, 8> wanted{};
  if (q.granularity == 2) wanted[0] = stored[q.axis];
  if (q.granularity == 3) wanted = stored, wanted[q.axis] /= q.group_size;
  const int rank = q.granularity == 1 ? 0 : q.granularity == 2 ? 1 : row.rank;
  if (r.rank != rank || stored_shape(r) != wanted)
    bad(row, {"its ", what, " ", quoted(key(r)), " has the wrong shape"});
  if (r.layout || r.flags || r.quant || !(is_float(r.dtype) || (!floating && is_integer(r.dtype))))
    bad(row, {"its ", what, " ", quoted(key(r)), " must be a plain tensor of ", floating ? "floats" : "numbers"});
}

void Reader::Package::read_keyhash() {
  const auto section = known[static_cast<size_t>(Section::keyhash)];
  if (!section.data()) return;
  const uint64_t count = section.size() / 8;
  if (section.size() % 8 || !power_of_two_in(count, 2, kMaxSection) || count < 2 * uint64_t{tensors.rows})
    corrupt({"KEYHASH: ", section.size(), " bytes do not fit ", tensors.rows, " tensors"});
  slots = {reinterpret_cast<const uint64_t*>(section.data()), count};
}

// ---- Reader ----
Reader::Reader(std::unique_ptr<Package> package) : package_(std::move(package)) {}
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;

Reader Reader::open(const string& path, Mode mode, Sections sections) {
  auto package = std::make_unique<Package>();
  Package& p = *package;
  p.mode = mode, p.wanted = sections;
  naming(path, [&] {
    p.files.emplace_back().path = path;
    p.files[0].open(true);
    p.read_header();
    p.read_dims();
    p.read_states();
    p.open_shards();
    p.read_tensors();
    p.read_keyhash();
  });
  return Reader(std::move(package));
}

size_t Reader::tensor_count() const { return package_->tensors.rows; }

Tensor Reader::tensor(size_t i) const {
  const Package& p = *package_;
  const Row& row = p.rows[i];
  const DTypeInfo* dtype = kDTypeOfCode[row.dtype];
  const auto kind = static_cast<Kind>(row.kind);
  const Row& source = kind == Kind::alias ? p.rows[row.target] : row;
  const bool splat = source.kind == static_cast<uint8_t>(Kind::splat);
  return {p.key(row),
          dtype,
          p.shape(row),
          kind,
          static_cast<Layout>(row.layout),
          (row.flags & 1) != 0,
          source.shard,
          splat ? 0 : source.offset,
          row.nbytes,
          source.checksum,
          kind == Kind::alias ? row.target : static_cast<uint32_t>(i),
          splat ? std::span(p.patterns + source.offset, dtype->block_bytes) : std::span<const std::byte>()};
}

std::optional<Quantisation> Reader::quantisation(size_t i) const {
  const Package& p = *package_;
  const Row& row = p.rows[p.rows[i].kind == 2 ? p.rows[i].target : i];
  if (!row.quant) return std::nullopt;
  const Quant& q = p.quants[row.quant - 1];
  return Quantisation{q.scale, q.zero_point == kNone ? std::nullopt : std::optional(q.zero_point),
                      static_cast<Granularity>(q.granularity), q.axis, q.group_size};
}

std::optional<size_t> Reader::find(string_view key) const {
  const Package& p = *package_;
  if (!p.slots.empty()) {
    const uint64_t hash = xxh64(key), mask = p.slots.size() - 1;
    for (uint64_t at = hash, tries = 0; tries < 64; ++at, ++tries) {
      const uint64_t slot = p.slots[at & mask];
      const uint32_t row = static_cast<uint32_t>(slot) - 1;
      if (!slot) break;
      if (slot >> 32 == hash >> 32 && row < p.tensors.rows && p.key(row) == key) return row;
    }
  }
  // The slots only hint: whether a key is absent is decided by the sorted keys.
  size_t low = 0, high = p.tensors.rows;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    (p.key(middle) < key ? low : high) = p.key(middle) < key ? middle + 1 : middle;
  }
  if (low == p.tensors.rows || p.key(low) != key) return std::nullopt;
  return low;
}

std::span<const std::byte> Reader::bytes(size_t i) const {
  const Package& p = *package_;
  const Tensor t = tensor(i);
  if (!t.pattern.empty())
    fail(Code::unsupported, {quoted(t.key), " is a splat and has no bytes in place; read_tensor makes them"});
  if (p.mode != Mode::map)
    fail(Code::unsupported, {quoted(t.key), ": the package is open in pread mode; read_tensor copies"});
  p.files[t.shard].check_not_cut();
  return {p.files[t.shard].mapped + t.offset, t.nbytes};
}

void Reader::check_not_cut() const {
  if (package_->mode != Mode::map) return;
  for (const File& file : package_->files) file.check_not_cut();
}

void Reader::read_tensor(size_t i, uint64_t offset, std::span<std::byte> to) const {
  const Tensor t = tensor(i);
  if (offset > t.nbytes || to.size() > t.nbytes - offset)
    fail(Code::io, {quoted(t.key), ": ", to.size(), " bytes at ", offset, " lie beyond its ", t.nbytes});
  if (t.pattern.empty()) return read_file(t.shard, t.offset + offset, to);
  for (size_t n = 0; n < to.size(); ++n) to[n] = t.pattern[(offset + n) % t.pattern.size()];
}

const Map& Reader::metadata() const { return package_->metadata; }
const Map& Reader::dims() const { return package_->dims; }
const Map& Reader::states() const { return package_->states; }
const Map& Reader::tokenizer() const { return asked_for(Section::tokenizer, package_->tokenizer); }
const Map& Reader::graphs() const { return asked_for(Section::graph, package_->graphs); }
const Map& Reader::asked_for(Section kind, Map& map) const {
  Package& p = *package_;
  if (p.wanted == Sections::all) return map;
  const std::lock_guard lock(p.reading);
  bool& read = p.read[static_cast<size_t>(kind)];
  if (!read) naming(file_path(0), [&] { p.read_on_use(kind, map); });
  read = true;
  return map;
}
const Map& Reader::shards() const { return package_->shards; }
std::span<const SectionEntry> Reader::sections() const { return package_->sections; }
uint64_t Reader::fingerprint() const { return package_->header.checksum; }
uint32_t Reader::alignment() const { return package_->tensors.alignment; }
Reader::Mode Reader::mode() const { return package_->mode; }
size_t Reader::file_count() const { return package_->files.size(); }
uint64_t Reader::file_size(size_t file) const { return package_->files[file].size; }
const string& Reader::file_path(size_t file) const { return package_->files[file].path; }
int Reader::file_descriptor(size_t file) const { return package_->files[file].fd; }
void Reader::read_file(size_t file, uint64_t offset, std::span<std::byte> to) const {
  naming(file_path(file), [&] { package_->files[file].read(offset, to); });
}

void Reader::check_section(uint32_t kind) const {
  for (const SectionEntry& s : sections()) {
    if (s.kind != kind || kind == static_cast<uint32_t>(Section::data)) continue;
    std::vector<std::byte> copy;
    std::span<const std::byte> bytes = kind < kSectionKinds ? package_->known[kind] : std::span<const std::byte>();
    if (!bytes.data()) copy.resize(s.length), read_file(0, s.offset, copy), bytes = copy;
    naming(file_path(0), [&] { check_sum(s, bytes); });
  }
}

}  // namespace opnf
