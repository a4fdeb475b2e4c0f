# SPDX-License-Identifier: Apache-2.0
"""Ask several servers over TLS, with a deadline and retries of one's own, and tell failures apart.

usage: python examples/several_servers.py PKI_FOLDER STUDY SERVER [SERVER ...]
"""

import sys
from pathlib import Path

from vcf_client import ApiKey, Retry, Security, VcfClient
from vcf_contract.errors import DeadlineExceeded, Overloaded, ServerFailed, ServerUnavailable, StudyRefused


def main(pki: str, study: str, *servers: str) -> int:
    keys = Path(pki)
    security = Security(
        ca=keys / "ca.pem",
        certificate=keys / "client.pem",
        key=keys / "client-key.pem",
        api_key=ApiKey.read(keys / "api-key"),  # a line NAME=VALUE; sent over TLS only
    )
    patient = Retry(attempts=10, first_s=0.2, longest_s=5)  # never past the deadline
    with VcfClient(list(servers), deadline_s=30, security=security, retry=patient) as client:
        try:
            findings = client.analyze(study)
        except StudyRefused as refusal:
            print(f"the study: {refusal.code}")
            return 2
        except Overloaded:  # before ServerUnavailable, of which it is a kind
            print("all servers are full: send less, or later")
        except (ServerUnavailable, DeadlineExceeded, ServerFailed) as error:
            print(f"the servers: {error.code}")
        else:
            print(f"{'positive' if findings.positive else 'negative'}, {findings.bytes_sent / 1e6:.1f} MB sent")
            return 0
    return 3


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
