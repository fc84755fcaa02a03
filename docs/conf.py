"""Sphinx configuration. ``make docs`` builds with warnings as errors."""

import os
import sys
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import smnn_np

HERE = Path(__file__).parent

project = "smnn_np"
author = "smnn_np developers"
copyright = f"2026, {author}"
version = release = smnn_np.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_design",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "sg_execution_times.rst", "auto_examples/sg_execution_times.rst"]

templates_path = ["_templates"]
autosummary_generate = True
numpydoc_show_class_members = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

plot_formats = [("png", 110)]
plot_html_show_formats = False
plot_html_show_source_link = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "doc_module": ("smnn_np",),
    "reference_url": {"smnn_np": None},
    "backreferences_dir": "gen_modules/backreferences",
    "show_memory": False,
}

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_title = f"smnn_np {release}"
html_show_sourcelink = False


def write_rooms(app):
    """Write the table of rooms before pages are read."""
    sys.path.insert(0, str(HERE))
    from rooms import table

    (HERE / "generated").mkdir(exist_ok=True)
    (HERE / "generated" / "rooms.inc").write_text(table())


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_rooms)
