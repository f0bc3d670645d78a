"""The features of a whole corpus: extracted on all cores, kept, and never made twice.

`extract` reads, resamples, mixes down, cuts and stacks. What it returns, `Features`, knows for each segment the clip it
comes from. Conventions as in `audiolib.frontend`: float32 ``[segment, frame, band]``, dB re power 1.0, seconds.

- A clip that cannot be used is skipped, with one warning that counts; `Features.skipped` has them all.
- A second call loads from the cache (`audiolib.cache`), which knows the frontend, every file's content and the
  libraries' versions; whatever changes there makes a new result.
- The work goes to joblib: threads by default (the FFT, the decoder and the resampler all run outside Python's lock, and
  nothing has to be copied between processes); within ``joblib.parallel_config("loky")`` or ``("dask")`` it goes there.

Chapters: 01_dataset, 06_data, 11_leak
"""

import functools
import hashlib
import json
import math
import warnings
from dataclasses import InitVar, asdict, dataclass, field, replace

import joblib
import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from audiolib import AudiolibError, corpora
from audiolib import cache as store
from audiolib.frontend import LOG_MEL, PAPER_MFCC, Frontend, cepstrum, transform

__all__ = ["LOG_MEL", "PAPER_MFCC", "Features", "Frontend", "extract", "mfcc", "transform"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Features:
    """Segments ready for a network, and where each comes from.

    Everything per *clip* is a tuple with one entry a clip; `clip` says for each segment which. A clip that gave no
    segment is only in `skipped`. `x` is read-only, because it may be the cache itself.

    Attributes
    ----------
    x : float32 array [segment, frame, band]
    clip : int array [segment]
        Index into the tuples below.
    names, clip_labels : tuple of str
        ``"blues.00000"``, ``"blues"``.
    groups : tuple of (str or None)
        Artist, speaker or source recording.
    folds : tuple of (int or None)
        Official fold.
    digests : tuple of (str or None)
        SHA-256 of the clip's content: equal for exact duplicates.
    labels : tuple of str
        Class names, sorted; ``labels[y[i]]`` is the class of segment i.
    corpus : str
    frontend : dict
        What made the numbers.
    hop_seconds : float
        Time between frames, in seconds.
    skipped : tuple of (name, reason)
        Clips without a segment, after the paths that the corpus had skipped before.
    fingerprint : str
        SHA-256 over `x` and the clips: equal fingerprints, equal features.
    """

    x: np.ndarray
    clip: np.ndarray
    names: tuple
    clip_labels: tuple
    groups: tuple = None
    folds: tuple = None
    digests: tuple = None
    labels: tuple = None
    corpus: str = "unnamed"
    frontend: dict = None
    hop_seconds: float = LOG_MEL.hop_seconds
    skipped: tuple = ()
    fingerprint: str = field(init=False)
    x_sha256: InitVar[str] = None  # for who knows it already: hashing x is what takes time here

    def __post_init__(self, x_sha256):
        def put(name, value):
            object.__setattr__(self, name, value)

        put("x", np.asarray(self.x, np.float32).view())
        self.x.setflags(write=False)
        put("clip", np.asarray(self.clip))
        put("frontend", dict(self.frontend or {}))
        put("names", tuple(self.names))
        for name in ("clip_labels", "groups", "folds", "digests"):
            given = getattr(self, name)
            put(name, (None,) * len(self.names) if given is None else tuple(given))
            if len(getattr(self, name)) != len(self.names):
                raise AudiolibError(f"{name} has {len(given)} entries for {len(self.names)} clips")
        put("labels", tuple(sorted(set(self.clip_labels)) if self.labels is None else self.labels))
        if self.x.ndim != 3 or self.clip.shape != self.x.shape[:1]:
            raise AudiolibError(f"x has shape {self.x.shape} and clip {self.clip.shape}, expected "
                                "[segment, frame, band] and [segment]")
        if self.clip.size and not (np.issubdtype(self.clip.dtype, np.integer)
                                   and 0 <= self.clip.min() <= self.clip.max() < len(self.names)):
            raise AudiolibError(f"clip must hold whole numbers from 0 to {len(self.names) - 1}, one index a segment")
        if strange := set(self.clip_labels) - set(self.labels):
            raise AudiolibError(f"clip_labels has {sorted(strange)}, which labels {self.labels} does not know")
        clips = [self.x.shape, self.clip.tolist(), self.names, self.clip_labels, self.groups, self.folds, self.labels]
        x_sha256 = x_sha256 or hashlib.sha256(np.ascontiguousarray(self.x)).hexdigest()
        put("fingerprint", hashlib.sha256(json.dumps([x_sha256, *clips]).encode()).hexdigest())

    def __repr__(self):
        kind = "MFCCs" if self.frontend.get("kind") == "mfcc" else "mel bands"
        skipped = f", {len(self.skipped)} clips skipped" if self.skipped else ""
        return (f"<Features of {self.corpus}: {len(self)} segments of {self.tracks} clips in {len(self.labels)} classes"
                f", {self.frames} frames x {self.bands} {kind}{skipped}>")

    def __len__(self):
        return len(self.x)

    @property
    def y(self):
        """int array [segment]: class of each segment, an index into `labels`."""
        index = {label: i for i, label in enumerate(self.labels)}
        return np.array([index[label] for label in self.clip_labels], int)[self.clip]

    @property
    def tracks(self):
        """Number of clips."""
        return len(self.names)

    @property
    def frames(self):
        """Frames in a segment."""
        return self.x.shape[1]

    @property
    def bands(self):
        """Mel bands or coefficients in a frame."""
        return self.x.shape[2]

    def subset(self, which):
        """Some of the segments, with the clips that these come from.

        Parameters
        ----------
        which : bool array [segment] or int array
            A mask or indices, as for NumPy.

        Returns
        -------
        Features
        """
        clip = self.clip[which]
        kept, clip = np.unique(clip, return_inverse=True)
        per_clip = {name: tuple(getattr(self, name)[i] for i in kept)
                    for name in ("names", "clip_labels", "groups", "folds", "digests")}
        return replace(self, x=self.x[which], clip=clip, **per_clip)


def mfcc(features, n_mfcc=13):
    """MFCCs of log-mel features, by the cosine transform over the bands.

    Parameters
    ----------
    features : Features
        Of kind "mel".
    n_mfcc : int, 1 to the number of bands

    Returns
    -------
    Features
        ``x`` is [segment, frame, n_mfcc].
    """
    if features.frontend.get("kind", "mel") != "mel":
        raise AudiolibError(f"features are of kind {features.frontend['kind']!r}: MFCCs are made of kind 'mel'")
    frontend = features.frontend | {"kind": "mfcc", "n_mfcc": int(n_mfcc)}
    return replace(features, x=cepstrum(features.x, n_mfcc), frontend=frontend)


def extract(corpus, frontend=LOG_MEL, *, jobs=None, cache=True, progress=True):
    """Features of all clips of a corpus.

    Parameters
    ----------
    corpus : Corpus
        From `audiolib.corpora.load`.
    frontend : Frontend
    jobs : int, optional
        Clips worked on at once; by default what ``joblib.parallel_config`` says, or else one a core.
    cache : bool
        Whether to look for the result under ``AUDIOLIB_CACHE`` first and to keep it there.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    Features
        In the order of the corpus, whatever the number of jobs.

    Raises
    ------
    AudiolibError
        If not one clip can be used.

    Warns
    -----
    UserWarning
        If clips are skipped, a damaged cache is made again, or the result cannot be kept.
    """
    digests = store.digests([clip.path for clip in corpus.clips])
    key = store.key(frontend=asdict(frontend), digests=digests)
    found = store.load(key) if cache else None
    if found is None:
        found = _run(corpus, frontend, jobs, progress)
        if cache:
            store.save(key, *found)
    x, facts = found
    counts = facts["counts"]
    skipped = [(clip.name, reason) for clip, reason in zip(corpus.clips, facts["reasons"], strict=True) if reason]
    tell_skipped(corpus, skipped)
    used = [i for i, count in enumerate(counts) if count]
    clips = [corpus.clips[i] for i in used]
    return Features(
        x=x,
        clip=np.repeat(np.arange(len(used)), [counts[i] for i in used]),
        names=[clip.name for clip in clips],
        clip_labels=[clip.label for clip in clips],
        groups=[clip.group for clip in clips],
        folds=[clip.fold for clip in clips],
        digests=[digests[i] for i in used],
        labels=corpus.labels,
        corpus=corpus.name,
        frontend=asdict(frontend),
        hop_seconds=frontend.hop_seconds,
        skipped=(*((str(path), reason) for path, reason in corpus.skipped), *skipped),
        x_sha256=facts["sha256"],
    )


def clipwise(function, corpus, *, jobs=None, progress=True, what="features"):
    """Results of a function of each clip, in the corpus's order, as they come; parallel as `extract` says.

    Parameters
    ----------
    function : callable
        Takes a `Clip`; must be importable (or a `functools.partial` of such), to be sent to other processes.
    corpus : Corpus
    jobs : int, optional
    progress : bool
    what : str
        Word beside the progress bar.

    Yields
    ------
    (result, None) or (None, str)
        What the function returned, or the reason why the clip cannot be used (an `AudiolibError`'s message).
    """
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs == 0):
        raise AudiolibError(f"jobs={jobs!r}: must be a whole number, or -1 for one a core")
    if jobs is None and joblib.parallel.get_active_backend()[1] is None:
        jobs = -1  # nobody said anything, and joblib alone would take one core
    work = joblib.Parallel(n_jobs=jobs, prefer="threads", return_as="generator")
    results = work(joblib.delayed(_attempt)(function, clip) for clip in corpus.clips)
    # One BLAS thread a clip: the cores are busy with clips already.
    with threadpool_limits(1):
        yield from tqdm(results, f"{corpus.name}: {what}", len(corpus), leave=False, unit="clip", disable=not progress)


