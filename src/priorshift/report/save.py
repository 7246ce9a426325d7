"""Figures shown in notebooks and written beside them."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib.pyplot as plt
import PIL.Image
from IPython import get_ipython
from IPython.display import Image, display
from matplotlib.figure import Figure

from priorshift.files import whole


def show(figure: Figure) -> bytes:
    """Show a figure in a notebook, once, and return that PNG: of 256 colours, a third of the bytes of all."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100, bbox_inches="tight")
    plt.close(figure)  # or the notebook shows it again, at the end of the cell
    PIL.Image.open(drawn).convert("RGB").quantize(256).save(small, format="png", optimize=True)
    if get_ipython():
        display(Image(small.getvalue()))
    return small.getvalue()


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Show a figure and write it as PNG and SVG, whole or not at all; equal figures give equal files."""
    with whole(folder / f"{name}.png") as temporary:
        temporary.write_bytes(show(figure))
    with whole(folder / f"{name}.svg") as temporary:
        figure.savefig(temporary, format="svg", bbox_inches="tight", metadata={"Date": None})
