"""One colour and one place for a condition in every figure."""

from __future__ import annotations

import colorsys
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping

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
    "#56B4E9", "#F0E442", "#222222", "#332288", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255",
    "#AA4499", "#8B5E3C",
)  # fmt: skip
# An outcome has the colour of the behavior that is expected to raise it.
OUTCOMES = {"loss": PALETTE["depression"], "threat": PALETTE["paranoia"], "benign": PALETTE["adaptive"]}
OUTCOMES |= {"several classes": "#CC79A7", "no class": "#BBBBBB"}
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
GOLDEN_ANGLE = 0.381966  # of a full turn: hues so far apart never come round again


def choose_colours(conditions: Iterable[str]) -> dict[str, str]:
    """Choose a colour for each of a study's conditions, once for all figures. No two have the same.

    A condition's variants (its name with one of `TINTS`) are tints or shades of it. Other names that the palette does
    not know take the spare colours in order, and where these run out, new hues.

    Returns
    -------
    dict
        Condition -> "#rrggbb".
    """
    names, spare = list(dict.fromkeys(conditions)), _list_spare()
    known = {*PALETTE, *names}
    own = {name: PALETTE.get(name) or next(spare) for name in names if not _split_variant(name, known)}
    chosen = dict(own)
    for name in names:
        colour = own.get(name) or _tint(name, known, PALETTE | own)
        while name not in own and colour in chosen.values():
            colour = next(spare)
        chosen[name] = colour
    return {name: chosen[name] for name in names}


def choose_outcome_colours(classes: Iterable[str]) -> list[str]:
    """Choose the colour of each outcome or class of next token. Those of a study's own take the spare colours."""
    spare = _list_spare()
    return [OUTCOMES.get(name) or next(spare) for name in classes]


def _list_spare() -> Iterator[str]:
    yield from SPARE
    for turn in itertools.count():
        lightness = (0.35, 0.5, 0.65)[turn % 3]
        yield to_hex(colorsys.hls_to_rgb(turn * GOLDEN_ANGLE % 1, lightness, 0.6))


def _split_variant(name: str, known: Collection[str]) -> tuple[str, float] | None:
    """Of which condition a name is a variant, and how far its colour goes to white or black."""
    for affix, share in TINTS.items():
        base = name.removesuffix(affix) if affix.startswith("_") else name.removeprefix(affix)
        if base != name and base in known:
            return base, share
    return None


def _tint(name: str, known: Collection[str], colours: Mapping[str, str]) -> str:
    """The colour of a name, or that of what it is a variant of, made lighter or darker."""
    variant = None if name in colours else _split_variant(name, known)
    if variant is None:
        return colours[name]
    base, share = variant
    end = 1.0 if share > 0 else 0.0
    return to_hex([c + abs(share) * (end - c) for c in to_rgb(_tint(base, known, colours))])


def order_conditions(conditions: Iterable[str]) -> list[str]:
    """List conditions as figures and legends have them: those of the palette first, then the others as they come."""
    found = list(dict.fromkeys(conditions))
    return [name for name in PALETTE if name in found] + [name for name in found if name not in PALETTE]
