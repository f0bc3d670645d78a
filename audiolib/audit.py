"""What crosses from training to test in a data set: copies, siblings, groups; and a split that nothing crosses.

A figure measured on a test part means little if the training part holds the same recordings. Three things may cross:

- a *copy*: the same recording in other clothes (another format, level, rate or equaliser, trimmed, a piece of a longer
  one), which `copies` finds by the sound; *exact* copies have the same samples;
- a *sibling*: clips that the file names say belong together (`siblings`: the takes ``name_01`` and ``name_02``, the
  source recording in ESC-50's names, the speaker in FSDD's);
- a *group* of the corpus or of the split's own table, which counts instead of the names.

`audit` does all of it; `find`, `read_split` and `write_split` read and write what it is asked about.

Chapters: 11_leak
"""

import re
import warnings
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, replace

import numpy as np

from audiolib import AudiolibError, evaluation
from audiolib._copies import Pair, copies, look
from audiolib._splits import PARTS, find, read_split, write_split
from audiolib.features import cepstrum

__all__ = ["Audit", "Pair", "audit", "copies", "find", "look", "read_split", "siblings", "write_split"]

#: File names that say what belongs together: in words, and as a pattern whose first group is that.
NAMES = {
    "FOLD-SOURCE-TAKE-CLASS (ESC-50)": r"\d-(\d+)-[a-z]-\d+",
    "DIGIT_SPEAKER_TAKE (FSDD)": r"\d_([^\W\d_]+)_\d+",
    "SPEAKER_nohash_TAKE (Speech Commands)": r"([0-9a-f]+)_nohash_\d+",
    "SOURCE-CLASS-OCCURRENCE-SLICE (UrbanSound8K)": r"(\d+)-\d+-\d+-\d+",
    "GENRE.NUMBER and a part (GTZAN, cut up)": r"([a-z]+\.\d{5})[\W_].+",
    "a name and a number": r"(.*?[^\W\d_].*?)(?:[\W_]+(?:take|part|seg|segment|chunk|slice|clip))?[\W_]*\d+",
}
#: What a file manager adds to the name of a copy.
MARK = re.compile(r"\s*\(\d+\)|\s+-?\s*copy(?:\s*\(?\d+\)?)?|[-_]copy[-_]?\d*", re.IGNORECASE)


def siblings(names, labels, pattern=None):
    """Which clips the file names say belong together.

    Parameters
    ----------
    names : sequence of str
        Names of clips; what stands before the last slash is not looked at.
    labels : sequence of str
    pattern : str, optional
        Regular expression whose first group is what belongs together; "" for nothing. By default the first of `NAMES`
        that fits nine names in ten and says more than the labels do, or the marks of copies: ``name (1)``.

    Returns
    -------
    groups : dict of name to group
        Of the clips that have one.
    told : str
        What was taken for what, in words; empty if the names say nothing.

    Raises
    ------
    AudiolibError
        If the pattern is no regular expression, has no group, or fits no name.

    Examples
    --------
    >>> siblings(["a/rain_01", "a/rain_02", "a/hail_01"], "aaa")[0]
    {'a/rain_01': 'rain', 'a/rain_02': 'rain', 'a/hail_01': 'hail'}
    """
    stems = [name.rsplit("/", 1)[-1] for name in names]
    if pattern == "":
        return {}, "nothing, as asked for"
    if pattern is not None:
        compiled = _compiled(pattern)
        groups = [match[1] if (match := compiled.search(stem)) else None for stem in stems]
        if not any(groups):
            raise AudiolibError(f"group {pattern!r}: fits none of the names; the first is {stems[0]!r}")
        return _told(names, groups, f"names like {pattern}")
    plain = [MARK.sub("", stem).lower() if MARK.fullmatch(stem[len(MARK.split(stem)[0]):]) else stem.lower()
             for stem in stems]
    words = {label.lower() for label in labels}
    for title, each in NAMES.items():
        groups = [match and match[1] for match in (re.fullmatch(each, stem) for stem in plain)]
        fits = sum(map(bool, groups)) >= 0.9 * len(stems)
        groups = [None if group in words else group for group in groups]  # "dog_01" among the dogs
        if fits and _says_more(names, labels, groups):
            return _told(names, groups, f"names like {title}")
    counted = Counter(zip(labels, plain, strict=True))
    groups = [f"{label}/{stem}" if counted[label, stem] > 1 else None
              for label, stem in zip(labels, plain, strict=True)]
    if _says_more(names, labels, groups):
        return _told(names, groups, "names marked as copies, like 'name (1)'")
    return {}, ""


