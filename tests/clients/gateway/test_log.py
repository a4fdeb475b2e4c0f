# SPDX-License-Identifier: Apache-2.0
"""The gateway's lines and no others; of an error its kind and place, never its text."""

import subprocess
import sys

from vcf_client.gateway.log import place

PROGRAM = """
import logging, sys, threading, warnings
from vcf_client.gateway import log
log.configure()
log.logger.info("listening")
log.logger.debug("too much")
logging.getLogger("pynetdicom").critical("Secret^Name")
logging.getLogger().error("Secret^Name")
warnings.warn("Secret^Name")
def fail():
    raise ValueError("Secret^Name")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def test_a_process_says_its_own_lines_alone() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=600)
    said, in_thread, at_end = done.stderr.splitlines()
    assert done.returncode == 1 and done.stdout == ""
    assert said.endswith(" INFO listening")
    for line in (in_thread, at_end):
        assert " CRITICAL stopped by ValueError at fail:" in line
    assert "Secret" not in done.stderr


def test_the_place_is_the_innermost_one() -> None:
    def inner() -> None:
        raise KeyError("Secret^Name")

    try:
        inner()
    except KeyError as error:
        assert place(error).startswith("KeyError at inner:") and "Secret" not in place(error)
    assert place(ValueError("Secret^Name")) == "ValueError"