def tell_skipped(corpus, skipped):
    """One warning for all skipped clips: how many, and the first few with their reasons."""
    if skipped:
        few = "; ".join(f"{name}: {reason}" for name, reason in skipped[:3])
        more = "; ... (all in Features.skipped)" if len(skipped) > 3 else ""
        warnings.warn(f"{corpus.name}: {len(skipped)} of {len(corpus)} clips skipped: {few}{more}", stacklevel=3)


def _attempt(function, clip):
    try:
        return function(clip), None
    except AudiolibError as error:
        return None, str(error)


def _segments(clip, frontend):
    y, _ = corpora.read(clip, sr=frontend.sample_rate)
    return transform(y, frontend)


def _run(corpus, frontend, jobs, progress):
    """x; its SHA-256, and per clip the number of segments and the reason why there is none (or None)."""
    x = np.empty((0, frontend.frames, frontend.bands), np.float32)
    counts, reasons, rows, sha256 = [], [], 0, hashlib.sha256()
    function = functools.partial(_segments, frontend=frontend)
    for part, reason in clipwise(function, corpus, jobs=jobs, progress=progress):
        counts.append(0 if part is None else len(part))
        reasons.append(reason)
        rows += counts[-1]
        if rows > len(x):  # room for as many segments a clip as so far; growing in place keeps one copy only
            room = max(math.ceil(rows / len(counts) * len(corpus)), len(x) + len(x) // 20)
            x.resize((room, *x.shape[1:]), refcheck=False)
        if part is not None:
            x[rows - len(part) : rows] = part
            sha256.update(part)  # here, while the other cores work on the next clips
    x.resize((rows, *x.shape[1:]), refcheck=False)
    if not rows:
        first = f"; the first: {corpus.clips[0].name}: {reasons[0]}" if reasons else ""
        raise AudiolibError(f"{corpus.name} ({corpus.root}): none of its {len(corpus)} clips can be used{first}")
    return x, {"counts": counts, "reasons": reasons, "sha256": sha256.hexdigest()}