def _compiled(pattern):
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise AudiolibError(f"group {pattern!r}: no regular expression ({error})") from error
    if compiled.groups < 1:
        raise AudiolibError(f"group {pattern!r}: put what belongs together into brackets, for instance '(.*)_\\d+'")
    return compiled


def _says_more(names, labels, groups):
    """Whether groups join clips, and are not just the labels again: most of these are more than one group."""
    of_label = defaultdict(set)
    for name, label, group in zip(names, labels, groups, strict=True):
        of_label[label].add(group or name)
    alone = sum(len(inside) == 1 for inside in of_label.values())
    return max(Counter(filter(None, groups)).values(), default=0) > 1 and alone <= len(of_label) / 2


def _told(names, groups, words):
    sizes = Counter(filter(None, groups))
    (largest, count), *_ = sizes.most_common(1)
    words += f": {len(sizes)} groups, the largest {largest!r} with {count} of the {len(names)} clips"
    return {name: group for name, group in zip(names, groups, strict=True) if group}, words


@dataclass(frozen=True)
class Audit:
    """What `audit` found; ``str()`` tells it, `to_dict` gives it as JSON knows it."""

    corpus: str
    clips: int
    copies: tuple  # Pair
    groups: dict  # name: group, of the clips that have one
    told: str  # what the groups are
    proposed: dict | None  # name: part of a clean split; None if there is none
    parts: dict | None = None  # name: part of the split that was given
    crossing: tuple = ()  # Pair with its first clip in training and its second in test
    nearest: dict | None = None  # accuracy of a nearest neighbour on the test clips that are touched, and on the others

    @property
    def touched(self):
        """Names of the test clips that something crosses to."""
        return sorted({pair.second for pair in self.crossing})

    def to_dict(self):
        """Everything in it, as JSON knows it."""
        return asdict(self) | {"touched": self.touched}

    def __str__(self):
        kinds = Counter(pair.kind for pair in self.copies)
        lines = [f"{self.corpus}: {self.clips} clips; {kinds['exact']} pairs of exact copies, {kinds['copy']} of one "
                 "recording in other clothes"]
        lines += _first(self.copies, _line)
        lines.append(f"What belongs together: {self.told or 'the file names say nothing (--group REGEX would)'}")
        if self.parts is not None:
            lines += self._crossed()
        if self.parts is None or self.crossing:
            lines.append(f"A clean split: {_sizes(self.proposed)} (--write FILE.csv keeps it)" if self.proposed else
                         "No split is clean: there is one clip, or all belong together")
        return "\n".join(lines)

    def _crossed(self):
        outside, tests = self.clips - len(self.parts), Counter(self.parts.values())["test"]
        lines = [f"The split: {_sizes(self.parts)}" + (f"; {outside} clips are in no part" if outside else "")]
        kinds, n = Counter(pair.kind for pair in self.crossing), len(self.touched)
        lines.append(f"From training to test cross {kinds['exact']} exact copies, {kinds['copy']} other copies, "
                     f"{kinds['sibling']} siblings; they touch {n} of {tests} test clips "
                     f"({100 * n / tests:.0f} %)" if n else "Nothing crosses from training to test")
        lines += _first(self.crossing, lambda pair: f"{pair.kind}: {pair.first} -> {pair.second}")
        lines += [f"A nearest neighbour in training names {100 * row['value']:.0f} % of the {which} test clips rightly "
                  f"({100 * row['low']:.0f} to {100 * row['high']:.0f} %, n = {row['n']})"
                  for which, row in self.nearest.items()]
        return lines


def _sizes(parts):
    counts = Counter(parts.values())
    return ", ".join(f"{counts[part]} {part}" for part in PARTS)


def _first(pairs, line):
    more = [f"  ... and {len(pairs) - 20} more; --json has all"] if len(pairs) > 20 else []
    return [f"  {line(pair)}" for pair in pairs[:20]] + more


def _line(pair):
    if pair.kind == "exact":
        return f"{pair.first} = {pair.second}: exact, {pair.overlap:g} s"
    when = f", the second starts {abs(pair.shift):g} s {'later' if pair.shift > 0 else 'earlier'}"
    return (f"{pair.first} = {pair.second}: {pair.overlap:g} s in both, similarity {pair.similarity:.2f}"
            + (when if abs(pair.shift) >= 0.2 else ""))


