# SPDX-License-Identifier: Apache-2.0
"""Why a study has no row yet: reasons that pass, so that it is tried again."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """One attempt that came to nothing.

    code, sentence
        For the row, should it stay like that. Nothing of the study is in them.
    unreachable
        The server or the archive could not be reached at all: no fault of the study if it is so for all.
    is_refusal
        That it stays so is an answer, such as a study of which the archive never gives all images.
    """

    code: str
    sentence: str
    unreachable: bool = False
    is_refusal: bool = False


class PassingError(Exception):
    """Raised in a worker where another attempt may do better."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.sentence}")
        self.failure = failure


WORKER_LOST = Failure("WORKER_LOST", "the process or the machine that worked on the study was lost")
