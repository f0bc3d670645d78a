"""Log-mel archives: the features of a corpus whose audio may not be handed on, in one small file.

An archive is an ``.npz`` file (NumPy's zip of arrays, without pickles) of whole tracks that all have one length:

==================================  =============================  ==============================================
key                                 type and shape                 meaning
==================================  =============================  ==============================================
``code``                            uint8 [track, frame, band]     0 to 255, linear in dB
``floor_db``, ``peak_db``           float32 [track]                dB (re power 1.0) of code 0 and of code 255
``track``, ``label``                str [track]                    ``blues.00000``, ``blues``
``sample_rate``, ``fmin``, ``fmax``  scalars                       Hz
``n_fft``, ``n_mels``               scalars                        window in samples, mel bands
``hop_length``                      scalar, may be a fraction      samples between frames
``first_frame``                     scalar                         time of the centre of frame 0, in seconds
==================================  =============================  ==============================================

With 80 dB between floor and peak a code is 0.31 dB, so rounding costs 0.09 dB rms. Frames are those of the whole track:
a segment's first and last frames have seen its neighbours, unlike those of `audiolib.features.extract`.

Chapters: 06_data
"""

import functools
import hashlib
import math
import os
from pathlib import Path

import numpy as np

from audiolib import AudiolibError, _checks, corpora
from audiolib._clipwise import clipwise, warn_skipped
from audiolib._files import written_whole
from audiolib.features import LOG_MEL, Features, mel_levels, mfcc

# What is there once an archive, and from where to where it makes sense.
_SCALARS = {"sample_rate": (1, 1e6), "n_fft": (1, 2**31), "hop_length": (1e-3, 1e9), "n_mels": (1, 2**31),
            "fmin": (0, 1e6), "fmax": (0, 1e6), "first_frame": (-1e6, 1e6)}  # fmt: skip


def write_archive(path, corpus, frontend=LOG_MEL, *, seconds=None, jobs=None, progress=True):
    """Write the log-mel archive of a corpus to a file, whole or not at all (one that is there is replaced).

    The frontend is of kind "mel"; its segments play no part. Every track is cut to so many `seconds`, and shorter ones
    are skipped, with a warning; by default to the shortest track, which is an error if more than half of the usual
    length would be lost. `jobs` and `progress` are those of `audiolib.features.extract`.
    """
    path = Path(path)
    if frontend.kind != "mel":
        raise AudiolibError(f"kind={frontend.kind!r}: an archive holds kind 'mel', of which MFCCs can be made later")
    if not path.parent.is_dir():
        raise AudiolibError(f"{path}: the folder {path.parent} is not there; make it first")
    if path.exists() and not path.is_file():  # a device or a pipe would be replaced by a file
        raise AudiolibError(f"{path}: is there and is not a file; choose another name")
    if seconds is not None:
        seconds = _checks.number("seconds", seconds, above=0)
    encode = functools.partial(_encode, frontend=frontend, seconds=seconds)
    tracks, skipped = [], []
    for clip, (track, reason, _) in zip(
            corpus.clips, clipwise(encode, corpus, jobs=jobs, progress=progress, what="archive"), strict=True):
        if reason:
            skipped.append((clip.name, reason))
        else:
            tracks.append((clip.name, clip.label, *track))
    warn_skipped(corpus, skipped)
    names, labels, codes, floors, peaks = zip(*tracks, strict=True)
    lengths = [len(code) for code in codes]
    shortest = int(np.argmin(lengths))
    if lengths[shortest] < np.median(lengths) / 2:
        raise AudiolibError(
            f"{corpus.name}: {names[shortest]} has {lengths[shortest]} frames, but half of the clips have "
            f"{np.median(lengths):g} or more, and all must be cut to one length; choose it with seconds=")
    try:
        with written_whole(path) as part, part.open("xb") as file:
            np.savez_compressed(
                file, code=np.stack([code[: lengths[shortest]] for code in codes]), track=np.array(names),
                label=np.array(labels), floor_db=np.array(floors, np.float32), peak_db=np.array(peaks, np.float32),
                sample_rate=float(frontend.sample_rate), hop_length=float(frontend.hop_length), n_fft=frontend.n_fft,
                n_mels=frontend.n_mels, fmin=frontend.fmin, fmax=frontend.fmax or frontend.sample_rate / 2,
                first_frame=0.0)
    except OSError as error:
        raise AudiolibError(f"{path}: cannot be written ({error.strerror or error}); choose a folder with room that "
                            "you may write to") from error


def find(path):
    """Where an archive lies: at that path as seen from here, or else in the data root; an error if in neither."""
    root = corpora.data_root()
    for place in (Path(path), root / path):
        if os.path.isfile(place):
            return place
    raise AudiolibError(f"{path}: no such file, neither here ({Path.cwd()}) nor in the data root ({root}); make it "
                        "with `python -m audiolib pack`, or set AUDIOLIB_DATA to the folder that holds it")


