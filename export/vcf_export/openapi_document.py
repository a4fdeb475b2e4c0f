# SPDX-License-Identifier: Apache-2.0
"""The HTTP side of a server as an OpenAPI 3.1 document: KServe v2 for the entry models, from the typed contract.

``vcf export openapi`` prints it; ``python -m vcf_export.openapi_document`` rewrites the copy in ``clients/``. Its
version is that of the contract.
"""

import json
from collections.abc import Iterable
from typing import Any

from vcf_client.acceptance import AGE_POLICIES
from vcf_client.client import DEFAULT_ADDRESS
from vcf_client.message import PRIORITY, TIMEOUT
from vcf_contract import contract
from vcf_contract.contract import Ensemble, Tensor
from vcf_contract.version import DOCUMENT_PARAMETER, VERSION, VERSION_PARAMETER
from vcf_export.contract_document import CLIENTS
from vcf_server.doctor import PORTS

COPY = CLIENTS / "openapi.json"
JSON, BINARY, TEXT = "application/json", "application/octet-stream", "text/plain"
HEAD_LENGTH = "Inference-Header-Content-Length"
_VALUES: dict[str, dict[str, Any]] = {
    "INT16": {"type": "integer", "minimum": -(1 << 15), "maximum": (1 << 15) - 1},
    "INT32": {"type": "integer", "minimum": -(1 << 31), "maximum": (1 << 31) - 1},
    "INT64": {"type": "integer", "minimum": -(1 << 63), "maximum": (1 << 63) - 1},
    "FP32": {"type": "number"},
    "FP64": {"type": "number"},
    "BYTES": {"type": "string"},
}
_ABOUT_BINARY = (
    "A JSON head, and after it the bytes of those tensors that have `binary_data_size` among their `parameters`, in "
    f"the order of the head, little-endian; `{HEAD_LENGTH}` is the length of the head in bytes"
)
_REFUSED = {
    "400": "Refused, with `CODE: sentence` in the text, or beyond the deadline, or no inference request",
    "404": "No such model or version",
    "500": "No JSON, JSON of another form, or a failure of the server",
    "503": "No room for another study (`OVERLOADED: …`), late in a queue, or not ready",
}


def document() -> dict[str, Any]:
    """Plain lists, numbers and strings."""
    paths: dict[str, Any] = {
        "/v2": {"get": _get("server", "Name, version and extensions of the server", _ref("ServerMetadata"))},
        "/v2/health/live": {"get": _get("live", "Whether the server answers", refused=("400",))},
        "/v2/health/ready": {"get": _get("ready", "Whether every model is ready", refused=("400",))},
    }
    schemas: dict[str, Any] = {
        "Error": _object({"error": {"type": "string", "description": "a sentence, for people, in English"}}),
        "ServerMetadata": _object({"name": _text(), "version": _text(), "extensions": _array(_text())}),
    }
    for entry in contract.ENSEMBLES:
        name, at = entry.name, f"/v2/models/{entry.name}"
        paths[at] = {"get": _get(f"{name}_metadata", "Tensors of the model", _ref(f"{name}_metadata"), ("400", "404"))}
        paths[f"{at}/ready"] = {"get": _get(f"{name}_ready", "Whether the model is ready", refused=("400",))}
        paths[f"{at}/config"] = {
            "get": _get(
                f"{name}_config", "Configuration, with the contract's version", _ref(f"{name}_config"), ("404",)
            )
        }
        paths[f"{at}/infer"] = {"post": _infer(entry)}
        schemas |= {
            f"{name}_metadata": _metadata(entry),
            f"{name}_config": _config(entry),
            f"{name}_request": _request(entry),
            f"{name}_answer": _answer(entry),
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "vcf-triton",
            "version": VERSION,
            "summary": "KServe v2 (Open Inference Protocol) by HTTP, for the entry models",
            "description": "What docs/protocol.md says, for programs. Errors are told apart by the grammar there.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": f"http://{DEFAULT_ADDRESS.rpartition(':')[0]}:{PORTS['http']}"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _text() -> dict[str, Any]:
    return {"type": "string"}


def _array(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def _object(properties: dict[str, Any], optional: Iterable[str] = (), **more: Any) -> dict[str, Any]:
    required = [name for name in properties if name not in set(optional)]
    return {"type": "object", "properties": properties, "required": required, **more}


def _refused(*statuses: str) -> dict[str, Any]:
    """Errors are JSON, whatever their content type says: Triton calls some of them plain text."""
    as_text = {"type": "string", "contentMediaType": JSON, "contentSchema": _ref("Error")}
    content = {JSON: {"schema": _ref("Error")}, TEXT: {"schema": as_text}}
    return {status: {"description": _REFUSED[status], "content": content} for status in statuses}


def _get(
    name: str, summary: str, schema: dict[str, Any] | None = None, refused: tuple[str, ...] = ()
) -> dict[str, Any]:
    """An operation without parameters; without a schema its answer has no body."""
    good: dict[str, Any] = {"description": summary}
    if schema:
        good["content"] = {JSON: {"schema": schema}}
    return {"operationId": name, "summary": summary, "responses": {"200": good, **_refused(*refused)}}


def _infer(entry: Ensemble) -> dict[str, Any]:
    length = {"type": "integer", "minimum": 0}
    good = {
        "description": "The tensors that were asked for, in any order",
        "headers": {HEAD_LENGTH: {"description": "only where tensors follow as bytes", "schema": length}},
        "content": {
            JSON: {"schema": _ref(f"{entry.name}_answer")},
            BINARY: {"schema": {"description": _ABOUT_BINARY}},
        },
    }
    return {
        "operationId": f"{entry.name}_infer",
        "summary": f"Analyse a study, or a part of one: {entry.meaning}",
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": _ref(f"{entry.name}_request")},
                BINARY: {
                    "schema": {"description": f"{_ABOUT_BINARY}. The head is a `{entry.name}_request` without `data`"}
                },
            },
        },
        "parameters": [
            {
                "name": HEAD_LENGTH,
                "in": "header",
                "required": False,
                "description": "only where tensors follow as bytes",
                "schema": length,
            }
        ],
        "responses": {"200": good, **_refused(*_REFUSED)},
    }


