# SPDX-License-Identifier: Apache-2.0
"""``vcf bench latency`` measures latency against rate: open loop, Poisson arrivals, to the knee."""
