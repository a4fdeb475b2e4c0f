# SPDX-License-Identifier: Apache-2.0
"""Shared by all benchmarks, each thing once: machine, processes, loops, checks, windows, result and page."""
