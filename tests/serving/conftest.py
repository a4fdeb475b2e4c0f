# SPDX-License-Identifier: Apache-2.0
import shutil

import pytest


@pytest.fixture
def one_model(tiny_repository, tmp_path):
    """A repository of one tiny network, for servers that a test starts itself."""
    name = "sequence_head"
    shutil.copytree(tiny_repository / name, tmp_path / "repository" / name)
    return tmp_path / "repository"
