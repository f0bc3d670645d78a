"""From sound to the array a network sees: log-mel levels, MFCCs or samples of segments of a signal or a corpus.

A *frontend* says how; `transform` does it to a signal, `extract` to a corpus, and keeps the result. Conventions:

- arrays are float32 ``[segment, frame, band]``: time runs along *frame*, pitch (or the order of the
  cepstrum) along *band*;
- levels are in dB relative to power 1.0, frequencies in Hz, times in seconds;
- a segment is transformed on its own, as if the rest of its clip did not exist: frames are centred on multiples of the
  hop, and what reaches over an edge is zero, so that no sound leaks from one segment into the next;
- what is left of a clip after its last whole segment is not used.

The numbers are those of ``librosa.feature.melspectrogram``, ``power_to_db`` and ``mfcc`` to 1e-4 of their range.

What `extract` does beside that:

- a clip that cannot be used is skipped, with one warning that counts; `Features.skipped` has them all;
- a second call loads from the cache, which knows the frontend, the state of every file and the libraries' versions;
  whatever changes there makes a new result. A failure that may pass (no file handle, a disk's error) is not kept;
- the work goes to joblib: threads by default (the FFT, the decoder and the resampler all run outside Python's lock, and
  nothing has to be copied between processes); within ``joblib.parallel_config("loky")`` or ``("dask")`` it goes there.

Words: a *frontend* is a `Frontend`; its *settings* are the dict of its fields, as recipes, records and
`Features.frontend` hold it. Features out of an archive have that archive's settings there (see `audiolib.archive`).

Chapters: 01_dataset, 04_mel, 06_data, 09_architectures, 11_leak, 14_listen
"""

import functools
import hashlib
import json
import math
from dataclasses import InitVar, asdict, dataclass, field, replace

import numpy as np
import scipy.fft

from audiolib import AudiolibError, _cache, _checks, corpora
from audiolib._clipwise import clipwise, warn_skipped


