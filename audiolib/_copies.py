"""The same recording in two files, found by its sound.

Patches of one second of the log-mel spectrogram, without what an equaliser or a gain changes, are compared with those
of all other clips. Two clips are copies if many patches agree on one shift in time and the spectrograms correlate over
the whole overlap. The work is done in tiles, so that memory holds the patches (float16) and little else.
"""

import functools
import hashlib
import itertools
from collections import defaultdict
from dataclasses import asdict, dataclass

import joblib
import numpy as np
import scipy.fft
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from audiolib import AudiolibError, _cache, corpora
from audiolib._clipwise import clipwise, warn_skipped
from audiolib.features import Frontend, mel_levels

#: What is compared: 40 mel bands up to 4 kHz, which every codec and nearly every rate leaves in place.
LOOK = Frontend(sample_rate=8000, n_fft=1024, hop_length=512, n_mels=40, segment_seconds=1.0)
RANGE_DB = 60.0  # what is further below a clip's loudest is noise of the codec
ORDERS = (6, 12)  # of the cosine transform of a patch that are compared, in time and in pitch
ALIKE = 0.75  # cosine of two patches that is worth a vote
VOTES = 0.35  # share of the patches of the overlap that must agree on the shift
CORRELATION = 0.52, 0.97  # of a long overlap, and of one of two seconds or less: chance is kinder to the short
STEP = 3  # frames within which votes for a shift agree
TILE = 8192  # patches compared with others at a time: what is in memory at once
ASKED = 300  # patches of a clip that look for their like, at most: one a second of five minutes



@dataclass(frozen=True)
class Pair:
    """Two clips that belong together: "exact" copies, a "copy" in other clothes, or a "sibling".

    Of copies: their similarity (-1 to 1), the seconds that are in both, and how much later the second starts.
    """

    first: str
    second: str
    kind: str
    similarity: float | None = None
    overlap: float | None = None
    shift: float | None = None


@dataclass(frozen=True)
class Looks:
    """What is compared of each clip of a corpus: levels in dB [frame, band]; equal digests are equal samples."""

    corpus: str
    names: tuple
    labels: tuple
    groups: tuple
    levels: tuple
    digests: tuple
    hop_seconds: float


def look(source, *, progress=True):
    """What is compared of each clip; from audio it is kept in the cache.

    Parameters
    ----------
    source : corpora.Corpus or features.Features
        Features are of kind "mel", as `archive.read_archive` gives them.
    progress : bool

    Returns
    -------
    Looks
        Of the clips that can be read; the others are told in one warning.

    Raises
    ------
    AudiolibError
        If not one clip can be used, or the features are of another kind.
    """
    return _look_at_audio(source, progress) if isinstance(source, corpora.Corpus) else _look_at_features(source)


def _look_at_audio(corpus, progress):
    key = _cache.key([clip.path for clip in corpus.clips], audit=3, frontend=asdict(LOOK))
    found = _cache.load(key)
    if found is None:
        results = list(clipwise(_look, corpus, progress=progress, what="audit"))
        used = [result for result, _, _ in results if result]
        x = np.concatenate([levels for levels, _ in used] or [np.empty((0, LOOK.n_mels), np.float32)])
        found = x, {"counts": [len(result[0]) if result else 0 for result, _, _ in results],
                    "digests": [digest for _, digest in used], "reasons": [reason for _, reason, _ in results],
                    "sha256": hashlib.sha256(x).hexdigest()}
        if not any(may_pass for *_, may_pass in results):
            _cache.save(key, *found)
    x, facts = found
    skipped = [(c.name, reason) for c, reason in zip(corpus.clips, facts["reasons"], strict=True) if reason]
    if len(skipped) == len(corpus):
        raise AudiolibError(f"{corpus.name}: none of its {len(corpus)} clips can be used; the first: {skipped[0]}")
    warn_skipped(corpus, skipped)
    levels = np.split(x, np.cumsum(facts["counts"])[:-1])
    clips, levels = zip(*((c, each) for c, each in zip(corpus.clips, levels, strict=True) if len(each)), strict=True)
    return Looks(corpus.name, tuple(c.name for c in clips), tuple(c.label for c in clips),
                 tuple(c.group for c in clips), levels, tuple(facts["digests"]), LOOK.hop_seconds)


def _look(clip):
    y = corpora.mix(clip, LOOK.sample_rate)
    levels = mel_levels(y[None], LOOK)[0]
    # The first and the last frame reach over the edges, and all steady sounds have the same edges.
    return levels[1:-1] if len(levels) > 3 else levels, hashlib.sha256(y).hexdigest()


