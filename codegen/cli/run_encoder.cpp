// SPDX-License-Identifier: Apache-2.0
// A prompt through an encoder: nothing is generated, --logits takes the last hidden state.
#include "codegen/cli/encoder_model.h"
#include "codegen/cli/npy.h"
#include "codegen/cli/options.h"
#include "codegen/cli/run.h"
#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

Encoding encode(const Run& run) {
  if (run.options.prompt_ids) {
    const auto ids = parse_ids(*run.options.prompt_ids);
    return {ids, std::vector<std::int32_t>(ids.size(), 0)};
  }
  const Tokenizer tokenizer = open_tokenizer(run.model, "run");
  warn_of_missing_bytes(tokenizer, *run.options.prompt);
  return tokenizer.encode_texts(*run.options.prompt);
}

}  // namespace

void run_encoder(Run& run, const EncoderContract& contract) {
  const auto& options = run.options;
  if (options.logits.empty() || options.chat)
    fail(ErrorCode::unsupported,
         "[run] {} is an encoder, which generates no text: `openinfer embed` gives embeddings, --logits F.npy with a "
         "PROMPT the last hidden state",
         run.model.path());
  if (!options.save_state.empty() || !options.load_state.empty())
    fail(ErrorCode::unsupported, "[run] {} is an encoder: it keeps no state to save or load", run.model.path());
  const Encoding text = encode(run);
  const auto count = static_cast<std::int64_t>(text.ids.size());
  if (count == 0) fail(ErrorCode::invalid_argument, "[run] the prompt has no tokens");
  if (count > contract.max_tokens)
    fail(ErrorCode::invalid_argument, "[run] {} tokens do not fit: this graph takes at most {}", count,
         contract.max_tokens);
  OutputFile file(options.logits);
  SimSession session = run.session(run.dims());
  run.attach(session);
  const auto start = Clock::now();
  const Tensor hidden = hidden_state(session, contract, text);
  run.stats.add({.prompt_tokens = count, .prompt_s = seconds_since(start)});
  file.write(npy_header(hidden.dtype(), hidden.shape()));
  file.write(hidden.bytes());
  file.commit();
  run.finish(session);
}

}  // namespace openinfer::cli
