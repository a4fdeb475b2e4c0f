# SPDX-License-Identifier: Apache-2.0
"""Exit codes of all commands, and which error gets which."""

from vcf_contract.errors import DeadlineExceeded, ServerFailed, ServerUnavailable, StudyRefused, UsageError

DONE, SETUP, REFUSED, SERVER, INVALID, USAGE, INTERRUPTED = 0, 1, 2, 3, 4, 64, 130
"""64 is EX_USAGE of sysexits.h; argparse's own 2 would read as a refused study. 130 is the shell's for SIGINT.
INVALID is a benchmark that broke a validity rule: its figures are written, and mean nothing."""

MEANING = f"""exit codes: {DONE} done, {SETUP} something is missing on this machine, {REFUSED} study refused,
{SERVER} server unreachable, too slow or failed, {USAGE} wrong usage"""


def of(error: BaseException | None) -> int:
    """The code of what a command ended with; None is success, and what is not ours is a fault of this machine."""
    if error is None:
        return DONE
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, StudyRefused):
        return REFUSED
    if isinstance(error, ServerUnavailable | ServerFailed | DeadlineExceeded):
        return SERVER
    return USAGE if isinstance(error, UsageError) else SETUP
