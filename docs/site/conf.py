"""How Sphinx builds the site (`make docs`): pages and notebooks are read where they lie, and nothing is fetched."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project, version, author = PROJECT["name"], PROJECT["version"], "The priorshift authors"
copyright = author
extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.viewcode"]
templates_path = [str(HERE / "templates")]  # autosummary would look for a relative one beside the sources
html_static_path = ["static"]

# The repository is the source, so a relative link means the same here and on GitHub.
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "docs/api/*.rst",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "notebooks/tour.ipynb",
    "outputs/embedded/notebooks/*.ipynb",
    "outputs/laptop/notebooks/*.ipynb",
]
exclude_patterns = [".*", "src", "tests", "bench", "params", "workflow", "site", "build", "dist"]

# Notebooks are shown as they were executed: whoever builds the site trains nothing.
nb_execution_mode = "off"
nb_render_markdown_format = "myst"
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # a notebook's shell lines are no Python
myst_enable_extensions = ["deflist"]

highlight_language = "text"  # what a block of a page is in, where it does not say
# Docstrings are numpydoc, and a name between backticks is code.
default_role = "literal"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = True
add_module_names = False
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "priorshift"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's machine is
html_css_files, html_js_files = ["site.css"], ["site.js"]
html_copy_source = html_show_sourcelink = False
html_additional_pages = {"index": "to_home.html"}  # the site's own address leads to the home page
html_sidebars = {page: [] for page in ("docs/index", "notebooks/tour", "search", "genindex", "py-modindex")}
html_theme_options = {
    "logo": {"text": "priorshift"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def name_base_model(app: Sphinx, doctree: nodes.document) -> None:
    """Add the base model to the title of a notebook that was executed once for each."""
    step = Path(app.env.docname).name.split("_", 2)
    if app.env.docname.startswith("outputs/") and len(step) == 3:
        title = next(doctree.findall(nodes.title))
        title += nodes.Text(f": {step[2]}")


def name_remote_images(app: Sphinx, doctree: nodes.document) -> None:
    """Put its words where an image of another machine stands, such as a notebook's badge."""
    for image in list(doctree.findall(nodes.image)):
        if "://" in image["uri"]:
            image.replace_self(nodes.Text(image["alt"]))


def show_pictures(app: Sphinx, path: Path, docname: str, text: list[str]) -> None:
    """Turn the README's pictures into images of the site: one for the light and one for the dark."""
    picture = r'<picture>\s*<source [^>]*srcset="docs/([^"]+)">\s*<img alt="([^"]+)" src="docs/([^"]+)">\s*</picture>'
    image = "```{{image}} {}\n:class: only-{}\n:alt: {}\n```\n\n"
    text[0] = re.sub(picture, lambda m: image.format(m[3], "light", m[2]) + image.format(m[1], "dark", m[2]), text[0])


def setup(app: Sphinx) -> None:
    """Connect this file's own steps, before titles and images are collected."""
    app.connect("doctree-read", name_base_model, priority=100)
    app.connect("doctree-read", name_remote_images, priority=100)
    app.connect("include-read", show_pictures)
