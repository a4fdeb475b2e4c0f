# SPDX-License-Identifier: Apache-2.0
"""``vcf bench sweep`` searches the settings that suit this machine."""
