// SPDX-License-Identifier: Apache-2.0
// What GLSL and CUDA share: a lane is an invocation, so that every value is a scalar, loops dealt to lanes start at the
// lane's number, and what is the same in a subgroup is stored by its first lane.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "codegen/emit/renderer.h"

namespace openinfer::emit {

class LaneRenderer : public Renderer {
 protected:
  using Renderer::Renderer;

  /// A floating-point number with the suffix of its kind; infinities and NaN too.
  virtual std::string real(double x, kir::Kind kind) const = 0;
  /// The stored value as one of its register kind: "float(w[at].d)".
  virtual std::string widened(const std::string& place, kir::Kind stored) = 0;
  /// The place of a load that only its conversion to i32 sees, of u8 or u16: one conversion does for both. Else "".
  std::string narrow_load(kir::Id conversion);
  /// The value as it is stored: "float16_t(v)".
  virtual std::string narrowed(const Text& value, kir::Kind from, kir::Kind stored) = 0;
  /// "y[i] = float16_t(v);"
  virtual std::string assignment(const kir::Node& store);
  /// Four int8 from that place on as one i8x4.
  virtual std::string packed(const kir::Node& load) = 0;
  /// The type of a temporary or variable with what the language puts in front: "precise float".
  virtual std::string qualified(kir::Type type) const { return type_name(type); }

  std::string literal(const kir::Node& constant) const override;
  Text group() const override { return place_name("group", uses_group_); }
  Text subgroup() const override { return place_name("subgroup", uses_subgroup_); }
  Text lane() const override { return place_name("lane", uses_lane_); }
  /// Number of the invocation in its workgroup.
  Text thread() const { return k_.target.subgroups == 1 ? lane() : place_name("thread", uses_thread_); }
  Text select(kir::Id id) override;
  Text builtin(kir::Id id) override;
  Text load(kir::Id id) override;
  void declare_value(kir::Id id) override;
  void declare_variable(kir::Id id) override;
  void store(kir::Id id) override;
  void dealt_loop(kir::Id id) override;
  void statement(kir::Id id) override;

  /// Parameters of a scalar function: "float a, float b".
  std::string parameters(const kir::Function& f) const;
  /// Errors: unsupported if the language would lay the record out with gaps.
  void check_packed(const kir::Record& r) const;

  mutable bool uses_group_ = false, uses_subgroup_ = false, uses_lane_ = false, uses_thread_ = false;

 private:
  static Text place_name(std::string_view name, bool& used) {
    used = true;
    return {std::string(name)};
  }

  kir::Rate flow_ = kir::Rate::group;  // of the statements being printed
};

}  // namespace openinfer::emit
