"""Do the classes of action differ in tone? Their valence by VADER, whose lexicon rates single words."""

from __future__ import annotations

import re

import pandas as pd
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from priorshift.materials.schema import Materials


def tabulate_valence(materials: Materials) -> pd.DataFrame:
    """Valence of the actions, class by class, beside that of the probes, outcome by outcome.

    Returns
    -------
    DataFrame
        file, class, phrases; `with_valence`: share of the phrases that hold a word of the lexicon; `valence`: the
        phrases' mean compound score, -1 to 1 (Hutto & Gilbert 2014)
    """
    files = {"actions": materials.all_actions, "interpretations": materials.interpretations}
    files |= {"feelings": materials.feelings, "self_statements": materials.self_statements}
    analyzer = SentimentIntensityAnalyzer()
    rows = []
    for file, groups in files.items():
        for name, phrases in groups.items():
            rated = [any(word in analyzer.lexicon for word in re.findall(r"[a-z']+", p.lower())) for p in phrases]
            scores = [analyzer.polarity_scores(phrase)["compound"] for phrase in phrases]
            counts = {"phrases": len(phrases), "with_valence": sum(rated) / len(phrases)}
            rows.append({"file": file, "class": name, **counts, "valence": sum(scores) / len(phrases)})
    return pd.DataFrame(rows)
