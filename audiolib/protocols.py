"""Who may be where: the segments of a corpus divided into train, valid and test.

A *protocol* decides what the figure measured on the test part means. Each function takes ``Features`` and gives a
``Split`` of segment indices, and is a function of its seed (same features, same seed: same split):

===================  ==================================================================================================
``segment``          the paper's: segments at random, so that nearly every test segment has neighbours in train
``track``            whole tracks at random; copies of one recording stay together, artists do not
``fault-filtered``   ``listed``: the lists of Kereliuk, Sturm and Larsen (2015), GTZAN without its known faults
``artist-folds``     ``grouped``: the three folds of Foleis and Tavares (2020), no artist on both sides
``folds``            ``grouped``: the official folds that a corpus comes with (ESC-10)
``groups``           ``grouped``: folds made of whole groups (FSDD: one speaker held out at a time)
===================  ==================================================================================================

The lists of the third and the fourth lie in ``gtzan-splits`` below the data root; ``fetch_lists`` brings them. In a
list a clip may be written ``blues.00029``, ``blues/blues.00029.wav`` or ``./blues_00029.wav``.

A *unit* is a set of clips that must stay together. No protocol but ``segment`` lets a clip or an exact copy of it
(equal digests) into two parts, and the grouped ones keep each group whole too. Folds count from 1.

An `AudiolibError` says why a corpus cannot be divided so: a part would be empty, the test part would hold a class that
the training part never shows, a copy or a group would be in two parts, or lists or folds do not fit the corpus.

Chapters: 08_separable, 10_experiments, 11_leak
"""

import hashlib
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audiolib import AudiolibError
from audiolib._checks import one_of

TEST_SHARE = 0.25  # of everything
VALID_SHARE = 0.2  # of what the test part leaves
WITH_FOLDS = ("artist-folds", "folds", "groups")
NAMES = ("segment", "track", "fault-filtered", *WITH_FOLDS)
PARTS = ("train", "valid", "test")

_RAW = "https://raw.githubusercontent.com"
_PONS = f"{_RAW}/jordipons/sklearn-audio-transfer-learning/066fc6a292bd5f8f4b494d6a17271276ea1e173b/data/index/GTZAN"
_FOLDS = f"{_RAW}/julianofoleiss/gtzan_sturm_filter_3folds_stratified/48aa11abb34e4ad4e263d201f582001170fdddc4"
#: Public lists: file below ``gtzan-splits``, where it is published, and the SHA-256 of what it says (the copies in
#: circulation differ in line endings and in .au or .wav).
LISTS = (
    ("train_filtered.txt", _PONS, "c10d515c94328291f03b065231c4bd171dc2b33057fd98156f2518f236c1c6b2"),
    ("valid_filtered.txt", _PONS, "4925b26c2641aec693f3fdc1e7a5fbf5be8abcf372647deca2ba47117f0a2a25"),
    ("test_filtered.txt", _PONS, "7c65c3a8f3da24d2ecb7021262783115027aeed8932b8910c478b8f5cf1b4e7d"),
    ("artist_fold1_evaluate_groups.txt", _FOLDS, "d49a9d52f46ed4df97965af8afa520d2fd3a45943b74cce3446ea09ab752b7de"),
    ("artist_fold2_evaluate_groups.txt", _FOLDS, "a36760a1f22d6d9191164c581c690fec9da629d6ad42a96bd3896a8ef716917e"),
    ("artist_fold3_evaluate_groups.txt", _FOLDS, "2afbc318d9436d5db9e91aeaf901f71e94479b8584e22792a2b2cceaa4963e8d"),
)


@dataclass(frozen=True, eq=False)
class Split:
    """Three disjoint, sorted int arrays of indices into the first axis of ``Features.x``, and what made them."""

    protocol: str  # one of NAMES
    seed: int
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray

    @property
    def digest(self):
        """SHA-256 of who is where: equal digests, equal parts."""
        return hashlib.sha256(json.dumps([getattr(self, part).tolist() for part in PARTS]).encode()).hexdigest()


