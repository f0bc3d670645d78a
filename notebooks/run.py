"""Run one chapter: jupytext makes the notebook, papermill executes it.

    python notebooks/run.py notebooks/02_sound.md _build [-p corpus gtzan-mini]

The executed chapter is ``_build/notebooks/02_sound.ipynb``, there only once it has run to its end. A chapter that fails
is left in ``_build/failed`` as far as it ran, and the message names the cell.
"""

import argparse
import sys
from pathlib import Path

import jupytext
import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapter", type=Path)
    parser.add_argument("build", type=Path)
    parser.add_argument("-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    given = parser.parse_args()

    name = f"{given.chapter.stem}.ipynb"
    source, running, failed, done = (
        given.build / folder / name for folder in ("source", "running", "failed", "notebooks")
    )
    for path in (source, running, failed, done):
        path.parent.mkdir(parents=True, exist_ok=True)
    failed.unlink(missing_ok=True)
    nbformat.write(jupytext.read(given.chapter), source)
    print(f"running chapter {given.chapter.stem}", flush=True)
    try:
        papermill.execute_notebook(source, running, dict(given.parameters), cwd=given.chapter.parent, log_output=False)
    except PapermillExecutionError as error:
        running.replace(failed)
        cell = f"cell In [{error.exec_count}]:\n\n" + "".join(f"    {line}\n" for line in error.source.splitlines())
        left = f"The chapter as far as it ran: {failed}"
        sys.exit(f"\n{given.chapter} failed at {cell}\n{error.ename}: {error.evalue}\n\n{left}")
    running.replace(done)


if __name__ == "__main__":
    main()
