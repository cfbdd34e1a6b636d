// SPDX-License-Identifier: Apache-2.0
// A CPU's steps: values are pointers, a kernel is a function that a pool of threads calls for each workgroup.
#include <algorithm>

#include "codegen/emit/host_steps.h"
#include "codegen/plan/budget.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

using plan::Role;
using plan::Size;

class CpuSteps final : public HostSteps {
 public:
  using HostSteps::HostSteps;

 private:
  void signature() override {
    std::vector<std::string> parameters;
    const auto add = [&](Role role, const std::vector<std::string>& names) {
      for (const std::string& name : names)
        if (const int b = buffers_.number(role, name); b >= 0)
          parameters.push_back(fmt::format("{}{}* {}", role == Role::input ? "const " : "", buffers_.type(b),
                                           used(b) ? local(b) : fmt::format("/*{}*/", local(b))));
    };
    add(Role::input, buffers_.plan().inputs);
    add(Role::output, buffers_.plan().outputs);
    const std::string start = fmt::format("void {}(", entry_function(entry_));
    list(start, parameters, ") {", start.size());
  }

  std::string constant(const std::string& name) const override { return "constants::" + name; }

  void declare(int b, const std::string& name) override {
    if (buffers_[b].role != Role::scratch) return;
    line(fmt::format("{0}* {1} = scratch<{0}>({2});  // {3}", buffers_.type(b), name, buffers_[b].offset,
                     comment_of(buffers_[b])));
  }

  std::string argument(const plan::Operand& o, const std::string& type) {
    const std::string text = place(o), have = buffers_.type(o.buffer);
    if (have == type) return text;
    const bool read_only = buffers_[o.buffer].role != Role::scratch && buffers_[o.buffer].role != Role::state &&
                           buffers_[o.buffer].role != Role::output;
    return fmt::format("{}<{}{}*>({})", have == "void" ? "static_cast" : "reinterpret_cast", read_only ? "const " : "",
                       type, text);
  }

  /// The place that a weight's family has in the description.
  std::int64_t family(const plan::Operand& o) const {
    const auto& all = buffers_.plan().buffers;
    return std::count_if(all.begin(), all.begin() + o.buffer,
                         [](const plan::Buffer& b) { return b.role == Role::weight; });
  }

  void call(const plan::Dispatch& d, const kir::Kernel& code) override {
    if (const std::string text = plan::streaming_text(buffers_.plan(), d); !text.empty()) line("// " + text);
    if (d.streaming.lookup.table >= 0) return call_streamed_lookup(d, code);
    const plan::RowLookup& lookup = d.lookup;
    if (lookup.table < 0 || !buffers_.on_use(operand(d, lookup.table).buffer)) return call_kernel(d, code);
    const std::string table = place(operand(d, lookup.table));
    const plan::Operand& ids = operand(d, lookup.ids);
    line(fmt::format("look_up({}, {}, {});", table, place(ids), elements(ids)));
    call_kernel(d, code);
    line(fmt::format("forget({});", table));
  }

  void call_streamed_lookup(const plan::Dispatch& d, const kir::Kernel& code) {
    const plan::RowLookup& lookup = d.streaming.lookup;
    const plan::Operand &table = operand(d, lookup.table), &ids = operand(d, lookup.ids);
    line(fmt::format("look_up({}, {}, {}, {}, {});", family(table), member(table), lookup.entries, place(ids),
                     elements(ids)));
    call_kernel(d, code);
    line(fmt::format("forget({}, {});", family(table), member(table)));
  }
  static const plan::Operand& operand(const plan::Dispatch& d, int number) {
    return d.operands[static_cast<std::size_t>(number)];
  }
  std::string elements(const plan::Operand& o) { return expression(Size::count(buffers_[o.buffer].shape)); }

  /// Those of a dispatch that are laid out as it reads them.
  std::vector<plan::ColumnParts::Weight> on_use(const plan::Dispatch& d) const {
    std::vector<plan::ColumnParts::Weight> weights = d.columns.weights;
    std::erase_if(weights, [&](const auto& w) { return !buffers_.on_use(d.operands[w.operand].buffer); });
    return weights;
  }

