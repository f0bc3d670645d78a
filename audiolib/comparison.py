"""What two networks have to do with one another: pairs of runs, leads with intervals, and one rule for verdicts.

A fair comparison changes one thing. So runs are compared in *pairs* that share corpus, protocol, seed and fold
(``matched``). What is compared is either the test tracks that one of two wins from the other (``lead``) or a number
that a training's history gives (``over_seeds``, with the measures ``start``, ``unrest`` and ``gap``). Each comparison
is a *row*, a dict with ``value``, ``low`` and ``high`` (the ends are None where there is no interval); differences are
second minus first, as shares from -1 to 1, ratios second by first. ``verdict`` reads the rows of a claim. Intervals are
at 95 %. What cannot be compared raises ``AudiolibError``.

Chapters: 07_cnn, 09_architectures, 10_experiments, 11_leak, 12_fair, 13_elsewhere
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import NamedTuple

import numpy as np

from audiolib import AudiolibError, evaluation
from audiolib.protocols import TEST_SHARE

ACCIDENT = 0.025  # how often a 95 % interval lies wholly on a given side although there is no difference
RARE = 0.05  # what accident brings about more often than this says nothing


# --- which records belong together ----------------------------------------------------------------------------------


def alike(records, recipe, *free):
    """Records of a recipe, whatever their seed, fold and the fields named in ``free``."""
    free = {"seed", "fold", *free}
    wanted = {name: value for name, value in recipe.to_dict().items() if name not in free}
    return [r for r in records if all(r["recipe"].get(name) == value for name, value in wanted.items())]


def repeats(records):
    """Lists of records whose recipes differ in seed and fold only, in the order in which they come."""
    recipes = (json.dumps(record["recipe"] | {"seed": None, "fold": None}, sort_keys=True) for record in records)
    return list(_grouped(recipes, records).values())


def matched(first, second):
    """Pairs of records that share corpus, protocol, seed and fold, sorted by seed and fold.

    Of two records for one place on a side nobody could say which is meant: that is refused.
    """
    def place(record):
        recipe = record["recipe"]
        return recipe["corpus"], recipe["protocol"], recipe["seed"], recipe["fold"] or 0

    for side in (first, second):
        if repeats := len(side) - len({place(record) for record in side}):
            raise AudiolibError(f"{repeats} of {len(side)} records repeat corpus, protocol, seed and fold of another; "
                                "compare one recipe with one other")  # fmt: skip
    partners = {place(record): record for record in second}
    return [(record, partners[place(record)]) for record in sorted(first, key=place) if place(record) in partners]


def complete(found, folds=(None,)):
    """Records, or pairs of them, without the seeds of which one of these folds is missing."""
    recipes = [(each[0] if isinstance(each, tuple) else each)["recipe"] for each in found]
    keys = [(recipe["model"], recipe["protocol"], recipe["seed"]) for recipe in recipes]
    there = _grouped(keys, [recipe["fold"] for recipe in recipes])
    return [each for each, key in zip(found, keys, strict=True) if {*there[key]} >= {*folds}]


# --- what they reached ----------------------------------------------------------------------------------------------


def accuracy(records, by="track", unit=str):
    """Accuracy on the test part of repeated runs of one recipe, with Wilson's interval over independent units.

    A seed's folds are pooled by their tracks. Votes of tracks are counted, or segments (``by="segment"``); ``unit``
    gives from a track's name what is independent of others: the recording that several clips are cut from, say.

    Returns
    -------
    dict
        A row (its value is the mean over seeds) with ``n`` (tracks that a seed is tested on), ``effective`` (equal
        units that they are worth, see ``evaluation.effective``), ``each`` (value of each seed), ``seeds``.
    """
    seeds = _grouped((record["recipe"]["seed"] for record in records), records)
    each, n, effective = [], [], []
    for _, found in sorted(seeds.items()):
        shares = [r["test"][f"{by}_accuracy"] for r in found]
        each.append(float(np.average([s["value"] for s in shares], weights=[s["n"] for s in shares])))
        names = [name for r in found for name in r["test"]["tracks"]]
        n.append(len(names))
        if by == "segment" and found[0]["recipe"]["protocol"] == "segment":
            effective.append(_worth(found[0]["data"]))
        else:
            effective.append(evaluation.effective(np.unique([unit(name) for name in names], return_counts=True)[1]))
    value = float(np.mean(each))
    low, high = evaluation.wilson(value, min(effective))
    return {"value": value, "low": low, "high": high, "n": min(n), "effective": min(effective),
            "each": each, "seeds": sorted(seeds)}  # fmt: skip


def _worth(data):
    """Effective tracks of a test part of segments dealt at random, which has more of one track than of another.

    A test segment finds a quarter of its siblings beside it, so (sum of counts)^2 / sum of counts^2 comes to this.
    """
    return TEST_SHARE * data["segments"] / (1 + TEST_SHARE * (data["segments"] / data["tracks"] - 1))


def by_fold(records, values):
    """Mean over folds with Student's interval, each fold the mean of its values: where a fold is one voice, say."""
    folds = _grouped((record["recipe"]["fold"] for record in records), values)
    return evaluation.over_seeds([np.mean(values) for values in folds.values()])


