# SPDX-License-Identifier: Apache-2.0
"""Hooks of MkDocs: what the site shows beside the pages of ``docs/``.

The README is its first page; changelog, model card, other READMEs and the examples are pages too, so that each text
stands once. Pages link to files of the repository as they do on a code host. Here such a link leads to the page or the
picture made from the file, or becomes plain text; one to a file that does not exist is a warning, which ends the strict
build.
"""

import logging
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
LOG = logging.getLogger("mkdocs.hooks.vcf")
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "training/vcf_training/weights/MODEL_CARD.md": "model-card.md",
    "training/vcf_training/data/README.md": "data.md",
    "clients/node/README.md": "node.md",
}
"""Texts outside ``docs/``, and the pages made from them."""
PICTURES = (".png", ".svg")
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)|src=\"(?P<source>[^\"]+)\"")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages and pictures that lie outside ``docs/``."""
    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text("utf-8")))
    examples = sorted((ROOT / "examples").rglob("*.py"))
    for path in examples:
        files.append(File.generated(config, f"examples/{path.stem}.md", content=example(path)))
    rows = "\n".join(f"- [{title(path)}]({path.stem}.md)" for path in examples)
    files.append(File.generated(config, "examples/index.md", content=f"# Examples\n\nShort programs.\n\n{rows}\n"))
    for path in ROOT.glob("benchmarks/results/*.png"):
        files.append(File.generated(config, str(path.relative_to(ROOT)), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn links to files of the repository into links to pages, outside blocks of code."""
    here = page.file.src_uri
    origin = {to: PurePosixPath(name) for name, to in PAGES.items()}.get(here, PurePosixPath("docs", here))
    pieces, end = [], 0
    for block in FENCE.finditer(markdown):
        pieces += [LINK.sub(lambda found: relinked(found, origin, here), markdown[end : block.start()]), block[0]]
        end = block.end()
    return "".join(pieces) + LINK.sub(lambda found: relinked(found, origin, here), markdown[end:])


def relinked(found: re.Match[str], origin: PurePosixPath, here: str) -> str:
    """Write one link of the file ``origin`` anew for the page ``here``."""
    link = found["target"] or found["source"]
    path, hash_mark, anchor = link.partition("#")
    target = Path(os.path.normpath(ROOT / origin.parent / path))
    within = origin.parts[0] == "docs" and target.is_relative_to(ROOT / "docs")
    if not path or "://" in link or within:  # MkDocs itself sees whether these lead somewhere
        return found[0]
    if not target.exists():
        LOG.warning("%s links to %s, and there is no such file", origin, link)
        return found["text"] or found[0]
    page = page_of(target.relative_to(ROOT))
    if page is None:
        return found["text"]
    there = os.path.relpath(page, Path(here).parent)
    return found[0].replace(link, f"{there}{hash_mark}{anchor}")


def page_of(path: Path) -> str | None:
    """Name the page or picture that the site has of a file, by its path in the repository."""
    if (name := str(path)) in PAGES:
        return PAGES[name]
    if path.parts[0] == "docs":
        return str(path.relative_to("docs"))
    if path.parts[0] == "examples" and path.suffix in ("", ".py"):
        return f"examples/{path.stem}.md" if path.suffix else "examples/index.md"
    return name if path.suffix in PICTURES else None


def title(path: Path) -> str:
    """Take the first sentence of an example's docstring."""
    found = re.search(r'^"""(.*?)\.', path.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else path.stem


def example(path: Path) -> str:
    """Make the page of an example: its first sentence, and the whole program."""
    return f"# {title(path)}\n\n`{path.relative_to(ROOT).as_posix()}`\n\n```python\n{path.read_text('utf-8')}```\n"
