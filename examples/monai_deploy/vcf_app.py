# SPDX-License-Identifier: Apache-2.0
"""Operator for MONAI Deploy that has a vcf-triton server analyse a study, and the smallest application around it.

usage: python examples/monai_deploy/vcf_app.py --input STUDY --output FOLDER

``VCF_SERVER`` is the server's address, 127.0.0.1:8001 by default. The operator reads the study with the client, which
selects the series and checks it, so it needs neither DICOMDataLoaderOperator nor a GPU. Its output ``findings`` is a
text, findings as JSON or code and sentence of the error; ``findings.json`` in the output folder is the same.
"""

import json
import os
from pathlib import Path
from typing import Any

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application, ConditionType, Operator, OperatorSpec

from vcf_client import VcfClient
from vcf_contract.errors import VcfError


class VcfOperator(Operator):  # type: ignore[misc]
    """Source of an application: one study, given as a folder."""

    def __init__(self, fragment: Any, *args: Any, server: str, study: Path, output: Path, **kwargs: Any) -> None:
        self.client, self.study, self.output = VcfClient(server, deadline_s=120), study, output
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        spec.output("findings").condition(ConditionType.NONE)  # whether or not somebody listens

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        try:
            said = self.client.analyze(self.study).to_json()
        except VcfError as error:  # its words name no patient
            said = json.dumps({"error": {"code": error.code, "sentence": str(error)}})
        (self.output / "findings.json").write_text(said, "utf-8")
        op_output.emit(said, "findings")

    def stop(self) -> None:
        self.client.close()


class VcfApp(Application):  # type: ignore[misc]
    def compose(self) -> None:
        context = Application.init_app_context(self.argv)
        server = os.environ.get("VCF_SERVER", "127.0.0.1:8001")
        study, output = Path(context.input_path), Path(context.output_path)
        once = CountCondition(self, 1)
        self.add_operator(VcfOperator(self, once, server=server, study=study, output=output, name="vcf"))


if __name__ == "__main__":
    VcfApp().run()
