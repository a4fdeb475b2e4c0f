# SPDX-License-Identifier: Apache-2.0
"""Arrays that C code makes through NumPy's table, as Triton's stub does: impossible shapes give empty arrays."""

import subprocess
import sys

import numpy as np
import pytest

from vcf_runtime.impossible_shapes import is_possible

BY_C_CODE = """
import ctypes, sys
import numpy as np
from vcf_runtime import impossible_shapes

if "guarded" in sys.argv:
    impossible_shapes.see_as_empty()
    impossible_shapes.see_as_empty()
make = ctypes.PYFUNCTYPE(
    ctypes.py_object, ctypes.py_object, ctypes.py_object, ctypes.c_int, ctypes.POINTER(ctypes.c_ssize_t),
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p,
)(impossible_shapes._table()[94])
shape = [int(size) for size in sys.argv[1].split(",")] if sys.argv[1] else []
dtype = np.dtype(np.float64)
ctypes.pythonapi.Py_IncRef(ctypes.py_object(dtype))  # the call takes a reference over
sizes = (ctypes.c_ssize_t * max(1, len(shape)))(*shape)
print(list(make(np.ndarray, dtype, len(shape), sizes, None, None, 0, None).shape))
"""


def made(shape, *words):
    text = ",".join(map(str, shape))
    return subprocess.run([sys.executable, "-c", BY_C_CODE, text, *words], capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("shape", [[2**32] * 3, [2**62], [0, 2**62, 2**62], [-1, -1, 4], [2**60, 3]])
def test_impossible_shape(shape):
    assert "ValueError" in made(shape).stderr
    assert made(shape, "guarded").stdout == f"{[0] * len(shape)}\n"


@pytest.mark.parametrize("shape", [[], [0], [3, 4], [0, 3], [1] * 32])
def test_any_other_shape_stays_as_it_is(shape):
    assert made(shape, "guarded").stdout == f"{shape}\n"


def test_possible_is_what_numpy_makes_of_the_widest_type():
    one = np.zeros(1)
    for shape in ([2**59], [2**60], [2**30, 2**29], [2**30, 2**30], [0, 2**61], [0, 2**59]):
        try:
            np.ndarray(shape, np.float64, strides=[0] * len(shape), buffer=one)
        except ValueError:
            assert not is_possible(shape)
        else:
            assert is_possible(shape)
