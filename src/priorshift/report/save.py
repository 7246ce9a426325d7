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


def draw_png(picture: Picture) -> bytes:
    """Draw a figure as PNG of 256 colours, a third of the bytes of all, and close it."""
    drawn, small = io.BytesIO(), io.BytesIO()
    picture.figure.savefig(drawn, format="png", dpi=100, bbox_inches="tight")
    plt.close(picture.figure)  # or the notebook shows it again, at the end of the cell
    PIL.Image.open(drawn).convert("RGB").quantize(256).save(small, format="png", optimize=True)
    return small.getvalue()


def show_picture(picture: Picture) -> bytes:
    """Show a figure in a notebook, once, and return that PNG."""
    png = draw_png(picture)
    _display(png, picture)
    return png


def write_picture(picture: Picture, folder: Path) -> bytes:
    """Write a figure as PNG and SVG, whole or not at all, and return the PNG. Equal figures give equal files."""
    png = draw_png(picture)
    with write_whole(folder / f"{picture.name}.png") as temporary:
        temporary.write_bytes(png)
    with write_whole(folder / f"{picture.name}.svg") as temporary:
        picture.figure.savefig(temporary, format="svg", bbox_inches="tight", metadata={"Date": None})
    return png


def save_picture(picture: Picture, folder: Path) -> None:
    """Show a figure and write it."""
    _display(write_picture(picture, folder), picture)


def _display(png: bytes, picture: Picture) -> None:
    if get_ipython():
        display(Image(png, alt=picture.description))