def split(features, protocol, *, fold=None, seed=0):
    """The `Split` of a protocol's name (one of ``NAMES``), on the `fold` (int >= 1) where it is one of ``WITH_FOLDS``.

    Published lists are not fetched: an error says how.
    """
    one_of("protocol", protocol, NAMES)
    if protocol in ("segment", "track"):
        return {"segment": segment, "track": track}[protocol](features, seed=seed)
    if protocol == "fault-filtered":
        return listed(features, _published_lists(), seed=seed)
    by = _published_lists() if protocol == "artist-folds" else protocol[:-1]
    return grouped(features, fold=fold, by=by, seed=seed)


def segment(features, *, seed=0):
    """The paper's division: a quarter of all segments for test, then a fifth of the rest for validation, at random.

    The paper prints the call ``prepare_dataset(x, y, 0.25, 0.2)`` and not what it does. We take it to do
    what nearly the same call does in a course on audio: scikit-learn's ``train_test_split`` twice, not stratified.
    Segments of one track go to all three parts: this is the leak that chapter 11 measures.
    """
    return _checked(features, "segment", seed, *_at_random(features, "segments", len(features), seed))


def track(features, *, seed=0):
    """Whole tracks in the same shares, stratified by label; exact copies of a recording stay together.

    Artists are *not* kept together: tracks of one artist, with one sound, may be in two parts. ``artist-folds`` shows
    how much that is worth.
    """
    unit = _units(features)
    firsts = np.unique(unit, return_index=True)[1]  # one clip of each unit; its label stands for the unit's
    parts = _at_random(features, "independent tracks", len(firsts), seed, np.array(features.clip_labels)[firsts])
    return _checked(features, "track", seed, *(_segments(features, np.isin(unit, part)) for part in parts), unit=unit)


def listed(features, lists, *, seed=0):
    """The division that lists of names give; the seed is only kept: they leave nothing to chance.

    The lists are a dict ``{"train": names, "valid": names, "test": names}``, or a path: a folder with
    ``{train,valid,test}_filtered.txt``. If one in twenty of the names or fewer are not in the corpus, a warning counts
    them.
    """
    if not isinstance(lists, dict):
        lists = {part: _read_list(Path(lists) / f"{part}_filtered.txt") for part in PARTS}
    if set(lists) != set(PARTS):
        raise AudiolibError(f"lists for the parts {', '.join(map(str, lists))}; needed are {', '.join(PARTS)}")
    part = np.array(_look_up(features, lists), dtype=object)
    parts = [_segments(features, part == wanted) for wanted in PARTS]
    return _checked(features, "fault-filtered", seed, *parts, unit=_units(features, features.groups))


def grouped(features, *, fold, by="fold", folds=None, seed=0):
    """One fold of a cross-validation whose folds are made of whole groups.

    The fold (int >= 1) is the test part; a fifth of the groups that remain, chosen by the seed and stratified as well
    as whole groups allow, is for validation. The test parts of all folds together hold each clip once.

    By "fold", they are those that the corpus comes with. By "group", so many as `folds` are made here; by default one a
    group if there are at most ten, else five. Which group is in which fold does not depend on the seed, so that runs of
    several seeds are tested on the same parts. By a path, they are those of a folder's
    ``artist_fold<N>_evaluate_groups.txt``, each line a name, a tab and an artist; clips in none are left out.
    """
    groups = features.groups
    if by in ("fold", "group"):
        fold_of = features.folds if by == "fold" else groups
        if all(value is None for value in fold_of):
            raise AudiolibError(f"{features.corpus} comes without {by}s; use the protocol 'track', or a corpus that "
                                "has them")
        if by == "group":
            fold_of = _folds_of(features, folds)
    else:
        fold_of, groups = _artist_folds(features, Path(by))
    there = sorted({value for value in fold_of if value is not None})
    if fold not in there:
        raise AudiolibError(f"fold {fold!r} is not one of {features.corpus}'s folds {', '.join(map(str, there))}")
    unit = _units(features, groups)
    test = np.array([value == fold for value in fold_of])
    rest = np.array([value is not None and value != fold for value in fold_of])
    number = len(np.unique(unit[rest]))
    if number < 2:
        raise AudiolibError(f"{features.corpus}: {number} group(s) are left beside fold {fold}; training and "
                            "validation need one each")
    valid = np.zeros(len(rest), bool)
    of_rest = _stratified(np.array(features.clip_labels)[rest], unit[rest], min(round(1 / VALID_SHARE), number), seed)
    valid[rest] = of_rest == 0
    parts = [_segments(features, mask) for mask in (rest & ~valid, valid, test)]
    protocol = {"fold": "folds", "group": "groups"}.get(by, "artist-folds")
    return _checked(features, protocol, seed, *parts, unit=unit)


