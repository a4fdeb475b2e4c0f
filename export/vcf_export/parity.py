# SPDX-License-Identifier: Apache-2.0
"""Parity checks: how far each form of the networks answers from the Keras models, on whole studies.

Every check analyses the same volumes from the first slice to the study score, so that what a form changes in the
detector is seen in the patches too. A float32 check must agree within ``FP32_TOLERANCE`` and decide alike; a check of
reduced precision must keep 99.9 % of the reference's ROC AUC (the stricter of the two accuracy gates of the MLPerf
Inference rules).
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcf_client import VcfClient
from vcf_client.findings import Findings
from vcf_client.reader import read_study
from vcf_client.study import Study
from vcf_contract.contract import NETWORKS, PATCH_ENCODER
from vcf_contract.errors import SetupError, StudyRefused, UsageError
from vcf_export import config, runtimes
from vcf_export.config import CPU, CPU_BF16, CPU_INT8, ONNXRUNTIME
from vcf_export.parity_studies import ParityStudy, studies
from vcf_export.passport_writer import record_parity
from vcf_runtime import operating_point
from vcf_server import passport
from vcf_server.passport import PLAN
from vcf_server.server import TritonServer
from vcf_training.metrics import roc_auc
from vcf_training.phantom.dicom import write_series
from vcf_training.reference import analyze
from vcf_training.store import load_networks

FP32_TOLERANCE = 1e-5
GATES = (0.99, 0.999)
REFERENCE = "Keras"
SERVED, FROM_DICOM, TENSORRT = "served through Triton", "from DICOM", "TensorRT"
IN_PROCESS = {config.CHECKS[form]: form for form in (ONNXRUNTIME, CPU, CPU_BF16, CPU_INT8)}
"""Checks that run in this process: the form that each stands for."""
FP32_CHECKS = ("ONNX Runtime", "OpenVINO f32", f"{TENSORRT} fp32", SERVED, FROM_DICOM)
CHECKS = (*IN_PROCESS, f"{TENSORRT} fp32", f"{TENSORRT} fp16", SERVED, FROM_DICOM)

Scores = tuple[float, NDArray[np.float64]]
"""Study score and patch scores."""
Analyze = Callable[[ParityStudy], Scores]


@dataclass(frozen=True)
class Answer:
    """One check's answer to one study; ``scores`` is None where it was refused."""

    study: str
    fractured: bool
    scores: Scores | None


def check_forms(
    repository: Path,
    weights: Path,
    *,
    studies: int,
    only: Sequence[str] = (),
    shared_data: Path | None = None,
    gpu_server: str | None = None,
    done: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, Any]:
    """Analyse ``studies`` studies by every check that runs here, and compare each with the Keras models.

    Parameters
    ----------
    only
        Names of checks; those that were asked for must run.
    gpu_server
        Address of a Triton server with the gpu form; without one, TensorRT's checks are not run.

    Raises
    ------
    UsageError
        An unknown check.
    SetupError
        Missing weights, or a check that was asked for and cannot run.
    """
    if unknown := sorted(set(only) - set(CHECKS)):
        raise UsageError(f"no check named {', '.join(unknown)}; there are {', '.join(CHECKS)}")
    threshold = operating_point.read(repository, "1", "fracture_findings").threshold
    networks = load_networks(weights)
    answers: dict[str, list[Answer]] = {}
    with ExitStack() as open_checks:
        checks, not_run = _checks(repository, only, gpu_server, open_checks)
        ways: dict[str, Analyze] = {REFERENCE: _in_process(networks), **checks}
        counts: dict[str, int] = {}
        for number, study in enumerate(_studies(studies, shared_data), 1):
            counts[study.kind] = counts.get(study.kind, 0) + 1
            for name, way in ways.items():
                answers.setdefault(name, []).append(Answer(study.name, study.fractured, _scores(way, study)))
            done(number, studies)
    reference = answers.pop(REFERENCE)
    rows = [
        compare(name, reference, answers[name], threshold) if name in answers else {"name": name, **_NO_FIGURES} | why
        for name in CHECKS
        if name in answers or (why := {"not_run": not_run.get(name)})["not_run"]
    ]
    return {
        "reference": REFERENCE,
        "threshold": threshold,
        "studies": counts,
        "synthetic": "fractures are synthetic; the checks compare forms with each other, not with patients",
        "fractured": sum(a.fractured for a in reference),
        "refused": sum(a.scores is None for a in reference),
        "reference_auc": _auc(reference),
        "fp32_tolerance": FP32_TOLERANCE,
        "checks": rows,
        "scores": {
            a.study: {REFERENCE: _study_score(a)} | {n: _study_score(check[i]) for n, check in answers.items()}
            for i, a in enumerate(reference)
        },
    }


