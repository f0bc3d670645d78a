"""What crosses from training to test in a data set: copies, siblings, groups; and a split that nothing crosses.

A figure measured on a test part means nothing if the training part holds the same recordings. Three things may cross:

- a *copy*: the same recording in other clothes (another format, level, rate or equaliser, trimmed, a piece of a longer
  one). It is found by the sound itself: patches of one second of the log-mel spectrogram, each band less its mean over
  the clip, are compared with all others (`copies`), and a pair is a copy if many patches agree on one and the same
  shift in time and the spectrograms correlate over the whole overlap;
- a *sibling*: clips that the file names say belong together (`siblings`: ``name_01``, ``name-take2``, the source
  recording in ESC-50's names, the speaker in those of FSDD);
- a *group* of the corpus or of the split's own table.

Levels are in dB, times in seconds, similarities are correlations from -1 to 1.

Chapters: 11_leak
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft

from audiolib import AudiolibError, corpora, evaluation
from audiolib import _cache as store
from audiolib.features import Frontend, cepstrum, clipwise, mel_levels
from audiolib.features import tell_skipped as warn_skipped

#: What is compared: 40 mel bands up to 4 kHz, which every codec and nearly every rate leaves in place.
LOOK = Frontend(sample_rate=8000, n_fft=1024, hop_length=512, n_mels=40, segment_seconds=1.0)
RANGE_DB = 60.0  # what is further below a clip's loudest is noise of the codec
ALIKE = 0.75  # cosine of two patches that are worth a vote
VOTES = 0.35  # share of the patches of the overlap that must agree on the shift
CORRELATION = 0.55  # of the whole overlap; the shorter the overlap, the more is asked for (`_enough`)
STEP = 3  # frames within which votes for a shift agree
TOGETHER = 8  # clips that are looked for at a time
PARTS = ("train", "valid", "test")
PART_NAMES = {"training": "train", "validation": "valid", "val": "valid", "dev": "valid", "testing": "test",
              "eval": "test", "evaluation": "test", **{part: part for part in PARTS}}  # fmt: skip

#: Names that say what belongs together: what the pattern is of, and its group. The first that fits most names counts.
NAMES = {
    "ESC-50 (fold-SOURCE-take-class)": r"\d-(\d+)-[A-Z]-\d+",
    "FSDD (digit_SPEAKER_take)": r"\d_([^\W\d_]+)_\d+",
    "UrbanSound8K (SOURCE-class-occurrence-slice)": r"(\d+)-\d+-\d+-\d+",
    "GTZAN, cut up (GENRE.NUMBER and a part)": r"([a-z]+\.\d{5})[\W_].+",
    "a name with a number, a take, a part": r"(.*?[^\W\d_].*?)[\W_]*(?:take|part|seg(?:ment)?|chunk|slice|clip|copy)?[\W_]*"
                                            r"(?:\d+|\(\d+\)|copy)\)?",
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """Two clips that belong together; `overlap` and `shift` in seconds (the second starts `shift` later) of a copy."""

    first: str
    second: str
    kind: str  # "copy", "sibling"
    similarity: float | None = None
    overlap: float | None = None
    shift: float | None = None


@dataclass(frozen=True)
class Looks:
    """What is compared of the clips of a corpus: float32 levels ``[frame, band]`` each, and seconds between frames."""

    names: tuple
    labels: tuple
    levels: tuple
    hop_seconds: float


def look(corpus, *, jobs=None, progress=True):
    """What is compared of each clip of a corpus, from its audio; kept in the cache.

    Parameters
    ----------
    corpus : corpora.Corpus
    jobs, progress
        As for `features.extract`.

    Returns
    -------
    Looks
        Of the clips that can be read; the others are told in one warning.
    """
    digests = store.digests([clip.path for clip in corpus.clips])
    key = store.key(audit=1, look=LOOK.__dict__, digests=digests)
    found = store.load(key)
    if found is None:
        parts, reasons = zip(*clipwise(_look, corpus, jobs=jobs, progress=progress, what="audit"), strict=True)
        counts = [0 if part is None else len(part) for part in parts]
        x = np.concatenate([part for part in parts if part is not None] or [np.empty((0, LOOK.n_mels), np.float32)])
        found = x, {"counts": counts, "reasons": reasons, "sha256": hashlib.sha256(x).hexdigest()}
        store.save(key, *found)
    x, facts = found
    warn_skipped(corpus, [(c.name, reason) for c, reason in zip(corpus.clips, facts["reasons"], strict=True) if reason])
    ends = np.cumsum(facts["counts"])
    rows = [(clip, x[end - count : end]) for clip, count, end in zip(corpus.clips, facts["counts"], ends, strict=True)
            if count]
    clips, levels = zip(*rows, strict=True) if rows else ((), ())
    return Looks(tuple(c.name for c in clips), tuple(c.label for c in clips), levels, LOOK.hop_seconds)


def look_at(features):
    """The same of log-mel features (of an archive): the segments of each clip in a row, bands up to 4 kHz."""
    mel = features.frontend
    if mel.get("kind", "mel") != "mel":
        raise AudiolibError(f"features of kind {mel['kind']!r}: copies are looked for in log-mel levels, kind 'mel'")
    import librosa

    centres = librosa.mel_frequencies(features.bands + 2, fmin=mel["fmin"], fmax=mel["fmax"] or mel["sample_rate"] / 2)
    bands = np.searchsorted(centres[1:-1], 4000.0) // 2 * 2
    x = features.x[:, :, :bands].reshape(len(features.x), features.frames, -1, 2).mean(axis=3)
    levels = tuple(x[features.clip == i].reshape(-1, x.shape[2]) for i in range(len(features.names)))
    return Looks(features.names, features.clip_labels, levels, features.hop_seconds)


def _look(clip):
    y, _ = corpora.read(clip, sr=LOOK.sample_rate)
    return mel_levels(y[None], LOOK)[0]


def copies(looks):
    """Pairs of clips that are the same recording.

    Parameters
    ----------
    looks : Looks

    Returns
    -------
    list of Pair
        Of kind "copy", the most similar first.

    Notes
    -----
    On the log-mel archive of GTZAN this finds all 54 pairs of Sturm's 50 exact repetitions and one pair more, two
    excerpts of one recording that start 11 s apart.
    """
    levels = [_flat(each) for each in looks.levels]
    second = max(2, round(1 / looks.hop_seconds))
    patches = [_patches(each, second) for each in levels]
    owner = np.repeat(np.arange(len(levels)), [len(each) for each in patches])
    start = np.concatenate([np.arange(len(each)) for each in patches]) if patches else np.empty(0, int)
    everything = np.concatenate(patches) if patches else np.empty((0, 1), np.float32)
    first_of = np.searchsorted(owner, np.arange(len(levels) + 1))
    length = np.array([len(each) for each in levels])
    found = []
    for begin in range(0, len(levels) - 1, TOGETHER):  # some clips at a time: one product of matrices
        clips = range(begin, min(begin + TOGETHER, len(levels) - 1))
        asked = [patches[clip][::second] for clip in clips]
        later = first_of[begin + 1]  # a pair is looked for once, from its first clip
        rows, places = np.nonzero(np.concatenate(asked) @ everything[later:].T > ALIKE)
        ends = np.cumsum([len(each) for each in asked])
        which = np.searchsorted(ends, rows, side="right")
        row = rows - (ends - [len(each) for each in asked])[which]
        clip, other, shift = begin + which, owner[later + places], start[later + places] - second * row
        kept = other > clip
        # A voter: a patch of this clip that found its like in that clip at about that shift.
        voters = np.unique(np.stack([clip, other, shift // STEP, row])[:, kept], axis=1)
        (clip, other, shift), votes = np.unique(voters[:3], axis=1, return_counts=True)
        shift = STEP * shift + STEP // 2
        overlap = np.minimum(length[clip], length[other] - shift) - np.maximum(0, -shift)
        good = votes >= VOTES * np.maximum(1, overlap // second)
        best = {}  # of each pair the shift with most votes
        for a, b, at, number in zip(clip[good], other[good], shift[good], votes[good], strict=True):
            if number > best.get((a, b), (0, 0))[0]:
                best[a, b] = number, at
        for (a, b), (_, at) in best.items():
            value, frames, at = _correlation(levels[a], levels[b], int(at), second)
            if value >= _enough(frames / second):
                found.append(Pair(looks.names[a], looks.names[b], "copy", round(value, 3),
                                  round(frames * looks.hop_seconds, 2), round(-at * looks.hop_seconds, 2)))
    return sorted(found, key=lambda pair: -pair.similarity)


def _flat(levels):
    """Levels without what an equaliser, a gain, a compressor or the noise of a codec changes."""
    levels = np.maximum(levels, levels.max(initial=-200.0) - RANGE_DB)
    levels = levels - levels.mean(axis=1, keepdims=True)  # loudness from frame to frame makes strangers alike
    return (levels - levels.mean(axis=0)).astype(np.float32)


def _patches(levels, second):
    """Unit vectors [start, 72]: the low orders of a cosine transform over time and bands of each second of sound."""
    if len(levels) < second:
        levels = np.pad(levels, ((0, second - len(levels)), (0, 0)))
    bands = scipy.fft.dct(np.eye(levels.shape[1], dtype=np.float32), norm="ortho")[:, 1:13]
    times = scipy.fft.dct(np.eye(second, dtype=np.float32), norm="ortho")[:, :6]
    windows = np.lib.stride_tricks.sliding_window_view(levels @ bands, second, axis=0)  # [start, order, frame]
    patches = (windows @ times).reshape(len(windows), -1)
    size = np.linalg.norm(patches, axis=1, keepdims=True)
    loud = size > 1.0 * np.sqrt(second * levels.shape[1])  # dB, root mean square: what hardly moves is like anything
    return np.where(loud, patches / np.maximum(size, 1e-6), 0).astype(np.float32)


def _correlation(first, other, shift, second):
    """Highest correlation of two clips' levels near a shift, the frames of the overlap, and the shift itself."""
    best = (-1.0, 0, shift)
    for offset in range(shift - STEP, shift + STEP + 1):  # first[t] lies beside other[t + offset]
        begin, end = max(0, -offset), min(len(first), len(other) - offset)
        if end - begin < min(second, len(first), len(other)):
            continue
        a, b = first[begin:end], other[begin + offset : end + offset]
        a, b = a - a.mean(axis=0), b - b.mean(axis=0)
        best = max(best, (float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-9)), end - begin, offset))
    return best


