"""Sphinx extension: a card of the claims page gets the colour of its verdict.

The word often comes from a cell (``{glue:text}``), so the class that goes with it cannot be written by hand.
"""

from docutils import nodes

CLASSES = {"Holds": "claim-holds", "Holds in part": "claim-part", "Does not hold": "claim-not", "Open": "claim-open"}


def color_cards(app, doctree, docname):
    """Give each card the class of the first verdict in it."""
    for card in doctree.findall(nodes.container):
        if "claim" in card["classes"]:
            words = [n.astext() for n in card.findall(nodes.inline) if "claim-verdict" in n["classes"]]
            card["classes"].append(CLASSES[words[0].strip()])


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-resolved", color_cards)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
