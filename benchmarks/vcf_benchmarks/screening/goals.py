# SPDX-License-Identifier: Apache-2.0
"""The goals, fixed before anything was measured."""

OVERHEAD_GOAL_MS = 5.0
"""Of a study whose analysis is nothing."""
MEMORY_GOAL = 1.1
"""The driver's memory at the end of the list over that at a tenth of it."""
RESUMPTION_GOAL_S = 30.0
"""From the start of the command to the first new row, three quarters of the list being done."""
THROUGHPUT_GOAL = 0.9
"""Studies a second over those of callers in a closed loop."""
EARLY, DONE_BEFORE = 0.1, 0.75
