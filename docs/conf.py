"""How the documentation is built: Sphinx and MyST; a page falls into the navigation by the folder that it is in."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "retrysim"
author = "the authors of retrysim"
version = release = version_of("retrysim")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "reference_pages"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "retrysim"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "description"
copybutton_prompt_text = "$ "

linkcheck_timeout = 20
linkcheck_workers = 8
# Pages that answer scripts with 403, addresses that only a fake serves, and those of the reader's own machine.
linkcheck_ignore = [
    r"https://(help|platform)\.openai\.com/",
    r"https://docs\.x\.com/",
    r"https://.*\.acme\.io",
    r"\w+://(localhost|127\.0\.0\.1)",
]
