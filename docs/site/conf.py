# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The site of the documentation: what Sphinx is told by bin/docs. Nothing here asks the network."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "mongodb_ops.backup"
author = "the mongodb_ops.backup contributors"
copyright = author  # noqa: A001
html_title = project

extensions = ["myst_parser", "sphinx_antsibull_ext"]
root_doc = "README"
include_patterns = [
    "README.md",
    "docs/*.md",
    "roles/*/README.md",
    "molecule/README.md",
    "reference/**",
    "docs/site/ansible.rst",
]

# Headings get the anchors that they have where the repository is browsed.
myst_heading_anchors = 4

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_use_index = False
pygments_style = "ansible"
highlight_language = "none"

LINK = re.compile(r"\[([^\]]*)\]\(([\w./-]+)\)")


def without_folders(app: Sphinx, docname: str, source: list[str]) -> None:
    """Keep only the text of a link to a folder: where the repository is browsed it has a page, in the site it has none."""
    folder = Path(app.env.doc2path(docname)).parent
    source[0] = LINK.sub(lambda link: link[1] if (folder / link[2]).is_dir() else link[0], source[0])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", without_folders)
