// SPDX-License-Identifier: Apache-2.0
// A Vulkan device's steps: values are places in its memory, and what is called goes into a Recording.
#include <algorithm>

#include "codegen/emit/host_steps.h"
#include "lib/base/fail.h"

namespace openinfer::emit {
namespace {

using plan::Role;

class VulkanSteps final : public HostSteps {
 public:
  using HostSteps::HostSteps;

 private:
  void signature() override { line(fmt::format("void {}(Recording& r) {{", entry_function(entry_))); }

  std::string constant(const std::string& name) const override { return "constants." + name; }

  void declare(int b, const std::string& name) override {
    const plan::Buffer& buffer = buffers_[b];
    const auto place = [&](std::string_view what, const std::vector<std::string>& all) {
      const auto number = std::find(all.begin(), all.end(), buffer.key) - all.begin();
      line(fmt::format("const Place {} = {}({});  // {}", name, what, number, comment_of(buffer)));
    };
    if (buffer.role == Role::input) return place("input", buffers_.plan().inputs);
    if (buffer.role == Role::output) return place("output", buffers_.plan().outputs);
    line(fmt::format("Place {} = scratch({}, {}, {});  // {}", name, buffer.offset, buffer.max_bytes,
                     info(buffer.dtype).block_bytes, comment_of(buffer)));
  }

  void call(const plan::Dispatch& d, const kir::Kernel& kernel) override {
    std::vector<std::string> items = {groups(d)};
    for (std::size_t i = 0; i < d.operands.size(); ++i) {
      const std::string open = i == 0 ? "{" : "", close = i + 1 == d.operands.size() ? "}" : "";
      items.push_back(open + place(d.operands[i]) + close);
    }
    if (d.operands.empty()) items.emplace_back("{}");
    std::string numbers;
    for (const plan::Size& p : d.params) numbers += (numbers.empty() ? "" : ", ") + expression(p);
    items.push_back("{" + numbers + "}");
    list(fmt::format("r.dispatch(kernels::{}, ", kernel.name), items, ");", 4);
  }

  void tap(std::size_t number, const plan::Result& result) override {
    line(fmt::format("r.tap({}, {}, {});", number, place(result.place), expression(result.elements)));
  }

  void print(const plan::Copy& c) override {
    origin(c.origin);
    const std::string from = place(c.from), to = place(c.to);
    line(fmt::format("r.copy({}, {}, {});", from, to, expression(c.elements)));
  }

  void print(const plan::Branch& b) override {
    line("r.branch(");
    ++depth_;
    ++depth_;
    line(place(b.predicate) + ",");
    line("[&] {");
    indented(b.then);
    line("},");
    line("[&] {");
    indented(b.otherwise);
    line("});");
    --depth_;
    --depth_;
  }
};

}  // namespace

std::string vulkan_entry(const HostBuffers& buffers, int entry) { return VulkanSteps(buffers, entry).run(); }

}  // namespace openinfer::emit
