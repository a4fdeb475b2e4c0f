# SPDX-License-Identifier: Apache-2.0
"""Tell how long a screening will take, and what it will cost and ask of the archive, from a measured rate."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vcf_contract.errors import SetupError
from vcf_screening.dataset import STUDIES, open_dataset
from vcf_screening.window import Window

LONGEST_GAP_S = 120.0
"""A longer pause between two rows is one of the run, a window or a server that was away, and no part of the rate."""
_LEAST_ROWS = 10


@dataclass(frozen=True)
class Estimate:
    """Tell what is ahead.

    hours
        Of work.
    days
        With the hours of the window.
    cost
        Of all servers, in the currency of the cost of one for an hour; None where that is not known.
    """

    studies: int
    per_s: float
    hours: float
    days: float
    cost: float | None


def measured_rate(folder: Path) -> float:
    """Studies a second of a screening, pauses left out.

    Raises
    ------
    SetupError
        If it has too few rows to tell.
    """
    studies = folder / STUDIES
    times = open_dataset(studies).to_table(columns=["screened_at"]).column(0).to_numpy() if studies.is_dir() else []
    if len(times) < _LEAST_ROWS:
        raise SetupError(f"the screening has {len(times)} rows, a rate needs {_LEAST_ROWS}; screen some studies first")
    gaps_s = np.diff(np.sort(times)) / np.timedelta64(1, "s")
    counted = gaps_s[gaps_s <= LONGEST_GAP_S]
    if not counted.sum() > 0:
        raise SetupError("all rows of the screening are of one moment; screen some more studies")
    return float(len(counted) / counted.sum())


def estimate(
    studies: int, per_s_of_a_server: float, servers: int, window: Window | None, cost: float | None
) -> Estimate:
    """Hours, days and cost of so many studies.

    Parameters
    ----------
    cost
        Of a server for an hour; it is paid in the hours of work alone.
    """
    per_s = per_s_of_a_server * servers
    hours = studies / per_s / 3600
    days = hours / (window.hours_a_day if window else 24.0)
    return Estimate(studies, per_s, hours, days, None if cost is None else cost * servers * hours)
