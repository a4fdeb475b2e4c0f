# SPDX-License-Identifier: Apache-2.0
"""Python plugin for Orthanc: a study that is stable is analysed, and the findings become a metadata of it.

In Orthanc's configuration:

    "Plugins": ["/usr/share/orthanc/plugins/libOrthancPython.so"],
    "PythonScript": "/etc/orthanc/vcf_plugin.py",
    "UserMetadata": {"VcfFindings": 4200},
    "Vcf": {"Server": "127.0.0.1:8001", "DeadlineSeconds": 120}

``GET /studies/ID/metadata/VcfFindings`` is findings.json then, or the code and sentence of the error. To send results
to a PACS as DICOM, use ``vcf gateway``.
"""

import json
from concurrent.futures import Future, ThreadPoolExecutor

import orthanc

from vcf_client import VcfClient
from vcf_client.reader import read_files
from vcf_contract.errors import VcfError

METADATA = "VcfFindings"
SETTINGS = json.loads(orthanc.GetConfiguration()).get("Vcf", {})
CLIENT = VcfClient(SETTINGS.get("Server", "127.0.0.1:8001"), deadline_s=SETTINGS.get("DeadlineSeconds", 120))
WORK = ThreadPoolExecutor(2, "vcf")  # Orthanc waits for a callback; a study takes seconds


def analyze(study: str) -> None:
    """Analyse a study of Orthanc's, given its id, and keep what comes of it."""
    series = json.loads(orthanc.RestApiGet(f"/studies/{study}/series"))
    images = [image for one in series if one["MainDicomTags"].get("Modality") == "CT" for image in one["Instances"]]
    if not images:
        return
    try:
        read, _ = read_files([orthanc.GetDicomForInstance(image) for image in images])
        said = CLIENT.analyze(read).to_json()
    except VcfError as error:  # its words name no patient
        said = json.dumps({"error": {"code": error.code, "sentence": str(error)}})
    orthanc.RestApiPut(f"/studies/{study}/metadata/{METADATA}", said.encode())


def tell(work: Future[None]) -> None:
    """Whatever else went wrong, by its kind alone."""
    if (error := work.exception()) is not None:
        orthanc.LogError(f"vcf: a study was not analysed, {type(error).__name__}")


def changed(change: int, level: int, resource: str) -> None:
    """Orthanc's callback for every change."""
    if change == orthanc.ChangeType.STABLE_STUDY:
        WORK.submit(analyze, resource).add_done_callback(tell)
    elif change == orthanc.ChangeType.ORTHANC_STOPPED:
        WORK.shutdown(cancel_futures=True)
        CLIENT.close()


orthanc.RegisterOnChangeCallback(changed)