def fetch_lists():
    """Bring those of GTZAN's lists that are missing from where they are published; their folder (Path)."""
    import pooch

    folder = _folder()
    for name, place, _ in LISTS:
        if not (folder / name).exists():
            url = f"{place}/{name.replace('artist_fold', 'f')}"
            try:
                pooch.retrieve(url, known_hash=None, fname=name, path=folder)
            except Exception as error:  # whatever the network did, the way out is the same
                raise AudiolibError(f"{folder / name} cannot be fetched from {url} ({error}); put it there by hand"
                                    ) from error
    return _published_lists()


def _folder():
    from audiolib.corpora import data_root

    return data_root() / "gtzan-splits"


def _published_lists():
    """The folder with GTZAN's lists, all of them there and as they were published."""
    folder = _folder()
    for name, _, digest in LISTS:
        path = folder / name
        if not path.exists():
            raise AudiolibError(f"{path} is missing; fetch it with: python -m audiolib fetch gtzan-splits")
        content = "".join(f"{clip}\t{artist}\n" for clip, artist in _read_list(path).items())
        if hashlib.sha256(content.encode()).hexdigest() != digest:
            raise AudiolibError(f"{path} is not the published list; delete it and run: python -m audiolib fetch "
                                "gtzan-splits")
    return folder


def _plain(name):
    """``./blues_00000.wav`` and ``blues/blues.00000.au`` are both ``blues.00000``."""
    name = os.path.basename(str(name).strip())
    stem, ending = os.path.splitext(name)
    return (stem if ending.lower() in (".wav", ".au", ".flac", ".mp3", ".ogg") else name).replace("_", ".")


