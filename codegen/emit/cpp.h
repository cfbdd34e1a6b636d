// SPDX-License-Identifier: Apache-2.0
// C++ for CPUs: lanes are the elements of a vector (GCC's and clang's vector types), a workgroup is one call. What an
// instruction set does differently is in prelude/.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "codegen/kernel_ir/ir.h"

namespace openinfer::emit {

/// c: a plain symbol, for who looks it up by name. cpp: one that carries its namespace, so that two models may have
/// kernels of one name.
enum class CppLinkage { c, cpp };

/// One kernel: records, scalar functions and `extern "C" void name(buffers…, params…, int group)`. Goes behind
/// cpp_prelude() of the same number of lanes, within `namespace kernel`. Errors: internal for more than one subgroup.
std::string render_cpp(const kir::Kernel& kernel, CppLinkage linkage = CppLinkage::c);

/// Its records alone, which render_cpp leaves out where they are known: several kernels of one file share them.
std::string cpp_records(const kir::Kernel& kernel);

/// The kernel with buffers, parameters and fields called as render_cpp calls them.
kir::Kernel with_cpp_names(const kir::Kernel& kernel);

/// What compilers are told of every rendered kernel, beside the device's own flags: sums are not contracted, integers
/// of a graph wrap, and no square root sets errno. Not -fno-trapping-math: with it g++ takes float(int(x)) for
/// trunc(x), which is -0 where the first is 0.
inline constexpr std::array<std::string_view, 4> kCppFlags = {"-O3", "-ffp-contract=off", "-fwrapv", "-fno-math-errno"};

/// How a rendered kernel calls elements of that kind in memory: "kernel::f16", "float".
std::string cpp_memory_type(kir::Kind kind);

/// Types and functions that rendered kernels use, for a number of lanes: verbatim, with no include of ours.
std::string cpp_prelude(int lanes);

}  // namespace openinfer::emit
