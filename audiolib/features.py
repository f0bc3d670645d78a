"""From sound to the array a network sees: log-mel levels or MFCCs of a signal's segments, and of a whole corpus.

A *frontend* says how; `transform` does it to a signal, `extract` to a corpus, and keeps the result. Conventions:

- arrays are float32 ``[segment, frame, band]``: time runs along *frame*, pitch (or the order of the
  cepstrum) along *band*;
- levels are in dB relative to power 1.0, frequencies in Hz, times in seconds;
- a segment is transformed on its own, as if the rest of its clip did not exist: frames are centred on multiples of the
  hop, and what reaches over an edge is zero, so that no sound leaks from one segment into the next;
- what is left of a clip after its last whole segment is not used.

The numbers are those of ``librosa.feature.melspectrogram``, ``power_to_db`` and ``mfcc`` to 1e-4 of their range.

- A clip that cannot be used is skipped, with one warning that counts; `Features.skipped` has them all.
- A second call loads from the cache, which knows the frontend, every file's content and the libraries' versions;
  whatever changes there makes a new result.
- The work goes to joblib: threads by default (the FFT, the decoder and the resampler all run outside Python's lock, and
  nothing has to be copied between processes); within ``joblib.parallel_config("loky")`` or ``("dask")`` it goes there.

Chapters: 01_dataset, 04_mel, 06_data, 09_architectures, 11_leak
"""

import functools
import hashlib
import json
import math
import operator
import warnings
from dataclasses import InitVar, asdict, dataclass, field, replace

import joblib
import numpy as np
import scipy.fft
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from audiolib import AudiolibError, corpora
from audiolib import _cache as store

LARGEST = 2**31 - 1  # of any whole number here; what is larger is a slip, and no array could hold it


@dataclass(frozen=True)
class Frontend:
    """All that decides which numbers a signal becomes; checked when it is made.

    Parameters
    ----------
    kind : "mel" or "mfcc"
        Levels of mel bands, or the first coefficients of their cosine transform.
    sample_rate : int > 0
        Rate in Hz to which the audio is brought first.
    n_fft, hop_length : int > 0
        Length of the Hann window and the step between frames, in samples.
    n_mels, n_mfcc : int > 0
        Mel bands, and the coefficients kept of them (only used by "mfcc").
    fmin, fmax : float >= 0
        Edges of the mel filter bank in Hz; ``fmax=None`` is half the sample rate.
    segment_seconds : float > 0
        Length of a segment in seconds.
    top_db : float > 0, or None
        Levels more than this below a segment's loudest are raised to it; None keeps every level.
    pad_short : bool
        Whether a clip shorter than a segment is filled up with silence instead of refused.

    Raises
    ------
    AudiolibError
        If a number makes no sense, alone or beside the others; the message names it and its value.
    """

    kind: str = "mel"
    sample_rate: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    n_mfcc: int = 13
    fmin: float = 0.0
    fmax: float | None = None
    segment_seconds: float = 3.0
    top_db: float | None = 80.0
    pad_short: bool = False

    def __post_init__(self):
        if self.kind not in ("mel", "mfcc"):
            raise AudiolibError(f"kind={self.kind!r}: choose 'mel' or 'mfcc'")
        for name in ("sample_rate", "n_fft", "hop_length", "n_mels", "n_mfcc"):
            object.__setattr__(self, name, _positive_int(name, getattr(self, name)))
        for name in ("fmin", "fmax", "segment_seconds", "top_db"):
            if getattr(self, name) is not None or name in ("fmin", "segment_seconds"):
                object.__setattr__(self, name, _finite(name, getattr(self, name)))
        if not isinstance(self.pad_short, bool | np.bool_):
            raise AudiolibError(f"pad_short={self.pad_short!r}: choose True or False")
        object.__setattr__(self, "pad_short", bool(self.pad_short))  # JSON does not know NumPy's
        if self.segment_seconds <= 0:
            raise AudiolibError(f"segment_seconds={self.segment_seconds:g}: must be above 0")
        if self.top_db is not None and self.top_db <= 0:
            raise AudiolibError(f"top_db={self.top_db:g}: must be above 0, or None to keep every level")
        if self.segment_seconds * self.sample_rate > LARGEST:
            raise AudiolibError(f"segment_seconds={self.segment_seconds:g}: no clip is so long; choose a few seconds")
        if self.n_fft > self.segment_samples:
            raise AudiolibError(
                f"n_fft={self.n_fft}: longer than a segment ({self.segment_seconds:g} s at {self.sample_rate} Hz are "
                f"{self.segment_samples} samples); choose a shorter window or longer segments"
            )
        nyquist = self.sample_rate / 2
        if not 0 <= self.fmin < (nyquist if self.fmax is None else self.fmax):
            raise AudiolibError(f"fmin={self.fmin:g}: must be 0 or more and below fmax ({self.fmax or nyquist:g} Hz)")
        if self.fmax is not None and self.fmax > nyquist:
            raise AudiolibError(
                f"fmax={self.fmax:g}: above half the sample rate ({nyquist:g} Hz), where there is no sound; "
                "choose None for all there is"
            )
        if self.kind == "mfcc" and self.n_mfcc > self.n_mels:
            raise AudiolibError(f"n_mfcc={self.n_mfcc}: more than the {self.n_mels} mel bands they are made of")
        self._check_filters()

    def _check_filters(self):
        """Refuse a filter bank in which a triangle is so narrow that it falls between two frequencies of the FFT."""
        if self.n_mels > self.n_fft:
            raise AudiolibError(f"n_mels={self.n_mels}: more than n_fft={self.n_fft} samples hold; choose fewer")
        empty = _empty_filters(self, self.n_mels, self.n_fft)
        if not empty:
            return
        ways = [f"n_mels={n} or fewer" for n in range(min(self.n_mels, self.n_fft) - 1, 0, -1)
                if not _empty_filters(self, n, self.n_fft)][:1]
        ways += [f"n_fft={n} or more" for n in (2**k for k in range(2, 24))
                 if self.n_fft < n <= self.segment_samples and not _empty_filters(self, self.n_mels, n)][:1]
        raise AudiolibError(
            f"n_mels={self.n_mels}: {empty} of the mel filters hold no frequency of an FFT of {self.n_fft} samples "
            f"at {self.sample_rate} Hz; choose {' or '.join(ways or ['fmin and fmax further apart'])}"
        )

    @property
    def segment_samples(self):
        """Samples in a segment."""
        return round(self.segment_seconds * self.sample_rate)

    @property
    def frames(self):
        """Frames in a segment (centred, so one more than whole hops fit)."""
        return 1 + (self.segment_samples - self.n_fft % 2) // self.hop_length

    @property
    def bands(self):
        """Numbers in a frame: mel bands or coefficients."""
        return self.n_mfcc if self.kind == "mfcc" else self.n_mels

    @property
    def hop_seconds(self):
        """Time between two frames, in seconds."""
        return self.hop_length / self.sample_rate


