"""Records: one small JSON file a run, from which the book takes its figures.

Accuracies are 0 to 1, times are in seconds. A record carries a checksum, so that one that was truncated or edited is
not taken for a result. Its parts:

=================  ====================================================================================================
``format``         2; what is None in those of format 1 is marked with *
``recipe``         the fields of the ``Recipe`` (format 1 spelled two of them otherwise; ``read`` gives today's names)
``data``           what it was made from, among it ``fingerprint`` (of every bit of the features) and ``content`` * (of
                   the audio and what is said of it; None for an archive, whose fingerprint is enough)
``split`` *        ``digest``, and the segments of each part
``versions``       of the libraries
``machine``        ``cores``, ``threads`` and the model of the ``processor`` (in format 1 only its architecture)
``origin`` *       ``commit`` of the library and whether it was ``clean`` (None outside a checkout), the SHA-256 of the
                   ``lock`` file, and the ``command`` that was typed (None if it was no command)
``choice`` *       how ``epoch`` and ``recipe`` were chosen, and how many were ``tried`` on a validation part
``parameters``     and ``multiply_adds`` * for one segment
``seconds``        of training, over all resumptions; ``history`` has a value an epoch
``valid, test``    ``segment_accuracy`` and ``track_accuracy``; of the test part also ``calibration_error``,
                   ``confusion`` (of tracks, rows are true), ``tracks`` (for each name the true and the predicted class,
                   as indices into ``data.labels``) and ``probabilities`` * (for each name, to 4 digits)
=================  ====================================================================================================

Chapters: 07_cnn, 09_architectures, 10_experiments, 11_leak, 12_fair, 13_elsewhere
"""

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from audiolib import AudiolibError, evaluation
from audiolib._checkpoint import kept
from audiolib.recipes import FORMAT_1, Recipe

FORMAT = 2
ACCURACIES = ("segment_accuracy", "track_accuracy")


def make(run, *, origin=None, choice=None):
    """The record of a run, a dict; ``origin`` gave the origin when the run began, ``recipes.CHOICES`` has choices."""
    from audiolib import cost, training

    test = run.test
    true, predicted = test["track_y"].tolist(), test["track_probabilities"].argmax(axis=1).tolist()
    names = [run.names[clip] for clip in test["track"]]
    shares = [[_rounded(share, 4) for share in row] for row in test["track_probabilities"]]
    parts = {part: len(getattr(run.split, part)) for part in ("train", "valid", "test")}
    return {
        "format": FORMAT,
        "recipe": run.recipe.to_dict(),
        "data": run.data,
        "split": {"digest": run.split.digest, **parts},
        "versions": run.versions,
        "machine": {"cores": os.cpu_count(), "threads": training.threads(), "processor": _processor()},
        "origin": origin,
        "choice": choice,
        "parameters": run.model.count_params(),
        "multiply_adds": cost.summary(run.model).multiply_adds,
        "seconds": round(run.seconds, 2),
        "history": {name: [_rounded(value, 5) for value in values] for name, values in run.history.items()},
        "valid": {name: run.valid[name] for name in ACCURACIES},
        "test": {name: test[name] for name in ACCURACIES}
        | {
            "calibration_error": evaluation.calibration(test["probabilities"], test["y"])["ece"],
            "confusion": evaluation.confusion(predicted, true, len(run.labels)).tolist(),
            "tracks": dict(zip(names, map(list, zip(true, predicted, strict=True)), strict=True)),
            "probabilities": dict(zip(names, shares, strict=True)),
        },
    }


def origin():
    """What code this is, a dict for ``make``; call it before the run, since files may change meanwhile.

    Paths in the command that begin at the root keep their last part alone: they are nobody else's business.
    """
    root = Path(__file__).resolve().parent.parent
    commit = clean = None

    def git(*arguments):
        told = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=True)
        return told.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) == root:  # not that of a project with this one in its environment
            commit = git("rev-parse", "HEAD")
            clean = not git("status", "--porcelain", "--", "audiolib", "requirements.lock")
    except (OSError, subprocess.CalledProcessError):
        pass  # no git, or no checkout
    lock = root / "requirements.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None
    typed = [re.sub(r"^(--[\w-]+=)?/.*/", r"\1.../", word) for word in sys.argv[1:]]
    command = ["python", "-m", "audiolib", *typed] if Path(sys.argv[0]).parent.name == "audiolib" else None
    return {"commit": commit, "clean": clean, "lock": digest, "command": command}


