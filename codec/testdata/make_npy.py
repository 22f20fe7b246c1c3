"""Writes the .npy files beside it. They were made with NumPy 1.24.2 on Python 3.11.

Each holds 0, 1, 2, … in row-major order, made fit for its type. The name says what
it is: dtype, shape, and what is special.
"""
import os

import numpy as np
from numpy.lib import format as npy

here = os.path.dirname(os.path.abspath(__file__))


def path(name):
    return os.path.join(here, name + ".npy")


def values(dtype, shape):
    n = int(np.prod(shape))
    v = np.arange(n)
    if np.dtype(dtype).kind == "b":
        v = v % 2 == 1
    if np.dtype(dtype).kind == "c":
        v = v + 1j * (v + 0.5)
    if np.dtype(dtype).kind == "f":
        v = v + 0.5
    if np.dtype(dtype).kind == "i":
        v = -v
    return v.astype(dtype).reshape(shape)


for dtype in "|b1 |i1 <i2 <i4 <i8 |u1 <u2 <u4 <u8 <f4 <f8 <c8 <c16".split():
    np.save(path(dtype[1:] + "_3"), values(dtype, (3,)))

for dtype in ">i2 >u4 >f8 >c16".split():
    np.save(path("big_" + dtype[1:] + "_3"), values(dtype, (3,)))

np.save(path("f8_scalar"), np.float64(0.5))
np.save(path("c16_scalar"), np.complex128(1 + 2j))
np.save(path("f8_empty"), values("<f8", (0,)))
np.save(path("f8_2x3"), values("<f8", (2, 3)))
np.save(path("f8_2x3_fortran"), np.asfortranarray(values("<f8", (2, 3))))
np.save(path("big_i4_3x2_fortran"), np.asfortranarray(values(">i4", (3, 2))))
np.save(path("f8_0x4"), values("<f8", (0, 4)))
np.save(path("f8_4x0"), values("<f8", (4, 0)))
np.save(path("f8_2x2x2"), values("<f8", (2, 2, 2)))
for version in [(1, 0), (2, 0), (3, 0)]:
    with open(path("f8_3_version_%d" % version[0]), "wb") as f:
        npy.write_array(f, values("<f8", (3,)), version=version)
special = np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 5e-324, 1.7976931348623157e308])
np.save(path("f8_special"), special)

# What is refused.
np.save(path("refused_object"), np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
np.save(path("refused_record"), np.zeros(2, dtype=[("t", "<f8"), ("v", "<f4")]))
np.save(path("refused_half"), values("<f2", (3,)))
np.save(path("refused_longdouble"), values(np.longdouble, (3,)))
np.save(path("refused_datetime"), np.array(["2024-01-01"], dtype="datetime64[ns]"))
np.save(path("refused_text"), np.array(["a", "bc"]))
np.save(path("refused_bytes"), np.array([b"a", b"bc"]))
np.save(path("refused_void"), np.zeros(2, dtype="V3"))
