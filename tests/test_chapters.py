"""The chapters as text: what each must have, and the links between chapters, library, glossary, claims and sources."""

import ast
import re

import jupytext
import pytest
import yaml
from conftest import ROOT

CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9]*.md"))
PROSE = sorted((ROOT / "book").glob("*.md"))
MODULES = sorted(path for path in (ROOT / "audiolib").glob("[a-z]*.py"))
ids = [path.stem for path in CHAPTERS]


def cells(path):
    return jupytext.read(path).cells


def code(path):
    return [cell for cell in cells(path) if cell.cell_type == "code"]


def imported(path):
    """Modules of audiolib that a chapter imports."""
    names = set()
    for cell in code(path):
        source = "\n".join(line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!")))
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and node.module == "audiolib":
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("audiolib."):
                names.add(node.module.split(".")[1])
            elif isinstance(node, ast.Import):
                names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("audiolib.")}
    return names - {"AudiolibError"}


def test_chapters_are_in_the_table_of_contents_and_nothing_else_is():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [toc["root"], *(entry["file"] for part in toc["parts"] for entry in part["chapters"])]
    assert sorted(files) == sorted(
        [*(f"notebooks/{path.stem}" for path in CHAPTERS), *(f"book/{path.stem}" for path in PROSE)]
    )
    in_order = [file.split("/")[1] for file in files if file.startswith("notebooks/")]
    assert in_order == sorted(in_order)


@pytest.mark.parametrize("path", CHAPTERS, ids=ids)
def test_chapter_can_be_run_by_papermill_and_carries_no_outputs(path):
    notebook = jupytext.read(path)
    assert notebook.metadata["kernelspec"]["language"] == "python"
    assert all(not cell.get("outputs") for cell in notebook.cells)
    parameters = [cell for cell in code(path) if "parameters" in cell.metadata.get("tags", [])]
    assert len(parameters) == 1
    assert 'corpus = "synthetic"' in parameters[0].source


@pytest.mark.parametrize("path", CHAPTERS, ids=ids)
def test_chapter_has_the_parts_of_a_chapter(path):
    text = path.read_text(encoding="utf8")
    assert (
        len(re.findall(r"^# ", re.sub(r"```\{code-cell\}.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)) == 1
    )
    assert "After this chapter you can" in text
    assert re.search(r"^## Summary", text, flags=re.MULTILINE)
    exercises = len(re.findall(r":class: exercise", text))
    assert 2 <= exercises <= 4
    assert len(re.findall(r"\{admonition\} Solution \d\n:class: solution dropdown", text)) == exercises
    hidden = [cell for cell in code(path) if "hide-cell" in cell.metadata.get("tags", [])]
    assert len(hidden) >= exercises, "a solution is a cell that runs"
    assert "glue:text" in text and "{term}" in text and "{cite}" in text
    assert "Error" not in text or "raise" not in text.split("## Summary")[1]


FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}


@pytest.mark.parametrize("path", CHAPTERS, ids=ids)
def test_cells_are_short_and_fit_the_column(path):
    """What stands on the page is read in one breath and does not scroll sideways; what is folded away may be longer."""
    for cell in code(path):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        folded = FOLDED & set(cell.metadata.get("tags", []))
        assert len(lines) <= (40 if folded else 16), f"{len(lines)} lines:\n{cell.source}"
        assert all(len(line) <= (175 if folded else 90) for line in lines), cell.source


@pytest.mark.parametrize("path", CHAPTERS, ids=ids)
def test_every_figure_is_captioned_and_described(path):
    for cell in code(path):
        if "mystnb" in cell.metadata:
            figure, image = cell.metadata["mystnb"].get("figure"), cell.metadata["mystnb"].get("image")
            if figure:
                assert figure["name"].startswith("fig-") and len(figure["caption"]) > 20, cell.source
                assert len(image["alt"]) >= 25 and "{" not in image["alt"], cell.source


@pytest.mark.parametrize("path", CHAPTERS, ids=ids)
def test_glued_numbers_are_made_in_the_chapter_that_prints_them(path):
    text = path.read_text(encoding="utf8")
    made = set(re.findall(r"glue\(\s*f?[\"']([^\"'{]+)[\"'{]", text))
    for key in re.findall(r"\{glue:text\}`([^`:]+)(?::[^`]*)?`", text):
        assert any(key == name or (key.startswith(name)) for name in made), key


def test_links_between_library_and_chapters_hold_both_ways():
    existing = {path.stem: imported(path) for path in CHAPTERS}
    listed = {}
    for module in MODULES:
        docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf8"))) or ""
        found = re.search(r"^Chapters: (.+?)\.?(?=\n\n|\Z)", docstring, flags=re.MULTILINE | re.DOTALL)
        if found:
            listed[module.stem] = {name.strip() for name in found[1].split(",")}
            assert listed[module.stem] <= set(existing), f"{module.stem} names a chapter that does not exist"
    for chapter, modules in existing.items():
        for module in modules:
            assert chapter in listed.get(module, ()), (
                f"audiolib/{module}.py does not name chapter {chapter}, which imports it"
            )
    for module, chapters in listed.items():
        for chapter in chapters & set(existing):
            text = (ROOT / f"notebooks/{chapter}.md").read_text(encoding="utf8")
            assert module in existing[chapter] or f"audiolib.{module}" in text, (
                f"{chapter} does not use audiolib.{module}"
            )


def test_terms_citations_and_claims_exist():
    glossary = (ROOT / "book/glossary.md").read_text(encoding="utf8").lower()
    keys = set(
        re.findall(r"^@\w+\{([^,]+),", (ROOT / "book/references.bib").read_text(encoding="utf8"), flags=re.MULTILINE)
    )
    claims = set(re.findall(r"\((claim-\d+)\)=", (ROOT / "book/claims.md").read_text(encoding="utf8")))
    for path in [*CHAPTERS, *PROSE]:
        text = path.read_text(encoding="utf8")
        for term in re.findall(r"\{term\}`(?:[^`<]*<)?([^`>]+)>?`", text):
            assert term.lower() in glossary, f"{path.name}: {term}"
        for cited in re.findall(r"\{cite(?::\w)?\}`([^`]+)`", text):
            assert {key.strip() for key in cited.split(",")} <= keys, f"{path.name}: {cited}"
        assert set(re.findall(r"<(claim-\d+)>", text)) <= claims, path.name


def test_nothing_committed_names_a_machine_or_a_registry_host():
    import subprocess

    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in filter(None, tracked):
        if name.startswith(("book/_static/", "tests/")) or name == ".ci/run" or not (ROOT / name).is_file():
            continue
        text = (ROOT / name).read_text(encoding="utf8", errors="replace")
        assert not re.search(r"/work/|/root/|pypi\.org|pythonhosted|registry\.npmjs|\.\./shared", text), name
