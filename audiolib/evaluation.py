"""What the predictions of a test part say, and how far they can be trusted.

Probabilities are ``[segment, class]``, rows of sum 1; ``y`` are the true classes ``[segment]``, integers. A network
judges segments; a track's verdict is the mean of its segments' probabilities (``vote``). Segments of one track are not
independent of one another, tracks are taken to be, so every interval counts *tracks*: for the accuracy by segment that
is the width it would have if all segments of a track were right or wrong together, which is on the safe side.
Intervals are at 95 %, in dicts with ``value``, ``low``, ``high`` and ``n``. What does not fit together raises
``AudiolibError``.

An interval over seeds (``over_seeds``) answers another question: how much a training repeated from another start, and
under a random protocol on another division, would differ. Both belong beside a figure.

Chapters: 01_dataset, 02_sound, 06_data, 08_separable, 10_experiments, 11_leak, 12_fair, 13_elsewhere, 14_listen
"""

from __future__ import annotations

import math

import numpy as np

from audiolib import AudiolibError

LEVEL = 0.95


def vote(probabilities, clip):
    """Mean probabilities [clip, class] of each clip's segments, and the clips that have any, ascending [clip].

    ``clip`` [segment] is the number of the clip that each segment is cut from.
    """
    probabilities, clip = _probabilities(probabilities), np.asarray(clip)
    if clip.shape != probabilities.shape[:1]:
        raise AudiolibError(f"{len(clip)} clip numbers for {len(probabilities)} segments; give one a segment")
    clips, member = np.unique(clip, return_inverse=True)
    total = np.zeros((len(clips), probabilities.shape[1]))
    np.add.at(total, member, probabilities)
    return total / np.bincount(member)[:, None], clips


def accuracy(probabilities, y, *, clip=None):
    """Share of right answers with its Wilson interval over ``n`` clips, worth so many equal ones (``effective``).

    ``clip`` [segment] is the clip of each segment; without it every item is a unit of its own.
    """
    right = correct(probabilities, y)
    counts = np.ones(len(right)) if clip is None else np.unique(clip, return_counts=True)[1]
    value, worth = float(np.mean(right)), effective(counts)
    low, high = wilson(value, worth)
    return {"value": value, "low": low, "high": high, "n": len(counts), "effective": worth}


def effective(counts):
    """How many units of equal size are worth as much as these [unit]: (sum of counts)² / sum of counts².

    Kish, L. (1965), Survey sampling: the variance of a mean of clusters that agree within themselves is that of so many
    independent ones.
    """
    counts = np.asarray(counts, float)
    if counts.ndim != 1 or not counts.sum() > 0 or (counts < 0).any():
        raise AudiolibError("effective needs the number of items of each unit, at least one of them above 0")
    return float(counts.sum() ** 2 / (counts**2).sum())


def correct(probabilities, y):
    """Which items are judged right: bool [item]."""
    probabilities, y = _probabilities(probabilities), np.asarray(y)
    if y.shape != probabilities.shape[:1]:
        raise AudiolibError(f"{len(y)} true classes for {len(probabilities)} predictions; give one each")
    return probabilities.argmax(axis=1) == y


