"""Sphinx extension: pages that need no network, buttons only where they lead somewhere, numbers well set, solutions
that unfold with their code, and the role ``{minutes}`` that says how long a chapter is.

Where the book is published stands in one place, ``repository: url`` in ``_config.yml``. While that is empty no page
points at a repository; once it is filled in, the source, issue, Binder and Colab buttons appear.
"""

import html
import re
from pathlib import Path

import nbformat
from docutils import nodes

BINDER, COLAB = "https://mybinder.org", "https://colab.research.google.com"
PUBLISHED = "gh-pages"  # the branch that .github/workflows/book.yml publishes to


def add_buttons(app, config):
    """Ask the theme for the buttons if there is a repository to point at."""
    options = config.html_theme_options
    if not options.get("repository_url"):
        options.pop("repository_url", None)
        return
    link = f'<a href="{html.escape(options["repository_url"])}">The repository</a>.'
    options["extra_footer"] = options.get("extra_footer", "").replace("</p>", f" {link}</p>")
    for button in ("use_repository_button", "use_source_button", "use_issues_button"):
        options[button] = True
    options["launch_buttons"] = {"binderhub_url": BINDER, "colab_url": COLAB, "notebook_interface": "jupyterlab"}


def _flat(buttons):
    for button in buttons:
        yield button
        yield from button.get("buttons", [])


def mend_links(app, pagename, templatename, context, doctree):
    """Lead each button to a file that exists, and drop the scripts that a page has no use for (Thebe's, from a CDN).

    The theme takes the page's source for the executed notebook. In the repository the source is the ``.md`` file; the
    executed notebook, which Colab needs, lies among the published pages.
    """
    context["script_files"] = [
        file
        for file in context.get("script_files", [])
        if "thebe" not in f"{file}{getattr(file, 'attributes', '')}".lower()
    ]
    formula = nodes.math | nodes.math_block
    formulas = doctree and any(isinstance(node, formula) for node in doctree.findall())
    if not formulas and not pagename.startswith("notebooks/"):
        context["script_files"] = [  # the script, and the line of settings before it
            file
            for file in context["script_files"]
            if "mathjax/" not in str(file) and "window.MathJax" not in getattr(file, "attributes", {}).get("body", "")
        ]
    if not (doctree and any('class="hand"' in node.astext() for node in doctree.findall(nodes.raw))):
        for files in ("script_files", "css_files"):  # what only the figures that answer the hand need
            context[files] = [file for file in context.get(files, []) if "figures." not in str(file)]
    for button in _flat(context.get("header_buttons", [])):
        url = button.get("url", "") or ""
        if url.startswith(COLAB):
            head, path = url.split("/blob/", 1)
            button["url"] = f"{head}/blob/{PUBLISHED}/_sources/{path.split('/', 1)[1]}"
        elif url.startswith(BINDER) or button.get("label") == "source-file-button":
            button["url"] = url.replace(f"{pagename}.ipynb", f"{pagename}.md")


USED_BY = {  # files of a page, and what of a page has a use for them
    "mystnb.": 'class="cell',
    "sphinx-design.": 'class="sd-',
    "design-tabs.": 'class="sd-tab',
    "copybutton.": 'class="highlight',
    "clipboard.": 'class="highlight',
    "togglebutton.": "dropdown|toggle|hide-",
    "sphinx-thebe.": "(?!)",  # no page has
}


def drop_unused(app, pagename, templatename, context, doctree):
    """Let a page load the scripts and styles that something on it uses."""
    body = context.get("body", "")
    for files in ("script_files", "css_files"):
        context[files] = [
            file
            for file in context.get(files, [])
            if all(name not in str(file) or re.search(use, body) for name, use in USED_BY.items())
        ]


# In the theme's template: icons drawn by a script (they come with its style sheet as well) and the search, which has a
# page of its own.
THEMES = re.compile(r'\s*<script[^>]*(?:fontawesome|searchtools|language_data|searchindex)[^>]*></script>')


def drop_the_themes(app, exception):
    """Take 1.6 MB of scripts out of each page."""
    for path in () if exception else Path(app.outdir).rglob("*.html"):
        if path.name != "search.html":
            page = path.read_text(encoding="utf8")
            path.write_text(THEMES.sub("", page), encoding="utf8")


def describe(app, pagename, templatename, context, doctree):
    """Tell search engines and previews the first words of the page."""
    paragraphs = doctree.findall(nodes.paragraph) if doctree else ()
    texts = (" ".join(p.astext().split()) for p in paragraphs if isinstance(p.parent, nodes.section))
    words = next(filter(None, texts), f"{context.get('title', pagename)}: {app.config.html_title}")
    words = words if len(words) <= 200 else words[:200].rsplit(" ", 1)[0] + " \u2026"
    meta = f'<meta name="description" content="{html.escape(words)}">'
    context["metatags"] = context.get("metatags", "") + meta


