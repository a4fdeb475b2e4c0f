# SPDX-License-Identifier: Apache-2.0
"""Pages and pictures of results, drawn from their JSON alone."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from vcf_benchmarks.harness import schema
from vcf_benchmarks.harness.page import Document, png, render
from vcf_benchmarks.kinds import KINDS
from vcf_contract.errors import SetupError


def draw(file: Path, out: Path | None = None) -> list[Path]:
    """Draw page and pictures of a result into a folder, by default beside it, and return what was written.

    Raises
    ------
    SetupError
        If the file is no result of a benchmark that has a page, or lacks what the page shows.
    """
    document = schema.read(file)
    if document["kind"] not in KINDS:
        raise SetupError(f"{file} is of the kind {document['kind']!r}; pages are of {', '.join(KINDS)}")
    module = KINDS[document["kind"]].page()
    pictures: Callable[[Document], dict[str, Figure]] = getattr(module, "pictures", lambda document: {})
    try:
        made = {f"{file.stem}.html": render(document, module.sections(document)).encode()}
        made |= {f"{file.stem}-{name}.png": png(figure) for name, figure in pictures(document).items()}
    except KeyError as error:
        raise SetupError(f"{file} lacks {error}, which its page shows") from error
    folder = out or file.parent
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in made.items():
        (folder / name).write_bytes(content)
        paths.append(folder / name)
    return paths
