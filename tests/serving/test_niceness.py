# SPDX-License-Identifier: Apache-2.0
"""A process that computes is as nice as it was told to be, with every thread that it has and starts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vcf_runtime import niceness

THREADS = """
import json, os, threading
import vcf_runtime.niceness as niceness

done = threading.Event()
before = threading.Thread(target=done.wait)
before.start()
niceness.come_after()
after = threading.Thread(target=done.wait)
after.start()
print(json.dumps([os.getpriority(os.PRIO_PROCESS, thread) for thread in (0, before.native_id, after.native_id)]))
done.set()
"""


def priorities(**environment):
    """What the kernel says of the main thread, one that was there and one that came, from a niceness of 3 on."""
    found = subprocess.run(
        ["nice", "-n", "3", sys.executable, "-c", THREADS],
        env={"PYTHONPATH": str(Path(niceness.__file__).parents[1]), **environment},
        capture_output=True,
        text=True,
    )
    return json.loads(found.stdout) if found.returncode == 0 else found.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no niceness of their own")
@pytest.mark.parametrize(("environment", "steps"), [({}, 0), ({"VCF_NICENESS": ""}, 0), ({"VCF_NICENESS": "7"}, 7)])
def test_every_thread_is_nicer_by_so_much(environment, steps):
    here = priorities()[0]
    assert here >= 3
    assert priorities(**environment) == [min(19, here + steps)] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no niceness of their own")
def test_it_goes_no_further_than_there_is():
    assert priorities(VCF_NICENESS="19") == [19] * 3


@pytest.mark.parametrize("value", ["-1", "20", "high", "1.5"])
def test_a_value_that_makes_no_sense_is_refused(value, monkeypatch):
    monkeypatch.setenv(niceness.VARIABLE, value)
    with pytest.raises(ValueError, match=f"VCF_NICENESS must be a number from 0 to 19, found '{value}'"):
        niceness.come_after()
