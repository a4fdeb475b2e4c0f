# SPDX-License-Identifier: Apache-2.0
import pytest

from vcf_benchmarks.loadgen.summary import Summary

SERVER_TEXT = """\
SUT name : PySUT
Scenario : Server
Mode     : PerformanceOnly
Completed samples per second    : 9.25
Result is : INVALID
  Performance constraints satisfied : NO
  Min duration satisfied : Yes
  Min queries satisfied : Yes
  Early stopping satisfied: NO
Recommendations:
 * Reduce target QPS to improve latency.
Early Stopping Result:
 * Run unsuccessful.
 * Processed 54 queries.
 * Would need to run at least 7192 more queries,
 with the run being successful if every additional
 query were under latency.

================================================
Additional Stats
================================================
Scheduled samples per second : 50.75
50.00 percentile latency (ns)   : 2707999765
99.90 percentile latency (ns)   : 4702941366
"""


def test_a_summary_is_read() -> None:
    found = Summary.parse(SERVER_TEXT)
    assert (found.scenario, found.valid, found.headline) == ("Server", False, 9.25)
    assert found.satisfied == {
        "Performance constraints": False,
        "Min duration": True,
        "Min queries": True,
        "Early stopping": False,
    }
    assert found.early_stopping[:2] == ("Run unsuccessful.", "Processed 54 queries.")
    assert found.early_stopping[2].startswith("Would need to run at least 7192 more queries, with")
    assert found.percentiles_ms == {"50": 2707.999765, "99.9": 4702.941366}
    with pytest.raises(ValueError, match="no line like"):
        Summary.parse("nothing of the kind")
