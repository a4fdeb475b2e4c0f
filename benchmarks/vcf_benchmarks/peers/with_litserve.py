# SPDX-License-Identifier: Apache-2.0
"""LitServe: a worker process a core behind its own FastAPI front; the volume arrives as a file of a multipart form.

Written after LitServe's "LitAPI", "LitServer" (``workers_per_device``) and its examples of file uploads.
"""

import argparse
import json
from typing import Any

import litserve
from fastapi import Request

from vcf_benchmarks.peers.pipeline import Pipeline, workers


class Analyser(litserve.LitAPI):  # type: ignore[misc]
    """One a worker process."""

    def setup(self, device: str) -> None:
        """Load the networks; there is no other device than the CPU."""
        self.pipeline = Pipeline.from_environment()

    def decode_request(self, request: Request) -> tuple[bytes, list[int], list[float], float]:
        """Volume, shape, spacing and location from what LitServe made of the request: its form."""
        shape, spacing_mm, location_mm = (
            json.loads(request[name]) for name in ("shape", "spacing_mm", "slice_location_mm")
        )
        return request["volume"].file.read(), shape, spacing_mm, location_mm

    def predict(self, study: tuple[bytes, list[int], list[float], float]) -> dict[str, Any]:
        """Findings of the volume."""
        return self.pipeline(*study)

    def encode_response(self, findings: dict[str, Any]) -> dict[str, Any]:
        """They are ready for JSON."""
        return findings


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    server = litserve.LitServer(
        Analyser(api_path="/analyze"), accelerator="cpu", workers_per_device=workers(), timeout=600
    )
    server.run(host="127.0.0.1", port=parser.parse_args().port, generate_client_file=False, log_level="warning")
