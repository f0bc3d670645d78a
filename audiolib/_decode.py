"""Decoding one audio file: all of the sound in it, or an error that names the file.

Signals are float32, rates in Hz. What a file is stands in its content, not in its name. PCM (WAV, AIFF, AU and their
kin) is read by libsndfile, all else (MP3, Ogg, FLAC, AAC, WMA, WebM, ...) by FFmpeg, through PyAV. Both read what they
find and say nothing of what is not there, so this module counts: the bytes that a header promises, the last page of an
Ogg, the frames of an MP3, the time stamps of the rest. Where a header promises less than is there, all is read.

Encoders put silence before the sound and behind it. It is cut off where the file says how much there is (Opus, Vorbis,
MP3 with LAME's header, the beginning of AAC in MP4); an MP3 without that header keeps it, about 0.05 s at either end.
FFmpeg cuts it off where LAME's header says that the sound ends: if it counts too few frames, some 20 ms lack there.
"""

import contextlib
import mmap
import os
import re
import struct
import warnings
from pathlib import Path
from types import SimpleNamespace

import av
import librosa
import numpy as np
import soundfile

from audiolib import AudiolibError

RATES, CHANNELS = (1_000, 768_000), 64  # Hz; a header that claims other numbers is broken
BLOCK = 2**16  # samples that are handled at a time
UNKNOWN = 2**31 - 2**16  # bytes; programs that cannot know the size of a file write this or more
PADDING = 2**12  # bytes; so many zeros behind the samples are no silence that belongs to them
HOLE = 0.1  # s; time stamps further apart than the sound between them tell that some was lost
# Only these are tried: some of FFmpeg's formats are lists of other files or addresses, which it would open.
FORMATS = ("aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,loas,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,"
           "nistsphere,ogg,oma,rm,shn,tak,truehd,tta,voc,w64,wav,wv,xwma")
STATED = ("ape", "asf", "flac", "matroska", "mov", "tak", "tta", "wv")  # FFmpeg guesses the length of the others
FRAMES = re.compile(rb"(?:Xing|Info)\0\0\0[\1\3\5\7\x09\x0b\x0d\x0f](....)|VBRI.{10}(....)", re.DOTALL)  # of an MP3
NOT_SOUND = {b"%PDF": "a PDF", b"PK\3\4": "a zip archive", b"\x1f\x8b": "a gzip archive", b"\x89PNG": "a picture",
             b"\xff\xd8\xff": "a picture", b"GIF8": "a picture", b"MThd": "MIDI, notes without sound",
             b"#EXT": "a playlist", b"<": "a web page"}  # fmt: skip


def read(clip_or_path, *, sr=None, mono=True):
    """Decode one clip (a `Clip` or a path): the signal and its rate in Hz.

    The signal is float32 [sample], the mean of the channels, or [channel, sample] if not `mono`. It is as decoded:
    integer formats lie in -1 to 1, float files may exceed it. Its rate is the file's own, or `sr` (int, in Hz), to
    which it is resampled by librosa's ``soxr_hq``.

    Raises
    ------
    AudiolibError
        If the file is not audio, is damaged, truncated or empty, holds NaN or infinity, or is longer than memory holds.
        Its ``__cause__`` is an OSError or a MemoryError where the fault need not lie in the file.
    """
    path = Path(getattr(clip_or_path, "path", clip_or_path))
    if sr is not None and not (isinstance(sr, int | np.integer) and RATES[0] <= sr <= RATES[1]):
        raise AudiolibError(f"sr={sr!r}: to read {path} at another rate give it in whole Hz, {RATES[0]} to {RATES[1]}; "
                            "did you give kHz?")
    with within_memory(path):
        blocks, rates = zip(*((mixed(block) if mono else block, rate) for block, rate in stream(path)), strict=True)
        y, rate = np.concatenate(blocks, axis=-1), rates[0]
        return (y, rate) if sr is None else (resample(y, rate, int(sr)), int(sr))


