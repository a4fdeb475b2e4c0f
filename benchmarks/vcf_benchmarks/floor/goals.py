# SPDX-License-Identifier: Apache-2.0
"""Tell what is measured against the floor, and its goals."""

SHM, CROP, DICOM_FOLDER = "300 slices in memory, shm", "300 slices in memory, crop", "LIDC-IDRI-0001 from its folder"
GOALS = {SHM: 2.0, CROP: 2.5, DICOM_FOLDER: 4.0}
"""Times the floor, at the median."""
PREPARATION = "volume and centre line to patches, 300 slices, one core, ms"
READY = "server ready after the command, s"
READY_GOAL_S = 8.0
PAPER_S, PAPER_CORES = 61.36, 16
"""Mean time of a case and cores of the machine (paper §4)."""
SGEMM_SIDE = 2048
"""Rows and columns of the matrix product whose rate counts."""