def _enough(seconds):
    """The correlation that an overlap of so many seconds must reach: chance is kinder to the short."""
    return CORRELATION + (0.95 - CORRELATION) / max(1.0, seconds / 2)


def siblings(names, labels, pattern=None):
    """Which clips the file names say belong together.

    Parameters
    ----------
    names : sequence of str
        File names without their endings.
    labels : sequence of str
    pattern : str, optional
        Regular expression whose first group is what belongs together; by default the first of `NAMES` that fits nine
        names in ten and makes groups that say more than the label: not all clips of a label in one.

    Returns
    -------
    groups : list of (str or None)
        Of each clip.
    told : str
        What was taken for what, in words; empty if the names say nothing.

    Raises
    ------
    AudiolibError
        If the pattern is no regular expression, has no group, or fits no name.
    """
    stems = [name.rsplit("/", 1)[-1] for name in names]
    if pattern is not None:
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise AudiolibError(f"group {pattern!r}: no regular expression ({error})") from error
        if compiled.groups < 1:
            raise AudiolibError(f"group {pattern!r}: put what belongs together into brackets, for instance '(.*)_\\d+'")
        found = [compiled.search(stem) for stem in stems]
        groups = [match and match[1] for match in found]
        if not any(groups):
            raise AudiolibError(f"group {pattern!r}: fits none of the names; the first is {stems[0]!r}")
        return groups, f"--group {pattern!r}: {_counted(groups)}"
    for title, each in NAMES.items():
        groups = [match and match[1].lower() for match in (re.fullmatch(each, stem, re.IGNORECASE) for stem in stems)]
        sizes, of_label = Counter(filter(None, groups)), Counter(labels)
        # A group that is a whole label ("dog_01" among the dogs) says nothing; most labels must be more than one group.
        whole = {label for label, group in set(zip(labels, groups, strict=True)) if sizes[group] == of_label[label] > 1}
        says_more = len(sizes) > 1 and max(sizes.values()) > 1 and len(whole) <= len(of_label) / 2
        if sum(sizes.values()) >= 0.9 * len(stems) and says_more:
            return groups, f"names like {title}: {_counted(groups)}"
    return [None] * len(stems), ""