def compare(name: str, reference: Sequence[Answer], answers: Sequence[Answer], threshold: float) -> dict[str, Any]:
    """The figures of one check.

    Studies that both refuse are left out. One that a single side refuses is a decision flip, and fails any check; a
    study with another number of patches differs by 1, the most a probability can.
    """
    patch, study, flips, only_one = [], [], 0, 0
    kept_reference, kept = [], []
    for one, other in zip(reference, answers, strict=True):
        if one.scores is None or other.scores is None:
            only_one += (one.scores is None) != (other.scores is None)
            continue
        kept_reference.append(one)
        kept.append(other)
        (score, patches), (found, found_patches) = one.scores, other.scores
        patch.append(np.abs(patches - found_patches) if patches.shape == found_patches.shape else np.ones(1))
        study.append(abs(score - found))
        flips += (score >= threshold) != (found >= threshold)
    if not kept:
        raise SetupError(f"every study was refused by {REFERENCE} or by {name}: nothing can be compared")
    every = np.concatenate(patch)
    auc, reference_auc = _auc(kept), _auc(kept_reference)
    ratio = None if auc is None or not reference_auc else auc / reference_auc
    worst = max(float(every.max()), float(max(study)))
    figures = {
        "max_patch_difference": float(every.max()),
        "mean_patch_difference": float(every.mean()),
        "max_study_difference": float(max(study)),
        "mean_study_difference": float(np.mean(study)),
        "decision_flips": flips + only_one,
        "auc_ratio": ratio,
        "studies": len(kept),
        "refused_by_one": only_one,
    }
    gates = {f"{gate:.1%}": ratio is not None and ratio >= gate for gate in GATES}
    if name in FP32_CHECKS:
        passed = worst <= FP32_TOLERANCE and not flips and not only_one
        tolerance = f"all scores within {FP32_TOLERANCE:g}, no decision flips"
    else:
        passed = gates[f"{GATES[-1]:.1%}"] and not only_one
        tolerance = f"AUC at least {GATES[-1]:.1%} of the reference"
    return {"name": name, **figures, "gates": gates, "tolerance": tolerance, "passed": passed, "not_run": None}


def passed(figures: Mapping[str, Any]) -> bool:
    """Return whether no check that was run missed its tolerance."""
    return all(check["passed"] is not False for check in figures["checks"])


def record(repository: Path, figures: Mapping[str, Any]) -> None:
    """Put each check's figures into the passports of the files that no other check accounts for better."""
    checks = {check["name"]: check for check in figures["checks"] if check["passed"] is not None}
    folders = {network.name: repository / network.name / "1" for network in NETWORKS}
    behind = {
        "OpenVINO f32": [folder / "model.onnx" for folder in folders.values()],
        "OpenVINO int8": [folders[PATCH_ENCODER.name] / "model.int8.xml"],
        **{f"{TENSORRT} {p}": [folder / PLAN for folder in folders.values()] for p in ("fp32", "fp16")},
    }
    for name, paths in behind.items():
        if name in checks:
            kept = ("decision_flips", "auc_ratio", "studies", "passed")
            differences = [key for key in checks[name] if key.endswith("_difference")]
            shown = {key: float(f"{checks[name][key]:.2g}") for key in differences}
            record_parity(paths, {"check": name, **shown, **{key: checks[name][key] for key in kept}})


