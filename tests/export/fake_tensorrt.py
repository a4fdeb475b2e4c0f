# SPDX-License-Identifier: Apache-2.0
"""A stand-in for TensorRT's Python module: records the documented calls of a build in their order, builds nothing."""

from types import SimpleNamespace
from typing import Any

KNOWN_OPERATORS = {"Conv", "LSTM"}


class FakeTensorRT:
    """``operator`` None makes the parser succeed; a name makes it fail there. ``old`` is a parser of TensorRT 8."""

    __version__ = "10.9.0.34"
    BuilderFlag = SimpleNamespace(TF32="TF32")
    ComputeCapability = SimpleNamespace(SM86=86)

    def __init__(self, *, fails_at: str | None = None, plan: bytes | None = b"plan", old: bool = False) -> None:
        self.fails_at, self.plan, self.old = fails_at, plan, old
        self.calls: list[Any] = []
        self.NetworkDefinitionCreationFlag = SimpleNamespace(**({} if old else {"STRONGLY_TYPED": 1}))

    class Logger:
        WARNING, ERROR = 1, 2

        def __init__(self, level: int) -> None:
            self.level = level

    def Builder(self, logger: object) -> Any:
        calls = self.calls
        cache = SimpleNamespace(serialize=lambda: b"timings")
        config = SimpleNamespace(
            clear_flag=lambda flag: calls.append(("clear", flag)),
            add_optimization_profile=lambda p: calls.append("profile"),
            set_compute_capability=lambda capability, i: calls.append(("capability", capability, i)),
            create_timing_cache=lambda content: calls.append(("cache", content)) or cache,
            set_timing_cache=lambda c, ignore_mismatch: calls.append(("set cache", ignore_mismatch)),
            get_timing_cache=lambda: cache,
        )
        return SimpleNamespace(
            create_network=lambda flags: calls.append(("network", flags)) or "network",
            create_builder_config=lambda: config,
            create_optimization_profile=lambda: SimpleNamespace(set_shape=lambda *a: calls.append(("shape", *a))),
            build_serialized_network=lambda network, config: calls.append(_hardware(config)) or self.plan,
        )

    def OnnxParser(self, network: object, logger: object) -> Any:
        error = SimpleNamespace(desc=lambda: "no converter for it")
        if not self.old:
            error.node_operator = lambda: self.fails_at
        return SimpleNamespace(
            parse_from_file=lambda path: self.calls.append(("parse", path)) or self.fails_at is None,
            num_errors=1,
            get_error=lambda i: error,
            supports_operator=lambda name: name in KNOWN_OPERATORS,
        )


def _hardware(config: Any) -> Any:
    """What the build is called by."""
    level = getattr(config, "hardware_compatibility_level", None)
    return "build" if level is None else ("hardware compatibility", level)
