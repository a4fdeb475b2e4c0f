# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry: what a study's time goes to, as one trace from the DICOM files to the report.

A program that has set up OpenTelemetry gets spans of this client in its own traces, and the server's join them, for
every request carries the W3C header ``traceparent``. Whoever has not pays nothing: the library is neither imported nor
needed. Spans hold no word of a patient: names of steps, the transport, sizes, the code of a refusal.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vcf_contract.errors import SetupError, VcfError

_NAME = "vcf_client"
_EXTRA = "pip install 'vcf-triton[otlp]'"


@contextmanager
def span(name: str, kind: str = "INTERNAL", **attributes: str | int) -> Iterator[None]:
    """A step of the study, inside the one that runs now.

    Parameters
    ----------
    kind
        Of OpenTelemetry: INTERNAL, or CLIENT for a call of the server.
    """
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is None:
        yield
        return
    about = {f"vcf.{key}": value for key, value in attributes.items()}
    # The text of an error may quote a file: its code alone is told.
    with api.get_tracer(_NAME).start_as_current_span(
        f"vcf.{name}",
        kind=api.SpanKind[kind],
        attributes=about,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield
        except BaseException as error:
            code = error.code if isinstance(error, VcfError) else type(error).__name__
            current.set_status(api.Status(api.StatusCode.ERROR, str(code)))
            raise


def headers() -> tuple[tuple[str, str], ...]:
    """Tell what makes a request part of the trace that is being made: ``traceparent``, or nothing."""
    if "opentelemetry.trace" not in sys.modules:
        return ()
    from opentelemetry import propagate  # noqa: PLC0415 - only where the program has it already

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return tuple(carrier.items())


def export_to(url: str, service: str) -> Callable[[], None]:
    """Send the spans of this process to a collector; what is returned sends the last ones.

    Parameters
    ----------
    url
        OTLP over HTTP, such as ``http://127.0.0.1:4318/v1/traces``.
    service
        The name under which the spans are found.

    Raises
    ------
    SetupError
        If the extra ``otlp`` is not installed.
    """
    try:
        # Only where traces are wanted: importing them takes longer than reading a study.
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SetupError(f"traces need {error.name}: {_EXTRA}") from None
    provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    trace.set_tracer_provider(provider)

    def end() -> None:
        provider.force_flush(5000)
        provider.shutdown()

    return end