def _counted(groups):
    sizes = Counter(filter(None, groups))
    return f"{len(sizes)} groups of 1 to {max(sizes.values())} clips, for instance {sizes.most_common(1)[0][0]!r}"


@dataclass(frozen=True)
class Audit:
    """What `audit` found; ``str()`` tells it, `to_dict` gives it as JSON knows it."""

    corpus: str
    clips: int
    pairs: tuple  # Pair, of copies
    groups: dict  # name: group, of the clips that have one
    told: str  # what the groups are
    parts: dict | None = None  # name: part
    crossing: tuple = ()  # Pair, of those that cross from training to test
    touched: tuple = ()  # names of the test clips that they touch
    nearest: dict | None = None  # accuracy of the nearest neighbour on touched and on untouched test clips
    proposed: dict | None = None  # name: part, where no split was given

    def to_dict(self):
        """Everything in it, as JSON knows it."""
        return {
            "corpus": self.corpus,
            "clips": self.clips,
            "copies": [pair.__dict__ for pair in self.pairs],
            "groups": {"told": self.told, "of": self.groups},
            "split": self.parts,
            "crossing": [pair.__dict__ for pair in self.crossing],
            "touched": list(self.touched),
            "nearest": self.nearest,
            "proposed": self.proposed,
        }

    def __str__(self):
        lines = [f"{self.corpus}: {self.clips} clips, {len(self.pairs)} pairs of one and the same recording"]
        lines += [f"  {p.first} = {p.second}: {p.overlap:g} s of both, similarity {p.similarity:.2f}"
                  + (f", the second starts {p.shift:+g} s" if abs(p.shift) >= 0.2 else "") for p in self.pairs[:20]]
        lines += [f"  ... and {len(self.pairs) - 20} more (--json has all)"] * (len(self.pairs) > 20)
        lines.append(f"what belongs together: {self.told or 'the names say nothing (--group REGEX would)'}")
        if self.parts is not None:
            sizes = Counter(self.parts.values())
            tests = sizes["test"]
            lines.append("split: " + ", ".join(f"{sizes[part]} {part}" for part in PARTS))
            kinds = Counter(pair.kind for pair in self.crossing)
            if not self.crossing:
                lines.append("nothing crosses from training to test")
            else:
                lines.append(
                    f"crossing from training to test: {kinds['copy']} copies, {kinds['sibling']} siblings; they touch "
                    f"{len(self.touched)} of {tests} test clips ({100 * len(self.touched) / max(tests, 1):.0f} %)")
                lines += [f"  {pair.first} (train) - {pair.second} (test): {pair.kind}" for pair in self.crossing[:20]]
                lines += [f"  ... and {len(self.crossing) - 20} more"] * (len(self.crossing) > 20)
            for which, row in (self.nearest or {}).items():
                if row:
                    lines.append(f"a nearest neighbour is right on {100 * row['value']:.0f} % of the {which} test clips"
                                 f" ({100 * row['low']:.0f} to {100 * row['high']:.0f} %, n = {row['n']})")
        return "\n".join(lines)


