# SPDX-License-Identifier: Apache-2.0
"""Shared by all parts of the product: the contract of the served models, their defaults and the refusal codes."""

__version__ = "0.1.0"
