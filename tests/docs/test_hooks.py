# SPDX-License-Identifier: Apache-2.0
"""The docs site is whole, shows what lies outside ``docs/`` too, and needs nothing from elsewhere."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

pytest.importorskip("mkdocs", reason="the extra docs is not installed")

ROOT = Path(__file__).resolve().parents[2]


class Loaded(HTMLParser):
    """Collects what a browser would load to show a page, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload", "preconnect", "dns-prefetch"):
            self.loads.append(given["href"])
        elif tag in ("script", "img", "iframe", "source") and "src" in given:
            self.loads.append(given["src"])


def build(config: Path, site: Path) -> "subprocess.CompletedProcess[str]":
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--config-file",
        str(config),
        "--site-dir",
        str(site),
    ]
    return subprocess.run(command, cwd=config.parent, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = build(ROOT / "mkdocs.yml", folder)
    assert done.returncode == 0, done.stderr
    return folder


def loaded(page: Path) -> Loaded:
    found = Loaded()
    found.feed(page.read_text("utf-8"))
    return found


def test_every_page_can_be_read_without_a_network(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        for target in loaded(page).loads:
            assert not re.match(r"(https?:)?//", target), f"{page.name} loads {target}"
            path = unquote(re.split(r"[?#]", target)[0])
            assert page.name == "404.html" or (page.parent / path).exists(), f"{page.name} loads {target}"
    styles = "".join(sheet.read_text("utf-8") for sheet in site.rglob("*.css"))
    assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", styles)


def test_the_readme_is_the_first_page_and_its_links_lead_to_pages(site: Path) -> None:
    links = loaded(site / "index.html").links
    assert {"architecture.html", "recipes.html", "changelog.html", "examples/index.html"} <= set(links)
    assert not [link for link in links if link.endswith((".md", ".py"))]


def test_each_example_has_a_page_with_its_program(site: Path) -> None:
    for program in (ROOT / "examples").glob("*.py"):
        page = (site / "examples" / f"{program.stem}.html").read_text("utf-8")
        assert program.name in page and "import" in page


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("client", "vcf_client.client.VcfClient.analyze_many"),
        ("findings", "vcf_client.findings.Findings.positive"),
        ("errors", "vcf_contract.errors.Overloaded"),
        ("ensemble", "vcf_preprocess.aggregate.study_scores"),
    ],
)
def test_the_python_api_is_there(site: Path, page: str, name: str) -> None:
    assert f'id="{name}"' in (site / "api" / f"{page}.html").read_text("utf-8")


@pytest.mark.slow
def test_links_that_lead_nowhere_end_the_build(tmp_path: Path) -> None:
    for path in ROOT.iterdir():
        if path.name in ("docs", "mkdocs.yml"):
            (shutil.copytree if path.is_dir() else shutil.copyfile)(path, tmp_path / path.name)
        elif path.name[0] != ".":
            (tmp_path / path.name).symlink_to(path)
    broken = ("../contract/nothing.py", "nowhere.md", "training.md#nobody")
    page = tmp_path / "docs" / "glossary.md"
    page.write_text("\n".join([page.read_text("utf-8"), *(f"[a link]({link})" for link in broken)]), "utf-8")
    done = build(tmp_path / "mkdocs.yml", tmp_path / "built")
    assert done.returncode != 0
    assert all(link in done.stderr for link in broken)
    assert done.stderr.count("WARNING -") == len(broken)
