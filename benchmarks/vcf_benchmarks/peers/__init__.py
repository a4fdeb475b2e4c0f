# SPDX-License-Identifier: Apache-2.0
"""The same networks and preparation behind other servers, each written as its own documentation would have it.

``with_<framework>.py`` is one server each. All get the same request, a whole volume, over HTTP from the same driver.
"""
