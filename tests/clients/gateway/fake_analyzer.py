# SPDX-License-Identifier: Apache-2.0
"""A gateway whose analysis is made up; run as a program, one that can be killed."""

import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np

from vcf_client import Findings, Study
from vcf_client.findings import Midsagittal, ModelId, Patch
from vcf_contract.errors import ServerUnavailable


class FakeAnalyzer:
    """Findings made from the volume alone; every other study positive, and each call noted.

    Parameters
    ----------
    notes
        A file that gets a line a call.

    A test that clears ``go_on`` holds analyses up until it sets it again; ``begun`` is set when one begins.
    """

    def __init__(self, notes: Path | None = None, takes_s: float = 0.0) -> None:
        self.ready = True
        self.error: Exception | None = None
        self.calls = 0
        self.priorities: list[str | None] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self._notes, self._takes_s = notes, takes_s

    def is_ready(self) -> bool:
        return self.ready

    def analyze(self, study: Study, *, priority: str | None = None) -> Findings:
        self.priorities.append(priority)
        self.calls += 1
        if not self.ready:
            raise ServerUnavailable("no server")
        if self.error:
            raise self.error
        self.begun.set()
        assert self.go_on.wait(600)
        time.sleep(self._takes_s)
        if self._notes:
            with self._notes.open("a") as notes:
                notes.write(f"{study.series_id}\n")
        hu = study.volume.hu
        dz, dy, _ = study.volume.spacing_mm
        score = 0.75 if int(hu[0, 0, 0]) % 2 else 0.25
        boxes = np.array([[100, 100, z, 148, 164, z + 48] for z in (120, 60, 10)], np.float32)
        corners = [study.volume.to_lps_mm(box.reshape(2, 3)) for box in boxes]
        return Findings(
            series_id=study.series_id,
            study_score=score,
            threshold=0.5,
            patches=tuple(
                Patch(s, s, place, (tuple(c.min(0).tolist()), tuple(c.max(0).tolist())))  # type: ignore[arg-type]
                for s, place, c in zip((0.1, score, 0.2), (0.1, 0.5, 0.9), corners, strict=True)
            ),
            centre_line_mm=((0.0, 0.0, 0.0),),
            flags=tuple(map(str, study.flags)),
            selection=study.selection,
            model=ModelId("vcf", "1", ("none",), "ab" * 32),
            timings_ms={"read": 1.0},
            midsagittal=Midsagittal(
                hu[::-1, :, hu.shape[2] // 2],
                (hu.shape[0] - 1) * dz,
                0.0,
                dz,
                dy,
                boxes,
                np.array([[160, 200, 0], [160, 200, 190]], np.float32),
            ),
        )


def main() -> None:
    from vcf_client.gateway import log
    from vcf_client.gateway.config import Config
    from vcf_client.gateway.service import Gateway

    settings, notes, takes_s = sys.argv[1:]
    log.configure()
    with Gateway(Config.load(Path(settings)), FakeAnalyzer(Path(notes), float(takes_s))) as gateway:
        signal.signal(signal.SIGTERM, lambda *_: gateway.request_stop())
        gateway.wait()


if __name__ == "__main__":
    main()
