"""`make`: what it runs, what it leaves alone, and how a failing chapter ends."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT

from audiolib import corpora

# They share one clone of the project, so they run one after the other (see `make test`).
pytestmark = pytest.mark.xdist_group("pipeline")

CHAPTER = """---
jupytext:
  text_representation: {{extension: .md, format_name: myst}}
kernelspec: {{name: python3, display_name: Python 3, language: python}}
---

# {title}

```{{code-cell}} ipython3
:tags: [parameters]
corpus = "synthetic"
```

```{{code-cell}} ipython3
from audiolib import corpora
print(corpus)
{code}
```
"""


class Book:
    """A small copy of the project: the real Makefile, library and configuration, and two short chapters."""

    def __init__(self, folder, corpus):
        self.folder, self.corpus = folder, corpus
        for name in ("Makefile", "_config.yml", "requirements.lock", "pyproject.toml"):
            shutil.copy2(ROOT / name, folder / name)
        # The environment that runs the tests, as one that is complete: these makes must install nothing.
        (folder / ".venv").mkdir()
        for part in Path(sys.prefix).iterdir():
            if part.name != ".complete":
                (folder / ".venv" / part.name).symlink_to(part)
        (folder / ".venv/.complete").touch()
        shutil.copytree(ROOT / "audiolib", folder / "audiolib", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "book/_ext", folder / "book/_ext", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "book/_static").mkdir()
        (folder / "book/_static/book.css").write_text("p { color: black; }")
        (folder / "book/_static/logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
        (folder / "book/references.bib").write_text("")
        (folder / "book/index.md").write_text("# A book\n\nWords.\n")
        (folder / "_toc.yml").write_text(
            "format: jb-book\nroot: book/index\nchapters:\n- file: notebooks/01_a\n- file: notebooks/02_b\n"
        )
        (folder / "notebooks").mkdir()
        for script in (ROOT / "notebooks").glob("*.py"):
            shutil.copy2(script, folder / "notebooks")
        self.write("01_a")
        self.write("02_b")

    def write(self, name, code="", title=None):
        (self.folder / f"notebooks/{name}.md").write_text(CHAPTER.format(title=title or name, code=code))

    def make(self, *arguments, settings=None, **variables):
        """Make with variables on its command line, and with settings of the user's around it."""
        variables = {"CORPUS": self.corpus, **variables}
        environment = {
            name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
        }
        return subprocess.run(
            ["make", *arguments, *(f"{name}={value}" for name, value in variables.items())],
            cwd=self.folder,
            env=environment | (settings or {}),
            capture_output=True,
            text=True,
            timeout=600,
        )

    def runs(self, *arguments, **variables):
        """The chapters that a successful make ran; what it said stays as ``said``."""
        done = self.make(*arguments, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        self.said = done.stdout
        return sorted(line.split()[-1] for line in self.said.splitlines() if line.startswith("running chapter"))


def write_tone(path):
    import numpy as np
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(np.arange(4000) / 5), 8000)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    write_tone(folder / "songs/low/a.wav")
    write_tone(folder / "songs/high/b.wav")
    write_tone(folder / "others/low/c.wav")
    (folder / "project").mkdir()
    return Book(folder / "project", folder / "songs")


BOTH = ["01_a", "02_b"]


def test_make_alone_says_what_there_is():
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True).stdout
    for word in ("book", "test", "lab", "bench", "clean", "CORPUS"):
        assert word in said


def test_only_what_changed_is_run(book):
    """The story of a working day, told in one go because every step starts from the one before."""
    assert book.runs("book", "-j2") == BOTH
    page = book.folder / "_build/html/notebooks/01_a.html"
    assert (book.folder / "_build/html/index.html").exists() and "songs" in page.read_text()

    rendered = page.stat().st_mtime_ns
    assert book.runs("book") == []
    assert page.stat().st_mtime_ns == rendered

    book.write("02_b", "print('edited')")
    assert book.runs("book") == ["02_b"]
    assert "edited" in (book.folder / "_build/html/notebooks/02_b.html").read_text()
    times = book.said.split("where the time went")[1]
    assert re.search(r"02_b +0:\d\d\n", times) and re.search(r"pages +\d:\d\d\n", times) and "01_a" not in times

    (book.folder / "book/_static/book.css").write_text("p { color: teal; }")
    assert book.runs("book") == []
    assert "teal" in (book.folder / "_build/html/_static/book.css").read_text()

    with (book.folder / "audiolib/corpora.py").open("a") as file:
        file.write("\n# an edit\n")
    assert book.runs("chapters", "-j2") == BOTH

    others = book.folder.parent / "others"
    assert book.runs("chapters", "-j2", CORPUS=others) == BOTH
    write_tone(others / "high/d.wav")
    assert book.runs("chapters", "-j2", CORPUS=others) == BOTH
    assert book.runs("chapters", CORPUS=others) == []
    assert book.runs("chapters", "-j2") == BOTH