def wilson(share, n):
    """Wilson's score interval (low, high) of a share of n independent units; neither need be whole.

    Wilson, E. B. (1927), Probable inference, the law of succession, and statistical inference. It keeps its level near
    0 and 1 and for small n, where the familiar ``share ± 1.96 s`` does not.
    """
    if n < 1 or not 0 <= share <= 1:
        raise AudiolibError(f"share {share:g} of n = {n}: a share is between 0 and 1, of at least one unit")
    from scipy.stats import norm

    z = norm.ppf((1 + LEVEL) / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def over_seeds(values):
    """Mean of repeated runs with Student's t interval, and their standard deviation ``sd``.

    ``low``, ``high`` and ``sd`` are None for one run: it says nothing about others.
    """
    values = np.asarray(values, float)
    if values.ndim != 1 or not len(values):
        raise AudiolibError("over_seeds needs at least one value, one a run")
    mean = float(values.mean())
    if len(values) == 1:
        return {"value": mean, "low": None, "high": None, "n": 1, "sd": None}
    from scipy.stats import t

    sd = float(values.std(ddof=1))
    half = float(t.ppf((1 + LEVEL) / 2, len(values) - 1)) * sd / math.sqrt(len(values))
    return {"value": mean, "low": mean - half, "high": mean + half, "n": len(values), "sd": sd}


def guess_each(x, y, groups):
    """Probabilities [clip, class] as a linear discriminant gives them that has learnt from all other groups' clips.

    What to expect of a description ``x`` [clip, number] before any network is trained. Clips of the same group are
    hidden together. A label that only one group has is never guessed while that group is left out; where nothing can be
    learnt (fewer than two labels elsewhere, or no label with two different clips) all labels seen elsewhere are alike.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    x, y, (_, group) = np.asarray(x), np.asarray(y), np.unique(np.asarray(groups), return_inverse=True)
    guessed = np.zeros((len(y), y.max() + 1))
    for hidden in range(group.max() + 1):
        others = group != hidden
        known = np.unique(y[others])
        share = 1 / max(1, len(known))
        # Copies alone say nothing of how the clips of a label scatter (scikit-learn would fail).
        scatter = any(np.ptp(x[others & (y == label)], axis=0).any() for label in known)
        if scatter and len(known) > 1:
            share = LinearDiscriminantAnalysis().fit(x[others], y[others]).predict_proba(x[~others])
        guessed[np.ix_(~others, known)] = share
    return guessed


def confusion(predicted, y, classes):
    """Count of each pair of true class (row) and predicted class (column): int [class, class]."""
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(y, predicted, labels=range(classes))


def calibration(probabilities, y, *, bins=10):
    """How often the network is right when it says that it is p sure, in equal steps of p (an item's highest).

    Returns a dict: ``confidence``, ``accuracy`` and ``count``, arrays [bin] with NaN where a bin is empty, and ``ece``,
    the mean gap between the first two, weighted by the third (Guo, Pleiss, Sun, Weinberger (2017), On calibration of
    modern neural networks).
    """
    right = correct(probabilities, y)
    confidence = np.asarray(probabilities, float).max(axis=1)
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)  # a bin holds its upper edge
    count = np.bincount(bin_of, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(bin_of, confidence, bins) / count
        mean_accuracy = np.bincount(bin_of, right, bins) / count
    gap = np.abs(mean_confidence - mean_accuracy)[count > 0]
    ece = float(np.sum(gap * count[count > 0]) / count.sum())
    return {"ece": ece, "confidence": mean_confidence, "accuracy": mean_accuracy, "count": count}


def paired_test(first, second):
    """Whether two runs on the same test part differ by more than chance: the exact McNemar (sign) test.

    Tracks that both runs judge alike say nothing about which is better. Of those that one alone judges right, each run
    should win half if there were no difference; ``p`` is the exact (two-sided) binomial probability of a division at
    least as uneven.

    The runs are bool [track] or [seed, track], right or not, in the same order. With several seeds a track counts for
    the run that is right in more of them, once, because the same track tested again is no new evidence. Returns a dict
    of ``p``, ``difference`` (accuracy of second minus first), ``first_only`` and ``second_only`` (tracks on which that
    run is the better) and ``n`` (tracks).
    """
    first, second = (np.atleast_2d(np.asarray(run)) for run in (first, second))
    if first.shape != second.shape:
        raise AudiolibError(f"runs of shapes {first.shape} and {second.shape} are not on the same test part")
    if first.dtype != bool or second.dtype != bool:
        raise AudiolibError("paired_test takes which tracks are right (bool), not the predicted classes")
    from scipy.stats import binomtest

    lead = second.sum(axis=0) - first.sum(axis=0)
    losses, wins = int((lead < 0).sum()), int((lead > 0).sum())
    p = float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    difference = float(second.mean() - first.mean())
    return {"difference": difference, "first_only": losses, "second_only": wins, "p": p, "n": first.shape[1]}


def _probabilities(values):
    values = np.asarray(values, float)
    if values.ndim != 2 or not len(values):
        raise AudiolibError(f"predictions of shape {values.shape}; [item, class] with at least one item is needed")
    if not np.allclose(values.sum(axis=1), 1, atol=1e-2):
        raise AudiolibError("the rows of the predictions do not add up to 1; give probabilities, not logits")
    return values
