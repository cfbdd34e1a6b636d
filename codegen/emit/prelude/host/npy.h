// NumPy's .npy files: one array in C order, of little-endian numbers. Versions 1 and 2 are read, 1 is written.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model.h"
#include "output_file.h"

namespace MODEL_NAME {

struct Array {
  std::string dtype;  // "f32"
  std::vector<std::int64_t> shape;
  std::vector<char> bytes;
};

/// "<f4" as "f32"; empty for what is no number here.
inline std::string dtype_of_descr(std::string_view descr) {
  if (descr.size() != 3 || descr[0] == '>') return "";
  if (descr == "|b1") return "bool";
  const std::string name = descr[1] + std::to_string(8 * (descr[2] - '0'));
  return std::string_view("fiu").find(descr[1]) != std::string_view::npos && element_bytes(name) != 0 ? name : "";
}
inline std::string descr_of_dtype(std::string_view dtype) {
  if (dtype == "bool") return "|b1";
  if (dtype == "bf16") throw Error("NumPy has no bf16: cast the output to f32 in the graph");
  return "<" + std::string(1, dtype[0]) + std::to_string(element_bytes(dtype));
}

/// What follows `key` in a header like {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }.
inline std::string_view npy_field(std::string_view header, std::string_view key) {
  const std::size_t at = header.find("'" + std::string(key) + "'");
  if (at == header.npos) return {};
  const std::size_t value = header.find_first_not_of(": ", at + key.size() + 2);
  return value == header.npos ? std::string_view() : header.substr(value);
}

inline Array parse_npy(std::string_view file, const std::string& name) {
  const auto bad = [&](const std::string& what) { return Error(name + ": " + what); };
  if (file.size() < 12 || !file.starts_with("\x93NUMPY")) throw bad("this is no .npy file");
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(file[i])); };
  const std::size_t start = byte(6) == 1 ? 10 : 12;
  const std::size_t length = byte(8) | byte(9) << 8 | (start == 10 ? 0 : byte(10) << 16 | byte(11) << 24);
  if (byte(6) > 2 || length > file.size() - start) throw bad("its header is malformed");
  const std::string_view header = file.substr(start, length);
  Array array;
  const std::string_view descr = npy_field(header, "descr");
  array.dtype = descr.size() < 5 ? "" : dtype_of_descr(descr.substr(1, 3));
  if (array.dtype.empty())
    throw bad("elements of type " + std::string(descr.substr(0, descr.find(','))) + " are not read");
  const std::string_view shape = npy_field(header, "shape");
  if (!shape.starts_with('(') || shape.find(')') == shape.npos) throw bad("its header is malformed");
  std::size_t size = element_bytes(array.dtype);
  for (std::size_t at = 1; shape[at] != ')'; ++at) {
    if (shape[at] == ',' || shape[at] == ' ') continue;
    std::int64_t extent = 0;
    for (; shape[at] >= '0' && shape[at] <= '9' && extent < (std::int64_t{1} << 40); ++at)
      extent = 10 * extent + (shape[at] - '0');
    if (shape[at] != ',' && shape[at] != ')') throw bad("its header is malformed");
    array.shape.push_back(extent);
    if (__builtin_mul_overflow(size, static_cast<std::size_t>(extent), &size)) throw bad("it is too large");
    --at;
  }
  if (npy_field(header, "fortran_order").starts_with("True") && array.shape.size() > 1)
    throw bad("Fortran order; save it with np.ascontiguousarray");
  const std::string_view data = file.substr(start + length);
  if (data.size() != size)
    throw bad("it has " + std::to_string(data.size()) + " bytes of elements, its shape takes " + std::to_string(size));
  if (array.dtype == "bool" && data.find_first_not_of(std::string_view("\0\1", 2)) != data.npos)
    throw bad("a bool is neither 0 nor 1");
  array.bytes.assign(data.begin(), data.end());
  return array;
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// What ends by itself: a pipe would be waited for, a device read for ever.
inline std::unique_ptr<std::FILE, CloseFile> open_regular(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // without it a pipe waits for its writer
  std::unique_ptr<std::FILE, CloseFile> file(fd < 0 ? nullptr : ::fdopen(fd, "rb"));
  if (!file) throw Error(path + ": " + std::strerror(errno));
  struct stat there {};
  if (::fstat(fd, &there) != 0 || !S_ISREG(there.st_mode)) throw Error(path + ": is not a regular file");
  return file;
}

inline Array read_npy(const std::string& path) {
  const auto file = open_regular(path);
  std::string content;
  char buffer[1 << 16];
  while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, file.get())) content.append(buffer, count);
  if (std::ferror(file.get())) throw Error(path + ": it cannot be read");
  return parse_npy(content, path);
}

inline std::string npy_header(std::string_view dtype, const std::vector<std::int64_t>& shape) {
  std::string extents;
  for (const std::int64_t extent : shape) extents += std::to_string(extent) + ", ";
  if (shape.size() > 1) extents.resize(extents.size() - 2);
  std::string text = "{'descr': '" + descr_of_dtype(dtype) + "', 'fortran_order': False, 'shape': (" + extents + "), }";
  text.resize((10 + text.size() + 1 + 63) / 64 * 64 - 11, ' ');  // so that elements are aligned to 64 bytes
  const std::size_t length = text.size() + 1;
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(length & 0xff) + static_cast<char>(length >> 8) +
         text + "\n";
}

class NpyFile : public OutputFile {
 public:
  NpyFile(std::string path, std::string_view dtype, const std::vector<std::int64_t>& shape)
      : NpyFile(std::move(path), npy_header(dtype, shape)) {}

 private:
  NpyFile(std::string path, const std::string& header) : OutputFile(std::move(path)) {
    write(header.data(), header.size());
  }
};

}  // namespace MODEL_NAME
