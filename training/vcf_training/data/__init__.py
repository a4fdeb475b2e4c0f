# SPDX-License-Identifier: Apache-2.0
"""Real CT data for training and evaluation: where it is found, what is annotated on it, who made it."""
