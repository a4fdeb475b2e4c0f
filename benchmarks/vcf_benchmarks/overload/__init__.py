# SPDX-License-Identifier: Apache-2.0
"""``vcf bench overload`` offers a server several times what it can do, and looks at what becomes of all studies."""
