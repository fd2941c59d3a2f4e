"""How the documentation becomes a site: ``tox run -e docs``."""

from importlib import metadata

project = "dcrauth"
author = "The dcrauth authors"
project_copyright = author
version = release = metadata.version("dcrauth")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
exclude_patterns = ["_build"]

autodoc_mock_imports = ["niquests"]  # which is nowhere but in an environment of its own
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
default_role = "code"

html_theme = "furo"
html_title = f"dcrauth {release}"
html_static_path: list[str] = []
html_copy_source = False
html_show_sphinx = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