def resample(y, sr, to):
    """A signal [sample] or [channel, sample] of one rate at another, in Hz."""
    return y if sr == to else librosa.resample(y, orig_sr=sr, target_sr=to, res_type="soxr_hq")


def mixed(y):
    """The mono mix [sample] of a signal [channel, sample]: the mean of its channels."""
    return y[0] if len(y) == 1 else y.mean(axis=0)


@contextlib.contextmanager
def within_memory(path):
    """Makes of a MemoryError an error that names the file."""
    try:
        yield
    except MemoryError as error:
        raise AudiolibError(f"{path}: longer than the memory that is free now can hold; cut it into parts or remove "
                            "it") from error


def stream(path):
    """Decode a file block by block, however long it is.

    Yields float32 blocks [channel, sample] of any length but 0, which end to end are the recording, each with the rate
    in Hz, the same for all. Errors are those of `read`; that a file is damaged or truncated may only be seen, and said,
    after the last block.
    """
    got = 0
    try:
        if not os.path.isfile(path):
            raise AudiolibError(f"{path}: no such file; if the corpus changed on disk, load it again")
        with open(path, "rb", buffering=0) as file:
            head = file.read(64)
            if not head:
                raise _bad(file, "empty file (0 bytes)")
            for block, sr in _pcm(file, head) or _gathered(_compressed(file, head)):
                if not (RATES[0] <= sr <= RATES[1] and len(block) <= CHANNELS):
                    raise _bad(file, f"damaged, its header claims a rate of {sr} Hz and {len(block)} channels")
                if not (good := np.isfinite(block).all(axis=0)).all():
                    raise _bad(file, f"{(~good).sum()} samples are NaN or infinite, the first at "
                                     f"{(got + good.argmin()) / sr:.3g} s")
                got += block.shape[1]
                yield np.ascontiguousarray(block), sr
            if not got:
                raise _bad(file, "no samples in it (0 s long)")
    except (OSError, soundfile.LibsndfileError) as error:
        raise AudiolibError(f"{path}: cannot be decoded ({getattr(error, 'strerror', None) or error}), unreadable or "
                            "damaged: open it in a player, then copy it again or remove it") from error


def _bad(file, why):
    return AudiolibError(f"{file.name}: {why}; copy it again, convert it to .flac, or remove it")


def _gathered(blocks):
    """The same samples in longer blocks: frames are so short that all that is done with each of them counts."""
    held, samples = [], 0
    for block, sr in blocks:
        held.append(block)
        samples += block.shape[1]
        if samples >= BLOCK:
            yield np.concatenate(held, axis=1), sr
            held, samples = [], 0
    if held:
        yield np.concatenate(held, axis=1), sr


# --- PCM, by libsndfile -----------------------------------------------------------------------------------------------


def _pcm(file, head):
    """The blocks of a WAV, AIFF, AU, CAF or W64, or None if it is something else or coded as libsndfile cannot."""
    if head[:4] not in (b"RIFF", b"RIFX", b"RF64", b"FORM", b".snd", b"riff", b"caff"):
        return None
    source = _counted(file, head)
    file.seek(0)
    try:
        sound = soundfile.SoundFile(source, closefd=False)
    except (soundfile.LibsndfileError, TypeError, ValueError):
        return None
    if sound.subtype.startswith("MPEG"):
        return sound.close()

    def blocks():
        while len(block := sound.read(BLOCK, dtype="float32", always_2d=True)):
            yield block.T, sound.samplerate

    return blocks()


