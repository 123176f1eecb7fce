"""Whatever the code, the tests and the pages cite is in this repository, and nothing cites what a reader cannot open."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (
    "shared",
    "langchain_dbx_gateway",
    "llama_index_dbx_gateway",
    "tests",
    "docs",
    "benchmarks",
    "notebooks",
    ".ci",
)
SUFFIXES = frozenset({".py", ".md", ".toml", ".csv", ".ipynb", ".txt", ".yml"})

GAP = r"[\s#]+"  # between words, where a comment may go on with its next line
CITATION = re.compile(rf"\bdocs/wire/[\w-]+(?:\.md)?(?:#[\w-]*(?:,{GAP}(?<=#)[\w-]+)*)?")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PAGE = re.compile(r"(?<![\w./#-])[\w./-]*\w\.md\b")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
PLACE = re.compile(r'<a id="([\w-]+)"></a>')
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)

UNKNOWN = (
    "seed00",
    "seed-00",
    "seed PR",
    "design page",
    "founding text",
    "performance measurements",
    "databricks-wire",
    "halo harness",
    "halo_harness",
    "shared/reference",
    "/work/",
)
"""Names of what only the authors of a text could open."""

SECTION = re.compile(r"ections? \d+(?:\.\d+)*")
"""A section by its number: here, sections have headings. Standards number theirs."""


@cache
def texts() -> dict[str, str]:
    """Every file that people read, by its path from the root."""
    files = [path for path in ROOT.iterdir() if path.suffix in {".md", ".toml"}]
    for folder in FOLDERS:
        files += (path for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES or folder == ".ci")
    readable = (path for path in files if path.is_file() and "__pycache__" not in path.parts)
    own = {Path(__file__), Path(__file__).with_name("test_recipes.py")}  # their examples name what is not there
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in readable if path not in own}


def anchors(page: str) -> frozenset[str]:
    """The places of a page that a link can name: GitHub's anchors of its headings, and its rows."""
    found: set[str] = set(PLACE.findall(page))
    for heading in HEADING.findall(FENCE.sub("", page)):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = 1
        while slug in found:
            slug, number = f"{slug.removesuffix(f'-{number - 1}')}-{number}", number + 1
        found.add(slug)
    return frozenset(found)


def broken_citations(text: str, pages: dict[str, str]) -> list[str]:
    """The citations in a text that name no page, or no place of their page."""
    return [cited for cited in cited_in(text) if not resolves(cited, pages)]


def cited_in(text: str) -> Iterator[str]:
    """Each place that a text cites: ``page.md#one, #two`` are two of them."""
    for cited in CITATION.findall(text):
        page, hash_, places = cited.partition("#")
        yield from (page + hash_ + place for place in re.split(rf",{GAP}", places))


def resolves(target: str, pages: dict[str, str]) -> bool:
    """Whether a target is a page there is, and its anchor a place of that page."""
    path, hash_, anchor = target.partition("#")
    return path in pages and (not hash_ or anchor in anchors(pages[path]))


def broken_links(path: str, text: str, pages: dict[str, str]) -> list[str]:
    """The relative links of a page that lead nowhere."""
    links = (link for link in LINK.findall(FENCE.sub("", text)) if "://" not in link and not link.startswith("mailto:"))
    return [link for link in links if not leads_somewhere(path, link, pages)]


def leads_somewhere(path: str, link: str, pages: dict[str, str]) -> bool:
    """Whether a link on the page at ``path`` leads to a file, and to a place of it where it names one."""
    name, _, anchor = link.partition("#")
    target = (ROOT / path).parent / name if name else ROOT / path
    if not target.exists():
        return False
    page = target.resolve().relative_to(ROOT).as_posix()
    return not anchor or (page in pages and anchor in anchors(pages[page]))


def pages_that_are_not_here(path: str, text: str) -> list[str]:
    """The Markdown files that a text names and that exist neither at the root nor beside it."""
    places = (ROOT, (ROOT / path).parent, ROOT / "docs")
    lines = (line for line in text.splitlines() if ".md" in line) if ".md" in text else ()
    named = (name for line in lines for name in PAGE.findall(line))
    return [name for name in named if not any((place / name.lstrip("/")).is_file() for place in places)]


