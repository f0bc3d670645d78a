"""Sphinx extension: the directive ``{api}`` lists a package's public modules with their functions and classes.

All of it is read from the source, not imported: signatures and first sentences cost no TensorFlow.
"""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

PUBLIC = ast.FunctionDef | ast.ClassDef


def first_sentence(node):
    """What a docstring begins with, on one line."""
    paragraph = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
    return re.sub(r"``?([^`]+)``?", r"`\1`", re.match(r".*?[.:](?= [A-Z]|$)|.*", paragraph)[0]).rstrip(":")


def signature(node):
    """Name and arguments, as in the source; a data class shows what it holds."""
    if isinstance(node, ast.FunctionDef):
        return f"{node.name}({ast.unparse(node.args)})"
    fields = [ast.unparse(line.target) for line in node.body if isinstance(line, ast.AnnAssign)]
    return f"{node.name}({', '.join(fields)})" if fields else node.name


def page(path, package):
    """A module as Markdown: what it is for, the chapters that explain it, what is in it."""
    source = path.read_text(encoding="utf8")
    tree = ast.parse(source)
    yield from (f"## {package}.{path.stem}", "", first_sentence(tree), "")
    chapters = re.search(r"^Chapters: (.+?)\.?(?=\n\n|\Z)", ast.get_docstring(tree) or "", re.MULTILINE | re.DOTALL)
    if chapters:
        links = (f"{{doc}}`../notebooks/{name.strip()}`" for name in chapters[1].split(","))
        yield from ("Chapters: " + ", ".join(links), "")
    for node in tree.body:
        if isinstance(node, PUBLIC) and not node.name.startswith("_"):
            yield from (f"`{signature(node)}`", f": {first_sentence(node)}", "")
        elif isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("namedtuple("):
            name, fields = (part.value for part in node.value.args)  # what it means stands in a comment above it
            said = source.splitlines()[node.lineno - 2].removeprefix("#: ")
            yield from (f"`{name}({', '.join(fields.split())})`", f": {said}", "")


class Api(SphinxDirective):
    """List the modules of the package that is named."""

    required_arguments = 1

    def run(self):
        package = self.arguments[0]
        modules = sorted(Path(find_spec(package).submodule_search_locations[0]).glob("[a-z]*.py"))
        lines = [line for path in modules for line in page(path, package)]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app):
    """Register with Sphinx."""
    app.add_directive("api", Api)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
