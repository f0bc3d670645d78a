"""The chapters as text: what each must have, and the links between chapters, library, glossary, claims and sources.

What only a run can show (which numbers a chapter keeps, which pictures it draws) is read from ``_build/notebooks``.
"""

import ast
import re
import subprocess
import sys

import jupytext
import nbformat
import numpy as np
import pytest
import yaml
from conftest import HTML, ROOT

sys.path.insert(0, str(ROOT / "book/_ext"))
import pages

CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9]*.md"))
PROSE = sorted((ROOT / "book").glob("*.md"))
MODULES = sorted(path for path in (ROOT / "audiolib").glob("[a-z]*.py"))
ids = [path.stem for path in CHAPTERS]


def cells(path):
    return jupytext.read(path).cells


def code(path):
    return [cell for cell in cells(path) if cell.cell_type == "code"]


def names_kept(notebook):
    """The keys that an executed chapter keeps for the prose, in order."""
    found = (output.metadata.get("scrapbook", {}).get("name") for cell in notebook.cells for output in outputs(cell))
    return [name.removeprefix("application/papermill.record/") for name in found if name]


def outputs(cell):
    return [output for output in cell.get("outputs", ()) if output.output_type in ("display_data", "execute_result")]


def printed(text):
    """The keys of the glued numbers and words in a page's source."""
    # As `key:format`, with another page's path before it, or as a block of its own.
    inline = re.findall(r"\{glue:(?:text)?\}`(?:[^`:]+::)?([^`:]+)(?::[^`]*)?`", text)
    return inline + re.findall(r"^```\{glue[^}]*\} (\S+)$", text, flags=re.MULTILINE)


def executed(path):
    """The chapter as it ran; skips the test where the book has not been built."""
    notebook = ROOT / f"_build/notebooks/{path.stem}.ipynb"
    if not notebook.exists():
        pytest.skip("the chapter has not been run: make book")
    return nbformat.read(notebook, as_version=4)


def solutions(path, kind="Solution"):
    """The cells that stand below the text of a solution (or of an advanced part): for each of them, its cells."""
    found, open_one = [], False
    for cell in cells(path):
        if cell.cell_type == "code":
            if open_one:
                found[-1].append(cell)
            continue
        for mark in re.finditer(r"\{admonition\} (\w+)|^#+ ", cell.source, flags=re.MULTILINE):
            open_one = mark[1] == kind
            if open_one:
                found.append([])
    return found


def tags(cell):
    return set(cell.metadata.get("tags", []))


def lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def parsed(cell):
    """The syntax tree of a cell, without the lines that are IPython's own."""
    return ast.parse("\n".join(line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!"))))


def imported(path):
    """Modules of audiolib that a chapter imports."""
    names = set()
    for cell in code(path):
        for node in ast.walk(parsed(cell)):
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
    parameters = [cell for cell in code(path) if "parameters" in tags(cell)]
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
    assert [bool(below) for below in solutions(path)] == [True] * exercises, "a solution is a cell that runs"
    assert "glue:text" in text and "{term}" in text and "{cite}" in text
    summary = re.split(r"^#+ ", text.split("\n## Summary")[1].split("\n", 1)[1], flags=re.MULTILINE)[0]
    assert len(summary.split()) >= 40 and "{code-cell}" not in summary, "a summary says it in words"


@pytest.mark.parametrize("path", CHAPTERS, ids=ids)
def test_chapter_is_read_in_twenty_minutes(path):
    assert 1 <= pages.minutes(jupytext.read(path)) <= 20


def test_minutes_count_what_a_reader_sees():
    prose = "word " * 600 + "\n\n```{admonition} Solution 1\n:class: solution dropdown\n" + "word " * 900 + "\n```\n"
    settings = {"mystnb": {"figure": {"caption": "word " * 200}}}
    cells = nbformat.v4.new_markdown_cell(prose), nbformat.v4.new_code_cell("code " * 900, metadata=settings)
    assert pages.minutes(nbformat.v4.new_notebook(cells=list(cells))) == 4


def test_the_first_page_says_the_minutes_of_every_chapter():
    if not (page := HTML / "book/index.html").exists():
        pytest.skip("the book is not rendered: make book")
    link = r'href="\.\./notebooks/(\w+)\.html"><span class="doc">[^<]+</span></a> \((\d+)\s'
    said = re.findall(link, page.read_text(encoding="utf8"))
    assert dict(said) == {path.stem: str(pages.minutes(jupytext.read(path))) for path in CHAPTERS}


REMOVED = {"remove-cell", "remove-input"}  # not on the page at all
FOLDED = REMOVED | {"hide-input", "hide-cell"}  # not on the page before a click


@pytest.mark.parametrize("path", CHAPTERS, ids=ids)
def test_cells_are_short_and_fit_the_column(path):
    """What stands on the page is read in one breath and does not scroll sideways; what is folded away may be longer."""
    for cell in code(path):
        folded = FOLDED & tags(cell)
        assert len(lines(cell)) <= (30 if folded else 15), f"{len(lines(cell))} lines:\n{cell.source}"
        wide = [line for line in lines(cell) if len(line) > (100 if folded else 74)]
        assert wide == [], cell.source


@pytest.mark.parametrize("path", CHAPTERS, ids=ids)
def test_no_program_hides_behind_the_page(path):
    """What a reader unfolds to read it (solutions, what is advanced) does not count, nor do the imports."""
    unfolding = solutions(path) + solutions(path, "Advanced")
    solved = {cell.source for below in unfolding for cell in below if "hide-cell" in tags(cell)}
    hidden = [cell for cell in code(path) if FOLDED & tags(cell) and cell.source not in solved]
    imports = [node for node in ast.parse(hidden[0].source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    count = sum(len(lines(cell)) for cell in hidden) - sum(1 + node.end_lineno - node.lineno for node in imports)
    longest = sorted(hidden, key=lambda cell: -len(lines(cell)))[:3]
    assert count <= 80, f"{count} lines; the longest begin: " + "; ".join(
        f"{len(lines(cell))} lines {cell.source.strip().splitlines()[0]!r}" for cell in longest
    )


def defined(tree):
    """Names that code binds anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)


def test_names_that_code_binds_are_found():
    tree = ast.parse("import a.b as c, d.e\nf = 1\ndef g(h, *i): j = k\nclass l: pass\nfor m, n in o: p[q] = r")
    assert sorted(defined(tree)) == list("cdfghijlmn")


@pytest.mark.parametrize("path", CHAPTERS, ids=ids)
def test_a_reader_of_the_page_sees_where_each_name_comes_from(path):
    """No cell on the page uses a name that only a cell that is removed from the page defines."""
    seen, removed = set(), set()
    for cell in code(path):
        names = set(defined(parsed(cell)))
        (removed if REMOVED & tags(cell) else seen).update(names)
        if not FOLDED & tags(cell):
            used = {n.id for n in ast.walk(parsed(cell)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
            assert used & removed <= seen, f"{sorted((used & removed) - seen)}:\n{cell.source}"


@pytest.mark.parametrize("path", CHAPTERS, ids=ids)
def test_every_figure_is_captioned_and_described(path):
    found = [cell.metadata["mystnb"] for cell in code(path) if "figure" in cell.metadata.get("mystnb", {})]
    assert found, "a chapter without a figure"
    for cell in found:
        assert cell["figure"]["name"].startswith("fig-") and len(cell["figure"]["caption"]) > 20, cell
        assert len(cell["image"]["alt"]) >= 25 and "{" not in cell["image"]["alt"], cell


@pytest.mark.parametrize("path", CHAPTERS, ids=ids)
def test_every_picture_of_a_run_is_a_figure(path):
    for cell in executed(path).cells:
        if any(kind.startswith("image/") for output in outputs(cell) for kind in output.data):
            off_the_page = tags(cell) & {"remove-cell", "remove-output"}
            assert "figure" in cell.metadata.get("mystnb", {}) or off_the_page, cell.source


@pytest.mark.parametrize("path", CHAPTERS, ids=ids)
def test_what_a_chapter_prints_it_has_kept(path):
    kept = set(names_kept(executed(path)))
    assert [key for key in printed(path.read_text(encoding="utf8")) if key not in kept] == []


@pytest.mark.parametrize("path", CHAPTERS, ids=ids)
def test_what_a_chapter_keeps_is_printed_somewhere(path):
    wanted = {key for page in [*CHAPTERS, *PROSE] for key in printed(page.read_text(encoding="utf8"))}
    assert [key for key in names_kept(executed(path)) if key not in wanted] == []


@pytest.mark.parametrize("path", PROSE, ids=[path.stem for path in PROSE])
def test_what_a_page_of_prose_prints_some_chapter_has_kept(path):
    kept = {key for chapter in CHAPTERS for key in names_kept(executed(chapter))}
    assert [key for key in printed(path.read_text(encoding="utf8")) if key not in kept] == []


def test_a_number_that_nobody_keeps_or_prints_is_found():
    output = nbformat.v4.new_output("display_data", metadata={"scrapbook": {"name": "12-kept"}})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=[output])])
    assert names_kept(notebook) == ["12-kept"]
    assert printed("It is {glue:text}`12-kept`, {glue:text}`12-lost:.1f` and {glue:}`12-other`.") == [
        "12-kept",
        "12-lost",
        "12-other",
    ]


def test_chapter_3_measures_the_spreads_of_a_hann_window_rightly():
    # With one side of the spectrum alone 0 Hz counts twice, and the spread in frequency comes out too small.
    names = {"np": np, "SR": 22050}
    for cell in code(ROOT / "notebooks/03_stft.md"):
        if re.search("^def (hann_window|spreads)", cell.source, flags=re.MULTILINE):
            exec(cell.source, names)
    seconds, hertz = names["spreads"](1024)
    assert seconds == pytest.approx(1024 / 22050 * np.sqrt(1 / 12 - 5 / (8 * np.pi**2)), rel=1e-3)
    assert hertz == pytest.approx(22050 / 1024 / np.sqrt(3), rel=1e-3)


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


def tracked():
    return subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def test_nothing_committed_names_a_machine_or_a_registry_host():
    for name in tracked():
        assert not name.endswith(".ipynb"), "chapters are texts, and their outputs are made"
        if name.startswith(("book/_static/", "tests/")) or name == ".ci/run" or not (ROOT / name).is_file():
            continue
        text = (ROOT / name).read_text(encoding="utf8", errors="replace")
        assert not re.search(r"/work/|/root/|pypi\.org|pythonhosted|registry\.npmjs|\.\./shared", text), name
