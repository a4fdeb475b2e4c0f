# SPDX-License-Identifier: Apache-2.0
"""Tell what this machine's processor can do, as far as it decides how to train."""

from dataclasses import replace
from pathlib import Path

import tensorflow as tf

from vcf_training.presets import Preset

CPUINFO = Path("/proc/cpuinfo")
BFLOAT16, FLOAT32 = "mixed_bfloat16", "float32"
_BFLOAT16_FLAGS = frozenset({"avx512_bf16", "avx_ne_convert", "amx_bf16", "bf16"})
"""Linux' names of the instructions, x86 and ARM."""


def has_bfloat16() -> bool:
    """Tell whether the processor computes in bfloat16; no where Linux does not say."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        return False
    flags = {flag for line in lines if line.lower().startswith(("flags", "features")) for flag in line.split()}
    return not flags.isdisjoint(_BFLOAT16_FLAGS)


def fitted(preset: Preset) -> Preset:
    """The preset with float32 in place of bfloat16 where the processor would only emulate it, and slowly."""
    if preset.member.dtype != BFLOAT16 or has_bfloat16():
        return preset
    return replace(preset, member=replace(preset.member, dtype=FLOAT32))


def has_gpu() -> bool:
    """Tell whether TensorFlow trains on a GPU, which several processes would have to share."""
    return bool(tf.config.list_physical_devices("GPU"))