def _look_at_features(features):
    """The segments of each clip in a row, pairs of bands up to 4 kHz."""
    import librosa

    mel = features.frontend
    if mel.get("kind", "mel") != "mel":
        raise AudiolibError(f"features of kind {mel['kind']!r}: copies are looked for in levels, kind 'mel'")
    centres = librosa.mel_frequencies(features.bands + 2, fmin=mel["fmin"], fmax=mel["fmax"] or mel["sample_rate"] / 2)
    bands = max(2, np.searchsorted(centres[1:-1], 4000.0) // 2 * 2)
    x = features.x[:, :, :bands].reshape(*features.x.shape[:2], -1, 2).mean(axis=3)
    levels = tuple(x[features.clip == i].reshape(-1, x.shape[2]) for i in range(len(features.names)))
    digests = tuple(hashlib.sha256(each).hexdigest() for each in levels)
    return Looks(features.corpus, features.names, features.clip_labels, features.groups, levels,
                 tuple(given or made for given, made in zip(features.digests, digests, strict=True)),
                 features.hop_seconds)


def copies(looks, *, progress=True):
    """Pairs of clips that are the same recording, the most similar first.

    On the log-mel archive of GTZAN it finds 53 of the 54 pairs of Sturm's 50 exact repetitions and no other pair; on
    the embedded corpus all of 100 planted copies (mp3, gain, resampling, trimmed, pieces of 5 s) and nothing else.

    Parameters
    ----------
    looks : Looks
    progress : bool

    Returns
    -------
    list of Pair
        Of kind "exact" or "copy".
    """
    same = defaultdict(list)
    for clip, digest in enumerate(looks.digests):
        same[digest].append(clip)
    exact = {pair for clips in same.values() for pair in itertools.combinations(clips, 2)}
    found = [_pair(looks, *pair, "exact", 1.0, len(looks.levels[pair[0]]), 0) for pair in exact]
    second = max(2, round(1 / looks.hop_seconds))
    order = sorted(range(len(looks.names)), key=lambda clip: len(looks.levels[clip]))  # the shorter looks in the longer
    ends = np.cumsum([max(1, len(looks.levels[clip]) - second + 1) for clip in order])
    blocks = [[clip for clip, _ in block] for _, block in
              itertools.groupby(zip(order, ends // TILE, strict=True), key=lambda each: each[1])]
    with threadpool_limits(1):  # the cores are busy with tiles already
        work = joblib.Parallel(n_jobs=-1, prefer="threads", return_as="generator")
        blocks = list(work(joblib.delayed(_block)(looks, block, second) for block in blocks))
        tiles = [(a, b) for i, a in enumerate(blocks) for b in blocks[i:]]
        results = work(joblib.delayed(_tile)(looks, a, b, second) for a, b in tiles)
        for pairs in tqdm(results, f"{looks.corpus}: copies", len(tiles), leave=False, disable=not progress):
            found += [_pair(looks, a, b, "copy", *rest) for a, b, *rest in pairs
                      if (min(a, b), max(a, b)) not in exact]
    return sorted(found, key=lambda pair: (-pair.similarity, pair.first, pair.second))


def _pair(looks, a, b, kind, similarity, frames, shift):
    """`Pair` of clips a and b in the order of the corpus."""
    if a > b:
        a, b, shift = b, a, -shift
    hop = looks.hop_seconds
    return Pair(looks.names[a], looks.names[b], kind, round(similarity, 3), round((frames + 1) * hop, 2),
                round(-shift * hop, 2) + 0.0)


def _flat(levels):
    """Levels without what an equaliser, a gain, a compressor or the noise of a codec changes."""
    levels = np.maximum(levels, levels.max() - RANGE_DB)
    levels = levels - levels.mean(axis=1, keepdims=True)  # loudness from frame to frame makes strangers alike
    return (levels - levels.mean(axis=0)).astype(np.float32)


def _block(looks, clips, second):
    """Of some clips: unit patches [patch, 72], clip and start of each, which of them ask, and frames between these."""
    patches, steps = [], []
    for clip in clips:
        levels = _flat(looks.levels[clip])
        levels = np.pad(levels, ((0, max(0, second - len(levels))), (0, 0)))
        bands = scipy.fft.dct(np.eye(levels.shape[1], dtype=np.float32), norm="ortho")[:, 1 : 1 + ORDERS[1]]
        times = scipy.fft.dct(np.eye(second, dtype=np.float32), norm="ortho")[:, : ORDERS[0]]
        windows = np.lib.stride_tricks.sliding_window_view(levels @ bands, second, axis=0)  # [start, order, frame]
        each = (windows @ times).reshape(len(windows), -1)
        size = np.linalg.norm(each, axis=1, keepdims=True)
        moves = size > np.sqrt(second * levels.shape[1])  # 1 dB root mean square: what hardly moves is like anything
        patches.append(np.where(moves, each / np.maximum(size, 1e-6), 0).astype(np.float16))
        steps.append(max(second, -(-len(each) // ASKED)))
    clip = np.repeat(np.arange(len(clips)), [len(each) for each in patches])
    start = np.concatenate([np.arange(len(each)) for each in patches])
    asks = np.flatnonzero(start % np.array(steps)[clip] == 0)
    return clips, np.concatenate(patches), clip, start, asks, np.array(steps)


def _tile(looks, block, other_block, second):
    """Copies between the clips of two blocks: (clip, other, similarity, frames, shift) each."""
    clips, patches, clip_of, start_of, asks, steps = block
    others, other_patches, other_of, other_start, *_ = other_block
    alike = patches[asks].astype(np.float32) @ other_patches.astype(np.float32).T > ALIKE
    row, place = np.divmod(np.flatnonzero(alike), len(other_patches))
    clip, other, shift = clip_of[asks[row]], other_of[place], other_start[place] - start_of[asks[row]]
    if clips is others:  # a pair is looked at once
        row, clip, other, shift = (each[other > clip] for each in (row, clip, other, shift))
    if not len(row):
        return []
    # A vote: a patch of this clip that found its like in that clip at about that shift; many there are one vote.
    lowest = shift.min() // STEP
    sizes = (len(clips), len(others), shift.max() // STEP - lowest + 1, len(asks))
    votes = np.unique(np.ravel_multi_index((clip, other, shift // STEP - lowest, row), sizes))
    where, votes = np.unique(votes // len(asks), return_counts=True)
    clip, other, shift = np.unravel_index(where, sizes[:3])
    shift = STEP * (shift + lowest) + STEP // 2
    length, other_length = (np.array([len(looks.levels[each]) for each in all_]) for all_ in (clips, others))
    overlap = np.minimum(length[clip], other_length[other] - shift) - np.maximum(0, -shift)
    good = votes >= VOTES * np.maximum(1, overlap // steps[clip])
    best = {}  # of each pair the shift with most votes
    for a, b, at, count in zip(*(each[good].tolist() for each in (clip, other, shift, votes)), strict=True):
        best[a, b] = max(best.get((a, b), (0, 0)), (count, at))
    flat = functools.cache(lambda each: _flat(looks.levels[each]))
    found = []
    for (a, b), (_, at) in best.items():
        value, frames, at = _similarity(flat(clips[a]), flat(others[b]), at, second)
        if value >= _enough(frames / second):
            found.append((clips[a], others[b], value, frames, at))
    return found


def _similarity(first, other, shift, second):
    """The similarity of two clips' levels at the best shift near one, the frames of the overlap, and that shift.

    It is the correlation over the overlap, or the median of the correlations over its seconds if that is less: of two
    cries of one cock the loudest moment alone agrees, of copies every second.
    """
    best = (-1.0, 0, shift)
    for at in range(shift - STEP, shift + STEP + 1):  # first[t] lies beside other[t + at]
        begin, end = max(0, -at), min(len(first), len(other) - at)
        if end - begin >= min(second, len(first), len(other)):
            a, b = first[begin:end], other[begin + at : end + at]
            best = max(best, (float(_correlations(a[None], b[None])[0]), end - begin, at))
    value, frames, at = best
    begin, seconds = max(0, -at), frames // second
    if seconds > 1:
        shape = seconds, second, first.shape[1]
        value = min(value, float(np.median(_correlations(
            *(each[start:][: seconds * second].reshape(shape) for each, start in ((first, begin), (other, begin + at)))
        ))))
    return value, frames, at


def _correlations(a, b):
    """Of levels [part, frame, band] with others: one a part, each band less its mean over the part."""
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    power = (a * a).sum(axis=(1, 2)) * (b * b).sum(axis=(1, 2))
    return (a * b).sum(axis=(1, 2)) / np.maximum(np.sqrt(power), 1e-9)


def _enough(seconds):
    """The similarity that an overlap of so many seconds must reach."""
    long, short = CORRELATION
    return long + (short - long) / max(1.0, seconds / 2)
