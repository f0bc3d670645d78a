"""Controls for ESC-10: a random forest and a nearest neighbour on MFCC statistics, by its official folds.

What chapter 13 sets beside the networks, from results/nearest/esc10.json. Nothing is tuned, so that no validation part
is needed; both learn from what the networks learn from, and once more from all four other folds. Needs ESC-10 in the
data root, and takes a minute:

    python benchmarks/esc10.py [results/nearest/esc10.json]
"""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audiolib import evaluation, protocols, recipes, training

FOLDS = (1, 2, 3, 4, 5)
CONTROLS = {
    "random forest": lambda seed: RandomForestClassifier(200, random_state=seed),
    "nearest neighbour": lambda seed: make_pipeline(StandardScaler(), KNeighborsClassifier(1)),
}


def looks(features):
    """Mean and deviation over a clip of each coefficient and of its steps from frame to frame: [clip, 4 x band]."""
    numbers = []
    for clip in range(features.tracks):
        x = features.x[features.clip == clip]
        steps = np.diff(x, axis=1)
        numbers.append([each for part in (x, steps) for each in (part.mean(axis=(0, 1)), part.std(axis=(0, 1)))])
    return np.array(numbers).reshape(features.tracks, -1)


def examine(features, make, learned=("train",), seeds=recipes.SEEDS):
    """Accuracy of a control on the clips of all folds, ``each`` a seed's; the interval counts recordings."""
    z, label = looks(features), np.array(features.clip_labels)
    each = []
    for seed in seeds:
        right = np.zeros(features.tracks, bool)
        for fold in FOLDS:
            split = protocols.split(features, "folds", fold=fold, seed=seed)
            clips = [np.unique(features.clip[np.concatenate([getattr(split, part) for part in parts])])
                     for parts in (learned, ["test"])]
            right[clips[1]] = make(seed).fit(z[clips[0]], label[clips[0]]).predict(z[clips[1]]) == label[clips[1]]
        each.append(float(right.mean()))
    worth = evaluation.effective(np.unique(features.groups, return_counts=True)[1])
    low, high = evaluation.wilson(np.mean(each), worth)
    return {"value": float(np.mean(each)), "low": low, "high": high, "n": features.tracks, "effective": worth,
            "each": each, "seeds": list(seeds)}  # fmt: skip


def main(path="results/nearest/esc10.json"):
    """Examine, and write the record."""
    features = training.load_features(recipes.ESC10)
    said = {"features": "13 MFCCs, mean and deviation of values and steps", "clips": features.tracks}
    for name, make in CONTROLS.items():
        said[name] = {"as the networks": examine(features, make),
                      "four folds": examine(features, make, ("train", "valid"))}  # fmt: skip
    Path(path).write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
