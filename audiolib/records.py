"""Records: one small JSON file a run, from which the book takes its figures, and what many of them say together.

A record holds the recipe, the data and versions it was made with, the history and what came of the test part. It
carries a checksum, so that one that was truncated or edited is not taken for a result. Accuracies are 0 to 1, times are
in seconds.

Chapters: 10_experiments, 11_leak, 12_fair, 13_elsewhere
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import fields
from pathlib import Path

import numpy as np

from audiolib import AudiolibError, evaluation
from audiolib._files import written_whole
from audiolib.recipes import Recipe, hears

FORMAT = 1
# What records of one row of `table` agree in: all of the recipe but what repeats it. Rows are sorted in this order.
SORTED_BY = ("corpus", "protocol", "model", "frontend", "epochs")
BY = SORTED_BY + tuple(each.name for each in fields(Recipe) if each.name not in (*SORTED_BY, "seed", "fold"))


def make_record(result):
    """The record of a run: small, plain JSON, with all that the chapters need.

    Parameters
    ----------
    result : training.Run

    Returns
    -------
    dict
        ``recipe``, ``data``, ``versions``, ``machine``, ``seconds``, ``history``, ``valid`` and ``test`` (with
        ``segment_accuracy``, ``track_accuracy``), and of the test part ``calibration_error``, ``confusion`` (of
        tracks, rows are true) and ``tracks``: for each name the true and the predicted class as indices into
        ``data.labels``.
    """
    test = result.test
    true, predicted = test["track_y"].tolist(), test["track_probabilities"].argmax(axis=1).tolist()
    accuracies = ("segment_accuracy", "track_accuracy")
    return {
        "format": FORMAT,
        "recipe": result.recipe.to_dict(),
        "data": result.data,
        "versions": result.versions,
        "machine": result.machine,
        "parameters": result.model.count_params(),
        "seconds": round(result.seconds, 2),
        "history": {name: [_rounded(value) for value in values] for name, values in result.history.items()},
        "valid": {name: result.valid[name] for name in accuracies},
        "test": {name: test[name] for name in accuracies}
        | {
            "calibration_error": evaluation.calibration(test["probabilities"], test["y"])["ece"],
            "confusion": evaluation.confusion(predicted, true, len(result.labels)).tolist(),
            "tracks": {result.names[c]: [t, p] for c, t, p in zip(test["track"], true, predicted, strict=True)},
        },
    }


def write_record(record, folder):
    """Write a record, whole or not at all; its name is that of the recipe. Returns the path."""
    path = Path(folder) / f"{Recipe.from_dict(record['recipe']).name}.json"
    record = {name: value for name, value in record.items() if name != "checksum"}
    record["checksum"] = _checksum(record)
    lines = (f"{json.dumps(name)}: {json.dumps(part, allow_nan=False)}" for name, part in record.items())
    text = "{\n" + ",\n".join(lines) + "\n}\n"  # a line a part, for those who look at the file or at its changes
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise AudiolibError(f"{path} cannot be written ({error}); choose a folder that can") from error
    return path


def read_record(path):
    """A record, once it is certain that it is whole and unchanged.

    Raises
    ------
    AudiolibError
        If it is missing, truncated, edited, or of another version of the format.
    """
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
    if record["format"] != FORMAT:
        raise AudiolibError(f"{path} has format {record['format']!r}, this version reads {FORMAT}; {way_out}")
    if record.pop("checksum", None) != _checksum(record):
        raise AudiolibError(f"{path} was changed after it was written; {way_out}")
    return record


def load(folder="results"):
    """All records of a folder, in the order of their names.

    Raises
    ------
    AudiolibError
        If there is no such folder, or a ``.json`` file in it is not a whole, unchanged record.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AudiolibError(f"{folder} is not a folder; run `python -m audiolib study` or say where the records are")
    return [read_record(path) for path in sorted(folder.glob("*.json"))]


