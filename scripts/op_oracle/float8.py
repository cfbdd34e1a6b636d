# SPDX-License-Identifier: Apache-2.0
"""cast to and from 8-bit floats, by PyTorch and ml_dtypes: what is beyond the largest, which the two take to different bits."""

import ml_dtypes
import numpy as np
import torch
from cast import between_8_bits
from values import FLOATS, INTEGERS, NUMPY, Typed, special

KINDS = {"f8e4m3": (torch.float8_e4m3fn, ml_dtypes.float8_e4m3fn, 448.0), "f8e5m2": (torch.float8_e5m2, ml_dtypes.float8_e5m2, 57344.0)}


def usual(x: np.ndarray, dtype: str) -> np.ndarray:
    """ml_dtypes' bits."""
    return x.astype(KINDS[dtype][1]).astype("f8")


def saturated(x: np.ndarray, dtype: str) -> np.ndarray:
    """PyTorch's bits in f8e4m3; in f8e5m2, where it does not saturate, those of what was cut to the largest before."""
    largest = KINDS[dtype][2]
    cut = usual(np.clip(x, -largest, largest), dtype)
    theirs = torch.from_numpy(x.copy()).to(KINDS[dtype][0]).double().numpy()
    if dtype == "f8e4m3":
        np.testing.assert_array_equal(cut, theirs)
    else:
        np.testing.assert_array_equal(usual(x, dtype), theirs)
    return cut


def case(oracle, x: Typed, dtype: str):
    """There and back: all 8-bit floats are elements of f32."""
    values = x.f64.astype("f4")  # without a rounding, as is seen here
    if not np.array_equal(values.astype("f8"), x.f64, equal_nan=True):
        raise ValueError("values are those of f32: PyTorch and ml_dtypes take others by way of it")
    for flag, wanted in (("", usual(values, dtype)), (", saturate=true", saturated(values, dtype))):
        oracle.case([f"a = cast(x0, dtype={dtype}{flag})", "y0 = cast(a, dtype=f32)"], [x], [Typed("f32", wanted)])


def cases(oracle):
    for dtype, (theirs, mine, largest) in KINDS.items():
        edges = largest * np.array([1, 1 + 2.0**-12, 1.035, 1.0357142857142858, 1.04, 1.0714285714285714, 1.072, 1.1, 1.125, 1.14, 1.143, 1.2, 2, 1e6])
        edges = np.concatenate([between_8_bits(dtype), edges]).astype("f4")
        edges = np.concatenate([edges, np.nextafter(edges, np.float32(0)), np.nextafter(edges, np.float32(1e30)), [np.inf]])
        edges = np.concatenate([edges, -edges, [np.nan]])
        for source in FLOATS:
            with np.errstate(over="ignore"):
                case(oracle, Typed(source, edges if source == "f32" else edges[::5]), dtype)
            if source != "f64":
                case(oracle, special(source), dtype)
        for source in INTEGERS:
            i = np.iinfo(NUMPY[source])
            whole = [v for v in (0, 1, 15, 17, 18, 100, 127, 240, 255, 447, 448, 449, 463, 464, 465, 480, 512, 57344, 61439, 61440, 61441, 65535, 10**6, 2**24)]
            both = [s * v for v in whole for s in (1, -1) if i.min <= s * v <= i.max]
            case(oracle, Typed(source, np.array(both, NUMPY[source])), dtype)
        codes = np.arange(256, dtype="u1")
        values = torch.from_numpy(codes).view(theirs).double().numpy()
        np.testing.assert_array_equal(values, codes.view(mine).astype("f8"))
        for target in FLOATS:  # exact in all of them
            oracle.case(f"y0 = cast(@w, dtype={target})", [], [Typed(target, values.reshape(16, 16))], weights={"w": Typed(dtype, codes.tobytes(), (16, 16))})
