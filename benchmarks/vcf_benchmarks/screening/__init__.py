# SPDX-License-Identifier: Apache-2.0
"""``vcf bench screening`` measures `vcf screen`: what a study costs beside its analysis, and how near to saturation."""
