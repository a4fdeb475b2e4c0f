# SPDX-License-Identifier: Apache-2.0
"""Who a program of the cluster is to the API server, and what it may read there."""

from typing import Any

NAMESPACE = "kube-system"
_GROUP = "rbac.authorization.k8s.io"


def reader(name: str, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A service account of ``NAMESPACE``, with these rules for the whole cluster."""
    here = {"name": name, "namespace": NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here},
        {"apiVersion": f"{_GROUP}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
        {
            "apiVersion": f"{_GROUP}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", **here}],
        },
    ]
