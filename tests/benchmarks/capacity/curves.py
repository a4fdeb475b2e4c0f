# SPDX-License-Identifier: Apache-2.0
"""Results of ``vcf bench latency`` that nothing measured."""

import json


def measured(tmp_path, **changed):
    """A result as `vcf bench latency` writes it, of rates that double and a last one that was too much."""

    def rate(per_s, p50, p99, high, kept_up=True):
        ends = {"low_ms": None, "high_ms": high, "n": 100, "n_effective": 90.0}
        corrected = [{"quantile": q, "ms": ms, **ends} for q, ms in ((0.5, p50), (0.9, p99 * 0.9), (0.99, p99))]
        return {"rate_per_s": per_s, "kept_up": kept_up, "corrected": corrected, "server_cores": per_s * 0.4}

    rates = [rate(2, 300, 700, None), rate(1, 250, 400, 500), rate(4, 9000, 20000, None, kept_up=False)]
    document = {
        "kind": "latency",
        "broken_rules": [],
        "figures": {"highest_per_s": 2.6, "rates": rates},
        "machine": {"cores": 2},
    }
    path = tmp_path / "latency.json"
    path.write_text(json.dumps(document | changed))
    return path