def _metadata(entry: Ensemble) -> dict[str, Any]:
    def tensors(described: tuple[Tensor, ...]) -> dict[str, Any]:
        each = [
            _object(
                {
                    "name": {"const": tensor.name},
                    "datatype": {"const": tensor.dtype},
                    "shape": {"const": list(tensor.shape), "description": "-1 is any length"},
                }
            )
            for tensor in described
        ]
        return _array({"oneOf": each}, minItems=len(each), maxItems=len(each))

    return _object(
        {
            "name": {"const": entry.name},
            "versions": _array(_text()),
            "platform": {"const": "ensemble"},
            "inputs": tensors(entry.inputs),
            "outputs": tensors(entry.outputs),
        }
    )


def _config(entry: Ensemble) -> dict[str, Any]:
    major = VERSION.partition(".")[0]
    version = {"type": "string", "pattern": rf"^{major}\.\d+\.\d+$", "description": "of the contract"}
    parameters = {VERSION_PARAMETER: _object({"string_value": version})}
    if entry is contract.VCF:
        whole = {"type": "string", "contentMediaType": JSON, "description": "the contract"}
        parameters[DOCUMENT_PARAMETER] = _object({"string_value": whole})
    return _object(
        {"name": {"const": entry.name}, "platform": {"const": "ensemble"}, "parameters": _object(parameters)}
    )


def _request(entry: Ensemble) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        TIMEOUT: {
            "type": "integer",
            "minimum": 1,
            "maximum": contract.MAX_TIMEOUT_US,
            "description": "deadline in microseconds; the `id` is to be unlike that of any other request",
        },
        PRIORITY: {
            "enum": [priority.level for priority in contract.Priority],
            "default": contract.Priority.ROUTINE.level,
            "description": ", ".join(f"{priority.level} {priority}" for priority in contract.Priority),
        },
    }
    if entry is contract.VCF_DICOM:
        parameters[contract.AGE_POLICY] = {"enum": list(AGE_POLICIES), "default": AGE_POLICIES[0]}
    own = _object({"binary_data_size": {"type": "integer", "minimum": 0}}, additionalProperties=False)
    inputs = [
        _object({**_values(tensor), "parameters": own}, ("data", "parameters"), description=tensor.meaning)
        for tensor in entry.inputs
    ]
    needed = sum(not tensor.optional for tensor in entry.inputs)
    wanted = _object(
        {
            "name": {"enum": [tensor.name for tensor in entry.outputs]},
            "parameters": _object({"binary_data": {"type": "boolean"}}, additionalProperties=False),
        },
        ("parameters",),
    )
    return _object(
        {
            "id": _text(),
            "parameters": _object(parameters, parameters, additionalProperties=False),
            "inputs": _array({"oneOf": inputs}, minItems=needed, maxItems=len(inputs), description="each once"),
            "outputs": _array(wanted, description="all, where this is left out"),
        },
        ("id", "parameters", "outputs"),
    )


def _answer(entry: Ensemble) -> dict[str, Any]:
    outputs = [_object(_values(tensor), description=tensor.meaning) for tensor in entry.outputs]
    return _object(
        {
            "id": _text(),
            "model_name": {"const": entry.name},
            "model_version": _text(),
            "outputs": _array({"oneOf": outputs}, maxItems=len(outputs)),
        },
        ("id",),
    )


def _values(tensor: Tensor) -> dict[str, Any]:
    """Name, type, shape and values of a tensor as JSON; of a shape only the fixed axes are known."""
    axes = [{"const": size} if size >= 0 else {"type": "integer", "minimum": 0} for size in tensor.shape]
    shape = {"type": "array", "prefixItems": axes, "items": False, "minItems": len(axes), "maxItems": len(axes)}
    values = _array(_VALUES[tensor.dtype], description="row-major")
    return {"name": {"const": tensor.name}, "datatype": {"const": tensor.dtype}, "shape": shape, "data": values}


def text() -> str:
    """The document as it is written to a file."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    COPY.write_text(text(), "utf-8")