# --- how far one is ahead -------------------------------------------------------------------------------------------


def lead(pairs, unit=str):
    """Accuracy of the second of each pair minus the first, with an interval over test tracks.

    A track that several seeds tested counts with the sum of its wins and losses, once, because the same track tested
    again is no new evidence. The same with ``unit`` (see ``accuracy``).
    """
    won, met = defaultdict(int), defaultdict(int)
    for first, second in pairs:
        told, answers = first["test"]["tracks"], second["test"]["tracks"]
        if told.keys() != answers.keys():
            raise AudiolibError("the runs of a pair were tested on different tracks; pair them with `matched`")
        for name, (true, said) in told.items():
            won[unit(name)] += int(answers[name][1] == true) - int(said == true)
            met[unit(name)] += 1
    if not met:
        raise AudiolibError("no pair of runs to compare; are they recorded under the same seeds and folds?")
    won, met = np.array([*won.values()]), np.array([*met.values()])
    value = won.sum() / met.sum()
    half = 1.96 * np.sqrt(np.sum((won - value * met) ** 2)) / met.sum()
    return {"value": float(value), "low": float(value - half), "high": float(value + half)}


def difference(first, second):
    """First minus second, of two shares that were measured on different tracks, with Newcombe's interval of 1998."""
    value = first["value"] - second["value"]
    down = np.hypot(first["value"] - first["low"], second["high"] - second["value"])
    up = np.hypot(first["high"] - first["value"], second["value"] - second["low"])
    return {"value": float(value), "low": float(value - down), "high": float(value + up)}


def over_seeds(measure, pairs, *, ratio=False):
    """A row, second minus first (or by first) of a number of each run, with Student's interval over ``n`` seeds.

    ``measure`` takes a history (``start`` and the like), or a pair (``level_with``). Folds of one seed are no new
    start, so they are averaged first. A ``ratio`` is the mean of logarithms. There is no interval below three seeds:
    two say nearly nothing.
    """
    def told(pair):
        if measure is level_with:
            return measure(pair)
        first, second = (measure(record["history"]) for record in pair)
        return np.log(second / first) if ratio else second - first

    return _mean(_grouped((first["recipe"]["seed"] for first, _ in pairs), map(told, pairs)), ratio)


def mean_of_pairs(rows, titles, *, ratio=False):
    """Mean of rows over pairs of networks, with an interval over these pairs: what to expect of another pair.

    ``titles`` [row] says which pair a row is of; the rows of a pair are averaged first. None below three pairs.
    """
    pairs = _grouped(titles, (np.log(row["value"]) if ratio else row["value"] for row in rows))
    return None if len(pairs) < 3 else _mean(pairs, ratio)


def _grouped(keys, values):
    """Lists of the values that have the same key."""
    groups = defaultdict(list)
    for key, value in zip(keys, values, strict=True):
        groups[key].append(value)
    return groups


def _mean(values, ratio):
    """Mean over the keys, each the mean of its values, with Student's interval from three keys on."""
    row = evaluation.over_seeds([np.mean(each) for each in values.values()])
    ends = ("value", "low", "high") if row["n"] > 2 else ("value",)
    back = np.exp if ratio else float
    return row | {"low": None, "high": None} | {end: float(back(row[end])) for end in ends}


# --- what a training's history says ---------------------------------------------------------------------------------


