"""The built site (`make docs`) in a real browser: offline, searched, narrow, dark."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser
PAGES = (
    "docs/index",
    "notebooks/tour",
    "docs/results",
    "docs/glossary",
    "docs/api/priorshift.stats.equivalence",
    "outputs/laptop/notebooks/04_test",
)


@pytest.fixture
def read(root, open_page):
    """Open a page of the site from disk."""
    if not (root / "site/docs/index.html").exists():
        pytest.skip("no site here (make docs)")
    return lambda page, **how: open_page((root / f"site/{page}.html").as_uri(), **how)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_no_other_machine(read, name):
    page = read(name)
    assert page.asked and [url for url in page.asked if not url.startswith(("data:", "file:"))] == []
    theme = "[PST]: "  # it tells which of light and dark it chose
    assert [text for text in page.complaints if not text.startswith(theme)] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_needs_no_sideways_scroll(read, name):
    page = read(name, width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    boxes = [box for code in page.locator("article p code").all() if (box := code.bounding_box())]
    assert not [box for box in boxes if box["x"] + box["width"] > 360]


@pytest.mark.parametrize("scheme", ("light", "dark"))
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_serious_barrier(read, name, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(read(name, scheme=scheme)).response["violations"]
    assert not [(each["id"], each["help"]) for each in found if each["impact"] in ("serious", "critical")]


def test_the_first_address_leads_home(read):
    page = read("index")
    page.wait_for_url("**/docs/index.html")
    assert page.locator("h1").inner_text().startswith("priorshift")


def test_the_search_works_from_disk(read):
    page = read("search")
    page.goto(page.url + "?q=equivalence")
    page.wait_for_selector("#search-results li a")
    assert "equivalence" in page.locator("#search-results").inner_text().lower()


def test_dark_is_dark(read):
    light, dark = (
        read("docs/index", scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    )
    assert light == "rgb(255, 255, 255)" and all(int(part) < 60 for part in dark.strip("rgb()").split(", "))


def test_a_function_of_the_reference_has_its_parameters(read):
    page = read("docs/api/priorshift.stats.equivalence")
    function = page.locator("dl.py.function", has_text="add_equivalence")
    assert "Parameters" in function.inner_text() and "estimated" in function.inner_text()
