#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes lib/base/iq_grids.cpp: the codebooks of the iq1, iq2 and iq3 block formats.

The figures are ggml's (ggml-common.h), read from the `gguf` library; each entry is packed into 16 bits, element 0
lowest: eight 2-bit codes (iq1, iq2) or four 4-bit codes (iq3). What a code stands for is in lib/base/dequantize_iq.h.
"""
import pathlib

import numpy as np
from gguf import quants

HEAD = """// SPDX-License-Identifier: Apache-2.0
// Codebooks of the iq block formats, written by scripts/make_iq_grids.py.
#include "lib/base/iq_grids.h"

namespace openinfer {

// clang-format off
"""


def table(name: str, cls) -> str:
    cls.init_grid()
    values = list(cls.grid_map)
    grid = cls.grid.reshape(cls.grid_shape)
    bits = 16 // cls.grid_shape[1]
    codes = [sum(values.index(int(v)) << (bits * i) for i, v in enumerate(row)) for row in grid]
    lines = [f"const std::uint16_t {name}[{len(codes)}] = {{"]
    for i in range(0, len(codes), 16):
        lines.append("    " + " ".join(f"{c}," for c in codes[i:i + 16]))
    return "\n".join(lines + ["};", ""])


def main() -> None:
    tables = [("kIq1sGrid", quants.IQ1_S), ("kIq2xxsGrid", quants.IQ2_XXS), ("kIq2xsGrid", quants.IQ2_XS),
              ("kIq2sGrid", quants.IQ2_S), ("kIq3xxsGrid", quants.IQ3_XXS), ("kIq3sGrid", quants.IQ3_S)]
    for cls in (c for _, c in tables):
        assert np.array_equal(np.frombuffer(quants.IQ2_XXS.ksigns, np.uint8),
                              [i | (bin(i).count("1") & 1) << 7 for i in range(128)]), "signs are not bits + parity"
    text = HEAD + "\n".join(table(name, cls) for name, cls in tables)
    text += "// clang-format on\n\n}  // namespace openinfer\n"
    (pathlib.Path(__file__).parent.parent / "lib/base/iq_grids.cpp").write_text(text)


if __name__ == "__main__":
    main()