def start(history):
    """Mean accuracy on the training part over the first five epochs."""
    return float(np.mean(history["accuracy"][:5]))


def unrest(history):
    """Standard deviation of the steps of the validation accuracy from epoch to epoch, in the last third of them."""
    steps = np.diff(history["val_accuracy"])
    return float(np.std(steps[-(len(steps) // 3) :]))


def gap(history):
    """Training minus validation accuracy at the end, each a mean of five epochs."""
    return float(_five(history["accuracy"])[-1] - _five(history["val_accuracy"])[-1])


def level_with(pair):
    """Validation accuracy, second minus first, at the epoch at which each fits the training part equally well.

    The level is that which the slower of the two reaches at best: a network that has learned less has had less to
    overfit with.
    """
    fits = [_five(record["history"]["accuracy"]) for record in pair]
    level = min(fit.max() for fit in fits)
    valid = [_five(record["history"]["val_accuracy"]) for record in pair]
    first, second = (curve[np.argmax(fit >= level)] for curve, fit in zip(valid, fits, strict=True))
    return float(second - first)


def _five(values):
    """Running means over five epochs (fewer, if there are fewer)."""
    n = min(5, len(values))
    return np.convolve(values, np.ones(n) / n, "valid")


# --- what it comes to -----------------------------------------------------------------------------------------------


class Verdict(NamedTuple):
    """A verdict in words, and how many comparisons stand behind it."""

    word: str  # "Holds", "Holds in part", "Does not hold" or "Open"
    yes: int  # intervals wholly on the side that the claim names
    no: int  # intervals wholly on the other side
    n: int  # comparisons that have an interval


def verdict(rows, side, *, mean=None, none=0.0):
    """What comparisons say of a claim: one rule for all claims, the same for both sides.

    A side *speaks* if at least two intervals lie wholly on it, and so many that accident would bring them about less
    often than once in twenty times; or if the interval of the mean lies on it. If only the side of the claim speaks,
    the claim holds; if only the other, it does not; if both, it holds in part; if neither, or with fewer than two
    comparisons, it is open. A row without an interval is left out.

    ``side`` is +1 or -1, the sign that the claim expects, on which side of ``none``, no difference (0, or 1 for
    ratios); ``mean`` is the row of all comparisons together, not one of them.
    """
    if side not in (1, -1):
        raise AudiolibError(f"side={side!r}: +1 if the claim expects more, -1 if it expects less")
    lies = [_side(row, none) * side for row in rows if row["low"] is not None]
    yes, no, n = lies.count(1), lies.count(-1), len(lies)
    of_mean = side * _side(mean, none) if mean and mean["low"] is not None else 0
    speaks = [(count > 1 and by_accident(count, n) < RARE) or of_mean == sign for count, sign in ((yes, 1), (no, -1))]
    words = {(True, False): "Holds", (False, True): "Does not hold", (True, True): "Holds in part"}
    return Verdict(words.get(tuple(speaks), "Open") if n > 1 else "Open", yes, no, n)


def in_range(each, span):
    """Whether trainings, one figure each, reach a stated range ``(low, high)``: a verdict's word.

    *Holds* if all lie in the range, *Does not hold* if Student's interval over them lies wholly outside, else *Holds in
    part* if some lie in it. Otherwise, and with fewer than three trainings, *Open*.
    """
    row = evaluation.over_seeds(each)
    inside = [span[0] <= value <= span[1] for value in each]
    if row["n"] < 3:
        return "Open"
    outside = row["high"] < span[0] or row["low"] > span[1]
    return "Holds" if all(inside) else "Does not hold" if outside else "Holds in part" if any(inside) else "Open"


def by_accident(found, tries, chance=ACCIDENT):
    """Probability that at least so many of so many independent intervals lie on a given side by accident."""
    from scipy.stats import binom

    return float(binom.sf(found - 1, tries, chance))


def least_lead(n, level=RARE):
    """The least lead, in tracks, that makes the exact McNemar test significant if n are disputed; None if none."""
    from scipy.stats import binomtest

    leads = (lead for lead in range(n % 2, n + 1, 2) if binomtest((n + lead) // 2, n).pvalue < level) if n else ()
    return next(iter(leads), None)


def _side(row, none):
    """Where an interval lies: +1 above no difference, -1 below, 0 across it."""
    return int(row["low"] > none) - int(row["high"] < none)
