# SPDX-License-Identifier: Apache-2.0
"""``vcf bench locust`` runs a hospital's day, night, accident or a ramp by locust."""
