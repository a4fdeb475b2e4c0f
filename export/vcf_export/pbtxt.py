# SPDX-License-Identifier: Apache-2.0
"""Protobuf text from plain Python values, the same characters every time."""

from collections.abc import Mapping, Sequence


class Enum(str):
    """The name of an enumeration's value: written without quotes."""


Scalar = str | int | bool | Enum
Value = Scalar | Mapping[str, "Value"] | Sequence["Value"]
INDENT = "  "


def text(message: Mapping[str, Value], depth: int = 0) -> str:
    """Fields in the order given; a sequence is a repeated field, a mapping a message."""
    return "".join(_field(name, value, depth) for name, value in message.items())


def entries(pairs: Mapping[str, Value]) -> list[Value]:
    """A protobuf map: a repeated message of key and value."""
    return [{"key": key, "value": value} for key, value in pairs.items()]


def _field(name: str, value: Value, depth: int) -> str:
    pad = INDENT * depth
    if isinstance(value, Mapping):
        return f"{pad}{name} {{\n{text(value, depth + 1)}{pad}}}\n"
    if isinstance(value, Sequence) and not isinstance(value, str):
        if all(isinstance(item, (int, Enum)) for item in value):
            return f"{pad}{name}: [{', '.join(_scalar(item) for item in value)}]\n"
        return "".join(_field(name, item, depth) for item in value)
    return f"{pad}{name}: {_scalar(value)}\n"


def _scalar(value: Value) -> str:
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and value.isascii() and value.isprintable():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    raise ValueError(f"cannot be written as a scalar: {value!r}")