def unknown_to_readers(text: str) -> list[str]:
    """The words in a text by which nobody can find anything."""
    numbered = [
        found[0] for found in SECTION.finditer(text) if "RFC" not in text[max(found.start() - 12, 0) : found.start()]
    ]
    return [word for word in UNKNOWN if word in text] + numbered


def test_every_citation_names_a_page_and_a_place_there_is():
    broken = {path: broken_citations(text, texts()) for path, text in texts().items()}
    assert {path: cited for path, cited in broken.items() if cited} == {}


def test_every_relative_link_of_a_page_leads_somewhere():
    pages = {path: text for path, text in texts().items() if path.endswith(".md")}
    broken = {path: broken_links(path, text, texts()) for path, text in pages.items()}
    assert {path: links for path, links in broken.items() if links} == {}


def test_no_text_names_a_page_that_is_not_here():
    missing = {path: pages_that_are_not_here(path, text) for path, text in texts().items()}
    assert {path: names for path, names in missing.items() if names} == {}


def test_no_text_cites_what_only_its_authors_could_read():
    found = {path: unknown_to_readers(text) for path, text in texts().items()}
    assert {path: words for path, words in found.items() if words} == {}


def test_every_page_of_facts_is_in_the_index():
    index = texts()["docs/wire/README.md"]
    pages = {path.removeprefix("docs/wire/") for path in texts() if path.startswith("docs/wire/")} - {"README.md"}
    assert {page for page in pages if f"[{page}]({page})" not in index} == set()


# The checks themselves

PAGES = {
    "docs/wire/errors.md": '# Errors\n\n## Token problems\n\n```\n# no heading\n```\n\n| <a id="row-1"></a>row-1 |\n'
}


@pytest.mark.parametrize(
    "cited", ["docs/wire/errors.md", "docs/wire/errors.md#token-problems", "docs/wire/errors.md#row-1"]
)
def test_a_citation_of_a_page_a_heading_or_a_row_resolves(cited):
    assert broken_citations(f"Source: {cited}.", PAGES) == []


@pytest.mark.parametrize(
    "cited",
    [
        "docs/wire/error.md",
        "docs/wire/errors.md#tokens",
        "docs/wire/errors.md#no-heading",
        "docs/wire/errors.md#",
        "docs/wire/errors",
    ],
)
def test_a_citation_of_anything_else_does_not(cited):
    assert broken_citations(f"Source: {cited}.", PAGES) == [cited]


def test_headings_of_the_same_words_are_numbered_as_github_does():
    assert anchors("# One\n## One\n## What `it` is: a test\n## One\n") == {"one", "one-1", "one-2", "what-it-is-a-test"}


def test_each_place_of_a_list_is_a_citation():
    cited = "(docs/wire/errors.md#token-problems, #row-1,\n# #lost; docs/wire/errors.md, rows)"
    assert list(cited_in(cited)) == [
        "docs/wire/errors.md#token-problems",
        "docs/wire/errors.md#row-1",
        "docs/wire/errors.md#lost",
        "docs/wire/errors.md",
    ]


@pytest.mark.parametrize(
    "words", ["section 5.1", "see sections 2 and 3", "the design page", "databricks-wire", "halo harness"]
)
def test_a_number_of_a_section_and_a_document_that_is_not_here_are_found(words):
    assert unknown_to_readers(words)


@pytest.mark.parametrize("words", ["RFC 9110 section 5", "a section of a file", "this section, 5 of them"])
def test_words_that_only_look_like_them_are_not(words):
    assert not unknown_to_readers(words)


def test_a_link_to_nothing_is_found():
    page = "[a](CHANGELOG.md) [b](docs/wire/README.md#grades) [c](docs/nothing.md) [d](docs/wire/README.md#nothing) [e](https://x.y)"
    assert broken_links("README.md", page, texts()) == ["docs/nothing.md", "docs/wire/README.md#nothing"]


def test_a_page_that_is_not_here_is_found():
    assert pages_that_are_not_here("docs/quirks.md", "see quirks.md, wire/README.md, SECURITY.md and lost.md.") == [
        "lost.md"
    ]
