// SPDX-License-Identifier: Apache-2.0
// einsum as sums, transposes and matrix products, two operands at a time from the left.
#include <algorithm>
#include <optional>
#include <string>

#include "lib/base/fail.h"
#include "lib/ops/compose.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

/// A value whose dimensions have labels: "bik".
struct Labelled {
  Value value;
  std::string labels;
};

struct Formula {
  std::vector<std::string> operands;
  std::string result;
};

bool has_label(const std::string& labels, char c) { return labels.find(c) != std::string::npos; }

class Einsum {
 public:
  Einsum(std::string_view text, const std::vector<In>& operands, Location at) : text_(text), at_(at) {
    const Formula formula = parse();
    if (formula.operands.size() != operands.size())  // [C1]
      refuse(fmt::format("it has {} operands, {} are given", formula.operands.size(), operands.size()));
    for (std::size_t i = 0; i < operands.size(); ++i)
      parts_.push_back({value_in("einsum", operands[i], operands), formula.operands[i]});
    result_ = formula.result;
    check_extents_agree();
  }

  Value run() {
    Labelled sum = without(parts_[0], 0);
    for (std::size_t i = 1; i < parts_.size(); ++i) sum = joined(sum, without(parts_[i], i), i);
    return ordered(sum, result_).value;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    fail_at(at_, ErrorCode::invalid_argument, "[einsum] \"{}\": {}", text_, why);
  }