def _counted(file, head):
    """What libsndfile is to read: the file or, where its header counts too few bytes of samples, a mended copy.

    libsndfile reads what is there if the header promises more, and no more than is promised if more is there.
    """
    size, order = os.fstat(file.fileno()).st_size, "<" if head[:4] in (b"RIFF", b"RF64") else ">"
    start, promised = _promised_bytes(file, head, order)
    there = size - start
    if promised is None or promised == 2**64 - 1:
        return file.fileno()
    if there < promised and UNKNOWN <= promised < 2**32:
        promised = 0
    if promised > there + start:
        raise _bad(file, f"truncated, {there} of {promised} bytes of samples are there")
    if promised > there:
        warnings.warn(f"{file.name}: its header counts {promised - there} bytes of samples more than are there, as if "
                      "they were its own; all that is there is read", stacklevel=2)
    elif there - promised > 8 and head[:4] != b"riff":
        file.seek(start + promised + promised % 2)
        behind = file.read(PADDING)
        name, length = struct.unpack(order + "4sI", behind[:8])
        chunk = name.isascii() and name.decode().isprintable() and start + promised + length <= size
        sound = there - promised > PADDING or behind.strip(b"\0")
        if sound and not chunk and name[:3] not in (b"ID3", b"TAG"):
            mended = _Copy(file.fileno(), 0, access=mmap.ACCESS_COPY)  # in memory only as far as it is changed
            at = 8 if head[:4] == b".snd" else start - 4
            mended[at : at + 4] = struct.pack(order + "I", min(there, 2**32 - 1))
            return mended
    return file.fileno()


class _Copy(mmap.mmap):
    """A file in memory that, as on disk, lets libsndfile seek beyond its end."""

    def seek(self, at, whence=os.SEEK_SET):
        at += {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: len(self)}[whence]
        super().seek(min(max(at, 0), len(self)))


def _promised_bytes(file, head, order):
    """Where the samples of a PCM file begin, and how many bytes of them its header promises (None: it says nothing)."""
    if head[:4] == b".snd":
        return struct.unpack(">II", head[4:12].ljust(8, b"\0"))
    if head[:4] == b"riff":  # W64 counts all of the file
        return 0, struct.unpack("<Q", head[16:24].ljust(8, b"\0"))[0]
    form, wide = (">4sQ", 12) if head[:4] == b"caff" else (order + "4sI", 8)
    file.seek(8 if head[:4] == b"caff" else 12)
    while len(chunk := file.read(wide)) == wide:
        name, length = struct.unpack(form, chunk)
        if name in (b"data", b"SSND"):
            return file.tell(), struct.unpack("<Q", head[28:36])[0] if head[:4] == b"RF64" else length
        file.seek(length + length % 2, os.SEEK_CUR)
    return file.tell(), None


# --- all else, by FFmpeg ----------------------------------------------------------------------------------------------


def _compressed(file, head):
    """The blocks of anything that FFmpeg knows."""
    if head[:4] == b"OggS" and not _has_last_page(file):
        raise _bad(file, "truncated, the last page of the stream is missing")
    skip = _behind_titles(file)

    def seek(at, whence=os.SEEK_SET):
        return file.seek(at if whence else at + skip, whence) - skip

    sound = SimpleNamespace(name=file.name, read=file.read, seek=seek, tell=lambda: file.tell() - skip)
    try:
        container = av.open(sound, options={"format_whitelist": FORMATS}, metadata_errors="ignore")
    except (av.FFmpegError, ValueError) as error:
        text = "text" if head.isascii() and b"\0" not in head else ""
        kind = next((kind for magic, kind in NOT_SOUND.items() if head.lstrip().startswith(magic)), text)
        raise _bad(file, f"cannot be decoded, it is {kind or 'damaged, or'} not audio; open it in a player") from error
    with container:
        track = container.streams.best("audio")
        if track is None or track.codec_context is None:
            raise _bad(file, f"cannot be decoded, {container.format.long_name} without sound that FFmpeg knows")
        yield from _frames(file, container, track)