def read_archive(path, *, segment_seconds=6.0, kind="mel", n_mfcc=13):
    """`Features` from a log-mel archive, whose path is as `find` takes it; an error if it is not whole and consistent.

    A segment gets as many frames as start within it: 6 s are 77 frames of 77.5 ms; None means whole tracks. The `kind`
    is "mel", or "mfcc" with the first `n_mfcc` coefficients, at most one a band. Groups and folds are None; digests are
    of the codes, so that exact duplicates are equal.
    """
    _checks.one_of("kind", kind, ("mel", "mfcc"))
    path = find(path)
    content = _content(path)
    facts = {name: content[name].item() for name in _SCALARS}
    code, floor, peak = content["code"], content["floor_db"], content["peak_db"]
    hop_seconds = facts["hop_length"] / facts["sample_rate"]
    if segment_seconds is None:
        segment_seconds = code.shape[1] * hop_seconds
    length = math.floor(segment_seconds / hop_seconds + 1e-6) if math.isfinite(segment_seconds) else 0
    if not 1 <= length <= code.shape[1]:
        raise AudiolibError(f"segment_seconds={segment_seconds:g}: the tracks of {path} have {code.shape[1]} frames of "
                            f"{hop_seconds:.4g} s, so choose {hop_seconds:.4g} to {code.shape[1] * hop_seconds:.4g} s")
    count = code.shape[1] // length
    x = code[:, : count * length].astype(np.float32)
    x *= ((peak - floor) / np.float32(255))[:, None, None]
    x += floor[:, None, None]
    features = Features(
        x=x.reshape(-1, length, code.shape[2]), clip=np.repeat(np.arange(len(code)), count), corpus=path.stem,
        names=content["track"].tolist(), clip_labels=content["label"].tolist(),
        digests=[hashlib.sha256(np.ascontiguousarray(track)).hexdigest() for track in code],
        frontend={"kind": "mel", "archive": path.name, **facts, "segment_seconds": float(segment_seconds)},
        hop_seconds=hop_seconds)
    return features if kind == "mel" else mfcc(features, n_mfcc)


def _encode(clip, *, frontend, seconds):
    """Codes [frame, band], floor and peak in dB of a clip."""
    y, sr = corpora.mix(clip, frontend.sample_rate), frontend.sample_rate
    if len(y) < (seconds or 0) * sr:
        raise AudiolibError(f"{len(y) / sr:.3g} s long, shorter than the {seconds:g} s asked for")
    if len(y) < frontend.n_fft:
        raise AudiolibError(f"{len(y)} samples, shorter than the window of {frontend.n_fft}")
    levels = mel_levels(y[None, : round(seconds * sr) if seconds else None], frontend)[0]
    peak = levels.max()
    floor = levels.min() if frontend.top_db is None else max(levels.min(), peak - np.float32(frontend.top_db))
    peak = max(peak, floor + 1)  # too faint for any level: any range will do, but it must not be empty
    code = np.round((np.maximum(levels, floor) - floor) * (255 / (peak - floor)))
    return code.astype(np.uint8), floor, peak


def _content(path):
    """The arrays of an archive, once every promise of the format is found to hold; never unpickles."""
    names = ("code", "floor_db", "peak_db", "track", "label", *_SCALARS)
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive]
            content = {name: archive[name] for name in names if name not in missing}
        for name in {"track", "label"} - set(missing):
            if content[name].dtype.kind == "U":  # four bytes a character, of which not all are one
                "".join(content[name].ravel().tolist()).encode()
    except Exception as error:  # of a crafted or damaged file NumPy and zipfile raise nearly everything there is
        if "Object arrays" in str(error):
            raise AudiolibError(f"{path}: holds pickled Python objects, which could run any code when they are loaded; "
                                "refused. Have it written again by write_archive") from error
        what = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise AudiolibError(f"{path}: not an .npz file, or damaged or truncated ({what:.200}); get it again") from error
    if missing:
        raise AudiolibError(f"{path}: not a log-mel archive, it lacks {', '.join(missing)}")

    def need(condition, what):
        if not condition:
            raise AudiolibError(f"{path}: not a valid log-mel archive: {what}")

    code = content["code"]
    for name, kind in {"code": np.uint8, "floor_db": np.float32, "peak_db": np.float32}.items():
        need(content[name].dtype == kind, f"{name} is {content[name].dtype}, expected {kind.__name__}")
    need(code.ndim == 3 and code.size, f"code has shape {code.shape}, expected [track, frame, band]")
    for name in ("floor_db", "peak_db", "track", "label"):
        need(content[name].shape == code.shape[:1], f"{name} has shape {content[name].shape} for {len(code)} tracks")
    for name in ("floor_db", "peak_db"):
        finite = np.abs(content[name]) < 1e4  # no level has more dB
        need(finite.all(), f"{name} is not finite for track {int(np.argmin(finite))}, or no level in dB")
    above = content["floor_db"] < content["peak_db"]
    need(above.all(), f"floor_db is not below peak_db for track {int(np.argmin(above))}")
    for name in ("track", "label"):
        need(content[name].dtype.kind == "U", f"{name} is {content[name].dtype}, expected text")
        need((content[name] != "").all(), f"{name} is empty for track {int(np.argmin(content[name] != ''))}")
    names, times = np.unique(content["track"], return_counts=True)
    need((times == 1).all(), f"track {names[np.argmax(times)]} is there {times.max()} times")
    for name, (least, most) in _SCALARS.items():
        value = content[name]
        number = value.ndim == 0 and value.dtype.kind in "iuf" and value.itemsize <= 8 and least <= value <= most
        need(number, f"{name} is {value.tolist()!r:.99}, expected a number from {least:g} to {most:g}")
    need(content["n_mels"] == code.shape[2], f"n_mels is {content['n_mels']}, but code has {code.shape[2]} bands")
    return content