def _read_list(path):
    """Plain names of a list and its second column ("" where there is none), as a dict in the order of the file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AudiolibError(f"{path}: a list of names was expected here ({error})") from error
    rows = [line.strip().split("\t") for line in lines if line.strip()]
    if not rows:
        raise AudiolibError(f"{path} lists no names")
    return {_plain(name): "".join(rest[:1]) for name, *rest in rows}


def _look_up(features, lists):
    """For each clip the key of the list that names it, or None. Lists that name another corpus are refused."""
    key_of = {}
    for key, names in lists.items():
        for name in map(_plain, names):
            if key_of.setdefault(name, key) != key:
                raise AudiolibError(f"{name} is in the lists of two parts: {key_of[name]} and {key}")
    plain = [_plain(name) for name in features.names]
    if missing := sorted(set(key_of) - set(plain)):
        few = ", ".join(missing[:3])
        if len(missing) > 0.05 * len(key_of):
            raise AudiolibError(
                f"the lists name {len(key_of)} clips and {len(missing)} of them are not in {features.corpus} ({few}, "
                "...); use the corpus that they were made for, or the protocol 'track'")
        warnings.warn(f"the lists name {len(missing)} clip(s) that {features.corpus} does not have: {few}",
                      stacklevel=4)
    return [key_of.get(name) for name in plain]


def _artist_folds(features, folder):
    """A fold and an artist for each clip, None where the lists have none."""
    paths = sorted(folder.glob("artist_fold*_evaluate_groups.txt"))
    if not paths:
        raise AudiolibError(f"{folder} holds no artist_fold<N>_evaluate_groups.txt")
    lists = {number: _read_list(path) for number, path in enumerate(paths, start=1)}
    artist_of = {name: artist for names in lists.values() for name, artist in names.items()}
    return _look_up(features, lists), [artist_of.get(_plain(name)) for name in features.names]


def _folds_of(features, folds):
    """A fold for each clip: groups in their sorted order if each is a fold, else dealt out evenly by label."""
    names = sorted({group for group in features.groups if group is not None})
    if folds is None and len(names) <= 10:
        return [None if group is None else 1 + names.index(group) for group in features.groups]
    folds = 5 if folds is None else folds
    return list(1 + _stratified(np.array(features.clip_labels), _units(features, features.groups), folds, 0))


def _at_random(features, what, count, seed, label=None):
    """Train, valid and test: three parts of so many things, stratified if their labels are given."""
    from sklearn.model_selection import train_test_split

    try:
        rest, test = train_test_split(np.arange(count), test_size=TEST_SHARE, random_state=seed, stratify=label)
        label = None if label is None else label[rest]
        return *train_test_split(rest, test_size=VALID_SHARE, random_state=seed, stratify=label), test
    except ValueError as error:
        raise AudiolibError(f"{features.corpus}: {count} {what} of {len(features.labels)} classes are too few to "
                            f"divide ({error}); use more of each class") from error


def _stratified(label, unit, folds, seed):
    """Which of so many folds, from 0, each clip is in: whole units, labels as even as they allow."""
    from sklearn.model_selection import StratifiedGroupKFold

    result = np.empty(len(label), int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer clips than folds is checked for by _checked
        try:
            parts = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(label, label, unit)
            for number, (_, part) in enumerate(parts):
                result[part] = number
        except ValueError as error:
            raise AudiolibError(f"{len(np.unique(unit))} groups cannot be divided by {folds} ({error})") from error
    return result


def _units(features, groups=()):
    """A number for each clip, the same for clips with the same digest or the same group, and for chains of them."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    clips, first, pairs = len(features.names), {}, []
    for kind, values in enumerate((features.digests, groups)):
        pairs += [(clip, first.setdefault((kind, value), clip)) for clip, value in enumerate(values)
                  if value not in (None, "")]
    rows, columns = np.array(pairs, int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(clips, clips))
    return connected_components(graph, directed=False)[1]


def _segments(features, clips):
    return np.flatnonzero(clips[features.clip])


def _checked(features, protocol, seed, train, valid, test, *, unit=None):
    """The split, once it is certain that it can be trained on and that it keeps its promise."""
    where = f"{features.corpus}, protocol {protocol!r}"
    there = [features.labels[label] for label in np.unique(features.y)]
    if len(there) < 2:  # others may be named by the corpus, but without a clip that can be used
        raise AudiolibError(f"{where}: one class ({', '.join(there)}) leaves nothing to tell apart")
    parts = {"train": np.sort(train), "valid": np.sort(valid), "test": np.sort(test)}
    for name, part in parts.items():
        if not len(part):
            raise AudiolibError(f"{where}: the {name} part is empty; use more clips or another protocol")
    if unseen := set(features.y[parts["test"]]) - set(features.y[parts["train"]]):
        names = ", ".join(features.labels[label] for label in sorted(unseen))
        raise AudiolibError(f"{where}: the test part holds classes that the training part never shows: {names}")
    part_of = {}
    for name, part in parts.items() if unit is not None else ():
        for clip in np.unique(features.clip[part]):
            other, first = part_of.setdefault(unit[clip], (name, clip))
            if other != name:
                raise AudiolibError(
                    f"{where}: {features.names[first]} ({other}) and {features.names[clip]} ({name}) are copies of one "
                    "recording or of one group; drop one of them, or use the protocol 'track'")
    return Split(protocol=protocol, seed=seed, **parts)