def audit(source, split=None, *, groups=None, pattern=None, seed=0, progress=True):
    """Look for what belongs together, and what of it crosses from training to test; propose a clean split.

    Parameters
    ----------
    source : corpora.Corpus or features.Features
        Sound on disk, or log-mel features (of an archive).
    split : dict of name to part, optional
        "train", "valid" or "test"; see `read_split`.
    groups : dict of name to group, optional
        What belongs together; by default the corpus's own groups, or what `siblings` makes of the names.
    pattern : str, optional
        For `siblings`, which is then asked whatever groups there are.
    seed : int
        Of the proposed split: about 60, 15 and 25 % of the clips, stratified by label as well as whole groups allow.
    progress : bool

    Returns
    -------
    Audit

    Raises
    ------
    AudiolibError
        If no clip can be used, the pattern is none, or the split leaves no clip for training or none for the test.
    """
    if pattern:
        _compiled(pattern)  # first: a wrong one should not wait for the sounds
    looks = look(source, progress=progress)
    if pattern is None and groups:
        groups, told = _told(looks.names, [groups.get(name) for name in looks.names], "as the table says")
    elif pattern is None and any(looks.groups):
        groups, told = _told(looks.names, looks.groups, "the groups of the corpus")
    else:
        groups, told = siblings(looks.names, looks.labels, pattern)
    parts = split and {name: split[name] for name in looks.names if name in split}
    for part in ("train", "test") if parts is not None else ():
        if part not in parts.values():
            raise AudiolibError(f"{looks.corpus}: the split puts no clip that can be used into {part}")
    pairs = copies(looks, progress=progress)
    found = Audit(looks.corpus, len(looks.names), tuple(pairs), groups, told, _propose(looks, pairs, groups, seed))
    if parts is None:
        return found
    crossing = _crossing(parts, pairs, groups)
    nearest = _nearest(looks, parts, {pair.second for pair in crossing})
    return replace(found, parts=parts, crossing=crossing, nearest=nearest)


def _crossing(parts, pairs, groups):
    """All pairs of copies that cross; of siblings, for each test clip that has some in training, one."""
    found = []
    for pair in pairs:
        there = parts.get(pair.first), parts.get(pair.second)
        if there == ("train", "test"):
            found.append(pair)
        elif there == ("test", "train"):
            found.append(replace(pair, first=pair.second, second=pair.first, shift=0.0 - pair.shift))
    known = {(pair.first, pair.second) for pair in found}
    trained = {groups[name]: name for name in sorted(parts, reverse=True) if parts[name] == "train" and name in groups}
    crossed = [(trained[groups[name]], name) for name in sorted(parts)
               if parts[name] == "test" and groups.get(name) in trained]
    return (*found, *(Pair(*names, "sibling") for names in crossed if names not in known))


def _nearest(looks, parts, touched):
    """Accuracy of the nearest neighbour in training, by mean and spread of the cepstrum over the whole clip."""
    what = np.stack([np.concatenate([over(cepstrum(levels, min(20, levels.shape[1])), axis=0)
                                     for over in (np.mean, np.std)]) for levels in looks.levels])
    part = np.array([parts.get(name) for name in looks.names])
    train, test = np.flatnonzero(part == "train"), np.flatnonzero(part == "test")
    what = (what - what[train].mean(axis=0)) / np.maximum(what[train].std(axis=0), 1e-6)
    right = {True: [], False: []}
    for clip in test:
        nearest = train[((what[train] - what[clip]) ** 2).sum(axis=1).argmin()]
        right[looks.names[clip] in touched].append(looks.labels[nearest] == looks.labels[clip])
    result = {}
    for which, answers in (("touched", right[True]), ("untouched", right[False])):
        if answers:
            low, high = evaluation.wilson(float(np.mean(answers)), len(answers))
            result[which] = {"value": float(np.mean(answers)), "low": low, "high": high, "n": len(answers)}
    return result


def _propose(looks, pairs, groups, seed):
    """A split that neither a copy nor a group crosses; None if all is one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from sklearn.model_selection import StratifiedGroupKFold

    index = {name: clip for clip, name in enumerate(looks.names)}
    first = {group: index[name] for name, group in reversed(groups.items())}
    edges = [(index[p.first], index[p.second]) for p in pairs] + [(first[g], index[name]) for name, g in groups.items()]
    rows, columns = np.array(edges, int).reshape(-1, 2).T
    n = len(looks.names)
    units, unit = connected_components(coo_array((np.ones(len(rows)), (rows, columns)), shape=(n, n)), directed=False)
    if units < 2:
        return None
    label, part = np.array(looks.labels), np.full(n, "train", dtype=object)
    for name, folds in (("test", 4), ("valid", 5)):
        rest = np.flatnonzero(part == "train")
        folds = min(folds, len(np.unique(unit[rest])))
        if folds < 2:
            break
        y = label[rest] if max(Counter(label[rest]).values()) >= folds else np.zeros(len(rest))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # labels with few clips
            made = [fold for _, fold in StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(
                rest, y, unit[rest])]
        part[rest[min(made, key=lambda fold: abs(len(fold) - len(rest) / folds))]] = name
    return dict(zip(looks.names, part.tolist(), strict=True))
