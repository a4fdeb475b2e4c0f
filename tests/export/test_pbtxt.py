# SPDX-License-Identifier: Apache-2.0
"""Protobuf's own parser reads back what is written."""

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from vcf_export.pbtxt import Enum, entries, text


def parse(message):
    return text_format.Parse(text(message), ModelConfig())


def test_scalars_lists_and_messages():
    config = parse(
        {
            "name": "m",
            "max_batch_size": 4,
            "input": [{"name": "x", "dims": [-1, 3]}, {"name": "y", "dims": []}],
            "instance_group": {"kind": Enum("KIND_CPU"), "gpus": [0, 1], "passive": True},
        }
    )
    assert (config.name, config.max_batch_size) == ("m", 4)
    assert [list(i.dims) for i in config.input] == [[-1, 3], []]
    assert config.instance_group[0].kind == ModelInstanceGroup.KIND_CPU
    assert config.instance_group[0].passive


def test_map_entries():
    config = parse({"parameters": entries({"a": {"string_value": "1"}, "b": {"string_value": "2"}})})
    assert {key: value.string_value for key, value in config.parameters.items()} == {"a": "1", "b": "2"}


@pytest.mark.parametrize("awkward", ['a "quoted" name', "back\\slash", ""])
def test_strings_are_escaped(awkward):
    assert parse({"name": awkward}).name == awkward


@pytest.mark.parametrize("value", [1.5, None, "new\nline", "µ"])
def test_what_has_no_fixed_spelling_is_refused(value):
    with pytest.raises(ValueError, match="cannot be written"):
        text({"name": value})
