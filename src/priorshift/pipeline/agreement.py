"""Do the measures agree? What notebook 04 calls, beside `analyse`."""

from __future__ import annotations

import pandas as pd

from priorshift.materials.schema import NEXT_WORDS
from priorshift.pipeline.analyse import Items, Tables
from priorshift.pipeline.probe import list_measured_tables, read_measurements
from priorshift.stats.agreement import correlate_measures, summarize_methods
from priorshift.stats.control_pairs import compare_controls
from priorshift.study.dispositions import list_even_controls
from priorshift.study.load import Study
from priorshift.study.params import HELD_OUT
from priorshift.tables.measures import measure_probes, measure_scales, measure_words


def tabulate_agreement(study: Study, items: Items) -> Tables:
    """Correlate what measures an outcome on held-out domains, and compare the controls: multitrait, methods, controls.

    Tables without rows are left out: correlations take two measures and three runs, and a pair takes two controls.
    """
    settings = study.params.inference
    parts = [measure_probes(items.kept, HELD_OUT)]
    measured = list_measured_tables(study)
    if "scales" in measured:
        parts.append(measure_scales(read_measurements(study, items.runs, "scales")))
    if "completions" in measured and NEXT_WORDS in study.params.probes.families:  # else its lists are not in the hash
        texts = read_measurements(study, items.runs, "completions")
        parts.append(measure_words(texts, study.materials.next_words.words))
    measures = pd.concat(parts, ignore_index=True)
    near, controls = items.kept[items.kept["ring"] == HELD_OUT], list_even_controls(study.params)
    tables = {
        "multitrait": correlate_measures(measures, settings.alpha),
        "methods": summarize_methods(measures, settings.alpha),
        "controls": compare_controls(near, controls, settings.smallest_effect, settings.alpha),
    }
    return {name: table for name, table in tables.items() if len(table)}
