# SPDX-License-Identifier: Apache-2.0
"""Tell what a change of the contract asks of its version: the rule of ``vcf_contract.version``, told from two
documents."""

from collections.abc import Iterable, Mapping
from typing import Any

MAJOR, MINOR, PATCH = "major", "minor", "patch"
_WORDS = ("meaning", "notice", "protocol", "description", "title", "$id", "$schema")
"""What only people read."""
_SETS = ("required", "enum", "values", "made_from", "networks")
"""Lists without an order."""
_SETTINGS = ("defaults", "retry", "served_as")


def change(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """``major``, ``minor``, ``patch``, or None where nothing but the version differs.

    Parameters
    ----------
    old, new
        Documents of ``vcf_export.contract_document``.
    """
    found = set(_changes(_comparable(old), _comparable(new)))
    return next((kind for kind in (MAJOR, MINOR, PATCH) if kind in found), None)


def _comparable(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without its version; tensors by name, and inputs marked as what a request needs."""
    plain = {key: value for key, value in document.items() if key != "version"}
    plain["findings"] = {k: v for k, v in document["findings"].items() if k != "schema_version"}
    plain["entry_models"] = {
        name: {
            "meaning": entry["meaning"],
            "outputs": {tensor["name"]: tensor for tensor in entry["outputs"]},
            "needed": {t["name"]: t for t in entry["inputs"] if not t.get("optional")},
            "optional": {t["name"]: t for t in entry["inputs"] if t.get("optional")},
        }
        for name, entry in document["entry_models"].items()
    }
    return plain


def _changes(old: Any, new: Any, path: tuple[str, ...] = ()) -> Iterable[str]:
    if old == new:
        return
    if (path and path[-1] in _WORDS) or (path[:1] == ("codes",) and isinstance(old, str) and isinstance(new, str)):
        yield PATCH
    elif path[-1:] == ("schema_version",) or "schema_version" in path:
        return  # goes with the version itself
    elif (path[:1] and path[0] in _SETTINGS) or path == ("errors", "rules"):
        # Older clients keep their own; the server still understands them.
        yield MINOR
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in old.keys() | new.keys():
            if key not in new:
                yield MAJOR
            elif key not in old:
                yield MAJOR if "needed" in path else MINOR
            else:
                yield from _changes(old[key], new[key], (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and path[-1] in _SETS:
        yield MINOR if set(old) <= set(new) else MAJOR
    elif old is None:
        yield MINOR
    else:
        yield MAJOR


def next_version(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The version that the new document ought to have, if the old one has the version that it says.

    A version that was raised by more than the change asks for is left as it is.
    """
    before, after = (tuple(int(part) for part in document["version"].split(".")) for document in (old, new))
    major, minor, patch = before
    wanted = {
        MAJOR: (major + 1, 0, 0),
        MINOR: (major, minor + 1, 0),
        PATCH: (major, minor, patch + 1),
        None: before,
    }[change(old, new)]
    return ".".join(map(str, max(wanted, after)))
