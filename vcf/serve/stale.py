# SPDX-License-Identifier: Apache-2.0
"""What to do with TensorRT plans that do not fit this machine or these weights, before a server starts.

``python -m vcf.serve.stale REPOSITORY POLICY -- tritonserver …`` looks at the plans and then becomes the server: the
form for NVIDIA's container, where no other program starts Triton.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from vcf.errors import SetupError
from vcf.serve import passport, repository
from vcf.serve.passport import Host, this_host

POLICIES = ("refuse", "rebuild", "onnx")
REFUSE, REBUILD, ONNX = POLICIES
Say = Callable[[str], None]


def settle(
    models: Path,
    config_name: str,
    policy: str = REFUSE,
    *,
    fallback: str = "cpu",
    host: Host | None = None,
    module: str = "tensorrt",
    say: Say = lambda sentence: None,
) -> str:
    """Name of the configuration to serve: the one asked for, or ``fallback`` if plans do not fit and ONNX may serve.

    Parameters
    ----------
    policy
        One of `POLICIES`; ``rebuild`` builds the plans that do not fit, and needs TensorRT's Python package.
    say
        Told what was done and why, when something was.

    Raises
    ------
    SetupError
        The first plan that does not fit, with the policy ``refuse``; or no plan can be built, with ``rebuild``.
    """
    if config_name != repository.GPU or not models.is_dir():
        return config_name
    files = {n: f for n, f in repository.network_files(models, config_name).items() if f == passport.PLAN}
    host = host or this_host()
    stale = passport.problems(models, files, host=host)
    if not stale:
        return config_name
    reason = next(iter(stale.values()))
    if policy == ONNX:
        say(f"{reason}; serving the ONNX files instead, with the configuration {fallback!r}")
        return fallback
    if policy == REBUILD and host.gpu is not None:
        from export.tensorrt import build_plans

        for plan in build_plans(models, only=stale, module=module, host=host):
            say(f"built {plan.parents[1].name}/1/{plan.name} anew")
        return config_name
    choice = "" if policy == REBUILD else ", or start with --on-stale-plan rebuild or onnx"
    raise SetupError(reason + choice)


def main(words: list[str]) -> int:
    """Entry of the module; see its text."""
    models, policy, dashes, *command = words
    if policy not in POLICIES or dashes != "--" or not command:
        print(f"usage: python -m vcf.serve.stale REPOSITORY {'|'.join(POLICIES)} -- COMMAND…", file=sys.stderr)
        return 64
    try:
        chosen = settle(Path(models), repository.GPU, policy, fallback="onnxruntime", say=_say)
    except SetupError as error:
        _say(str(error))
        return 1
    if chosen != repository.GPU:
        command.append(f"--model-config-name={chosen}")
    os.execvp(command[0], command)


def _say(sentence: str) -> None:
    print(f"vcf: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
