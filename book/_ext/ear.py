"""Sphinx extension: the network that the package brings, as a script for the panel of chapter 14.

A page that was opened from disk may read no file beside it, but it may load a script. So the network goes there as one,
made when the pages are; what it says is what `audiolib.listen` reads.
"""

import base64
import json
from pathlib import Path

import numpy as np

from audiolib import listen

PAGE = "notebooks/14_listen"


def script(network):
    """A kept network as a line of JavaScript: its layers as data, its weights in base64 of float16."""
    normal = network.normalization
    said = {
        "labels": network.labels,
        "steps": [[type(step).__name__, *step] for step in network.steps],
        "shapes": [weight.shape for weight in network.weights],
        "weights": base64.b64encode(b"".join(w.astype("<f2").tobytes() for w in network.weights)).decode("ascii"),
        "frontend": vars(network.frontend),
        "samples": network.frontend.segment_samples,
        "normalization": normal if isinstance(normal, str) else [np.asarray(part).tolist() for part in normal],
        "temperature": network.temperature,
        "threshold": network.threshold,
        "trust": network.card["test"]["by confidence"],
    }
    return f"window.GENRES = {json.dumps(said)};\n"


def write(app, exception):
    """Put it beside the other scripts."""
    if exception is None and app.builder.format == "html":
        (Path(app.outdir) / "_static/genres.js").write_text(script(listen.load()), encoding="ascii")


def add(app, pagename, templatename, context, doctree):
    """Only the page with the panel loads it."""
    if pagename == PAGE:
        app.add_css_file("listen.css")
        app.add_js_file("listen.js")


def setup(app):
    app.connect("build-finished", write)
    app.connect("html-page-context", add)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