def join_solutions(app, doctree):
    """Put the code below the text of a solution, or of an advanced part, into its fold: one click shows all of it."""
    for box in list(doctree.findall(nodes.admonition)):  # cells move while we look
        if {"solution", "advanced"} & set(box["classes"]):
            siblings = box.parent.children
            while len(siblings) > (below := box.parent.index(box) + 1) and siblings[below].get("hide_mode") == "all":
                cell = box.parent.pop(below)
                del cell["hide_mode"]
                cell["classes"] = [name for name in cell["classes"] if name != "tag_hide-cell"]
                box.append(cell)


def drop_thebe(app, doctree, docname):
    """Take out what Thebe's extension writes into each notebook page, a stranger's repository among it."""
    for node in list(doctree.findall(nodes.raw)):
        if "x-thebe-config" in node.astext():
            node.parent.remove(node)


def say_what_words_mean(app, doctree, docname):
    """Give each link to a word of the glossary its meaning as a title; links to sources have theirs from BibTeX."""
    if "book/glossary" not in app.env.found_docs:
        return
    words = {
        f"#{name}": item.children[-1].astext()
        for item in app.env.get_doctree("book/glossary").findall(nodes.definition_list_item)
        for term in item.findall(nodes.term)
        for name in term["ids"]
    }
    for link in doctree.findall(nodes.reference):
        name = "#" + link.get("refuri", "").rpartition("#")[2]
        if name in words:
            link["reftitle"] = words[name]


THIN = "\u202f"  # a narrow space at which no line ends
UNIT = "(?:%|[kM]?Hz|[mµ]?s|min|h|dB|[kMG]?B|MiB|GiB|[kcm]?m|K|GFLOPS|GFLOP/s|semitones?|octaves?|cents?)"
AFTER = re.compile(rf"^ (?={UNIT}(?![\w/]))")  # where the number before it is glued
PROSE = (  # everywhere but in code and formulas
    (re.compile(rf"(?<=\d) (?={UNIT}(?![\w/]))"), THIN),
    (re.compile(r" (?=%)"), THIN),
    (re.compile(r"(?<=\d) ([\u00d7x]) (?=\d)"), "\u00a0\u00d7\u00a0"),
    (re.compile(r"(?<!\d)(\d{1,3}) (?=\d{3}(?!\d))"), rf"\1{THIN}"),  # not after a year
)
GLUED = (  # what a cell writes is not what a book prints, and smartquotes does not see it
    (re.compile(r"(?<!\w)-(?=\d)"), "\u2212"),  # a minus sign, not a hyphen
    (re.compile(r"(?<=\d),(?=\d{3}(?!\d))"), THIN),
    (re.compile("'"), "\u2019"),
)


def typeset(app, doctree, docname):
    """Set numbers as a book does: minus signs, thin spaces between thousands; no line ends between number and unit."""
    code = nodes.literal | nodes.literal_block | nodes.math | nodes.math_block | nodes.raw
    for parent in list(doctree.findall(lambda node: isinstance(node, nodes.Element) and not isinstance(node, code))):
        patterns = PROSE + (GLUED if "pasted-text" in parent["classes"] else ())
        for place, child in enumerate(parent.children):
            if isinstance(child, nodes.Text):
                text = str(child)
                for pattern, sign in patterns:
                    text = pattern.sub(sign, text)
                if place and parent[place - 1].astext()[-1:].isdigit():
                    text = AFTER.sub(THIN, text)
                parent[place] = nodes.Text(text)


FOLDED = re.compile(r"(?ms)^```\{admonition\}[^\n]*\n:class: [^\n]*dropdown\n.*?^```$")
WORDS = 200  # that are read in a minute


def minutes(notebook):
    """How long it takes to read a chapter: its prose and its captions, without solutions and what else is folded."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    settings = (cell.metadata.get("mystnb", {}) for cell in notebook.cells)
    captions = (each["figure"]["caption"] for each in settings if "figure" in each)
    return round(len(" ".join((FOLDED.sub("", prose), *captions)).split()) / WORDS)


def say_minutes(name, rawtext, chapter, lineno, inliner, options=None, content=()):
    """The role: ``{minutes}`02_sound``` is "14 min" when the pages are made."""
    env = inliner.document.settings.env
    path = env.srcdir / "notebooks" / f"{chapter}.ipynb"
    env.note_dependency(path)
    return [nodes.Text(f"{minutes(nbformat.read(path, as_version=4))} min")], []


def setup(app):
    app.add_role("minutes", say_minutes)
    app.connect("doctree-read", join_solutions)
    app.connect("doctree-resolved", typeset)
    app.connect("doctree-resolved", say_what_words_mean, priority=800)
    app.connect("doctree-resolved", drop_thebe, priority=900)
    app.connect("config-inited", add_buttons, priority=100)
    app.connect("html-page-context", mend_links, priority=900)
    app.connect("html-page-context", describe, priority=901)
    app.connect("html-page-context", drop_unused, priority=902)
    app.connect("build-finished", drop_the_themes)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
