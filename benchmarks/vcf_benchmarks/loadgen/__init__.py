# SPDX-License-Identifier: Apache-2.0
"""``vcf bench loadgen`` runs LoadGen's scenarios against the served system."""