def _positive_int(name, value):
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if not 1 <= number <= LARGEST or isinstance(value, bool):
        raise AudiolibError(f"{name}={value!r}: must be a whole number from 1 to {LARGEST}")
    return number


def _finite(name, value):
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool | str):
        raise AudiolibError(f"{name}={value!r}: must be a finite number")
    return number


def _empty_filters(frontend, n_mels, n_fft):
    """How many of `n_mels` triangles hold no FFT frequency between their feet; by formula, as librosa loads slowly."""
    step, log_step = 200 / 3, math.log(6.4) / 27  # Slaney's mel: 15 mel to 1 kHz, then 27 to each factor of 6.4

    def mel(hz):
        return hz / step if hz < 1000 else 15 + math.log(hz / 1000) / log_step

    feet = np.linspace(mel(frontend.fmin), mel(frontend.fmax or frontend.sample_rate / 2), n_mels + 2)
    feet = np.where(feet < 15, feet * step, 1000 * np.exp((feet - 15) * log_step))
    bins = feet * n_fft / frontend.sample_rate
    first_inside, last_inside = np.floor(bins[:-2]) + 1, np.ceil(bins[2:]) - 1
    return int((first_inside > last_inside).sum())


#: The book's frontend: 130 frames of 128 mel bands for 3 s.
LOG_MEL = Frontend()
#: The paper's: 13 MFCCs on the same frames.
PAPER_MFCC = Frontend(kind="mfcc")


def transform(y, frontend=LOG_MEL):
    """Log-mel levels or MFCCs of a signal's segments.

    Parameters
    ----------
    y : float array [sample], finite
        Mono signal at ``frontend.sample_rate``.
    frontend : Frontend

    Returns
    -------
    float32 array [segment, frame, band]
        In dB re power 1.0, or the cepstral coefficients of that.

    Raises
    ------
    AudiolibError
        If ``y`` is not such a signal, or shorter than a segment and the frontend does not pad.
    """
    levels = mel_levels(_cut(_signal(y), frontend), frontend)
    if frontend.top_db is not None:
        np.maximum(levels, levels.max(axis=(1, 2), keepdims=True) - np.float32(frontend.top_db), out=levels)
    return cepstrum(levels, frontend.n_mfcc) if frontend.kind == "mfcc" else levels


