# SPDX-License-Identifier: Apache-2.0
from vcf_benchmarks.waterfall import client as waterfall_client


def test_the_client_is_the_products_own() -> None:
    """Work that the routes do is known by name, so that none of it hides in the remainder."""
    from vcf_client import message, region, routes

    known = set(waterfall_client.WORK)
    assert {
        message.prepare,
        message.read_answer,
        region.Region,
        region.copy_into,
        routes.crop.cut,
        routes.slices.detector_images,
    } <= known