def _processor():
    """The model of the processor, on which the last digits depend."""
    try:
        return re.search(r"^model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)[1]
    except (OSError, TypeError):  # another system, or one that does not say
        return platform.processor() or platform.machine()


def write(record, folder):
    """Write a record, whole or not at all; its name is that of the recipe. Returns the path."""
    path = path_of(Recipe.from_dict(record["recipe"]), folder)
    record = {name: value for name, value in record.items() if name != "checksum"} | {"format": FORMAT}
    record["checksum"] = _checksum(record)
    lines = (f"{json.dumps(name)}: {json.dumps(part, allow_nan=False)}" for name, part in record.items())
    text = "{\n" + ",\n".join(lines) + "\n}\n"  # a line a part, for those who look at the file or at its changes
    with kept(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


def read(path):
    """A record, in the shape of format 2; an AudiolibError unless it is certain that it is whole and unchanged."""
    path = Path(path)
    way_out = "restore it or delete it, and the study will do that run again"
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is not a file")
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AudiolibError(f"{path} is not a whole record ({error}); {way_out}") from error
    if not isinstance(record, dict) or "format" not in record:
        raise AudiolibError(f"{path} is not a record of a run; keep only records in this folder")
    if record["format"] not in (1, FORMAT):
        raise AudiolibError(f"{path} has format {record['format']!r}, this version reads 1 and {FORMAT}; {way_out}")
    if record.pop("checksum", None) != _checksum(record):
        raise AudiolibError(f"{path} was changed after it was written; {way_out}")
    if record["format"] == FORMAT:
        return record
    new = {old: name for name, old in FORMAT_1.items()}  # what was not kept then is None
    return dict.fromkeys(("split", "origin", "choice", "multiply_adds")) | record | {
        "recipe": {new.get(name, name): value for name, value in record["recipe"].items()},
        "data": record["data"] | {"content": None},
        "test": record["test"] | {"probabilities": None},
    }


def load(folder="results"):
    """All records of a folder, in the order of their names; an AudiolibError if one is damaged."""
    folder = Path(folder)
    if not folder.is_dir():
        raise AudiolibError(f"{folder} is not a folder; run `python -m audiolib study` or say where the records are")
    return [read(path) for path in sorted(folder.glob("*.json"))]


def path_of(recipe, folder):
    """Where the record of a recipe lies, or would lie."""
    return Path(folder) / f"{recipe.name}.json"


def find(recipe, folder, data=None):
    """The record of a recipe, or None if it has none: the one place that says what is done.

    An AudiolibError if it is damaged, of another recipe or, where ``training.describe`` has told the ``data`` that are
    here, of other data. (That the same audio gives other last digits on another processor makes it no other data.)
    """
    path = path_of(recipe, folder)
    if not path.exists():
        return None
    record = read(path)
    if record["recipe"] != recipe.to_dict():
        raise AudiolibError(f"{path} is the record of another recipe; give it back its name or delete it")
    if data and (difference := _difference(record["data"], data)):
        raise AudiolibError(f"{path} is of other data than {recipe.corpus} holds here and now ({difference}); delete "
                            "it to train again, or choose another folder (--results)")  # fmt: skip
    return record


def _difference(then, now):
    """What tells the data of a record from those that are here, in words; nothing if they are the same."""
    if then["fingerprint"] == now["fingerprint"]:
        return ""
    for fact in ("tracks", "segments", "frames", "bands", "labels"):
        if then[fact] != now[fact]:
            return f"{fact}: {then[fact]} there, {now[fact]} here"
    if now["content"] and then["content"] in (now["content"], None):  # format 1 did not keep it
        return ""
    return "the same number of tracks, but not the same" + (" audio, labels or groups" if now["content"] else " levels")


def compare(first, second):
    """Paired test of two recipes by the runs ``first[i]`` and ``second[i]`` (pairs of records: ``comparison.matched``).

    Returns
    -------
    dict
        See ``evaluation.paired_test``: each track counts once, however many pairs tested it; and ``pairs``.

    Raises
    ------
    AudiolibError
        If there is no pair, a run is there twice, or a pair does not share corpus, protocol, seed, fold and tracks.
    """
    def place(record):
        return record["data"]["name"], *(record["recipe"][name] for name in ("protocol", "seed", "fold"))

    places, answers = ([[what(record) for record in side] for side in (first, second)]
                       for what in (place, lambda record: record["test"]["tracks"]))  # fmt: skip
    if places[0] != places[1] or not first:
        raise AudiolibError("not pairs that share corpus, protocol, seed and fold; there is nothing to compare")
    if repeats := len(places[0]) - len(set(places[0])):
        raise AudiolibError(f"{repeats} of {len(places[0])} records repeat the place of another one; give each once")
    for where, one, two in zip(places[0], *answers, strict=True):
        if one.keys() != two.keys():
            raise AudiolibError(f"{' / '.join(map(str, where))}: the two runs were tested on different tracks")
    names, tie = sorted(set().union(*answers[0])), (0, 1)  # a track that a pair was not tested on: wrong in both
    right = [[[len(set(tracks.get(name, tie))) == 1 for name in names] for tracks in side] for side in answers]
    difference = (np.sum(right[1]) - np.sum(right[0])) / sum(map(len, answers[0]))
    return evaluation.paired_test(*right) | {"difference": float(difference), "pairs": len(first)}


def _checksum(record):
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _rounded(value, digits):
    return float(f"{value:.{digits}g}")
