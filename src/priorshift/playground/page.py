"""The playground's page, by Panel: one process, on this machine alone."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import panel as pn

from priorshift.errors import UserError
from priorshift.page.charts import CONFIG
from priorshift.playground.ask import BASE, MOST_RUNS, STRONGEST, WEAKEST, Playground, Reply, write_cell

LOOPBACK = "127.0.0.1"
STEM = "Nora thought:"
ROOM = 800  # pixels of the answer


def serve(study: str, port: int = 0) -> Any:
    """Serve a study's playground on this machine's loopback address until it is stopped.

    Parameters
    ----------
    study : path of the study's YAML file
    port : a free one where 0
    """
    first = Playground(study)  # whatever is wrong with the study is said before a page opens
    pn.extension("vega", notifications=False)
    kept = {first.base_model: first}
    title = f"priorshift: {first.study.params.study}"
    quiet = {"show": False, "start": False, "verbose": False, "title": title}
    return pn.serve(lambda: make_page(study, kept), address=LOOPBACK, port=port, **quiet)


def make_page(study: str, kept: dict[str, Playground]) -> pn.Column:
    """Make the page: what is typed and chosen, and below it the answer.

    Parameters
    ----------
    kept : base model -> its playground; a base model is loaded when it is first chosen
    """
    first = next(iter(kept.values()))
    model = pn.widgets.Select(name="Base model", options=[each.name for each in first.study.params.models],
                              value=first.base_model)  # fmt: skip
    runs = pn.widgets.MultiChoice(name=f"Runs (at most {MOST_RUNS})", options=first.runs, value=_choose_runs(first))
    stem = pn.widgets.TextInput(name="Stem", value=STEM, value_input=STEM)
    candidates = pn.widgets.TextInput(name="Candidates (separated by commas)", value="", placeholder="fine, lost")
    strength = pn.widgets.FloatSlider(
        name="Strength of the adapters", start=WEAKEST, end=STRONGEST, step=0.1, value=1.0
    )

    def change_model(name: str) -> None:
        kept[name] = kept.get(name) or Playground(study, name)
        runs.param.update(options=kept[name].runs, value=_choose_runs(kept[name]))

    def answer(name: str, chosen: list[str], text: str, words: str, times: float) -> pn.viewable.Viewable:
        phrases = [each.strip() for each in words.split(",") if each.strip()]
        try:
            if name not in kept or any(run not in kept[name].runs for run in chosen):
                change_model(name)
                chosen = runs.value
            found = kept[name].ask(text, chosen, phrases, times)
        except UserError as problem:
            return pn.pane.Alert(str(problem), alert_type="warning", css_classes=["refused"])
        return _show(found, write_cell(study, name, text, chosen, phrases, times))

    live = pn.bind(answer, model, runs, stem.param.value_input, candidates.param.value_input, strength.param.value)
    controls = pn.Column(model, runs, stem, candidates, strength, width=340)
    return pn.Column(f"# What {first.study.params.study} says next", pn.FlexBox(controls, pn.Column(live, width=ROOM)))


def _choose_runs(playground: Playground) -> list[str]:
    """The first run of each condition, of as many as may be asked."""
    first = {run.rpartition(" seed ")[0]: run for run in reversed(playground.runs)}
    return [run for run in playground.runs if run in first.values()][:4]


def _show(found: Reply, cell: str) -> pn.Column:
    """The answer as a chart, two tables, and the cell that gives it again."""
    parts = [
        pn.pane.Vega(_draw_words(found.words), css_classes=["words"]),
        _show_table(found.distances.rename(columns={"jsd": "JSD to the base model (bits)"}), "distances"),
    ]
    if len(found.candidates):
        parts.append(_show_table(found.candidates, "candidates"))
    parts += [
        pn.pane.Markdown(f"Answered in {found.milliseconds:.0f} ms. The same in a notebook:", css_classes=["time"]),
        pn.pane.Markdown(f"```python\n{cell}\n```", css_classes=["cell"]),
    ]
    return pn.Column(*parts)


def _show_table(frame: pd.DataFrame, name: str) -> pn.pane.DataFrame:
    return pn.pane.DataFrame(frame.round(4), index=False, css_classes=[name])


def _draw_words(words: pd.DataFrame) -> dict:
    """A panel for each model: its likeliest next words, and by how much each has moved from the base model."""
    order, ends = list(dict.fromkeys(words["model"])), [0, float(words["probability"].max())]
    charts = [
        alt.Chart(words[words["model"] == name], title=name, width=170, height=200)
        .mark_bar(color="#999999" if name == BASE else "#0072B2")
        .encode(
            x=alt.X("probability:Q", title="probability", scale=alt.Scale(domain=ends), axis=alt.Axis(tickCount=4)),
            y=alt.Y("word:N", title=None, sort="-x"),
            tooltip=["word", alt.Tooltip("probability", format=".3f"), alt.Tooltip("change", format="+.3f")],
        )
        for name in order
    ]
    return alt.concat(*charts, columns=3).properties(config=CONFIG).to_dict()
