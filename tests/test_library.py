"""The library as a whole: what imports what, and the front page that names it all."""

import ast
import doctest
import importlib

import pytest
from conftest import ROOT

import audiolib

# The way of the data, left to right; no module imports one to its right.
ORDER = [
    "_files",
    "sounds",
    "_scores",
    "compose",
    "_catalogue",
    "_decode",
    "download",
    "corpora",
    "_cache",
    "features",
    "archive",
    "protocols",
    "backend",
    "networks",
    "models",
    "cost",
    "recipes",
    "augmentation",
    "_checkpoint",
    "evaluation",
    "training",
    "records",
    "study",
    "plots",
    "cli",
    "__main__",
]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "audiolib":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("audiolib."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("audiolib."))


def modules():
    return sorted(path for path in (ROOT / "audiolib").glob("*.py") if path.stem != "__init__")


def test_no_module_imports_one_to_its_right():
    assert sorted(ORDER) == sorted(path.stem for path in modules())
    for path in modules():
        for name in set(imports(path)) - {"AudiolibError", "__version__"}:
            assert ORDER.index(name) < ORDER.index(path.stem), f"{path.stem} imports {name}"


def test_front_page_names_every_module():
    for path in modules():
        if not path.stem.startswith("_"):
            assert f"``{path.stem}``" in audiolib.__doc__, path.stem


def test_every_public_function_says_what_it_does():
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf8"))
        assert ast.get_docstring(tree) or path.stem == "__main__", path.stem
        for node in tree.body:
            if (
                isinstance(node, ast.FunctionDef | ast.ClassDef)
                and not node.name.startswith("_")
                and node.name != "main"
            ):
                assert ast.get_docstring(node), f"{path.stem}.{node.name}"


def test_every_module_has_its_tests():
    for path in modules():
        if path.stem != "__main__":
            assert (ROOT / f"tests/test_{path.stem}.py").exists(), path.stem


def test_no_test_file_imports_another():
    for path in sorted((ROOT / "tests").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            aliases = node.names if isinstance(node, ast.Import) else ()
            named = [*(alias.name for alias in aliases), getattr(node, "module", None) or ""]
            assert not any(name.startswith("test_") for name in named), f"{path.name} imports {named}"


@pytest.mark.parametrize("name", [path.stem for path in modules() if path.stem != "__main__"])
def test_examples_in_docstrings_run(name):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.testmod(importlib.import_module(f"audiolib.{name}"), optionflags=flags).failed == 0
