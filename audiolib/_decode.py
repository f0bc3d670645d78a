"""Decoding one audio file, and telling a whole file from a damaged one.

Signals are float32, rates in Hz. A file that cannot be trusted is an error that names it: what decodes without
complaint may still be half a recording, because libsndfile reads what is there and is silent about what is not.
"""

import re
from pathlib import Path

import librosa
import numpy as np
import soundfile

from audiolib import AudiolibError

RATES = (1_000, 768_000)  # Hz; a header that claims less or more is broken


def read(clip_or_path, *, sr=None, mono=True):
    """Decode one clip.

    Parameters
    ----------
    clip_or_path : corpora.Clip, str or Path
    sr : int, optional
        Rate in Hz to resample to (librosa's ``soxr_hq``); by default the file's own.
    mono : bool
        Mean of the channels; otherwise all of them.

    Returns
    -------
    y : float32 array [sample], or [channel, sample] if not mono
        As decoded: integer formats lie in -1 to 1, float files may exceed it.
    sr : int
        Rate of ``y`` in Hz.

    Raises
    ------
    AudiolibError
        If the file is not audio, is truncated or empty, or holds NaN or infinity.
    """
    path = Path(getattr(clip_or_path, "path", clip_or_path))
    if sr is not None and not (isinstance(sr, int | np.integer) and RATES[0] <= sr <= RATES[1]):
        raise AudiolibError(f"sr={sr!r}: to read {path} at another rate give it in whole Hz, {RATES[0]} to {RATES[1]}; "
                            "did you give kHz?")
    if not path.is_file():
        raise AudiolibError(f"{path}: no such file; if the corpus changed on disk, load it again")
    if path.stat().st_size == 0:
        raise AudiolibError(f"{path}: empty file (0 bytes); copy it again or remove it")
    try:
        with soundfile.SoundFile(path) as file:
            rate, promised, form, notes = file.samplerate, file.frames, file.format, file.extra_info
            y = file.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, TypeError, ValueError, MemoryError) as error:
        # The last two: the header claims a length beyond any memory, or none, as a .flac written into a pipe does.
        reason = getattr(error, "strerror", None) or getattr(error, "error_string", None) or "damaged or truncated"
        raise AudiolibError(f"{path}: cannot be decoded ({reason.strip().rstrip('.')}); it is not audio, damaged or "
                            "unreadable: open it in a player, then copy it again or remove it") from error
    if not RATES[0] <= rate <= RATES[1]:
        raise AudiolibError(f"{path}: damaged, its header claims a rate of {rate} Hz; copy it again or remove it")
    if missing := _missing(path, form, notes, promised, len(y)):
        raise AudiolibError(f"{path}: truncated, {missing}; copy it again or remove it")
    if not len(y):
        raise AudiolibError(f"{path}: no samples in it (0 s long); copy it again or remove it")
    if not np.isfinite(y).all():
        raise AudiolibError(f"{path}: {np.count_nonzero(~np.isfinite(y))} samples are NaN or infinite; "
                            "write it again from its source or remove it")
    y = y.mean(axis=1) if mono else np.ascontiguousarray(y.T)
    return (y, rate) if sr is None else (resample(y, rate, int(sr)), int(sr))


def resample(y, sr, to):
    """A signal [sample] or [channel, sample] of one rate at another, in Hz."""
    return y if sr == to else librosa.resample(y, orig_sr=sr, target_sr=to, res_type="soxr_hq")


def _missing(path, form, notes, promised, got):
    """What a truncated file lacks, in words, or "". libsndfile reads what is there and, but for FLAC, says nothing."""
    # WAV, AU, AIFF: its log has "data : 88200 (should be 44078)"; a size of about 2**31 or more means "not known".
    for size, there in re.findall(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", notes, re.MULTILINE):
        if int(there) < int(size) < 2**31 - 2**16:
            return f"{there} of {size} bytes of samples are there"
    if form == "OGG":  # the last page of a whole stream is marked as the last and is all there
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - 2**16))
            page = file.read()
        page = page[page.rfind(b"OggS"):]
        if len(page) < 28 or not page[5] & 4 or len(page) < 27 + page[26] + sum(page[27:27 + page[26]]):
            return "the last page of the stream is missing"
    if form in ("MP3", "MPEG"):  # its name depends on the version of libsndfile
        with open(path, "rb") as file:
            head = file.read(10)
            if head[:3] == b"ID3":  # titles and pictures before the sound; their size has 7 bits in a byte
                file.seek(10 + sum(byte << 7 * (3 - k) for k, byte in enumerate(head[6:10])))
            head += file.read(2**12)
        if not any(tag in head for tag in (b"Xing", b"Info", b"VBRI")):  # libsndfile stops where it guesses the end
            return "or perhaps not, it does not say how long it is; make a .flac of it with a converter"
        promised -= 2 * 1152  # not every encoder counts its padding, which takes up to two frames
    return f"{got} of {promised} samples are there" if got < promised else ""