@dataclass(frozen=True)
class Frontend:
    """All that decides which numbers a signal becomes; one that makes no sense is refused when it is made.

    Parameters
    ----------
    kind : "mel", levels of mel bands, or "mfcc", the first coefficients of their cosine transform, or "wave": no
        transform, `hop_length` samples in a row are a frame
    sample_rate : int, in Hz, to which the audio is brought first
    n_fft : int, in samples, the Hann window
    hop_length : int or float, in samples, the step between frames; of a fraction each takes the nearest sample
    n_mels, n_mfcc : int, the mel bands, and the coefficients kept of them (only used by "mfcc")
    fmin, fmax : float, in Hz, the edges of the mel filter bank; ``fmax=None`` is half the sample rate
    segment_seconds : float
    top_db : float: levels more than this below a segment's loudest are raised to it; None keeps every level
    pad_short : bool, whether a clip shorter than a segment is filled up with silence instead of refused

    Examples
    --------
    >>> Frontend(n_mels=40, segment_seconds=1).frames
    44
    """

    kind: str = "mel"
    sample_rate: int = 22050
    n_fft: int = 2048
    hop_length: float = 512
    n_mels: int = 128
    n_mfcc: int = 13
    fmin: float = 0.0
    fmax: float | None = None
    segment_seconds: float = 3.0
    top_db: float | None = 80.0
    pad_short: bool = False

    def __post_init__(self):
        _checks.one_of("kind", self.kind, ("mel", "mfcc", "wave"))
        for name in ("sample_rate", "n_fft", "n_mels", "n_mfcc"):
            self._put(name, _checks.whole(name, getattr(self, name)))
        if not isinstance(self.hop_length, float) or self.hop_length.is_integer():
            self._put("hop_length", _checks.whole("hop_length", self.hop_length))
        else:
            self._put("hop_length", _checks.number("hop_length", self.hop_length, least=1, most=_checks.LARGEST))
        for name, above in (("fmin", -math.inf), ("fmax", -math.inf), ("segment_seconds", 0), ("top_db", 0)):
            if getattr(self, name) is not None or name in ("fmin", "segment_seconds"):  # None has a meaning for two
                self._put(name, _checks.number(name, getattr(self, name), above=above))
        if not isinstance(self.pad_short, bool | np.bool_):
            raise AudiolibError(f"pad_short={self.pad_short!r}: choose True or False")
        self._put("pad_short", bool(self.pad_short))  # JSON does not know NumPy's
        if self.kind == "wave":
            _checks.whole("hop_length (of kind 'wave')", self.hop_length, most=self.segment_samples)
        if self.segment_seconds * self.sample_rate > _checks.LARGEST:
            raise AudiolibError(f"segment_seconds={self.segment_seconds:g}: no clip is so long; choose a few seconds")
        if self.n_fft > self.segment_samples:
            raise AudiolibError(f"n_fft={self.n_fft}: longer than a segment ({self.segment_seconds:g} s at "
                                f"{self.sample_rate} Hz are {self.segment_samples} samples); choose a shorter window "
                                "or longer segments")
        nyquist = self.sample_rate / 2
        if not 0 <= self.fmin < (nyquist if self.fmax is None else self.fmax):
            raise AudiolibError(f"fmin={self.fmin:g}: must be 0 or more and below fmax ({self.fmax or nyquist:g} Hz)")
        if self.fmax is not None and self.fmax > nyquist:
            raise AudiolibError(f"fmax={self.fmax:g}: above half the sample rate ({nyquist:g} Hz), where there is no "
                                "sound; choose None for all there is")
        if self.kind == "mfcc" and self.n_mfcc > self.n_mels:
            raise AudiolibError(f"n_mfcc={self.n_mfcc}: more than the {self.n_mels} mel bands they are made of")
        if self.n_mels > self.n_fft:
            raise AudiolibError(f"n_mels={self.n_mels}: more than n_fft={self.n_fft} samples hold; choose fewer")
        if empty := self._empty_filters():
            ways = [f"n_mels={n} or fewer" for n in range(self.n_mels - 1, 0, -1)
                    if not self._empty_filters(n_mels=n)][:1]
            ways += [f"n_fft={n} or more" for n in (2**k for k in range(2, 24))
                     if self.n_fft < n <= self.segment_samples and not self._empty_filters(n_fft=n)][:1]
            raise AudiolibError(f"n_mels={self.n_mels}: {empty} of the mel filters hold no frequency of an FFT of "
                                f"{self.n_fft} samples at {self.sample_rate} Hz; choose "
                                + " or ".join(ways or ["fmin and fmax further apart"]))

    def _put(self, name, value):
        object.__setattr__(self, name, value)

    def _empty_filters(self, *, n_mels=None, n_fft=None):
        """How many triangles hold no FFT frequency between their feet; by formula, since librosa loads for a second."""
        step, log_step = 200 / 3, math.log(6.4) / 27  # Slaney's mel: 15 mel to 1 kHz, then 27 to each factor of 6.4
        low, high = (hz / step if hz < 1000 else 15 + math.log(hz / 1000) / log_step
                     for hz in (self.fmin, self.fmax or self.sample_rate / 2))
        feet = np.linspace(low, high, (n_mels or self.n_mels) + 2)
        feet = np.where(feet < 15, feet * step, 1000 * np.exp((feet - 15) * log_step))
        bins = feet * (n_fft or self.n_fft) / self.sample_rate
        return int((np.floor(bins[:-2]) + 1 > np.ceil(bins[2:]) - 1).sum())

    @property
    def segment_samples(self):
        """Samples in a segment."""
        return round(self.segment_seconds * self.sample_rate)

    @property
    def frames(self):
        """Frames in a segment (centred, so one more than whole hops fit; of samples as many as fit)."""
        if self.kind == "wave":
            return self.segment_samples // self.hop_length
        return 1 + int((self.segment_samples - self.n_fft % 2) // self.hop_length)

    @property
    def bands(self):
        """Numbers in a frame: mel bands, coefficients or samples."""
        return {"mel": self.n_mels, "mfcc": self.n_mfcc, "wave": self.hop_length}[self.kind]

    @property
    def hop_seconds(self):
        """Time between two frames, in seconds."""
        return self.hop_length / self.sample_rate


#: The book's frontend: 130 frames of 128 mel bands for 3 s.
LOG_MEL = Frontend()
#: The paper's, as we read it (chapter 10): 13 MFCCs on the same frames.
PAPER_MFCC = Frontend(kind="mfcc")


def transform(y, frontend=LOG_MEL):
    """Log-mel levels (in dB), MFCCs or samples of a signal's segments: float32 [segment, frame, band].

    The signal is a float array [sample], mono and finite, at ``frontend.sample_rate``, and no shorter than a segment
    unless the frontend pads.

    >>> transform(np.sin(np.arange(7 * 22050)), PAPER_MFCC).shape  # two whole segments of 3 s
    (2, 130, 13)
    """
    segments = _cut(y, frontend)
    if frontend.kind == "wave":
        whole = segments[:, : frontend.frames * frontend.bands]
        return np.ascontiguousarray(whole).reshape(-1, frontend.frames, frontend.bands)
    levels = mel_levels(segments, frontend)
    if frontend.top_db is not None:
        np.maximum(levels, levels.max(axis=(1, 2), keepdims=True) - np.float32(frontend.top_db), out=levels)
    return cepstrum(levels, frontend.n_mfcc) if frontend.kind == "mfcc" else levels


def mel_levels(segments, frontend):
    """Levels in dB of segments [segment, sample] as float32 [segment, frame, n_mels], not raised to `top_db` yet.

    They are at least -100 dB (power 1e-10), as in librosa. A signal so loud that its power overflows is an error.
    """
    window, filters = _window(frontend.n_fft), _mel_filters(frontend)
    half = frontend.n_fft // 2
    padded = np.pad(segments, ((0, 0), (half, half)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, frontend.n_fft, axis=1)
    if isinstance(frontend.hop_length, int):
        frames = frames[:, :: frontend.hop_length]  # a view
    else:
        starts = np.round(np.arange(0, frames.shape[1], frontend.hop_length)).astype(int)
        frames = frames[:, starts[starts < frames.shape[1]]]
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


def relative(levels, range_db=60.0):
    """Levels [..., frame, band] in dB without what a gain changes: each segment less its mean, in steps of 15 dB.

    What lies more than `range_db` below a segment's loudest cell is raised to that first: it is noise more than music.

    >>> relative(np.array([[-10.0, -40.0], [-90.0, -90.0]])).tolist()
    [[2.5, 0.5], [-1.5, -1.5]]
    """
    levels = np.maximum(levels, levels.max(axis=(-2, -1), keepdims=True) - range_db)
    return (levels - levels.mean(axis=(-2, -1), keepdims=True)) / 15


def cepstrum(levels, n_mfcc=13):
    """MFCCs [..., n_mfcc] of levels [..., band] in dB: the first of the orthonormal cosine transform (DCT-II) of bands.

    >>> cepstrum(np.full(4, -20.0), 3).round().tolist()  # a flat spectrum has a level and no shape
    [-40.0, 0.0, 0.0]
    """
    n_mfcc = _checks.whole("n_mfcc", n_mfcc, most=levels.shape[-1])
    coefficients = scipy.fft.dct(levels, axis=-1, norm="ortho")[..., :n_mfcc]
    return np.ascontiguousarray(coefficients, np.float32)


def _cut(y, frontend):
    """Whole segments [segment, sample] of a signal in float32, or the error that guesses what it is instead."""
    y = np.asarray(y)
    if y.ndim != 1:
        raise AudiolibError(f"y has shape {y.shape}, expected [sample]; is it stereo? Take the mean over the channels")
    if not np.issubdtype(y.dtype, np.floating):
        raise AudiolibError(f"y is {y.dtype}, expected float; are these PCM samples? Divide by 32768 for 16 bit")
    if not np.isfinite(y).all():
        raise AudiolibError(f"y holds {np.count_nonzero(~np.isfinite(y))} samples that are NaN or infinite")
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and mel_levels says so
        y = y.astype(np.float32, copy=False)
    length = frontend.segment_samples
    if len(y) < length:
        if not frontend.pad_short or len(y) == 0:
            raise AudiolibError(f"{len(y) / frontend.sample_rate:.3g} s long ({len(y)} samples), but a segment is "
                                f"{frontend.segment_seconds:g} s; choose a smaller segment_seconds or pad_short=True")
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

    bank = librosa.filters.mel(sr=frontend.sample_rate, n_fft=frontend.n_fft, n_mels=frontend.n_mels,
                               fmin=frontend.fmin, fmax=frontend.fmax)
    return np.ascontiguousarray(bank.T)


PER_CLIP = ("names", "clip_labels", "groups", "folds", "digests")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Features:
    """Segments ready for a network, and where each comes from.

    Everything per *clip* is a tuple with one entry a clip (a sequence, where it is made); `clip` says for each segment
    which. A clip that gave no segment is only in `skipped`. `x` is read-only, because it may be the cache itself.
    """

    x: np.ndarray  # float32 [segment, frame, band]
    clip: np.ndarray  # int [segment]: index into names, clip_labels, groups, folds and digests
    names: tuple  # of str, "blues.00000"
    clip_labels: tuple  # of str, "blues"
    groups: tuple = None  # of str or None: artist, speaker or source recording
    folds: tuple = None  # of int or None: official fold
    digests: tuple = None  # of str or None: SHA-256 of the clip's content, equal for exact duplicates
    labels: tuple = None  # class names, sorted; ``labels[y[i]]`` is the class of segment i
    corpus: str = "unnamed"
    frontend: dict = None  # settings of the frontend, or of the archive, that made the numbers
    hop_seconds: float = LOG_MEL.hop_seconds
    skipped: tuple = ()  # (name, reason) of clips without a segment, after the paths that the corpus had skipped before
    fingerprint: str = field(init=False)  # SHA-256 over `x` and the clips: equal fingerprints, equal features
    x_sha256: InitVar[str] = None  # for who knows it already: hashing x is what takes time here

    def __post_init__(self, x_sha256):
        put = functools.partial(object.__setattr__, self)
        put("x", np.asarray(self.x, np.float32).view())
        self.x.setflags(write=False)
        put("clip", np.asarray(self.clip))
        put("frontend", dict(self.frontend or {}))
        for name in PER_CLIP:
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
        kind = {"mfcc": "MFCCs", "wave": "samples"}.get(self.frontend.get("kind"), "mel bands")
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
        """Features of some of the segments (a mask or indices, as for NumPy), with the clips that these come from."""
        kept, clip = np.unique(self.clip[which], return_inverse=True)
        per_clip = {name: [getattr(self, name)[i] for i in kept] for name in PER_CLIP}
        return replace(self, x=self.x[which], clip=clip, **per_clip)


def mfcc(features, n_mfcc=13):
    """Features of kind "mfcc" out of such of kind "mel", by `cepstrum`: ``x`` becomes [segment, frame, n_mfcc]."""
    if features.frontend.get("kind", "mel") != "mel":
        raise AudiolibError(f"features are of kind {features.frontend['kind']!r}: MFCCs are made of kind 'mel'")
    frontend = features.frontend | {"kind": "mfcc", "n_mfcc": int(n_mfcc)}
    return replace(features, x=cepstrum(features.x, n_mfcc), frontend=frontend)


def extract(corpus, frontend=LOG_MEL, *, jobs=None, cache=True, progress=True):
    """Features of all clips of a corpus that can be used, in its order; an error if not one can.

    So many `jobs` work on clips at once; by default as many as ``joblib.parallel_config`` says, or else one a core.
    With `cache` the result is looked for under ``AUDIOLIB_CACHE`` first and kept there, or a warning says why not; with
    `progress` a bar is shown.
    """
    corpora.cache_root()  # an error where there is none: librosa finds no place for its own either
    key = cache and _cache.key([clip.path for clip in corpus.clips], frontend=asdict(frontend))
    found = _cache.load(key) if cache else None
    x, facts, lasting = (*found, False) if found else _run(corpus, frontend, jobs, progress)
    skipped = [(clip.name, reason) for clip, reason in zip(corpus.clips, facts["reasons"], strict=True) if reason]
    warn_skipped(corpus, skipped)
    if cache and lasting:
        _cache.save(key, x, facts)
    used = [(count, clip.name, clip.label, clip.group, clip.fold, digest) for clip, count, digest
            in zip(corpus.clips, facts["counts"], facts["digests"], strict=True) if count]
    counts, *per_clip = zip(*used, strict=True)
    return Features(x=x, clip=np.repeat(np.arange(len(used)), counts), **dict(zip(PER_CLIP, per_clip, strict=True)),
                    labels=corpus.labels, corpus=corpus.name, frontend=asdict(frontend),
                    hop_seconds=frontend.hop_seconds, x_sha256=facts["sha256"],
                    skipped=(*((str(path), reason) for path, reason in corpus.skipped), *skipped))


def _segments(clip, frontend):
    """Segments of a clip, and the SHA-256 of its file."""
    digest = corpora.digest(clip.path)  # first: a file that cannot be read to its end is not judged by its content
    return transform(corpora.mix(clip, frontend.sample_rate), frontend), digest


def _run(corpus, frontend, jobs, progress):
    """x; its SHA-256 and per clip segments, digest, reason for none; whether that lasts (no failure may pass)."""
    x = np.empty((0, frontend.frames, frontend.bands), np.float32)
    counts, digests, reasons, rows, sha256, lasting = [], [], [], 0, hashlib.sha256(), True
    function = functools.partial(_segments, frontend=frontend)
    for result, reason, passing in clipwise(function, corpus, jobs=jobs, progress=progress):
        part, digest = result or (x[:0], None)
        counts.append(len(part))
        digests.append(digest)
        reasons.append(reason)
        lasting &= not passing
        rows += len(part)
        if rows > len(x):  # room for as many segments a clip as so far; growing in place keeps one copy only
            room = max(math.ceil(rows / len(counts) * len(corpus)), len(x) + len(x) // 20)
            x.resize((room, *x.shape[1:]), refcheck=False)
        x[rows - len(part) : rows] = part
        sha256.update(part)  # here, while the other cores work on the next clips
    x.resize((rows, *x.shape[1:]), refcheck=False)
    return x, {"counts": counts, "digests": digests, "reasons": reasons, "sha256": sha256.hexdigest()}, lasting
