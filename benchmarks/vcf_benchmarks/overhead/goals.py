# SPDX-License-Identifier: Apache-2.0
"""Tell what is compared, and its goals."""

IN_PROCESS, CLIENT = "in one process", "client"
LATENCY_GOALS = {"crop": 1.15, "shm": 1.05}
"""The goals by transport: p50 over p50."""
THROUGHPUT_GOAL = 0.95
"""Studies a second over those in one process."""