  /// "pool.run(groups, [&](int group) {", or over panels that may still have to be laid out, or over tiles of what is
  /// streamed.
  std::string loop_head(const plan::Dispatch& d) {
    const plan::ColumnParts& tiles = d.streaming.tiles;
    std::vector<std::string> shares;
    if (tiles.parts != 0) {
      for (const plan::ColumnParts::Weight& w : tiles.weights) {
        const plan::Operand& o = d.operands[w.operand];
        shares.push_back(fmt::format("{{{}, {}, {}, {}, {}}}", family(o), member(o), w.first, w.count, w.rows_each));
      }
      list("stream(",
           {fmt::format("{}", tiles.parts), fmt::format("{}", d.streaming.at_once),
            fmt::format("{{{}}}", fmt::join(shares, ", ")), groups(d)},
           ",", 7);
      return "       [&](const Tile& tile, int group) {";
    }
    for (const plan::ColumnParts::Weight& w : on_use(d))
      shares.push_back(fmt::format("{{{}, {}, {}, {}}}", place(d.operands[w.operand]), w.first, w.count, w.rows_each));
    if (shares.empty()) return fmt::format("pool.run({}, [&](int group) {{", groups(d));
    list("with_panels(",
         {fmt::format("{}", d.columns.parts), fmt::format("{{{}}}", fmt::join(shares, ", ")), groups(d)}, ",", 12);
    return "            [&](const Panels& panels, int group) {";
  }

  /// What a kernel takes for its i-th buffer, of that type.
  std::string bound(const plan::Dispatch& d, std::size_t i, const std::string& type) {
    const auto number = [i](const std::vector<plan::ColumnParts::Weight>& weights) {
      const auto found = std::find_if(weights.begin(), weights.end(), [&](const auto& w) { return w.operand == i; });
      return found == weights.end() ? -1 : found - weights.begin();
    };
    if (const auto tile = number(d.streaming.tiles.weights); tile >= 0)
      return fmt::format("tile.at<{}>({})", type, tile);
    if (const auto panel = number(on_use(d)); panel >= 0) return fmt::format("panels[{}]", panel);
    return argument(d.operands[i], type);
  }

  void call_kernel(const plan::Dispatch& d, const kir::Kernel& code) {
    std::vector<std::string> arguments;
    std::size_t i = 0;
    for (const kir::Buffer& b : code.buffers)
      if (b.space == kir::Space::global) arguments.push_back(bound(d, i++, host_type(element_type(code, b))));
    for (const Size& p : d.params) arguments.push_back(expression(p));
    arguments.push_back("group");
    const std::string head = loop_head(d);
    const std::string inside = fmt::format("kernel::{}({});", code.name, fmt::join(arguments, ", "));
    if (static_cast<std::size_t>(depth_) * 2 + head.size() + inside.size() + 6 <= 120)
      return line(fmt::format("{} {} }});", head, inside));
    line(head);
    ++depth_;
    const std::string start = fmt::format("kernel::{}(", code.name);
    list(start, arguments, ");", start.size() > 60 ? 4 : start.size());
    --depth_;
    line("});");
  }

  void tap(std::size_t number, const plan::Result& result) override {
    line(fmt::format("check({}, {}, {});", number, place(result.place), expression(result.elements)));
  }

  void print(const plan::Copy& c) override {
    origin(c.origin);
    const std::string from = place(c.from), to = place(c.to);
    line(fmt::format("std::copy_n({}, {}, {});", from, expression(c.elements), to));
  }

  void print(const plan::Branch& b) override {
    const std::string predicate = place(b.predicate);
    const bool plain = b.predicate.offset == Size(0);
    line(fmt::format("if ({}->byte != 0) {{", plain ? predicate : "(" + predicate + ")"));
    indented(b.then);
    line("} else {");
    indented(b.otherwise);
    line("}");
  }
};

}  // namespace

std::string cpu_entry(const HostBuffers& buffers, int entry) { return CpuSteps(buffers, entry).run(); }

}  // namespace openinfer::emit
