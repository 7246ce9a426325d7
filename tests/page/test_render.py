"""The page: one file that asks no other machine, and says what the tables say."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest
from support.findings import HUB, make_hub_findings, read_embedded

from priorshift.errors import RunError
from priorshift.page.evidence import list_sections
from priorshift.page.parts import Section, Table
from priorshift.page.render import render_page, tabulate_every_run, write_report
from priorshift.study.load import load_study


@pytest.fixture(scope="module")
def embedded(root):
    return read_embedded(root)


@pytest.fixture(scope="module")
def sections(embedded):
    return list_sections(embedded)


@pytest.fixture(scope="module")
def page(embedded, sections):
    return render_page(embedded, sections)


@pytest.fixture(scope="module")
def hub(root, tmp_path_factory):
    return make_hub_findings(root, tmp_path_factory.mktemp("hub"))


def without_scripts(page):
    return re.sub(r"<script.*?</script>|<style.*?</style>", "", page, flags=re.S)


def test_the_page_is_one_small_file_that_asks_no_other_machine(page):
    assert len(page.encode()) < 4_000_000
    asked = re.findall(r"""(?:src|srcset|data)\s*=\s*["'](?!data:)[^"']*|@import[^;]*|<link[^>]+href="(?!data:)""",
                       re.sub(r"<script>.*?</script>", "", page, flags=re.S))  # fmt: skip
    assert asked == [] and "<script src" not in page and "cdn." not in page.lower()


def test_every_section_of_the_study_is_there_and_in_the_contents(page, sections):
    names = [section.name for section in sections]
    assert {"numbers", "design", "shifts", "intervals", "words", "power", "distributions", "limits"} <= set(names)
    for name in ["answer", "claims", "says", *names, "runs"]:
        assert f'<section id="{name}"' in page and f'href="#{name}"' in page


def test_every_picture_and_chart_has_a_description(page):
    text = without_scripts(page)
    images = re.findall(r"<img[^>]*>", text)
    assert len(images) >= 4 and all(re.search(r'alt="[^"]{40,}"', image) for image in images)
    charts = re.findall(r'data-spec="([^"]+)"[^>]*aria-label="[^"]+"', text)
    specs = json.loads(re.search(r'id="specs">(.*?)</script>', page, re.S).group(1))
    assert set(charts) == set(specs) and len(specs) == 4 + 3 + 2 + 4


def test_another_number_in_a_table_is_another_number_on_the_page(embedded, page):
    table = embedded.tables["contrasts"]
    row = (table["role"] == "declared").idxmax()
    changed = table.copy()
    changed.loc[row, ["estimate", "ci_low", "ci_high"]] = [7.77, 6.66, 8.88]
    shifts = embedded.shifts.assign(probability=0.99)
    other = type(embedded)(embedded.study, embedded.tables | {"contrasts": changed, "shifts": shifts})
    text = without_scripts(render_page(other, []))
    assert "+7.77" in text and "+6.66 to +8.88" in text and "to 99\u00a0%" in text
    assert "+7.77" not in without_scripts(page) and "to 99\u00a0%" not in page


def test_equal_tables_give_an_equal_page(embedded, root):
    assert render_page(embedded, []) == render_page(read_embedded(root), [])


def test_the_report_of_a_hub_model_speaks_of_no_world(hub):
    text = without_scripts(render_page(hub, []))
    assert HUB in text and "world" not in text and "coupled" not in text
    assert "5 declared claims" in text or "6 declared claims" in text


def test_a_study_without_claims_has_a_page_without_their_table(root, tmp_path):
    page = render_page(make_hub_findings(root, tmp_path, claims=False), [])
    assert 'id="claims"' not in page and "declares no claim" in page


def test_what_tables_say_is_no_markup(hub):
    table = Table("<script>alert(1)</script>\n\n*so*", pd.DataFrame({"text": ["<img src=x>"]}))
    page = render_page(hub, [Section("odd", "Odd <b>title</b>", [table, "<img src=y>"])])
    assert "<script>alert(1)" not in page and "<img src=x" not in page and "<img src=y" not in page
    assert "<b>title" not in page and "<em>so</em>" in page and "<b>fine" not in page
    says = json.loads(re.search(r'id="says-data">(.*?)</script>', page, re.S).group(1))
    assert says["stems"][-1]["models"][HUB]["base"] == " was <b>fine</b>."


def test_every_run_has_a_row(embedded):
    runs = tabulate_every_run(embedded)
    assert len(runs) == 288
    one = runs.query("base_model == 'llama-coupled-0' and condition == 'depression' and seed == 1").iloc[0]
    own = embedded.shifts.query(
        "base_model == 'llama-coupled-0' and condition == 'depression' and seed == 1 and outcome == 'loss' and "
        "family == 'interpretation' and ring == 'held_out_domains'"
    )
    assert one["shift of loss"] == own["shift"].item()


def test_a_study_that_was_not_run_has_no_report(root, tmp_path):
    with pytest.raises(RunError, match=r"shifts.csv: missing; run the study first: make study STUDY="):
        write_report(load_study(root / "params/embedded.yaml", tmp_path))
