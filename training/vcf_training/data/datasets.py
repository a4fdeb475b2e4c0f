# SPDX-License-Identifier: Apache-2.0
"""Any annotated data by its path: which format it is, its studies, and their split."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vcf_training.data import phantoms, splits, table, verse
from vcf_training.data.annotated import AnnotatedStudy, DataCode, DataError
from vcf_training.data.splits import Split

log = logging.getLogger(__name__)

FORMATS = ("verse", "csv", "phantom")
Done = Callable[[int, int], None]


@dataclass(frozen=True)
class Options:
    """Tell how data is read beyond its path.

    format
        One of ``FORMATS``; None finds out.
    grades
        VerSe's table of grades, where it does not lie in the folder.
    split
        File of the split: read, extended and written. None draws one that is not kept.
    seed
        Of a new split.
    leave_out_broken
        Log studies whose annotation does not fit and go on; otherwise all of them are told at once, and none is used.
    """

    format: str | None = None
    grades: Path | None = None
    split: Path | None = None
    seed: int = 0
    leave_out_broken: bool = False


DEFAULT = Options()


def is_recipe(path: str | Path) -> bool:
    """Tell whether this names a set of phantoms that is drawn, not read."""
    return str(path).partition(":")[0] in phantoms.RECIPES


def detect(path: str | Path) -> str:
    """The format of the data at a path.

    Raises
    ------
    DataError
        ``NO_STUDIES`` if it is none that is known.
    """
    root = Path(path)
    if is_recipe(path):
        return "phantom"
    if not root.exists():
        raise DataError(
            DataCode.NO_STUDIES, f"there is no data at the given path; a folder, a CSV or {', '.join(phantoms.RECIPES)}"
        )
    if table.find_table(root):
        return "csv"
    if root.is_dir() and phantoms.is_phantom_folder(root):
        return "phantom"
    if root.is_dir() and verse.is_verse(root):
        return "verse"
    raise DataError(
        DataCode.NO_STUDIES,
        "the data is in no known format; accepted are a layout of VerSe, a CSV with the columns "
        f"{', '.join(table.REQUIRED)}, and folders that `vcf phantom` wrote: see docs/training.md",
    )


def studies(path: str | Path, options: Options = DEFAULT) -> list[AnnotatedStudy]:
    """All studies at a path.

    Raises
    ------
    DataError
        Data that does not fit together; where several studies are affected the sentence lists them.
    """
    kind = options.format or detect(path)
    if kind not in FORMATS:
        raise ValueError(f"format is {kind!r}, accepted are {', '.join(FORMATS)}")
    root, problems = Path(path), list[DataError]()
    if kind == "phantom":
        return phantoms.recipe_studies(str(path)) if is_recipe(path) else phantoms.folder_studies(root)
    if kind == "csv":
        listed = table.find_table(root) or root
        if not listed.is_file():
            raise DataError(DataCode.BAD_COLUMNS, f"no CSV with the columns {', '.join(table.REQUIRED)} is at the path")
        found = table.read_table(listed, problems.append)
    else:
        found = verse.read_verse(root, options.grades, problems.append)
    _settle(problems, options.leave_out_broken, bool(found))
    return found


def _settle(problems: list[DataError], leave_out: bool, any_left: bool) -> None:
    for problem in problems if leave_out else ():
        log.warning("left out: %s", problem)
    if problems and not (leave_out and any_left):
        if len(problems) == 1:
            raise problems[0]
        raise DataError(problems[0].code, f"{len(problems)} errors: " + "; ".join(map(str, problems)))


def split_of(
    found: list[AnnotatedStudy], options: Options = DEFAULT, *, check: bool = True, done: Done = lambda *_: None
) -> tuple[Split, list[AnnotatedStudy]]:
    """The split of these studies, from its file as far as there is one; checked for leaks and kept in the file. And
    the studies that were right, all of them unless broken ones may be left out.

    Raises
    ------
    DataError
        A leak, a study that does not fit together, or a file that is no split of these studies.
    """
    known = Split.load(options.split) if options.split and options.split.is_file() else None
    split = splits.draw(found, options.seed, known)
    if check:
        problems = list[DataError]()
        split, found = splits.checked(split, found, done, problems.append)
        _settle(problems, options.leave_out_broken, bool(found))
    if options.split:
        split.save(options.split)
    return split, found
