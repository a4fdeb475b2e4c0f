# SPDX-License-Identifier: Apache-2.0
"""Tell what starts Triton on this machine and looks after it."""
