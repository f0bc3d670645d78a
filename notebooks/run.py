"""Run one chapter: jupytext makes the notebook, papermill executes it.

    python notebooks/run.py notebooks/02_sound.md _build [-p number 12] [-r corpus 2021]

The executed chapter is ``_build/notebooks/02_sound.ipynb``, there only once it has run to its end with all of its
pictures. A chapter that fails is left in ``_build/failed`` as far as it ran, and the message names the cell. The
parameters are read as papermill's own command reads them: ``-p`` takes ``12`` for a number, ``-r`` leaves it a text.
"""

import argparse
import base64
import contextlib
import io
import itertools
import os
import sys
import time
from pathlib import Path

import surroundings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapter", type=Path)
    parser.add_argument("build", type=Path)
    pair = {"nargs": 2, "action": "append", "default": [], "metavar": ("NAME", "VALUE")}
    parser.add_argument("-p", "--parameters", **pair)
    parser.add_argument("-r", "--parameters_raw", **pair)
    parser.add_argument("--threads", type=int, help="how many a chapter may use where others run beside it")
    given = parser.parse_args()
    if not given.chapter.is_file():
        parser.error(f"{given.chapter}: no such chapter")
    if given.threads:
        for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "LOKY_MAX_CPU_COUNT"):
            os.environ.setdefault(name, str(given.threads))
    # A corpus is named from here and by this user; the chapter runs in another folder, with another home.
    named = [("-p", *pair) for pair in given.parameters] + [("-r", *pair) for pair in given.parameters_raw]
    named = [(flag, name, surroundings.corpus(value) if name == "corpus" else value) for flag, name, value in named]
    surroundings.enter(given.build, [__file__, str(given.chapter), str(given.build), *itertools.chain(*named)])
    run(given.chapter, given.build, read(given.parameters, given.parameters_raw))


def read(parameters, raw):
    """What papermill's command makes of ``-p`` and ``-r``."""
    from papermill.cli import _resolve_type

    return {name: _resolve_type(value) for name, value in parameters} | dict(raw)


def run(chapter, build, parameters):
    """Execute a chapter into ``build``; ends this program with a message if it fails."""
    import jupytext
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    name = f"{chapter.stem}.ipynb"
    source, running, failed, done = (build / folder / name for folder in ("source", "running", "failed", "notebooks"))
    for path in (source, running, failed, done):
        path.parent.mkdir(parents=True, exist_ok=True)
    failed.unlink(missing_ok=True)
    done.unlink(missing_ok=True)
    nbformat.write(jupytext.read(chapter), source)
    print(f"running chapter {chapter.stem}", flush=True)
    started = time.monotonic()
    chatter = build / "chatter" / f"{chapter.stem}.txt"
    try:
        with written_to(chatter):
            notebook = papermill.execute_notebook(
                # Braces in a path are papermill's own language.
                *(str(path).replace("{", "{{").replace("}", "}}") for path in (source, running)),
                parameters,
                kernel_name="python3",
                cwd=str(chapter.parent),
                progress_bar=False,  # chapters run side by side, and each line of the screen belongs to one
            )
        problem = lost_pictures(notebook)
    except PapermillExecutionError as error:
        cell = f"cell In [{error.exec_count}]:\n\n" + "".join(f"    {line}\n" for line in error.source.splitlines())
        problem = f"{cell}\n{error.ename}: {error.evalue}\n"
    except DeadKernelError:
        problem = (
            "a cell that killed its Python; most often memory is short (make -j1 runs one chapter at a time).\n"
            f"Its last words: {chatter}\n"
        )
    if problem:
        running.replace(failed)
        sys.exit(f"\n{chapter} failed at {problem}\nThe chapter as far as it ran: {failed}")
    nbformat.write(lighter(notebook), running)
    running.replace(done)
    spent = build / "times" / chapter.stem
    spent.parent.mkdir(exist_ok=True)
    spent.write_text(f"{time.monotonic() - started:.0f}\n")


@contextlib.contextmanager
def written_to(path):
    """What a kernel writes past Python goes to a file: TensorFlow's notes at its start, which no setting silences."""
    path.parent.mkdir(exist_ok=True)
    kept = os.dup(2)
    with open(path, "w") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def lighter(notebook):
    """The notebook with 256 colours in each large picture: half the bytes, and nothing that an eye would miss."""
    from PIL import Image

    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", ())]
    for data in shown:
        for kind in [kind for kind in data if kind.endswith("image/png") and len(data[kind]) > 200_000]:
            picture, smaller = Image.open(io.BytesIO(base64.b64decode(data[kind]))), io.BytesIO()
            picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(smaller, "png")
            data[kind] = base64.b64encode(smaller.getvalue()).decode("ascii")
    return notebook


def lost_pictures(notebook):
    """What to say of the first cell that promises a figure and shows none; None if all is there."""
    for cell in notebook.cells:
        if "figure" in cell.metadata.get("mystnb", {}):
            shown = [output.get("data", {}) for output in cell.get("outputs", ())]
            # A film is HTML with its pictures inside.
            if not any(kind.startswith("image/") or "<img" in data[kind] for data in shown for kind in data):
                code = "".join(f"    {line}\n" for line in cell.source.splitlines())
                return f"cell In [{cell.execution_count}], which shows no picture:\n\n{code}"


if __name__ == "__main__":
    main()