  Formula parse() const {
    Formula formula{{""}, ""};
    const std::size_t arrow = text_.find("->");
    if (arrow == std::string::npos) refuse("it has no -> with the result's labels behind");  // [C1]
    for (std::size_t i = 0; i < text_.size(); ++i) {
      const char c = text_[i];
      if (c == ' ' || (i >= arrow && i < arrow + 2)) continue;
      if (c == ',' && i < arrow) {
        formula.operands.emplace_back();
        continue;
      }
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!letter) refuse(fmt::format("'{}' is no label: they are letters", c));  // [C1]
      std::string& to = i < arrow ? formula.operands.back() : formula.result;
      if (has_label(to, c))  // [C1]
        refuse(fmt::format("'{}' stands twice in {}", c,
                           i < arrow ? "an operand: a diagonal is not taken" : "the result"));
      to += c;
    }
    for (const char c : formula.result)
      if (std::none_of(formula.operands.begin(), formula.operands.end(),
                       [&](const auto& o) { return has_label(o, c); }))
        refuse(fmt::format("'{}' of the result is in no operand", c));  // [C1]
    return formula;
  }

  void check_extents_agree() const {
    std::vector<std::pair<char, Dim>> known;
    for (const Labelled& part : parts_) {
      const Shape shape = part.value.shape();
      if (shape.size() != part.labels.size())  // [C2]
        fail_at(at_, ErrorCode::shape_mismatch, "[einsum] \"{}\": {} {} has {} dimensions, not {}", text_,
                described(part.value), to_string(shape), shape.size(), part.labels.size());
      for (std::size_t d = 0; d < shape.size(); ++d) {
        const char c = part.labels[d];
        const auto same = std::find_if(known.begin(), known.end(), [&](const auto& k) { return k.first == c; });
        if (same == known.end())
          known.emplace_back(c, shape[d]);
        else if (same->second != shape[d])  // [C2]
          fail_at(at_, ErrorCode::shape_mismatch, "[einsum] \"{}\": '{}' is {} and, in {} {}, {}", text_, c,
                  same->second.to_string(), described(part.value), to_string(shape), shape[d].to_string());
      }
    }
  }

  /// Do the result or operands behind `i` want the label?
  bool is_wanted_behind(char c, std::size_t i) const {
    if (has_label(result_, c)) return true;
    return std::any_of(parts_.begin() + static_cast<std::ptrdiff_t>(i) + 1, parts_.end(),
                       [&](const Labelled& p) { return has_label(p.labels, c); });
  }
  bool is_in_parts_before(char c, std::size_t i) const {
    return std::any_of(parts_.begin(), parts_.begin() + static_cast<std::ptrdiff_t>(i),
                       [&](const Labelled& p) { return has_label(p.labels, c); });
  }

  /// Operand i, summed over what stands in it alone.
  Labelled without(const Labelled& part, std::size_t i) const {
    Labelled rest{part.value, ""};
    std::vector<std::int64_t> axes;
    for (std::size_t d = 0; d < part.labels.size(); ++d) {
      const char c = part.labels[d];
      if (is_wanted_behind(c, i) || is_in_parts_before(c, i))
        rest.labels += c;
      else
        axes.push_back(static_cast<std::int64_t>(d));
    }
    if (!axes.empty()) rest.value = sum(In(part.value, at_), Over{.axes = axes});
    return rest;
  }

  Labelled ordered(const Labelled& x, const std::string& labels) const {
    if (x.labels == labels) return x;
    std::vector<std::int64_t> order;
    for (const char c : labels) order.push_back(static_cast<std::int64_t>(x.labels.find(c)));
    return {transpose(In(x.value, at_), order), labels};
  }

  /// The dimensions of these labels as one.
  static Dim together(const Labelled& x, const std::string& labels, Location at) {
    Dim extent = 1;
    for (const char c : labels) {
      const Dim own = x.value.shape()[x.labels.find(c)];
      if (!own.is_constant() && !extent.is_constant())
        fail_at(at, ErrorCode::unsupported, "[einsum] {} · {} is no dimension of a matrix: reshape one of them before",
                extent.to_string(), own.to_string());
      extent = own.is_constant() ? extent.times(own.constant()) : own.times(extent.constant());
    }
    return extent;
  }

  /// (shared…, rows, columns) of an operand whose labels are in the order shared, first, second.
  Value matrices(const Labelled& x, const std::string& shared, const std::string& first,
                 const std::string& second) const {
    const Labelled moved = ordered(x, shared + first + second);
    if (first.size() == 1 && second.size() == 1) return moved.value;
    Shape shape = moved.value.shape();
    shape.resize(shared.size());
    shape.push_back(together(x, first, at_));
    shape.push_back(together(x, second, at_));
    return reshape(In(moved.value, at_), shape);
  }

  /// The product of what has_label been joined so far and operand i, summed over labels that nobody behind wants.
  Labelled joined(const Labelled& a, const Labelled& b, std::size_t i) const {
    std::string shared, summed, only_a, only_b;
    for (const char c : a.labels) (!has_label(b.labels, c) ? only_a : is_wanted_behind(c, i) ? shared : summed) += c;
    for (const char c : b.labels)
      if (!has_label(a.labels, c)) only_b += c;
    Labelled product{{}, shared + only_a + only_b};
    Shape shape;
    for (const char c : product.labels) {
      const Labelled& from = has_label(a.labels, c) ? a : b;
      shape.push_back(from.value.shape()[from.labels.find(c)]);
    }
    if (is_float(a.value.dtype()) && !summed.empty()) {
      const Value x = matrices(a, shared, only_a, summed), w = matrices(b, shared, summed, only_b);
      product.value = matmul(In(x, at_), In(w, at_));
      if (product.value.shape() != shape) product.value = reshape(In(product.value, at_), shape);
      return product;
    }
    product.value = elementwise_product(a, b, shared + only_a + only_b + summed);
    const auto kept = static_cast<std::int64_t>(product.labels.size());
    std::vector<std::int64_t> axes;
    for (std::size_t s = 0; s < summed.size(); ++s) axes.push_back(kept + static_cast<std::int64_t>(s));
    if (!axes.empty()) product.value = sum(In(product.value, at_), Over{.axes = axes});
    return product;
  }

  /// a · b with the dimensions `labels`, those that one lacks as extents of 1.
  Value elementwise_product(const Labelled& a, const Labelled& b, const std::string& labels) const {
    const auto spread = [&](const Labelled& x) {
      std::string own;
      for (const char c : labels)
        if (has_label(x.labels, c)) own += c;
      const Labelled moved = ordered(x, own);
      Shape shape;
      for (const char c : labels) shape.push_back(has_label(own, c) ? moved.value.shape()[own.find(c)] : Dim(1));
      return shape == moved.value.shape() ? moved.value : reshape(In(moved.value, at_), shape);
    };
    return mul(In(spread(a), at_), In(spread(b), at_));
  }

  std::string text_;
  Location at_;
  std::vector<Labelled> parts_;
  std::string result_;
};

}  // namespace

Value einsum(std::string_view formula, const std::vector<In>& operands, At at) {
  return Einsum(formula, operands, at).run();
}

}  // namespace openinfer
