"""The site that Sphinx builds of these pages, without a directive in any of them: `make site`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))

from contents import ELSEWHERE, SECTIONS
from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.addnodes import pending_xref

import reference
from temperance.version import __version__

if TYPE_CHECKING:
    from docutils.nodes import document, math, math_block
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

HERE = Path(__file__).parent
project = "temperance"
author = "the authors of temperance"
copyright = author  # noqa: A001 (as Sphinx calls it)
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["images"]
suppress_warnings = ["misc.highlighting_failure"]  # excerpts of JSON with "..." in them
myst_heading_anchors = 4  # pages link to headings as a code host names them
default_role = "code"  # docstrings have names between single backticks
autodoc_typehints = "none"  # types stand in the docstrings, in words
toc_object_entries = False  # each name has a heading
autodoc_member_order = "bysource"
autodoc_default_options = {
    "members": True,
    "exclude-members": "set_score_request, set_fit_request",  # scikit-learn's, of every estimator
}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False  # types are words: `(n, k)` would be looked up as the name `n`
napoleon_use_ivar = True  # an attribute that is a property too stands once
html_math_renderer = "mathml"  # which browsers know: no script, nothing fetched
pygments_style = "friendly"

html_theme = "pydata_sphinx_theme"
html_title = "temperance"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "show_toc_level": 2,
    "navbar_persistent": ["search-button"],  # a button: the field would take a second line
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
html_static_path = ["site"]
html_css_files = ["site.css"]


def arrange(_app: Sphinx, name: str, source: list[str]) -> None:
    """Hang the pages below this one, and lead links out of the folder to pages of the site."""
    for file, page in ELSEWHERE.items():
        source[0] = source[0].replace(f"]({file}", f"]({page}")
    if name == "changes":  # the file lies above: its links begin at the root
        source[0] = re.sub(r"\]\(docs/", "](", (HERE.parent / "CHANGELOG.md").read_text("utf-8"))
    below = "\n".join(SECTIONS.get(name, []))
    if below:
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n\n{below}\n```\n"


def unlink(_app: Sphinx, doctree: document) -> None:
    """Keep words of types from being taken for names: of `shape (n, k)`, n is no attribute."""
    for node in list(doctree.findall(pending_xref)):
        if (
            node["refdomain"] == "py"
            and node["reftarget"].islower()
            and "." not in node["reftarget"]
        ):
            node.replace_self(node.children)


def formula(translator: HTML5Translator, node: math | math_block) -> None:
    """Write a formula as MathML; one that cannot be read ends the build."""
    block = node.tagname == "math_block"
    text = tex2mathml(node.astext(), as_block=block)
    translator.body.append(f'<div class="math">{text}</div>' if block else text)
    raise SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the reference pages, which the build takes away, and hang all pages together."""
    reference.write(HERE)
    app.add_html_math_renderer("mathml", (formula, None), (formula, None))
    app.connect("source-read", arrange)
    app.connect("doctree-read", unlink)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
