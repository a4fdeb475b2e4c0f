# SPDX-License-Identifier: Apache-2.0
"""Tell what ``vcf export contract`` does: the document, and whether its version says what changed since an older
one."""

import argparse
import json

from vcf_contract.errors import SetupError
from vcf_contract.version import VERSION
from vcf_export import contract_document
from vcf_export.contract_change import change, next_version


def run(args: argparse.Namespace) -> int:
    """Print or write the document, and compare."""
    if args.json:
        args.json.write_text(contract_document.text(), "utf-8")
    elif not args.against:
        print(contract_document.text(), end="")
    if args.against:
        try:
            old = json.loads(args.against.read_text("utf-8"))
            kind, wanted = change(old, contract_document.document()), next_version(old, contract_document.document())
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SetupError(f"{args.against} is no document of `vcf export contract`") from None
        if wanted != VERSION:
            raise SetupError(
                f"since {old['version']} there is a {kind} change: version {wanted} is wanted, "
                f"vcf_contract/version.py says {VERSION}"
            )
        print(f"{old['version']} to {VERSION}: {kind or 'nothing'} changed")
    return 0
