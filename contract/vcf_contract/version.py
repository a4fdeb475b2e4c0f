# SPDX-License-Identifier: Apache-2.0
"""The version of the contract, and what a change of it means.

Semantic versioning, told from a client's side: a client of one major version works with every server of it.

- Major: what a client relies on goes or means something else. A tensor, code, parameter, entry model or a part of the
  findings is removed or renamed, or its type, shape or meaning changes; a request needs something that it did not.
- Minor: something is added that a client may leave unread or unsaid: an output, an optional input, a code, an entry
  model, a parameter, a part of the findings.
- Patch: words alone.

``vcf_export.contract_change.change`` tells these apart for two documents.
"""

import re

VERSION = "2.1.0"
SCHEMA_VERSION = VERSION.rpartition(".")[0]
"""Of the findings' JSON, which is a part of the contract: a change of words alone leaves it."""

VERSION_PARAMETER = "contract_version"
"""Parameter in the configuration of every entry model."""
DOCUMENT_PARAMETER = "contract"
"""Parameter in the configuration of the entry model ``vcf``: the whole document of ``vcf export contract``."""


def speaks(version: str) -> bool:
    """Tell whether a server of this version is one for clients of ours: three numbers, the first of them the same."""
    return re.fullmatch(rf"{VERSION.partition('.')[0]}\.\d+\.\d+", version) is not None


def before(version: str, other: str) -> bool:
    """Tell whether a version is older than another one."""
    one, two = (tuple(map(int, text.split("."))) for text in (version, other))
    return one < two