def table(records, *, by=BY):
    """Records summed up over seeds, and over the folds of each seed.

    Parameters
    ----------
    records : sequence of dict
    by : sequence of str, optional
        Fields of the recipe; records that agree in all of them share a row. The default is all fields but ``seed`` and
        ``fold``, so that two recipes are never summed up as one.

    Returns
    -------
    list of dict
        For each row the fields of ``by`` and: ``seeds`` and ``folds`` (sorted lists), ``segment_accuracy`` and
        ``track_accuracy`` (mean over seeds, each the mean over its folds' tracks, with Student's t interval;
        see ``evaluation.over_seeds``), ``over_tracks`` (low and high of Wilson's interval of the mean over the tracks
        that one seed is tested on), ``n`` (these tracks), ``epoch_seconds`` (median) and ``parameters``.

    Raises
    ------
    AudiolibError
        If a recipe is there twice.
    """
    rows = defaultdict(list)
    records = list(records)
    _refuse_repeats([json.dumps(record["recipe"], sort_keys=True) for record in records], "recipe")
    for record in records:
        recipe = record["recipe"] | {"frontend": hears(record["recipe"]["frontend"])}
        rows[tuple(json.dumps(recipe[name]) for name in by)].append(record)
    result = []
    for key, members in sorted(rows.items()):
        seeds = defaultdict(list)
        for record in members:
            seeds[record["recipe"]["seed"]].append(record["test"])
        row = dict(zip(by, map(json.loads, key), strict=True))
        row["seeds"] = sorted(seeds)
        row["folds"] = sorted({record["recipe"]["fold"] for record in members} - {None})
        for name in ("segment_accuracy", "track_accuracy"):
            row[name] = evaluation.over_seeds([_pooled([test[name] for test in tests]) for tests in seeds.values()])
        row["n"] = min(sum(test["track_accuracy"]["n"] for test in tests) for tests in seeds.values())
        row["over_tracks"] = evaluation.wilson(row["track_accuracy"]["value"], row["n"])
        row["epoch_seconds"] = float(np.median([np.median(record["history"]["seconds"]) for record in members]))
        row["parameters"] = members[0]["parameters"]
        result.append(row)
    return result


def compare(first, second):
    """Paired test of two recipes on the tracks that both were tested on.

    Parameters
    ----------
    first, second : list of dict
        Records. Those with the same seed and fold (and data and protocol) are a pair; the others are left out.

    Returns
    -------
    dict
        See ``evaluation.paired_test``: each track counts once, however many pairs tested it; and ``pairs``.

    Raises
    ------
    AudiolibError
        If there is no pair, a pair was not tested on the same tracks, or a side has two records for one place.
    """
    def place(record):
        recipe = record["recipe"]
        return record["data"]["name"], recipe["protocol"], recipe["seed"], recipe["fold"]

    for side in (first, second):
        _refuse_repeats([place(record) for record in side], "corpus, protocol, seed and fold")
    seconds = {place(record): record for record in second}
    pairs = [(record, seconds[place(record)]) for record in first if place(record) in seconds]
    if not pairs:
        raise AudiolibError("no two records share corpus, protocol, seed and fold; there is nothing to compare")
    names = sorted({name for record, _ in pairs for name in record["test"]["tracks"]})
    column = {name: number for number, name in enumerate(names)}
    right = np.zeros((2, len(pairs), len(names)), bool)  # a track that a pair was not tested on: wrong in both, a tie
    for number, pair in enumerate(pairs):
        if pair[0]["test"]["tracks"].keys() != pair[1]["test"]["tracks"].keys():
            raise AudiolibError(f"{' / '.join(map(str, place(pair[0])))}: the two runs were tested on different tracks")
        for side, record in enumerate(pair):
            for name, (true, predicted) in record["test"]["tracks"].items():
                right[side, number, column[name]] = true == predicted
    result = evaluation.paired_test(*right)
    tested = sum(len(record["test"]["tracks"]) for record, _ in pairs)
    return result | {"difference": float(right[1].sum() - right[0].sum()) / tested, "pairs": len(pairs)}


def _refuse_repeats(keys, what):
    """A run told twice would count its tracks twice, and of two recipes on a side nobody knows which is meant."""
    if repeats := len(keys) - len(set(keys)):
        raise AudiolibError(f"{repeats} of {len(keys)} records repeat the {what} of another one; give each once")


def _pooled(accuracies):
    """The mean over folds, each weighing as much as the tracks it was tested on."""
    return float(np.average([each["value"] for each in accuracies], weights=[each["n"] for each in accuracies]))


def _checksum(record):
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _rounded(value):
    return float(f"{value:.5g}")