def audit(corpus, split=None, *, group=None, seed=0, progress=True):
    """Look for what crosses from training to test, or propose a split that nothing crosses.

    Parameters
    ----------
    corpus : corpora.Corpus or features.Features
        Sound on disk, or log-mel features (of an archive).
    split : mapping of name to part, optional
        "train", "valid" or "test" for each clip; see `read_split`. Without one a clean one is proposed.
    group : str, optional
        Regular expression for `siblings`; "" for none. Groups that the corpus has itself come first.
    seed : int
        Of the proposed split.
    progress : bool

    Returns
    -------
    Audit
    """
    from_audio = isinstance(corpus, corpora.Corpus)
    looks = look(corpus, progress=progress) if from_audio else look_at(corpus)
    name = corpus.name if from_audio else corpus.corpus
    if not looks.names:
        raise AudiolibError(f"{name}: not one clip can be used, so there is nothing to look for")
    own = {c.name: c.group for c in corpus.clips} if from_audio else dict(zip(corpus.names, corpus.groups, strict=True))
    if group is None and any(own.values()):
        groups, told = [own[each] for each in looks.names], "the corpus's own groups"
        told += f": {_counted(groups)}"
    elif group == "":
        groups, told = [None] * len(looks.names), "nothing, as asked"
    else:
        groups, told = siblings(looks.names, looks.labels, group)
    groups = {each: g for each, g in zip(looks.names, groups, strict=True) if g is not None}
    pairs = copies(looks)
    facts = {"corpus": name, "clips": len(looks.names), "pairs": tuple(pairs), "groups": groups, "told": told}
    if split is None:
        return Audit(**facts, proposed=propose(looks, pairs, groups, seed=seed))
    parts = {each: split[each] for each in looks.names if each in split}
    if "train" not in parts.values() or "test" not in parts.values():
        raise AudiolibError(f"{name}: the split puts none of its clips into "
                            f"{'train' if 'train' not in parts.values() else 'test'}; does it name the same files?")
    crossing = _crossing(parts, pairs, groups)
    touched = tuple(sorted({pair.second for pair in crossing}))
    return Audit(**facts, parts=parts, crossing=crossing, touched=touched, nearest=_nearest(looks, parts, set(touched)))


