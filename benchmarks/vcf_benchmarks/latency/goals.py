# SPDX-License-Identifier: Apache-2.0
"""The share of answers from which on a server keeps up."""

KEPT_UP = 0.95
"""Answers over arrivals in the windows: with fewer, the queue grew."""
