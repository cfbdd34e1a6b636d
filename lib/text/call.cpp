// SPDX-License-Identifier: Apache-2.0
#include "lib/text/call.h"

#include "lib/base/fail.h"

namespace openinfer::text {

void Call::refuse(std::size_t size) const {
  fail(ErrorCode::unsupported,
       "[tokenizer] a step of the tokenizer makes a text of {} bytes or more where {} are left; all steps together may "
       "make {} bytes for each byte of the text and {} more",
       size, room_, kRoomPerByte, kRoom);
}

}  // namespace openinfer::text
