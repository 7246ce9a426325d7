"""One colour and one place for a condition in every figure."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping

from matplotlib.colors import to_hex, to_rgb

# Okabe and Ito's colour-blind-safe palette.
PALETTE = {
    "depression": "#0072B2",
    "paranoia": "#D55E00",
    "neutral": "#999999",
    "random_label": "#CC79A7",
    "random_prior": "#E69F00",
    "adaptive": "#009E73",
}
# For conditions of a study's own: the palette's other colours, then Tol's muted scheme, colour-blind-safe too.
SPARE = (
    "#56B4E9", "#F0E442", "#000000", "#332288", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255",
    "#AA4499", "#88CCEE",
)  # fmt: skip
# What a condition's name adds to that of a behavior -> how far its colour goes to white (or, below 0, to black).
TINTS = {
    "_25": 0.75,
    "_50": 0.5,
    "_75": 0.25,
    "exposure_": 0.6,
    "letter_": -0.4,
    "recovery_": -0.7,
    "in_context_": 0.35,
}


def colours(conditions: Iterable[str]) -> dict[str, str]:
    """Condition -> colour, made once from a study's conditions and given to every figure.

    A condition's variants (its name with one of `TINTS`) are tints or shades of it; other names unknown to the palette
    take the spare colours in order.
    """
    names, spare = list(conditions), itertools.cycle(SPARE)
    own = {name: PALETTE.get(name) or next(spare) for name in names if not _variant(name, {*PALETTE, *names})}
    return {name: own.get(name) or _tinted(name, PALETTE | own) for name in names}


def _variant(name: str, of: Collection[str]) -> tuple[str, float] | None:
    """Of which condition a name is a variant, and how far its colour goes to white or black."""
    for affix, share in TINTS.items():
        base = name.removesuffix(affix) if affix.startswith("_") else name.removeprefix(affix)
        if base != name and base in of:
            return base, share
    return None


def _tinted(name: str, found: Mapping[str, str]) -> str:
    base, share = _variant(name, found)
    end = 1.0 if share > 0 else 0.0
    return to_hex([c + abs(share) * (end - c) for c in to_rgb(found[base])])


def in_order(conditions: Iterable[str]) -> list[str]:
    """Conditions as figures and legends have them: those of the palette first, then the others as they come."""
    found = list(dict.fromkeys(conditions))
    return [name for name in PALETTE if name in found] + [name for name in found if name not in PALETTE]