def _crossing(parts, pairs, groups):
    """Pairs with the first clip in training and the second in test; of a group one training clip a test clip."""
    found = []
    for pair in pairs:
        for a, b, sign in ((pair.first, pair.second, 1), (pair.second, pair.first, -1)):
            if (parts.get(a), parts.get(b)) == ("train", "test"):
                found.append(Pair(a, b, "copy", pair.similarity, pair.overlap, sign * pair.shift))
    trained = {groups[name]: name for name in sorted(parts, reverse=True) if parts[name] == "train" and name in groups}
    for name in sorted(parts):
        if parts[name] == "test" and groups.get(name) in trained:
            found.append(Pair(trained[groups[name]], name, "sibling"))
    return tuple(found)


def _nearest(looks, parts, touched):
    """Accuracy of the nearest neighbour in training, by the mean and the spread of 20 cepstral coefficients."""
    what = np.stack([np.concatenate([f(cepstrum(level, min(20, level.shape[1])), axis=0) for f in (np.mean, np.std)])
                     for level in looks.levels])
    what = (what - what.mean(axis=0)) / np.maximum(what.std(axis=0), 1e-6)
    part = np.array([parts.get(name, "") for name in looks.names])
    train, test = np.flatnonzero(part == "train"), np.flatnonzero(part == "test")
    said = [train[np.linalg.norm(what[train] - what[row], axis=1).argmin()] for row in test]
    right = np.array([looks.labels[a] == looks.labels[b] for a, b in zip(said, test, strict=True)])
    is_touched = np.array([looks.names[row] in touched for row in test])
    result = {}
    for which, rows in (("touched", is_touched), ("untouched", ~is_touched)):
        n = int(rows.sum())
        if n:
            low, high = evaluation.wilson(float(right[rows].mean()), n)
            result[which] = {"value": float(right[rows].mean()), "low": low, "high": high, "n": n}
        else:
            result[which] = None
    return result


