# SPDX-License-Identifier: Apache-2.0
"""Drills: what no request, file or peer may do to the product, done to it."""
