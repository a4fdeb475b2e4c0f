# SPDX-License-Identifier: Apache-2.0
"""``vcf bench capacity`` reads the number of servers for a load from a measured curve of latency."""
