# SPDX-License-Identifier: Apache-2.0
"""Tell what a server has to keep under overload."""

ACCEPTED_GOAL = 2.0
"""p99 of the studies that are taken, over that at saturation."""
REFUSED_MS_GOAL = 10.0
"""p99 of the time to a refusal."""
URGENT_GOAL = 2.0
"""p99 of urgent studies beside the overload, over their p99 when nothing else runs."""
NEXT_GOAL = 2.0
"""The first study after the overload, over the usual time of one."""
LID_GOAL = 1.2
"""Peak of the server's memory under overload over its stated lid."""
HOPS = 4.6
"""Bytes of memory that a study in flight takes for each byte sent, at most: `vcf bench sizes` measures it."""