def propose(looks, pairs, groups, *, seed=0):
    """A split that neither a copy nor a group crosses, stratified by label as well as whole groups allow.

    Returns
    -------
    dict of name to part
        About a quarter of the clips for test and a fifth of the rest for validation.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    index = {name: i for i, name in enumerate(looks.names)}
    root = list(range(len(looks.names)))

    def find(i):
        while root[i] != i:
            root[i] = i = root[root[i]]
        return i

    members = defaultdict(list)
    for name, group in groups.items():
        members[group].append(index[name])
    for a, b in [(index[p.first], index[p.second]) for p in pairs] + [(m[0], i) for m in members.values() for i in m]:
        root[find(a)] = find(b)
    unit, label = np.array([find(i) for i in range(len(root))]), np.array(looks.labels)

    def one_fold(rows, folds):
        units = len(np.unique(unit[rows]))
        if units < 2:
            raise AudiolibError(f"all {len(looks.names)} clips belong together in {units} unit(s); no split is clean")
        maker = StratifiedGroupKFold(min(folds, units), shuffle=True, random_state=seed)
        return rows[next(maker.split(rows, label[rows], unit[rows]))[1]]

    everything = np.arange(len(root))
    test = one_fold(everything, 4)
    rest = np.setdiff1d(everything, test)
    valid = one_fold(rest, 5) if len(np.unique(unit[rest])) > 1 else np.empty(0, int)
    part = np.full(len(root), "train", dtype=object)
    part[test], part[valid] = "test", "valid"
    return dict(zip(looks.names, part.tolist(), strict=True))


def read_split(path, corpus):
    """The split of a table, and its groups if it has them.

    Parameters
    ----------
    path : str or Path
        A CSV file with the columns ``path`` (or ``name``), ``part`` and perhaps ``group``. A path is relative to the
        corpus, or is a clip's name; parts are train, valid and test (also training, validation, val, dev, testing, eval).
    corpus : corpora.Corpus or features.Features

    Returns
    -------
    parts : dict of name to part
    groups : dict of name to group

    Raises
    ------
    AudiolibError
        If the file is not such a table, names a clip twice in different parts, or no clip of the corpus.
    """
    names = {}
    if isinstance(corpus, corpora.Corpus):
        for clip in corpus.clips:
            relative = Path(clip.path).relative_to(corpus.root) if Path(clip.path).is_relative_to(corpus.root) else None
            for key in (clip.name, str(clip.path), relative and relative.as_posix()):
                names.setdefault(key, clip.name)
        stems = Counter(Path(clip.path).name for clip in corpus.clips)
        names |= {Path(c.path).name: c.name for c in corpus.clips if stems[Path(c.path).name] == 1
                  and Path(c.path).name not in names}
    else:
        names = {name: name for name in corpus.names}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AudiolibError(f"{path}: cannot be read as a table ({error}); it needs the columns path,part") from error
    if not rows or not ({"path", "name"} & set(rows[0])) or "part" not in rows[0]:
        raise AudiolibError(f"{path}: a table with the columns path,part (and perhaps group) is needed, "
                            f"there is {','.join(rows[0]) if rows else 'nothing in it'}")
    parts, groups, unknown = {}, {}, []
    for number, row in enumerate(rows, start=2):
        asked, part = (row.get("path") or row.get("name") or "").strip(), (row["part"] or "").strip().lower()
        if part not in PART_NAMES:
            raise AudiolibError(f"{path}, line {number}: part {row['part']!r} is none of {', '.join(PARTS)}")
        name = names.get(asked) or names.get(asked.removeprefix("./"))
        if name is None:
            unknown.append(asked)
        elif parts.setdefault(name, PART_NAMES[part]) != PART_NAMES[part]:
            raise AudiolibError(f"{path}, line {number}: {asked} is in two parts, {parts[name]} and {part}")
        elif (row.get("group") or "").strip():
            groups[name] = row["group"].strip()
    if not parts:
        raise AudiolibError(f"{path}: none of its {len(rows)} files is in the corpus; the first is {unknown[0]!r}")
    return parts, groups


def write_split(path, parts, groups):
    """Write a split as `read_split` reads it, whole or not at all."""
    from audiolib._files import written_whole

    try:
        with written_whole(Path(path)) as part, part.open("x", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["name", "part", "group"])
            writer.writerows([name, each, groups.get(name, "")] for name, each in sorted(parts.items()))
    except OSError as error:
        raise AudiolibError(f"{path}: cannot be written ({error.strerror or error}); choose another place") from error
