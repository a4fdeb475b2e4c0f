# SPDX-License-Identifier: Apache-2.0
"""Forms fitted to one machine: a committed form with other instances, threads and batching delay, under its own name.

``vcf bench sweep`` writes them as ``configs/<name>.pbtxt``, and ``vcf serve --config <name>`` serves them. They hold on
the machine they were found on, so those whose name begins with ``tuned`` are out of version control. What was changed
stands in the first lines of each file, from which `refresh` writes it anew after a change of the contract.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vcf_contract.contract import AXIAL_SLICES, DICOM_VOLUME, PATCH_ENCODER, SPINAL_CORD_DETECTOR, SPINE_PATCHES
from vcf_contract.errors import SetupError
from vcf_export.config import FORMS, GPU, changed, messages
from vcf_export.pbtxt import entries, text
from vcf_export.shapes import Shapes, exported_shapes

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
HEADER = "# A committed form fitted to one machine by `vcf bench sweep`; `vcf export config` writes it anew.\n"
MARK = "# Tuning: "
THREADS = {"openvino": "INFERENCE_NUM_THREADS", "onnxruntime": "intra_op_thread_count"}
"""Parameter of each backend; with 0 the runtime takes all cores."""


@dataclass(frozen=True)
class Tuning:
    """Settings of a tuned form, and the committed form that it takes all others from.

    form
        One of the forms without a GPU: the runtime and precision of each network.
    preparation
        Instances of ``spine_patches``, and half as many, at least one, of ``axial_slices`` and ``dicom_volume``: how
        many studies are prepared at a time.
    encoders
        Instances of the encoder.
    threads
        Of each instance of the encoder and of the detector; 0 leaves them all cores.
    batch_delay_us
        How long the encoder's batcher waits for patches of other studies; None has each study go through alone.
    """

    form: str
    preparation: int
    encoders: int
    threads: int
    batch_delay_us: int | None

    def __post_init__(self) -> None:
        accepted = [form for form in FORMS if form != GPU]
        if self.form not in accepted:
            raise ValueError(f"form must be one of {', '.join(accepted)}, found {self.form!r}")
        for name, least in (("preparation", 1), ("encoders", 1), ("threads", 0), ("batch_delay_us", 0)):
            if name == "batch_delay_us" and self.batch_delay_us is None:
                continue
            if not isinstance(value := getattr(self, name), int) or value < least:
                raise ValueError(f"{name} must be a whole number, {least} or more, found {value!r}")

    @classmethod
    def of(cls, form: str) -> "Tuning":
        """The settings of a committed form."""
        found = messages(form, {})
        encoder = found[PATCH_ENCODER.name]
        return cls(
            form,
            preparation=_count(found[SPINE_PATCHES.name]),
            encoders=_count(encoder),
            threads=0,
            batch_delay_us=_batching(encoder).get("max_queue_delay_microseconds"),
        )

    def __str__(self) -> str:
        threads = f"{self.threads} threads" if self.threads else "all cores"
        merging = "no merging" if self.batch_delay_us is None else f"delay {self.batch_delay_us / 1000:g} ms"
        return f"{self.form}, encoder {self.encoders} × {threads}, {self.preparation} in preparation, {merging}"


def generate(name: str, tuning: Tuning, shapes: Shapes) -> dict[str, str]:
    """Texts of a tuned form by path in the repository, for the models that it changes.

    Raises
    ------
    ValueError
        If the name is that of a committed form, or no name of a file.
    """
    if name in FORMS or not NAME.fullmatch(name):
        raise ValueError(
            f"the name of a tuned form must be of a-z, 0-9, '.', '_' and '-', and none of {', '.join(FORMS)}; "
            f"found {name!r}"
        )
    found = messages(tuning.form, shapes, merge_patches=tuning.batch_delay_us is not None)
    _set_count(found[SPINE_PATCHES.name], tuning.preparation)
    for model in (AXIAL_SLICES, DICOM_VOLUME):
        _set_count(found[model.name], max(1, tuning.preparation // 2))
    encoder = found[PATCH_ENCODER.name]
    _set_count(encoder, tuning.encoders)
    if tuning.batch_delay_us is not None:
        encoder["dynamic_batching"] = _batching(encoder) | {"max_queue_delay_microseconds": tuning.batch_delay_us}
    if tuning.threads:
        for model in (SPINAL_CORD_DETECTOR, PATCH_ENCODER):
            _set_threads(found[model.name], tuning.threads)
    head = f"{HEADER}{MARK}{json.dumps(asdict(tuning))}\n"
    return {f"{model}/configs/{name}.pbtxt": head + text(message) for model, message in changed(found, shapes).items()}


def write(repository: Path, name: str, tuning: Tuning) -> list[Path]:
    """Write a tuned form below ``repository``; the paths."""
    paths = []
    for path, content in generate(name, tuning, exported_shapes(repository)).items():
        target = repository / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        paths.append(target)
    return paths


def remove(repository: Path, name: str) -> None:
    """Take a tuned form away again; no error if it is not there."""
    for path in repository.glob(f"*/configs/{name}.pbtxt"):
        if _mark(path) is not None:
            path.unlink()


def present(repository: Path) -> dict[str, Tuning]:
    """The tuned forms of a repository by name.

    Raises
    ------
    SetupError
        If what a file says of itself cannot be read.
    """
    found: dict[str, Tuning] = {}
    for path, mark in _marked(repository):
        try:
            found.setdefault(path.stem, Tuning(**json.loads(mark)))
        except (ValueError, TypeError) as error:
            raise SetupError(
                f"{path.relative_to(repository)} does not say how it was tuned ({error}): remove it, or run "
                f"`vcf bench sweep --name {path.stem}` again"
            ) from None
    return found


def differing(repository: Path) -> list[str]:
    """Names of tuned forms that are not as they would be generated: the contract has changed since."""

    def differs(path: Path, content: str) -> bool:
        return not path.is_file() or path.read_text() != content

    shapes = exported_shapes(repository)
    return [
        name
        for name, tuning in present(repository).items()
        if any(differs(repository / path, content) for path, content in generate(name, tuning, shapes).items())
    ]


def refresh(repository: Path) -> list[str]:
    """Write every tuned form anew, with what it changes; the names."""
    tunings = present(repository)
    for name, tuning in tunings.items():
        write(repository, name, tuning)
    return list(tunings)


def _marked(repository: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(repository.glob("*/configs/*.pbtxt")):
        if (mark := _mark(path)) is not None:
            yield path, mark


def _mark(path: Path) -> str | None:
    with path.open() as lines:
        return next((line.removeprefix(MARK) for line in lines if line.startswith(MARK)), None)


def _batching(message: Mapping[str, Any]) -> dict[str, Any]:
    return dict(message.get("dynamic_batching", {}))


def _count(message: Mapping[str, Any]) -> int:
    return int(message["instance_group"][0]["count"])


def _set_count(message: dict[str, Any], count: int) -> None:
    message["instance_group"] = [message["instance_group"][0] | {"count": count}]


def _set_threads(message: dict[str, Any], threads: int) -> None:
    parameters = {item["key"]: item["value"] for item in message.get("parameters", ())}
    parameters[THREADS[message["backend"]]] = {"string_value": str(threads)}
    message["parameters"] = entries(parameters)
