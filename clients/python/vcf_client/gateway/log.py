# SPDX-License-Identifier: Apache-2.0
"""Tell what the gateway says: its own lines only.

Libraries log data sets, and an error's text can quote an element; so every other logger is silent, warnings are off,
and of an unexpected error only its type and place are told.
"""

import json
import logging
import sys
import threading
import traceback
import warnings
from datetime import UTC, datetime
from types import TracebackType

logger = logging.getLogger("vcf.gateway")


class _Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        return json.dumps({"time": at, "level": record.levelname.lower(), "message": record.getMessage()})


def configure(stream: object = None, log_format: str = "text") -> None:
    """Set up the process's logging: lines of the gateway to standard error, nothing else anywhere."""
    handler = logging.StreamHandler(stream or sys.stderr)  # type: ignore[arg-type]
    as_text = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(_Json() if log_format == "json" else as_text)
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO)
    root = logging.getLogger()
    root.handlers = [logging.NullHandler()]
    root.setLevel(logging.CRITICAL + 1)
    warnings.simplefilter("ignore")
    sys.excepthook = _on_error
    threading.excepthook = lambda args: _on_error(args.exc_type, args.exc_value, args.exc_traceback)


def _on_error(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    logger.critical("stopped by %s", place(error) if error else kind.__name__)


def place(error: BaseException) -> str:
    """Type of an error and where it was raised; never its text."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{at}"
