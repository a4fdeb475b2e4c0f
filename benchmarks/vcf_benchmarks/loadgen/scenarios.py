# SPDX-License-Identifier: Apache-2.0
"""LoadGen's scenarios by name."""

SINGLE_STREAM, SERVER, OFFLINE = SCENARIOS = ("SingleStream", "Server", "Offline")
NOTICE = (
    "LoadGen scenarios, driven by MLPerf's LoadGen. This is not an MLPerf result: models and data are this project's "
    "own, and the tests are shorter than the 600 s and more that MLPerf's rules ask for."
)
