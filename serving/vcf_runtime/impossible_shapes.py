# SPDX-License-Identifier: Apache-2.0
"""Shapes that no array can have are seen as empty ones, which every step refuses, and end no process.

Triton compares the bytes of a tensor with its shape modulo 2⁶⁴, so ``[2³², 2³², 2³²]`` passes with no byte at all. Its
Python stub makes the array in C++ before any model's code runs, and NumPy's "array is too big" ends the process: one
request of 169 bytes, and a model is gone. (Newer Tritons refuse such a shape themselves.) What the stub calls to make
an array is found in the table of NumPy's C interface, once, at its first tensor; this module puts a function there
before, which gives an empty array of as many axes where the shape is impossible.
"""

import ctypes
from importlib import import_module
from typing import Any

import numpy as np

_NEW_FROM_DESCR = 94
"""Place of ``PyArray_NewFromDescr`` in the table, in NumPy 1 and 2 (its ``code_generators/numpy_api.py``)."""
_ITEM_BYTES = 8
"""Of the largest type that a tensor has: a shape within the limit fits whatever its type is."""
_MOST_ITEMS = (1 << 63) // _ITEM_BYTES
_MAKE = ctypes.PYFUNCTYPE(
    ctypes.c_void_p,
    ctypes.c_void_p,  # subtype
    ctypes.c_void_p,  # descr, whose reference is taken over
    ctypes.c_int,  # number of axes
    ctypes.POINTER(ctypes.c_ssize_t),  # sizes
    ctypes.POINTER(ctypes.c_ssize_t),  # strides
    ctypes.c_void_p,  # data
    ctypes.c_int,  # flags
    ctypes.c_void_p,  # object
)
_kept: list[Any] = []
"""What C code calls must not be collected."""


def is_possible(shape: list[int]) -> bool:
    """Tell whether an array of any type can have this shape; axes of none do not make up for others (as NumPy
    counts)."""
    items = 1
    for size in shape:
        if size < 0:
            return False
        items *= max(1, size)
    return items < _MOST_ITEMS


def see_as_empty() -> None:
    """Arrays that C code makes from now on: one of an impossible shape is an empty one. Twice is as good as once.

    Code that has read the table before keeps what it has found there.
    """
    if _kept:
        return
    table = _table()
    original = _MAKE(table[_NEW_FROM_DESCR])

    def make(
        subtype: Any, descr: Any, axes: int, sizes: Any, strides: Any, data: Any, flags: int, base: Any
    ) -> int | None:
        if not is_possible(sizes[:axes]):
            sizes, strides = (ctypes.c_ssize_t * max(1, axes))(), None
        made: int | None = original(subtype, descr, axes, sizes, strides, data, flags, base)
        return made

    replacement = _MAKE(make)
    _kept.extend((original, replacement))
    table[_NEW_FROM_DESCR] = ctypes.cast(replacement, ctypes.c_void_p).value


def _table() -> Any:
    """The table that extension modules read."""
    multiarray: Any = import_module(f"numpy.{'core' if np.__version__.startswith('1.') else '_core'}.multiarray")
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    return ctypes.cast(pointer(multiarray._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
