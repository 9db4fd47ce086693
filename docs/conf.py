"""The documentation as a site: `make docs`. Sphinx and MyST read the pages as they are, and the docstrings."""

import os
import re
from importlib import metadata
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # the reference imports the library

project = "gatelab"
author = "the gatelab developers"
release = metadata.version("gatelab")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["answers/templates"]

myst_heading_anchors = 4  # the addresses that GitHub gives to headings

autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # signatures and docstrings have them
napoleon_custom_sections = [("Call arguments", "params_style")]
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"gatelab {release}"
html_show_copyright = False
html_show_sphinx = False

ROOT = Path(__file__).parents[1]
PAGES_OF_THE_ROOT = {"index": "README.md", "contributing": "CONTRIBUTING.md", "changes": "CHANGELOG.md"}
RELATIVE_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)(?=[^)\s]+\))")
INLINE_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def put_page_of_the_root(app, name, source):
    """Put README.md before the table of contents, and let links lead to the pages of the site."""
    text = source[0]
    if name in PAGES_OF_THE_ROOT:
        page = (ROOT / PAGES_OF_THE_ROOT[name]).read_text(encoding="utf-8")
        text = RELATIVE_LINK.sub("../", page).replace("](../docs/", "](") + "\n" + text
    up = "../" * (name.count("/") + 1)
    for page, file in PAGES_OF_THE_ROOT.items():
        text = text.replace(f"]({up}{file}", f"]({up[3:]}{page}.md")
    source[0] = text


def read_as_markdown(app, what, name, obj, options, lines):
    """Show what docstrings have in backticks, or indented, as code: they are written like Markdown."""
    for place, (line, blank, block) in enumerate(zip(lines, lines[1:], lines[2:], strict=False)):
        if line and not blank and _indent(block) > _indent(line):
            lines[place] = f"{line}:" if line.endswith(":") else f"{line}\n\n::"
    lines[:] = INLINE_CODE.sub(r"``\1``", "\n".join(lines)).split("\n")


def _indent(line):
    return len(line) - len(line.lstrip())


def setup(app):
    """Called by Sphinx."""
    app.connect("source-read", put_page_of_the_root)
    app.connect("autodoc-process-docstring", read_as_markdown, priority=400)  # before napoleon reads the sections
