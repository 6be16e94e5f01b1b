"""The documentation as a site: `make docs` writes the generated pages first, then this builds everything into site/."""

from __future__ import annotations

import re
from typing import Any

from rechallenge import __version__

project = "Rechallenge"
author = "The Rechallenge developers"
release = version = __version__
html_title = f"Rechallenge {version}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["generate*.py"]
html_theme = "furo"
html_show_copyright = False
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# the tables in csv blocks are shown as they are; a lexer would only complain of what it does not know
suppress_warnings = ["misc.highlighting_failure"]

autodoc_default_options = {"members": True}
autodoc_type_aliases = {name: name for name in ("ArrayLike", "Floats", "Integers", "NDArray", "Bools", "Any")}
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100
autodoc_member_order = "bysource"
# docstrings write `name`, which is code
default_role = "code"


def _plain_bars(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """|x| in a docstring is an absolute value and no substitution."""
    lines[:] = [line.replace("|", "\\|") for line in lines]


def _short_types(app: object, what: str, name: str, obj: object, options: object, signature: str, returns: str) -> Any:
    """Types under the names that the code gives them, in unions too."""
    if not signature:
        return None
    short = [re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text or "") for text in (signature, returns)]
    return short[0], short[1] or None


def setup(app: Any) -> None:
    app.connect("autodoc-process-signature", _short_types)
    app.connect("autodoc-process-docstring", _plain_bars)
