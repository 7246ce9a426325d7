"""Figures with their descriptions: shown in notebooks, and written beside them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import PIL.Image
from IPython import get_ipython
from IPython.display import Image, display
from matplotlib.figure import Figure

from priorshift.files import write_whole


class Picture(NamedTuple):
    """A figure, and what those read who can't see it.

    Attributes
    ----------
    name : of its files, without suffix
    figure : as drawn
    description : what it shows, in a sentence or two: the alt text
    """

    name: str
    figure: Figure
    description: str


def show_picture(picture: Picture) -> bytes:
    """Show a figure in a notebook, once, and return that PNG: of 256 colours, a third of the bytes of all."""
    drawn, small = io.BytesIO(), io.BytesIO()
    picture.figure.savefig(drawn, format="png", dpi=100, bbox_inches="tight")
    plt.close(picture.figure)  # or the notebook shows it again, at the end of the cell
    PIL.Image.open(drawn).convert("RGB").quantize(256).save(small, format="png", optimize=True)
    if get_ipython():
        display(Image(small.getvalue(), alt=picture.description))
    return small.getvalue()


def save_picture(picture: Picture, folder: Path) -> None:
    """Show a figure and write it as PNG and SVG, whole or not at all; equal figures give equal files."""
    with write_whole(folder / f"{picture.name}.png") as temporary:
        temporary.write_bytes(show_picture(picture))
    with write_whole(folder / f"{picture.name}.svg") as temporary:
        picture.figure.savefig(temporary, format="svg", bbox_inches="tight", metadata={"Date": None})
