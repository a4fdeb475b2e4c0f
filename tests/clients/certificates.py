# SPDX-License-Identifier: Apache-2.0
"""Certificates of a small authority, as the PEM files that client and server take."""

from dataclasses import dataclass
from pathlib import Path

import trustme

from vcf_client import Security


@dataclass(frozen=True)
class Certificates:
    """An authority, a server's certificate for this machine, a client's; and those of a stranger."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Certificates":
        for authority, hosts in (("ours", ("127.0.0.1", "localhost")), ("strangers", ("elsewhere.example",))):
            ca = trustme.CA(organization_name=authority)
            ca.cert_pem.write_to_path(folder / f"{authority}-ca.pem")
            for role, names in (("server", hosts), ("client", (f"client@{authority}.example",))):
                made = ca.issue_cert(*names)
                made.private_key_pem.write_to_path(folder / f"{authority}-{role}-key.pem")
                for number, blob in enumerate(made.cert_chain_pems):
                    blob.write_to_path(folder / f"{authority}-{role}.pem", append=number > 0)
        return cls(folder)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def security(self, ca: str = "ours", client: str | None = None, **options: object) -> Security:
        """What trusts an authority, and shows a certificate of one."""
        own = (self.path(f"{client}-client"), self.path(f"{client}-client-key")) if client else (None, None)
        return Security(self.path(f"{ca}-ca"), *own, **options)  # type: ignore[arg-type]
