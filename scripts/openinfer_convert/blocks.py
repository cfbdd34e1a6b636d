# SPDX-License-Identifier: Apache-2.0
"""Block formats: where the scales stand in a block, and the check that they are numbers. A NaN or infinite scale
makes 32 or 256 weights meaningless, and every answer with them. Layouts: ggml's block structs (ggml-common.h)."""

from __future__ import annotations

import numpy as np

# dtype: byte offsets of its f16 scales and minima within a block
F16_SCALES = {
    "q4_0": (0,), "q4_1": (0, 2), "q5_0": (0,), "q5_1": (0, 2), "q8_0": (0,), "q8_1": (0, 2),
    "q2_k": (80, 82), "q3_k": (108,), "q4_k": (0, 2), "q5_k": (0, 2), "q6_k": (208,),
    "iq4_nl": (0,), "iq4_xs": (0,), "iq2_xxs": (0,), "iq2_xs": (0,), "iq2_s": (0,), "iq3_xxs": (0,), "iq3_s": (0,),
    "iq1_s": (0,), "tq1_0": (52,), "tq2_0": (64,),
}
F16_EXPONENT, F32_EXPONENT = 0x7C00, 0x7F800000  # all ones: infinite or NaN


def _iq1_m_exponents(blocks: np.ndarray) -> np.ndarray:
    """The f16 scale of iq1_m is spread over the top four bits of four 16-bit words; the last two hold its exponent."""
    words = np.ascontiguousarray(blocks[:, 48:56]).view("<u2")
    return ((words[:, 2] >> 4) & 0xC00) | (words[:, 3] & 0x7000)


def bad_block(dtype: str, block_bytes: int, raw: np.ndarray) -> int | None:
    """The number of the first block (raw: u8, whole blocks) whose scale is NaN or infinite, or None."""
    blocks = raw.reshape(-1, block_bytes)
    bad = np.zeros(len(blocks), dtype=bool)
    for at in F16_SCALES.get(dtype, ()):
        scale = np.ascontiguousarray(blocks[:, at : at + 2]).view("<u2")[:, 0]
        bad |= (scale & F16_EXPONENT) == F16_EXPONENT
    if dtype == "mxfp4":
        bad |= blocks[:, 0] == 0xFF  # E8M0: all ones is NaN
    elif dtype == "iq1_m":
        bad |= _iq1_m_exponents(blocks) == F16_EXPONENT
    elif dtype == "q8_k":
        scale = np.ascontiguousarray(blocks[:, :4]).view("<u4")[:, 0]
        bad |= (scale & F32_EXPONENT) == F32_EXPONENT
    return int(np.argmax(bad)) if bad.any() else None
