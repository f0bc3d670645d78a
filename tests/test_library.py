"""The library as a whole: what imports what, and the front page that names it all."""

import ast
import doctest
import importlib
import subprocess
import sys

import pytest
from conftest import ROOT

import audiolib

# The way of the data, left to right; no module imports one to its right.
ORDER = [
    "_files",
    "_checks",
    "sounds",
    "_scores",
    "compose",
    "_catalogue",
    "_decode",
    "corpora",
    "_clipwise",
    "_cache",
    "features",
    "archive",
    "protocols",
    "networks",
    "_keras",
    "models",
    "cost",
    "recipes",
    "_checkpoint",
    "evaluation",
    "training",
    "records",
    "study",
    "comparison",
    "_copies",
    "_splits",
    "audit",
    "listen",
    "page",
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


def test_modules_are_there_by_their_name_and_loaded_when_they_are_first_asked_for():
    code = (
        "import sys, audiolib; heavy = lambda: [n for n in ('numpy', 'librosa', 'keras') if n in sys.modules];"
        "print(heavy(), {'corpora', 'recipes', 'study'} <= set(dir(audiolib)), '_files' in dir(audiolib));"
        "print(audiolib.recipes.PAPER.epochs, audiolib.corpora.data_root.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines() == ["[] True False", "500 data_root"]
    with pytest.raises(AttributeError, match="module 'audiolib' has no attribute 'corpra'"):
        audiolib.corpra  # noqa: B018


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