def test_failing_cell_ends_the_build_and_leaves_the_chapter_to_look_at(book):
    book.write("01_a", "raise RuntimeError('the string broke')")
    failed = book.make("book")
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert (
        "the string broke" in said
        and "notebooks/01_a.md failed at cell In [3]" in said
        and "raise RuntimeError" in said
    )
    assert "papermill" not in said, "no traceback from inside the tools"
    left = book.folder / "_build/failed/01_a.ipynb"
    assert "the string broke" in left.read_text()
    assert book.make("book").returncode != 0, "a second call must not take the half-run chapter for done"
    book.write("01_a")
    assert "01_a" in book.runs("chapters")
    assert not left.exists()


def test_warning_of_the_renderer_ends_the_build_each_time(book):
    book.write("01_a")
    book.write("02_b", title="02_b\n\nSee {doc}`nowhere`.")
    assert book.make("book").returncode != 0
    assert book.make("book").returncode != 0, "the second build must not swallow the warning"
    book.write("02_b")
    assert "02_b" in book.runs("book")


def test_unusable_corpus_ends_the_build_with_one_line(book):
    failed = book.make("book", CORPUS=book.folder / "nothing here")
    assert failed.returncode != 0
    assert "nothing here" in failed.stderr


def test_buttons_point_at_the_repository_once_its_address_is_known(book):
    config = book.folder / "_config.yml"
    page = book.folder / "_build/html/notebooks/01_a.html"
    book.runs("book")
    text = page.read_text()
    assert (
        "mybinder" not in text
        and "colab" not in text
        and "github.com" not in text.split("<article")[0].split("btn-")[0]
    )
    assert "issues" not in text
    config.write_text(config.read_text().replace('url: ""', 'url: "https://github.com/someone/separable-sound"'))
    book.runs("book")
    text = page.read_text()
    home = "https://github.com/someone/separable-sound"
    assert f'href="{home}/blob/main/notebooks/01_a.md' in text
    assert f'href="{home}/issues/new' in text
    assert "mybinder.org/v2/gh/someone/separable-sound/main?urlpath=lab/tree/notebooks/01_a.md" in text
    assert (
        "colab.research.google.com/github/someone/separable-sound/blob/gh-pages/_sources/notebooks/01_a.ipynb" in text
    )
    assert (book.folder / "_build/html/_sources/notebooks/01_a.ipynb").exists()


FIGURE = """
import locale, os, time
import matplotlib, matplotlib.pyplot as plt
print(locale.getpreferredencoding(), time.strftime("%Z", time.localtime(0)), os.environ["KERAS_BACKEND"])
print({name: str(value) for name, value in matplotlib.rcParams.items()})
```

```{code-cell} ipython3
---
mystnb:
  figure: {name: fig-line, caption: A line.}
  image: {alt: A line that climbs from left to right.}
---
plt.plot([1, 2]);
"""


