# SPDX-License-Identifier: Apache-2.0
"""CT volume and canal boxes in, 3-D patches along the spine out (paper §2.1–2.2). NumPy and SciPy only.

Every volume here is *canonical*: index order (z, y, x) with z from feet to head, y from front to back and
x from the patient's right to left, so that index·spacing_mm grows along patient L, P and S. Lengths are in
millimetres and tuples of lengths follow the index order (z, y, x) unless a name says otherwise.
"""
