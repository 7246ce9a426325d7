"""A figure is written as PNG and SVG, and shown with the text for those who can't see it."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import PIL.Image
import pytest

from priorshift.report.save import Picture, save_picture, show_picture


@pytest.fixture
def picture():
    figure, axis = plt.subplots(figsize=(2, 1))
    axis.plot([0, 1], [1, 0])
    return Picture("line", figure, "A line that falls.")


def test_a_picture_is_written_twice_and_closed(picture, tmp_path):
    save_picture(picture, tmp_path / "figures")
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"line.png", "line.svg"}
    assert not plt.fignum_exists(picture.figure.number)


def test_equal_pictures_give_equal_files(tmp_path):
    for folder in ("a", "b"):
        figure, axis = plt.subplots()
        axis.plot([0, 1], [1, 0])
        save_picture(Picture("line", figure, "A line."), tmp_path / folder)
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in ("line.png",))


def test_a_shown_picture_has_few_colours_and_is_a_png(picture):
    image = PIL.Image.open(io.BytesIO(show_picture(picture)))
    assert image.format == "PNG" and image.mode == "P"