def test_a_build_looks_the_same_under_any_settings(book, tmp_path):
    book.write("01_a", FIGURE)

    def outputs(settings):
        (book.folder / "_build/notebooks/01_a.ipynb").unlink(missing_ok=True)
        done = book.make("_build/notebooks/01_a.ipynb", settings=settings)
        assert done.returncode == 0, done.stdout + done.stderr
        cells = nbformat.read(book.folder / "_build/notebooks/01_a.ipynb", as_version=4).cells
        return [output for cell in cells for output in cell.get("outputs", ())]

    files = {
        "home/.config/matplotlib/matplotlibrc": "figure.dpi: 17\n",
        "home/.ipython/profile_default/ipython_config.py": "raise SystemExit('my IPython')",
        "home/.ipython/profile_default/startup/a.py": "print('good morning')",
        "home/.keras/keras.json": '{"backend": "theano"}',
        "home/.jupyter/jupyter_config.py": "raise SystemExit('my Jupyter')",
        "home/.docutils": "[general]\nno-such: setting\n",
        "jupyter/kernels/python3/kernel.json": '{"argv": ["/gone/python"], "display_name": "x", "language": "python"}',
        "python/matplotlib.py": "raise ImportError('another project')",
        "matplotlibrc": "lines.linewidth: 40\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    plain = outputs({})
    assert any("image/png" in output.get("data", ()) for output in plain)
    settings = {
        **{"HOME": "home", "XDG_CONFIG_HOME": "home/.config", "IPYTHONDIR": "home/.ipython"},
        **{"JUPYTER_CONFIG_DIR": "home/.jupyter", "JUPYTER_PATH": "jupyter", "PYTHONPATH": "python"},
        **{"MATPLOTLIBRC": "matplotlibrc", "MPLCONFIGDIR": "home/.config/matplotlib"},
    }
    settings = {name: str(tmp_path / folder) for name, folder in settings.items()}
    settings |= {"MPLBACKEND": "Agg", "KERAS_BACKEND": "torch", "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONUTF8": "0"}
    settings |= {"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2", "JUPYTER_PLATFORM_DIRS": "1"}
    assert outputs(settings) == plain
    rendered = book.make("book", settings=settings)
    assert rendered.returncode == 0, rendered.stdout + rendered.stderr


def test_a_chapter_that_lost_its_picture_fails_and_is_not_left(book):
    book.write("01_a", FIGURE.replace("plt.plot", "print"))
    failed = book.make("book")
    assert failed.returncode != 0
    assert "failed at cell In [4], which shows no picture" in failed.stderr and "print([1, 2]);" in failed.stderr
    assert not (book.folder / "_build/notebooks/01_a.ipynb").exists()
    assert (book.folder / "_build/failed/01_a.ipynb").exists()


@pytest.mark.parametrize(
    ("place", "typed"),
    [
        ("project/my songs", "my songs"),
        ("project/2021", "2021"),
        ("project/data here/esc10", "./data here/esc10"),
        ("Bob's $HOME $(music) \"live\" #1", "../Bob's $HOME $(music) \"live\" #1"),
        ("home/\u043a\u043e\u0440\u043f\u0443\u0441", "~/\u043a\u043e\u0440\u043f\u0443\u0441"),
    ],
    ids=["relative", "number", "dot", "signs", "tilde"],
)
def test_a_corpus_is_meant_from_where_make_is_called(book, place, typed):
    folder = book.folder.parent / place
    write_tone(folder / "low/a.wav")
    book.write("01_a", "print(corpora.load(corpus).clips[0].path.parent.parent)")
    home = {"HOME": str(book.folder.parent / "home")}
    for done in (
        book.make("_build/notebooks/01_a.ipynb", settings=home, CORPUS=typed),
        book.make("_build/notebooks/02_b.ipynb", settings=home | {"CORPUS": typed}),
    ):
        assert done.returncode == 0, done.stdout + done.stderr
    text = nbformat.read(book.folder / "_build/notebooks/01_a.ipynb", as_version=4).cells[-1].outputs[0].text
    assert text.splitlines() == [str(folder)] * 2


def test_the_data_root_is_meant_from_where_make_is_called(book):
    book.write("01_a", "from audiolib.corpora import data_root\nprint(data_root())")
    for typed, place in (("my data", book.folder / "my data"), ("~/d$1", book.folder.parent / "home/d$1")):
        settings = {"HOME": str(book.folder.parent / "home"), "AUDIOLIB_DATA": typed}
        (book.folder / "_build/notebooks/01_a.ipynb").unlink(missing_ok=True)
        done = book.make("_build/notebooks/01_a.ipynb", settings=settings)
        assert done.returncode == 0, done.stdout + done.stderr
        assert str(place) in (book.folder / "_build/notebooks/01_a.ipynb").read_text()


def test_parameters_are_read_as_papermill_reads_them(book):
    book.write("01_a", "print([number, share, flag, word, raw, corpus])\nnumber = share = flag = word = raw = None")
    command = [sys.executable, "notebooks/run.py", "notebooks/01_a.md", "_build"]
    for name, value in {"number": "30", "share": "0.5", "flag": "True", "word": "tenor"}.items():
        command += ["-p", name, value]
    done = subprocess.run([*command, "-r", "raw", "30", "-p", "corpus", "synthetic"], cwd=book.folder)
    assert done.returncode == 0
    cells = nbformat.read(book.folder / "_build/notebooks/01_a.ipynb", as_version=4).cells
    assert cells[-1].outputs[0].text.splitlines()[-1] == "[30, 0.5, True, 'tenor', '30', 'synthetic']"


def test_a_folder_with_a_number_for_a_name_is_a_corpus(tmp_path, monkeypatch):
    """Papermill's own command hands 2021 on as a number."""
    write_tone(tmp_path / "2021/low/a.wav")
    monkeypatch.chdir(tmp_path)
    assert corpora.load(2021).name == "2021"


def spans(book):
    """When each chapter ran."""
    made = (nbformat.read(book.folder / f"_build/notebooks/{name}.ipynb", as_version=4) for name in BOTH)
    return [(one.metadata.papermill.start_time, one.metadata.papermill.end_time) for one in made]


def test_chapters_run_side_by_side_and_those_that_measure_time_alone(book):
    book.write("01_a", "import time; time.sleep(3)  # then cost.interleaved")
    book.write("02_b", "import time; time.sleep(3)")
    assert book.runs("chapters", "-j2") == BOTH
    first, second = spans(book)
    assert second[1] <= first[0]
    book.write("01_a", "import time; time.sleep(3)")
    book.write("02_b", "import time; time.sleep(3.1)")
    assert book.runs("chapters", "-j2") == BOTH
    first, second = spans(book)
    assert max(first[0], second[0]) < min(first[1], second[1])


def test_a_place_that_make_cannot_cope_with_is_named(tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / "book").mkdir()
    said = subprocess.run(["make", "book", "VENV=my venv"], cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode != 0 and len(said.stderr.splitlines()) == 1
    assert "VENV=my venv" in said.stderr and "choose another folder" in said.stderr


def test_what_is_given_empty_is_not_given():
    """As continuous integration hands on a variable that is not set; ``rm -rf "$VENV"`` is none the worse for it."""
    said = subprocess.run(["make", "help", "CORPUS=", "VENV=", "PYTHON="], cwd=ROOT, capture_output=True, text=True)
    assert "CORPUS=synthetic " in said.stdout and "PYTHON=python3  VENV=.venv" in said.stdout


def test_jupyterlab_gets_the_options_that_are_given():
    said = subprocess.run(["make", "-n", "lab", "LAB_OPTIONS=--no-browser --port=9999"], cwd=ROOT, capture_output=True,
                          text=True)  # fmt: skip
    assert re.search(r"-m jupyter lab .* --no-browser --port=9999$", said.stdout, re.MULTILINE), said


def test_chapter_that_is_not_there_is_named(tmp_path):
    command = [sys.executable, ROOT / "notebooks/run.py", "notebooks/nothing.md", tmp_path]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 2 and "nothing.md: no such chapter" in said.stderr and "Traceback" not in said.stderr


def test_wrong_python_is_named(tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy2(ROOT / name, tmp_path / name)
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    (tmp_path / "book").mkdir()
    said = subprocess.run(["make", "bench", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode != 0 and "is not Python 3.11, 3.12 or 3.13" in said.stderr


def test_conda_and_pip_install_the_same_lock():
    import tomllib

    import yaml
    from packaging.requirements import Requirement

    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python = next(
        entry.split("=")[1]
        for entry in environment["dependencies"]
        if isinstance(entry, str) and entry.startswith("python=")
    )
    assert python in ("3.11", "3.12", "3.13")
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == ["--requirement requirements.lock"]

    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = [Requirement(line.rstrip(" \\")) for line in lines if line and not line.startswith((" ", "#"))]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = (
        project["dependencies"] + project["optional-dependencies"]["book"] + project["optional-dependencies"]["test"]
    )
    for version in ("3.11.0", "3.12.0", "3.13.0"):
        here = {"python_full_version": version, "python_version": version[:4], "extra": ""}
        pins = {
            lock.name: next(iter(lock.specifier)).version
            for lock in locked
            if not lock.marker or lock.marker.evaluate(here)
        }
        for requirement in map(Requirement, wanted):
            assert pins.get(requirement.name.lower()) in requirement.specifier, f"{requirement} on Python {version}"
    assert all(lock.specifier for lock in locked)
    assert sum(line.strip().startswith("--hash=sha256:") for line in lines) >= len(locked)
