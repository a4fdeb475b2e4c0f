# SPDX-License-Identifier: Apache-2.0
"""The conformance suite: every client does every case against one server, and a table says how it went.

    python clients/conformance/run.py [--server HOST:PORT] [--client NAME=COMMAND]... [--page FILE]

Without ``--server`` it starts the model repository that ships. Clients whose tools are not here are left out with the
reason. ``--client`` runs a command of your own instead; `README.md` says what a command has to do.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from checks import findings_differ, outcome_differs, request_differs  # noqa: E402
from languages import commands  # noqa: E402 - beside this file
from relay import Behaviour, Relay, relay  # noqa: E402
from study import write_studies  # noqa: E402

from vcf_client import VcfClient  # noqa: E402
from vcf_contract.version import VERSION  # noqa: E402

CASES: list[dict[str, Any]] = json.loads((HERE / "cases.json").read_text("utf-8"))
HASH_KEY = "one for all"
TIMEOUT_S = 120


def expected_findings(server: str, studies: Path) -> dict[str, Any]:
    """Findings of each study that is accepted, by the Python client's own reader and the whole volume: another way."""
    os.environ["VCF_HASH_KEY"] = HASH_KEY
    names = {case["study"] for case in CASES if "findings" in case["expect"]}
    with VcfClient(server, transport="volume") as client:
        return {name: client.analyze(studies / name).to_dict() for name in names}


def problem(
    case: Mapping[str, Any],
    command: Sequence[str],
    target: str,
    studies: Path,
    certificates: Path,
    expected: Mapping[str, Any],
) -> str | None:
    """Run a case; what is wrong with what the client did, None if nothing is."""
    with ExitStack() as stack:
        words, relays = [*command, *case.get("options", ())], []
        for wanted in case.get("servers", [{}]):
            address, handler = stack.enter_context(_server(dict(wanted), target, certificates))
            words += ["--server", address]
            relays += [handler] if handler else []
        if "tls" in case:
            words += ["--tls-ca", str(certificates / f"{case['tls']}-ca.pem")]
        if "api_key" in case:
            key = certificates / "api-key"
            key.write_text(case["api_key"] + "\n", "utf-8")
            words += ["--api-key-file", str(key)]
        study = studies / case["study"]
        environment = {**os.environ, "VCF_HASH_KEY": HASH_KEY}
        done = subprocess.run(
            [*words, str(study)], capture_output=True, text=True, timeout=TIMEOUT_S, env=environment, check=False
        )
        try:
            said = json.loads(done.stdout)
        except ValueError:
            return f"no JSON but {done.stdout[-300:]!r}, {done.stderr[-300:]!r}"
        return next(filter(None, _problems(case, said, done.returncode, relays, expected, words, study)), None)


def _problems(
    case: Mapping[str, Any],
    said: Any,
    exit_code: int,
    relays: Sequence[Relay],
    expected: Mapping[str, Any],
    words: Sequence[str],
    study: Path,
) -> Iterator[str | None]:
    yield outcome_differs(case["expect"], said, exit_code, relays)
    if "findings" in case["expect"]:
        yield findings_differ(said, expected[case["study"]], case["expect"])
    for handler in relays:
        for request in handler.requests:
            yield request_differs(request, study, words)


def _server(wanted: dict[str, Any], target: str, certificates: Path) -> Any:
    if wanted.pop("gone", False):
        return _Gone()
    pair = (certificates / "ours-server.pem", certificates / "ours-server-key.pem")
    tls = pair if wanted.pop("tls", False) else None
    if wanted.get("contract"):
        wanted["contract"] = wanted["contract"].replace("MAJOR", VERSION.partition(".")[0])
    return relay(target, Behaviour(**wanted), tls)


class _Gone:
    """A server that is not there: nothing listens on port 1."""

    def __enter__(self) -> tuple[str, None]:
        return "127.0.0.1:1", None

    def __exit__(self, *_: object) -> None:
        pass


def table(results: Mapping[str, Mapping[str, str | None]]) -> str:
    """A row a case, a column a client."""
    lines = [f"| case | {' | '.join(results)} |", f"|---|{'---|' * len(results)}"]
    for case in CASES:
        cells = ("✓" if results[client][case["name"]] is None else "✗" for client in results)
        lines.append(f"| {case['name']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def run_client(command: Sequence[str], target: str, folder: Path, expected: Mapping[str, Any]) -> dict[str, str | None]:
    """All cases by one client: what is wrong with each."""
    return {case["name"]: problem(case, command, target, folder, folder, expected) for case in CASES}


def prepare(folder: Path) -> None:
    """Write the studies and certificates of the suite."""
    import trustme  # noqa: PLC0415 - not needed to read the cases

    write_studies(folder)
    for authority in ("ours", "strangers"):
        ca = trustme.CA(organization_name=authority)
        ca.cert_pem.write_to_path(folder / f"{authority}-ca.pem")
        made = ca.issue_cert("127.0.0.1")
        made.private_key_pem.write_to_path(folder / f"{authority}-server-key.pem")
        made.cert_chain_pems[0].write_to_path(folder / f"{authority}-server.pem")


def main() -> int:
    """Run it; 1 if a client failed a case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", metavar="HOST:PORT", help="gRPC endpoint (default: a server of its own)")
    parser.add_argument("--client", action="append", default=[], metavar="NAME=COMMAND", help="instead of those here")
    parser.add_argument("--page", type=Path, metavar="FILE", help="page whose table between the markers is made anew")
    args = parser.parse_args()
    with ExitStack() as stack:
        target = args.server
        if not target:
            from vcf_server.assets import MODEL_REPOSITORY  # noqa: PLC0415 - only where a server is to be started
            from vcf_server.server import TritonServer  # noqa: PLC0415

            target = stack.enter_context(TritonServer(MODEL_REPOSITORY)).grpc_url
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vcf-conformance-")))
        prepare(folder)
        expected = expected_findings(target, folder)
        found = dict(one.split("=", 1) for one in args.client) or commands()
        results = {}
        for name, command in found.items():
            if isinstance(command, Exception):
                print(f"{name}: left out, {command}")
                continue
            words = shlex.split(command) if isinstance(command, str) else command
            results[name] = run_client(words, target, folder, expected)
            for case, wrong in results[name].items():
                if wrong:
                    print(f"{name}: {case}: {wrong}")
            print(f"{name}: {sum(w is None for w in results[name].values())} of {len(CASES)} cases")
    if args.page:
        before, _, rest = args.page.read_text("utf-8").partition("<!-- conformance -->\n")
        after = rest.partition("<!-- /conformance -->")[2]
        made = f"{before}<!-- conformance -->\n{table(results)}\n<!-- /conformance -->{after}"
        args.page.write_text(made, "utf-8")
    return int(any(wrong for result in results.values() for wrong in result.values()))


if __name__ == "__main__":
    sys.exit(main())
