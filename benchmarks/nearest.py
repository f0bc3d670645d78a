"""A nearest neighbour on real music under four protocols: what chapter 11 reads from results/nearest.

Nothing is trained. Segments are compared by a few numbers each, and the label of the nearest training segment is the
answer. Needs the log-mel archive (``gtzan-logmel.npz``) in the data root, and takes a minute:

    python benchmarks/nearest.py [results/nearest/gtzan-logmel.json]
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from audiolib import evaluation, protocols, recipes, training

FOLDS = {"segment": [None], "track": [None], "fault-filtered": [None], "artist-folds": recipes.ARTIST_FOLDS}


def look(features):
    """Mean and deviation of each band: [segment, 2 x band]."""
    return np.concatenate([features.x.mean(axis=1), features.x.std(axis=1)], axis=1)


def examine(features, split):
    """Accuracy of the nearest neighbour's label, and how often it is a sibling."""
    looks = look(features)
    z = (looks - looks[split.train].mean(axis=0)) / looks[split.train].std(axis=0)
    found = split.train[[((z[split.train] - one) ** 2).sum(axis=1).argmin() for one in z[split.test]]]
    return _judged(features, split, found)


def finer(features, split, kept=100):
    """The same with five numbers for each band, in the 100 directions of equal spread, compared by angle."""
    started, x = time.perf_counter(), features.x
    numbers = [x.mean(1), x.std(1), np.abs(np.diff(x, axis=1)).mean(1), x.max(1), x.min(1)]
    numbers = np.concatenate(numbers, axis=1)
    z = (numbers - numbers[split.train].mean(axis=0)) / numbers[split.train].std(axis=0)
    _, spread, directions = np.linalg.svd(z[split.train], full_matrices=False)
    z = z @ (directions[:kept] / spread[:kept, None]).T
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    found = split.train[(z[split.test] @ z[split.train].T).argmax(axis=1)]
    return _judged(features, split, found) | {"seconds": round(time.perf_counter() - started, 2)}


def by_siblings(features, seed=0):
    """Accuracy of the nearest neighbour with 0, 1, 2, ... siblings to be found."""
    random, z = np.random.default_rng(seed), look(features)
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    copies = {digest: clip for clip, digest in enumerate(features.digests) if digest}
    unit = np.array([copies.get(digest, clip) for clip, digest in enumerate(features.digests)])
    rows = []
    for i, clip in enumerate(features.clip):
        apart = ((z - z[i]) ** 2).sum(axis=1)
        family = np.setdiff1d(np.flatnonzero(features.clip == clip), i)
        nearest = np.minimum.accumulate(apart[random.permutation(family)])
        others = np.where(unit[features.clip] == unit[clip], np.inf, apart)
        guess = features.y[others.argmin()] == features.y[i]
        rows.append(np.concatenate([[guess], guess | (nearest < others.min())]))
    return np.mean([row[: min(map(len, rows))] for row in rows], axis=0)


def artists_mixed(features, deals=20):
    """The fault-filtered split's tracks, dealt out anew with as many of each genre in each part, whoever plays."""
    fair = protocols.split(features, "fault-filtered")
    part = np.full(features.tracks, -1)
    for number, name in enumerate(protocols.PARTS):
        part[features.clip[getattr(fair, name)]] = number
    label, values = np.array(features.clip_labels), []
    for seed in range(deals):
        random, dealt = np.random.default_rng(seed), part.copy()
        for mine in (np.flatnonzero((label == name) & (part >= 0)) for name in features.labels):
            dealt[mine] = random.permutation(part[mine])
        pieces = {name: np.flatnonzero(dealt[features.clip] == number) for number, name in enumerate(protocols.PARTS)}
        values.append(examine(features, replace(fair, **pieces))["value"])
    value, n = float(np.mean(values)), len(np.unique(features.clip[fair.test]))
    low, high = evaluation.wilson(value, n)
    sd = float(np.std(values, ddof=1))
    return {"value": value, "low": low, "high": high, "n": n, "deals": deals, "sd": sd}


def under_all_protocols(exam, features):
    """What an exam gives under each protocol, folds pooled."""
    return {name: _pooled([exam(features, protocols.split(features, name, fold=fold)) for fold in folds])
            for name, folds in FOLDS.items()}  # fmt: skip


def finer_exam():
    """The finer look on 128 mel bands, under all protocols."""
    mel = {"kind": "mel", "segment_seconds": 6.0}
    return under_all_protocols(finer, training.load_features(recipes.OURS.replace(frontend=mel)))


def _judged(features, split, found):
    answers, clip = np.eye(len(features.labels))[features.y[found]], features.clip[split.test]
    own = float(np.mean(features.clip[found] == clip))
    return evaluation.accuracy(answers, features.y[split.test], clip=clip) | {"own": own}


def _pooled(parts):
    """Folds as one: their mean, each weighing as much as its tracks."""
    n, worth = [part["n"] for part in parts], [part["effective"] for part in parts]
    value = float(np.average([part["value"] for part in parts], weights=n))
    low, high = evaluation.wilson(value, sum(worth))
    return parts[0] | {"value": value, "low": low, "high": high, "n": sum(n), "effective": sum(worth)}


def main(path="results/nearest/gtzan-logmel.json"):
    """Examine, and write the record."""
    features = training.load_features(recipes.SHORT)
    labels = {}
    for digest, label in zip(features.digests, features.clip_labels, strict=True):
        labels.setdefault(digest, []).append(label)
    copies = [two for two in labels.values() if len(two) > 1]
    said = {
        "features": "log-mel archive, 13 MFCCs, 6 s", "tracks": features.tracks,
        "protocols": under_all_protocols(examine, features), "finer": finer_exam(),
        "artists_mixed": artists_mixed(features), "siblings": by_siblings(features).tolist(),
        "copies": len(copies), "copies_with_two_labels": sum(len(set(two)) > 1 for two in copies),
    }  # fmt: skip
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
