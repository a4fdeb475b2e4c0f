# SPDX-License-Identifier: Apache-2.0
"""Tell what runs inside Triton: the frame of the Python models and of the Python-based backends."""
