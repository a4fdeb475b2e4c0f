# SPDX-License-Identifier: Apache-2.0
"""``vcf bench sizes`` measures how time and memory grow with the size of a study."""
