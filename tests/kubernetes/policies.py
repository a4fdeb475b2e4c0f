# SPDX-License-Identifier: Apache-2.0
"""NetworkPolicies are enforced by Kubernetes' own reference implementation, as a program of the node."""

from typing import Any

from tests.kubernetes import accounts, build, settings
from tests.kubernetes.accounts import NAMESPACE
from tests.kubernetes.cluster import PORT, Cluster
from tests.kubernetes.namespaces import NODE_ADDRESS

NAME = build.POLICIES
IDENTITY = "/run/secrets/kubernetes.io/serviceaccount"
"""Where a program finds token and authority that takes itself for a pod's."""
QUEUE = 100
RULES = (
    "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "-m owner --uid-owner 0 -j ACCEPT",
    f"-s {settings.PODS} -j NFQUEUE --queue-num {QUEUE}",
    f"-d {settings.PODS} -j NFQUEUE --queue-num {QUEUE}",
)
"""Its own, by iptables: where a kernel's nftables cannot queue packets, it looks at none by itself."""
READS: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["pods", "namespaces", "nodes"], "verbs": ["list", "watch"]},
    {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["list", "watch"]},
]


def enforce(cluster: Cluster) -> None:
    """Start it, and wait until its rules are there."""
    cluster.apply(*accounts.reader(NAME, READS))
    token = cluster.kubectl("create", "token", NAME, "--namespace", NAMESPACE, "--duration=24h")
    script = 'set -e; umask 077; mkdir -p "$1"; cp "$2" "$1/ca.crt"; printf %s "$TOKEN" > "$1/token"'
    authority = cluster.home / "pki" / "ca.crt"
    done = cluster.inside.run("bash", "-c", script, "-", IDENTITY, authority, TOKEN=token.strip())
    assert done.returncode == 0, done.stderr
    # The node itself has no way to the addresses of Services.
    address = {"KUBERNETES_SERVICE_HOST": NODE_ADDRESS, "KUBERNETES_SERVICE_PORT": str(PORT)}
    for rule in RULES:
        done = cluster.inside.run("iptables", "-w", "-t", "mangle", "-A", "POSTROUTING", *rule.split())
        assert done.returncode == 0, done.stderr
    options = [
        f"--nfqueue-id={QUEUE}",
        f"--hostname-override={settings.NODE}",
        "--disable-nri",
        "--metrics-bind-address=127.0.0.1:9080",
    ]
    cluster.start(NAME, *options, "--netfilter-bug-1766-fix=false", **address)
    cluster.wait("the policies' rules", lambda: "Syncing nftables rules" in cluster.log(NAME, 200))
