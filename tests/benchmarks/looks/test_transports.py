# SPDX-License-Identifier: Apache-2.0
from vcf_benchmarks.looks.transports import table

FIGURES = {
    "volume": [133, 512, 512],
    "runs": 3,
    "largest_score_difference": 1.2e-7,
    "transports": {
        "crop": {
            "bytes_sent": 9_314_755,
            "share_of_volume": 0.1336,
            "client_cpu_s": 0.05,
            "server_cpu_s": 0.41,
            "latency": {"min_ms": 230.0, "median_ms": 241.4, "max_ms": 260.0},
        }
    },
}


def test_a_line_for_each_transport() -> None:
    head, _, line, last = table(FIGURES)
    assert head == "volume 133 × 512 × 512, 3 calls by each transport, in turn"
    assert line.split() == ["crop", "9.31", "13.4%", "0.05", "0.41", "241"]
    assert last == "scores differ by 1.2e-07 at most"


def test_a_server_that_is_not_ours_has_no_processor_time() -> None:
    unknown = FIGURES | {"transports": {"crop": FIGURES["transports"]["crop"] | {"server_cpu_s": None}}}
    assert table(unknown)[2].split() == ["crop", "9.31", "13.4%", "0.05", "241"]