def _frames(file, container, track):
    """The frames of one track of a container, until one turns out to be missing."""
    form, codec = container.format.name.split(",")[0], track.codec_context.codec
    what = f"({codec.name} in {container.format.long_name})"
    first = fault = due = None
    got = frames = longest = end = odd = 0
    sr = 1
    sizes, short = {}, False
    if codec.lossless:
        track.codec_context.options = {"err_detect": "crccheck+explode"}  # or a wrong checksum is only logged
    packets = container.demux(track)
    while True:
        try:
            packet = next(packets)
            decoded = packet.decode()
        except StopIteration:
            break
        except (av.FFmpegError, ValueError) as error:
            if isinstance(error, MemoryError):
                raise
            if first is None or bytes(packet)[:3] not in (b"ID3", b"TAG", b"APE"):  # titles between two joined MP3s
                fault = error
            continue
        for frame in decoded:
            sr, channels = frame.sample_rate, frame.layout.nb_channels
            if first is None:
                first, fault = (sr, channels), None  # what lies before the sound does not matter
            if (sr, channels) != first:
                fault = _bad(file, "recordings of different formats were joined: {} Hz, {} channels; then {} Hz, {} "
                                   "channels {}".format(*first, sr, channels, what))
                odd += 1
                if odd > 2 or form != "mp3":  # in what lies behind an MP3 a frame or two can be found by chance
                    raise fault
                continue
            start = due if frame.time is None else frame.time
            if fault or (due is not None and start - due > HOLE):
                raise _bad(file, f"damaged, sound is missing after {got / sr:.1f} s {what}") from fault
            due = (start or 0) + frame.samples / sr
            got, longest, end = got + frame.samples, max(longest, frame.samples), max(end, due)
            yield _floats(frame), sr
        if form == "mp3" and packet.size:  # its bytes 1 and 2 decide how long a frame is
            key, frames = bytes(packet)[1:3], frames + 1
            short = packet.size < sizes.get(key, 0)
            sizes[key] = max(packet.size, sizes.get(key, 0))
    seconds = float(track.duration * track.time_base) if track.duration else (container.duration or 0) / av.time_base
    stated = seconds if form in STATED and first else 0
    missing = stated - max(got / sr, end) if stated else 0
    # Behind the last frame of an MP3, and behind the last sample where samples are counted, anything may lie.
    if fault and (first is None or not (form == "mp3" or (codec.lossless and stated and missing <= 0))):
        raise _bad(file, f"cannot be decoded beyond {end:.1f} s, it is truncated, damaged or joined of different "
                         f"formats {what}") from fault
    if missing > (0.002 if codec.lossless else 2 * longest / sr):
        raise _bad(file, f"truncated, {got / sr:.2f} of {stated:.2f} s are there {what}")
    promised = _promised_frames(file) if form == "mp3" else 0
    if frames < promised - 2 or (short and not promised):  # not every encoder counts what it pads with
        raise _bad(file, f"truncated, {frames} of {promised or 'unknown many'} frames are there {what}")


def _floats(frame):
    """float32 [channel, sample] of a frame of FFmpeg's, whose formats are planar or not, of integers or floats."""
    y = frame.to_ndarray()
    y = y if frame.format.is_planar else y.reshape(-1, frame.layout.nb_channels).T
    if y.dtype == np.uint8:
        return (y.astype(np.float32) - 128) / 128
    return y.astype(np.float32) / np.float32(2 ** (8 * y.itemsize - 1) if y.dtype.kind == "i" else 1)


def _behind_titles(file):
    """Go where ID3's titles and pictures end; FFmpeg would guess from them and the file's ending what comes behind."""
    at = file.seek(0)
    while (head := file.read(10))[:3] == b"ID3":  # the size has 7 bits in a byte
        at = file.seek(sum(byte << 7 * (3 - k) for k, byte in enumerate(head[6:10])), os.SEEK_CUR)
    return file.seek(at)


def _promised_frames(file):
    """How many frames the header of an MP3 states, 0 if none; FFmpeg does not say which of its numbers are guesses."""
    _behind_titles(file)
    found = FRAMES.search(file.read(2**12))
    return int.from_bytes(found[1] or found[2], "big") if found else 0


def _has_last_page(file):
    """Whether an Ogg ends with a page that is marked as the last and is all there."""
    file.seek(max(0, os.fstat(file.fileno()).st_size - 2**17))
    page = file.read()
    page = page[max(0, page.rfind(b"OggS")):]
    return len(page) >= 28 and page[5] & 4 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
