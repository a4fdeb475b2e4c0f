# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator

import pytest

from vcf_screening import cluster


@pytest.fixture(scope="module")
def ray_here() -> Iterator[None]:
    """A cluster of two processors of this machine, for the tests of a module."""
    with cluster.connected(processors=2):
        yield