def mel_levels(segments, frontend):
    """Levels in dB of the mel bands of each segment; nothing is raised to `top_db` yet.

    Parameters
    ----------
    segments : float32 array [segment, sample]
    frontend : Frontend

    Returns
    -------
    float32 array [segment, frame, n_mels]
        At least -100 dB (power 1e-10), as in librosa.

    Raises
    ------
    AudiolibError
        If the signal is so loud that its power overflows.
    """
    window, filters = _window(frontend.n_fft), _mel_filters(frontend)
    half = frontend.n_fft // 2
    padded = np.pad(segments, ((0, 0), (half, half)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, frontend.n_fft, axis=1)[:, :: frontend.hop_length]
    levels = np.empty((*frames.shape[:2], frontend.n_mels), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is found below
        for segment, out in zip(frames, levels, strict=True):
            for start in range(0, len(out), 256):  # small steps, however long the segment: the spectra stay in cache
                spectrum = scipy.fft.rfft(segment[start : start + 256] * window, axis=-1)
                np.matmul(spectrum.real**2 + spectrum.imag**2, filters, out=out[start : start + 256])
    if not np.isfinite(levels).all():
        raise AudiolibError(f"power overflows: the peak is {np.abs(segments).max():.3g}; scale the signal to -1 .. 1")
    np.log10(np.maximum(levels, np.float32(1e-10), out=levels), out=levels)
    levels *= 10
    return levels


def cepstrum(levels, n_mfcc=13):
    """MFCCs: the first coefficients of the orthonormal cosine transform (DCT-II) over the last axis, the bands.

    Parameters
    ----------
    levels : float array [..., band]
        In dB.
    n_mfcc : int, 1 to the number of bands

    Returns
    -------
    float32 array [..., n_mfcc]
    """
    if not 1 <= _positive_int("n_mfcc", n_mfcc) <= levels.shape[-1]:
        raise AudiolibError(f"n_mfcc={n_mfcc}: there are {levels.shape[-1]} bands, so choose 1 to {levels.shape[-1]}")
    coefficients = scipy.fft.dct(levels, axis=-1, norm="ortho")[..., :n_mfcc]
    return np.ascontiguousarray(coefficients, np.float32)


def _signal(y):
    """`y` as a float32 signal, or the error that guesses what it is instead."""
    y = np.asarray(y)
    if y.ndim != 1:
        raise AudiolibError(f"y has shape {y.shape}, expected [sample]; is it stereo? Take the mean over the channels")
    if not np.issubdtype(y.dtype, np.floating):
        raise AudiolibError(f"y is {y.dtype}, expected float; are these PCM samples? Divide by 32768 for 16 bit")
    if not np.isfinite(y).all():
        raise AudiolibError(f"y holds {np.count_nonzero(~np.isfinite(y))} samples that are NaN or infinite")
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and mel_levels says so
        return y.astype(np.float32, copy=False)


def _cut(y, frontend):
    """Whole segments [segment, sample] of a signal, without a copy."""
    length = frontend.segment_samples
    if len(y) < length:
        if not frontend.pad_short or len(y) == 0:
            raise AudiolibError(
                f"{len(y) / frontend.sample_rate:.3g} s long ({len(y)} samples), but a segment is "
                f"{frontend.segment_seconds:g} s; choose a smaller segment_seconds or pad_short=True"
            )
        y = np.pad(y, (0, length - len(y)))
    return y[: len(y) // length * length].reshape(-1, length)


@functools.lru_cache(maxsize=8)
def _window(n_fft):
    """Hann window [sample], periodic as an FFT wants it."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)


@functools.lru_cache(maxsize=8)
def _mel_filters(frontend):
    """librosa's filter bank as [bin, band], ready for a matrix product."""
    import librosa  # takes a second to load, which a cached result need not pay

    bank = librosa.filters.mel(
        sr=frontend.sample_rate, n_fft=frontend.n_fft, n_mels=frontend.n_mels, fmin=frontend.fmin, fmax=frontend.fmax
    )
    return np.ascontiguousarray(bank.T)


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
