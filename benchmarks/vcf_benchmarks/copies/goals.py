# SPDX-License-Identifier: Apache-2.0
"""The tolerance of a count beside its budget: an answer's text, headers, and buffers that are no tensors."""

TOLERANCE_SHARE, TOLERANCE_BYTES = 0.05, 2_000_000