def text(figures: Mapping[str, Any]) -> str:
    """The table, for a terminal."""
    kinds = ", ".join(f"{n} {kind}" for kind, n in figures["studies"].items())
    lines = [f"{sum(figures['studies'].values())} studies: {kinds}; {figures['refused']} refused by the reference"]
    head = ("check", "patch max", "mean", "study max", "mean", "flips", "AUC ratio", "")
    lines.append("{:<24}{:>10}{:>10}{:>11}{:>10}{:>7}{:>11}  {}".format(*head))
    for check in figures["checks"]:
        if check["not_run"]:
            lines.append(f"{check['name']:<24}{check['not_run']}")
            continue
        ratio = "–" if check["auc_ratio"] is None else f"{check['auc_ratio']:.4f}"
        lines.append(
            f"{check['name']:<24}{check['max_patch_difference']:>10.1e}{check['mean_patch_difference']:>10.1e}"
            f"{check['max_study_difference']:>11.1e}{check['mean_study_difference']:>10.1e}"
            f"{check['decision_flips']:>7}{ratio:>11}  {'passed' if check['passed'] else 'NOT PASSED'}"
        )
    return "\n".join(lines)


_NO_FIGURES: dict[str, Any] = dict.fromkeys(
    (
        "max_patch_difference",
        "mean_patch_difference",
        "max_study_difference",
        "mean_study_difference",
        "decision_flips",
        "auc_ratio",
        "passed",
    )
)
_studies = studies


def _checks(
    repository: Path, only: Sequence[str], gpu_server: str | None, open_checks: ExitStack
) -> tuple[dict[str, Analyze], dict[str, str]]:
    """The checks that run here, and why others do not."""
    wanted = [name for name in CHECKS if not only or name in only]
    found: dict[str, Analyze] = {}
    not_run: dict[str, str] = {}
    for name in wanted:
        if form := IN_PROCESS.get(name):
            try:
                found[name] = _in_process(runtimes.load(repository, form))
            except SetupError as error:
                if only:
                    raise
                not_run[name] = f"not run here: {error}"
        elif name.startswith(TENSORRT):
            precision = passport.read(repository / PATCH_ENCODER.name / "1").get(PLAN, {}).get("precision")
            if gpu_server and name.endswith(str(precision)):
                found[name] = _served(open_checks.enter_context(VcfClient(gpu_server, transport="volume")))
            else:
                not_run[name] = f"not run here: plans are {precision}" if gpu_server else "not run here: no GPU"
    if served := [name for name in (SERVED, FROM_DICOM) if name in wanted]:
        server = open_checks.enter_context(TritonServer(repository, config_name=CPU))
        for name in served:
            client = VcfClient(server.grpc_url, transport="volume" if name == SERVED else "auto")
            found[name] = (_served if name == SERVED else _from_dicom)(open_checks.enter_context(client))
    return found, not_run


def _scores(way: Analyze, study: ParityStudy) -> Scores | None:
    try:
        return way(study)
    except StudyRefused:
        return None


def _in_process(networks: Any) -> Analyze:
    def run(study: ParityStudy) -> Scores:
        analysis = analyze(study.volume, networks)
        return analysis.study_score, analysis.patch_scores

    return run


def _served(client: VcfClient) -> Analyze:
    return lambda study: _of_findings(client.analyze(Study(study.volume, study.name)))


def _from_dicom(client: VcfClient) -> Analyze:
    """Written as a series of files and read back by the client, as a user's study is."""

    def run(study: ParityStudy) -> Scores:
        with _series(study) as folder:
            return _of_findings(client.analyze(read_study(folder)))

    return run


@contextmanager
def _series(study: ParityStudy) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vcf-parity-") as folder:
        write_series(study.phantom, Path(folder))
        yield Path(folder)


def _of_findings(findings: Findings) -> Scores:
    return findings.study_score, np.array([patch.score for patch in findings.patches])


def _study_score(answer: Answer) -> float | None:
    return answer.scores[0] if answer.scores else None


def _auc(answers: Sequence[Answer]) -> float | None:
    scored = [(a.fractured, a.scores[0]) for a in answers if a.scores]
    labels = [fractured for fractured, _ in scored]
    return roc_auc(labels, [score for _, score in scored]) if 0 < sum(labels) < len(labels) else None
