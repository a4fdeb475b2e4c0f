# SPDX-License-Identifier: Apache-2.0
"""Short looks at one thing: a table on the terminal, figures where ``--json`` says, neither page nor goals.

Each module has ``run(args) -> figures`` and ``table(figures) -> lines``.
"""
