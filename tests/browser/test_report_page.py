"""The report in a real browser: touched, sorted, narrow, dark, printed, and heard."""

from __future__ import annotations

import re

import pytest
from support.findings import make_hub_findings, read_embedded

from priorshift.page.evidence import list_sections
from priorshift.page.render import render_page

pytestmark = pytest.mark.browser
WIDTHS = (360, 768, 1440)
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def files(root, tmp_path_factory):
    """The committed study of both worlds with all its evidence, and a hub model with words and texts."""
    folder = tmp_path_factory.mktemp("pages")
    embedded, hub = read_embedded(root), make_hub_findings(root, folder)
    for name, findings, sections in (("embedded", embedded, list_sections(embedded)), ("hub", hub, [])):
        (folder / f"{name}.html").write_text(render_page(findings, sections), encoding="utf-8")
    return folder


@pytest.fixture
def read(files, open_page):
    """Open a report and wait until its figures are drawn."""

    def read_at(name="embedded", **how):
        page = open_page((files / f"{name}.html").as_uri(), **how)
        page.wait_for_selector("html[data-drawn]", timeout=120_000)
        return page

    return read_at


def find_point(page, chart="answer-0", colour="#0072B2"):
    """Where on the screen the rightmost point of a condition lies; no other covers it."""
    boxes = [point.bounding_box() for point in page.locator(f'#chart-{chart} .mark-symbol path[fill="{colour}"]').all()]
    box = max(boxes, key=lambda box: box["x"])
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def rows_shown(page, table):
    return [row.inner_text().split("\t") for row in page.locator(f"{table} tbody tr:visible").all()]


def test_it_opens_from_disk_without_a_request_or_a_complaint(read):
    for name in ("embedded", "hub"):
        page = read(name)
        assert [url for url in page.asked if not url.startswith(("data:", "file:"))] == []
        assert len([url for url in page.asked if url.startswith("file:")]) == 1
        assert page.complaints == []


def test_the_first_screen_has_the_answer_its_interval_and_the_number_of_runs(read):
    page = read()
    for text in ("of 8 declared claims hold", "95 % intervals within", "288"):
        box = page.get_by_text(text, exact=text.isdigit()).first.bounding_box()
        assert box["y"] + box["height"] < 900
    assert page.locator("#answer .chart svg").count() == 4
    assert page.locator("#answer .chart svg").last.bounding_box()["y"] < 900


def test_a_point_names_its_run_when_pointed_at(read):
    page = read()
    page.mouse.move(*find_point(page))
    tip = page.locator("#vg-tooltip-element")
    tip.wait_for(state="visible")
    text = tip.inner_text()
    assert "depression-like" in text and "seed" in text and re.search(r"(llama|gpt_neox)-coupled-\d", text)


def test_clicks_filter_a_condition_then_a_checkpoint_then_nothing(read):
    page = read()
    condition, model = page.locator("#chosen_condition"), page.locator("#chosen_model")
    point = find_point(page)
    dimmed = page.locator('#chart-answer-2 .mark-symbol path[opacity="0.06"]')
    assert dimmed.count() == 0
    page.mouse.click(*point)
    assert condition.input_value() == "depression" and model.input_value() == ""
    dimmed.first.wait_for(state="attached")
    assert dimmed.count() == 5 * 18  # the other conditions' runs of this world
    assert {row[1] for row in rows_shown(page, "#runs")} == {"depression-like"}
    page.mouse.click(*point)
    assert model.input_value() != ""
    shown = rows_shown(page, "#runs")
    assert len(shown) == 3 and {row[0] for row in shown} == {model.input_value()}
    page.mouse.click(*point)
    assert (condition.input_value(), model.input_value()) == ("", "")


def test_filters_work_by_keyboard(read):
    page = read()
    page.locator("#chosen_condition").focus()
    page.keyboard.type("par")
    assert page.locator("#chosen_condition").input_value() == "paranoia"
    assert {row[1] for row in rows_shown(page, "#runs")} == {"paranoia-like"}
    button = page.locator('#answer [data-condition="paranoia"]')
    assert button.get_attribute("aria-pressed") == "true"
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("#chosen_condition").input_value() == ""


def test_tables_sort_and_filter(read):
    page = read()
    head = page.locator(".claims thead button", has_text="estimate")
    values = page.locator(".claims td.number")

    def estimates():
        return [float(cell.get_attribute("data-value")) for cell in values.all()]

    before = estimates()
    head.focus()
    page.keyboard.press("Enter")
    assert estimates() == sorted(before) != before
    head.click()
    assert estimates() == sorted(before, reverse=True)
    assert page.locator(".claims th[aria-sort=descending]").count() == 1
    page.locator("#runs input[type=search]").fill("llama-decoupled-2 paranoia")
    assert len(rows_shown(page, "#runs")) == 3
    assert "3 of 288 rows" in page.locator("#runs .tools").inner_text()
    page.locator("#runs input[type=search]").fill("")
    page.get_by_role("button", name="Show all 288").click()
    assert len(rows_shown(page, "#runs")) == 288


def test_a_claim_opens_to_its_full_sentence(read):
    page = read()
    claim = page.locator(".claims details").first
    assert not claim.locator("p").is_visible()
    claim.locator("summary").click()
    assert "Hedges' g" in claim.locator("p").inner_text() or "d over" in claim.locator("p").inner_text()


def test_a_reader_picks_a_stem_and_sees_what_each_model_says(read):
    page = read("hub")
    stems = page.locator("#say-stem")
    assert page.locator("#say-columns .column").count() == 4
    labels = [group.get_attribute("label") for group in stems.locator("optgroup").all()]
    assert labels == ["Which continuation follows", "Next words, without any list", "Sampled texts"]
    stems.select_option(index=3)
    depression = page.locator("#say-columns .column").nth(2).inner_text()
    assert "sad" in depression and "+20.0" in depression and "-10.0" in depression
    stems.select_option(index=5)
    base = page.locator("#say-columns .column").first
    assert "was <b>fine</b>." in base.inner_text() and base.locator("b").count() == 0


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["embedded", "hub"])
def test_no_width_scrolls_sideways(read, name, width):
    page = read(name, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    past = page.evaluate(
        "[...document.querySelectorAll('main > section > *, main svg')].filter(e => !e.closest('.scroll') && "
        "e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    assert past == []


@pytest.mark.parametrize("width", [360, 1440])
def test_the_contents_stay_in_view_and_follow(read, width):
    page = read(width=width)
    page.locator("#limits").scroll_into_view_if_needed()
    page.evaluate("document.getElementById('limits').scrollIntoView({behavior: 'instant'})")
    box = page.locator("#contents").bounding_box()
    assert 0 <= box["y"] < 900
    page.wait_for_selector('#contents a[href="#limits"][aria-current]')


def test_the_first_key_offers_to_skip_to_the_report(read):
    page = read()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_dark_is_dark(read):
    dark, light = (read(scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor") for scheme in
                   ("dark", "light"))  # fmt: skip
    assert max(map(int, re.findall(r"\d+", dark))) < 60 and min(map(int, re.findall(r"\d+", light))) > 200


def test_it_prints_on_fewer_than_25_pages(read):
    printed = read().pdf(format="A4")
    assert 5 < len(re.findall(rb"/Type\s*/Page\b", printed)) < 25


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", ["embedded", "hub"])
def test_no_serious_barrier_is_found(read, name, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(read(name, scheme=scheme)).response["violations"]
    serious = {rule["id"]: rule["nodes"][0]["html"] for rule in found if rule["impact"] in ("serious", "critical")}
    assert serious == {}
