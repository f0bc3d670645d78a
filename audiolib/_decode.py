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
import os
import re
import struct
import warnings
from pathlib import Path

import av
import librosa
import numpy as np
import soundfile

from audiolib import AudiolibError

RATES, CHANNELS = (1_000, 768_000), 64  # Hz; a header that claims other numbers is broken
LOUDEST = 1e15  # beyond that a float32 cannot hold the power of a window
BLOCK = 2**16  # samples that are handled at a time
UNKNOWN = 2**31 - 2**16  # bytes; programs that cannot know the size of a file write this or more
PADDING = 2**12  # bytes; so many zeros behind the samples are no silence that belongs to them
HOLE = 0.1  # s; time stamps further apart than the sound between them tell that some was lost
# Only these are tried: some of FFmpeg's formats are lists of other files or addresses, which it would open.
FORMATS = ("aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,loas,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,"
           "nistsphere,ogg,oma,rm,shn,tak,truehd,tta,voc,w64,wav,wv,xwma")
STATED = ("ape", "asf", "flac", "matroska", "mov", "tak", "tta", "wv")  # FFmpeg guesses the length of the others
SHAPE = {"mp3": slice(1, 3), "ac3": slice(4, 5)}  # where a frame says how long it is
FRAMES = re.compile(rb"(?:Xing|Info)\0\0\0[\1\3\5\7\x09\x0b\x0d\x0f](....)|VBRI.{10}(....)", re.DOTALL)  # of an MP3
# How a recording begins; so it may behind other bytes, and behind another recording.
BEGINNING = re.compile(rb"(?:RIFF|RF64|BW64)....WAVE|FORM....AIF[CF]|\.snd\0\0|caff\0\x01\0\0|fLaC\0\0\0\x22|"
                       rb"OggS\0\x02|\0\0\0.ftyp|\x1aE\xdf\xa3.{1,8}\x42[\x82\x86\xf7]|wvpk....[\2-\x10]\x04|"
                       rb"TTA1[\1\3]\0", re.DOTALL)
NOT_SOUND = {b"%PDF": "a PDF", b"PK\3\4": "a zip archive", b"\x1f\x8b": "a gzip archive", b"BZh": "a bzip2 archive",
             b"\xfd7zXZ": "an xz archive", b"7z\xbc\xaf": "a 7-Zip archive", b"Rar!": "a RAR archive",
             b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"GIF8": "a picture", b"\0\5\x16\7": "a Mac's note",
             b"MThd": "MIDI, notes without sound", b"#EXT": "a playlist", b"<": "a web page",
             b"version https://git-lfs": "a pointer of Git LFS (`git lfs pull` brings the file)"}  # fmt: skip


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
        with open(path, "rb", buffering=0) as raw:
            if not raw.read(1):
                raise _bad(raw, "empty file (0 bytes)")
            file = _Recording(raw)
            head = file.read(64)
            for block, sr in _pcm(file, head) or _gathered(_compressed(file, head)):
                if not (RATES[0] <= sr <= RATES[1] and len(block) <= CHANNELS):
                    raise _bad(file, f"damaged, its header claims a rate of {sr} Hz and {len(block)} channels")
                if not (good := (np.abs(block) < LOUDEST).all(axis=0)).all():
                    raise _bad(file, f"{(~good).sum()} samples are NaN or infinite, or beyond {LOUDEST:g} (scale the "
                                     f"signal to -1 .. 1), the first at {(got + good.argmin()) / sr:.3g} s")
                got += block.shape[1]
                yield np.ascontiguousarray(block), sr
            if not got:
                raise _bad(file, "no samples in it (0 s long)")
    except (OSError, soundfile.LibsndfileError) as error:
        raise AudiolibError(f"{path}: cannot be decoded ({getattr(error, 'strerror', None) or error}), unreadable or "
                            "damaged: open it in a player, then copy it again or remove it") from error


def _bad(file, why):
    return AudiolibError(f"{file.name}: {why}; copy it again, convert it to .flac, or remove it")


class _Recording:
    """A file from where its recording begins, behind titles and junk, as on disk but for bytes that are mended."""

    def __init__(self, raw):
        self.raw, self.name, self.mended, self.skip = raw, raw.name, {}, 0
        size = raw.seek(0, os.SEEK_END)
        while self.seek(0) == 0 and (head := raw.read(10))[:3] == b"ID3":  # the size has 7 bits in a byte
            self.skip += 10 + sum(byte << 7 * (3 - k) for k, byte in enumerate(head[6:10]))
        self.seek(0)
        junk = raw.read(500)  # an archive's first file is further in
        if not junk.startswith(tuple(NOT_SOUND)) and (found := BEGINNING.search(junk)):
            self.skip += found.start()
        self.size = max(0, size - self.skip)
        self.seek(0)

    def read(self, size=-1):
        at = self.tell()
        data = bytearray(self.raw.read(size))
        for place, new in self.mended.items():
            for k, byte in enumerate(new, place - at):
                if 0 <= k < len(data):  # a reader may take a part of them only
                    data[k] = byte
        return bytes(data)

    def seek(self, at, whence=os.SEEK_SET):
        return self.raw.seek(at if whence else at + self.skip, whence) - self.skip

    def tell(self):
        return self.raw.tell() - self.skip

    def refuse_more(self, at):
        """An error if behind a place another recording begins, which no decoder would read."""
        self.seek(at)
        if BEGINNING.search(self.read(2**24)):
            raise _bad(self, "another recording is joined behind this one")


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
    if head[:4] not in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b".snd", b"riff", b"caff"):
        return None
    _count(file, head)
    file.seek(0)
    try:
        sound = soundfile.SoundFile(file if file.mended or file.skip else file.raw.fileno(), closefd=False)
    except (soundfile.LibsndfileError, TypeError, ValueError):
        return None
    if sound.subtype.startswith("MPEG"):
        return sound.close()

    def blocks():
        while len(block := sound.read(BLOCK, dtype="float32", always_2d=True)):
            yield block.T, sound.samplerate

    return blocks()


def _count(file, head):
    """Mend a header that counts too few bytes of samples, and refuse it if it counts too many.

    libsndfile reads what is there if the header promises more, and no more than is promised if more is there.
    """
    order = "<" if head[:4] in (b"RIFF", b"RF64", b"BW64") else ">"
    start, promised = _promised_bytes(file, head, order)
    there = file.size - start
    long = head[:4] in (b"RF64", b"BW64")
    if promised is None or (promised == 2**64 - 1 and not long):
        return
    if there < promised and (UNKNOWN <= promised < 2**32 or promised == 2**64 - 1):
        promised = 0
    if promised > there + start:
        raise _bad(file, f"truncated, {there} of {promised} bytes of samples are there")
    if promised > there:
        warnings.warn(f"{file.name}: its header counts {promised - there} bytes of samples more than are there, as if "
                      "they were its own; all that is there is read", stacklevel=2)
    elif there - promised > 8 and head[:4] != b"riff":
        if promised:
            file.refuse_more(start + promised)
        file.seek(start + promised + (promised % 2 if head[:4] != b"caff" else 0))
        behind = file.read(PADDING)
        name, length = struct.unpack(order + "4sI", behind[:8])
        chunk = name.isascii() and name.decode().isprintable() and start + promised + length <= file.size
        sound = there - promised > PADDING or behind.strip(b"\0")
        if sound and not chunk and name[:3] not in (b"ID3", b"TAG"):
            place = 8 if head[:4] == b".snd" else 28 if long else start - 4
            file.mended[place] = struct.pack(*(("<Q", there) if long else (order + "I", min(there, 2**32 - 1))))


def _promised_bytes(file, head, order):
    """Where the samples of a PCM file begin, and how many bytes of them its header promises (None: it says nothing)."""
    if head[:4] == b".snd":
        return struct.unpack(">II", head[4:12].ljust(8, b"\0"))
    if head[:4] == b"riff":  # W64 counts all of the file
        return 0, struct.unpack("<Q", head[16:24].ljust(8, b"\0"))[0]
    form, wide, even = (">4sQ", 12, 1) if head[:4] == b"caff" else (order + "4sI", 8, 2)
    start = promised = None
    file.seek(8 if head[:4] == b"caff" else 12)
    while len(chunk := file.read(wide)) == wide:
        name, length = struct.unpack(form, chunk)
        if name in (b"data", b"SSND"):
            if start and length:
                raise _bad(file, "its samples lie in two chunks, of which decoders read one")
            start = file.tell()
            promised = struct.unpack("<Q", head[28:36])[0] if head[:4] in (b"RF64", b"BW64") else length
            length = promised
        file.seek(min(length + length % even, file.size), os.SEEK_CUR)
    return start or file.tell(), promised


# --- all else, by FFmpeg ----------------------------------------------------------------------------------------------


def _compressed(file, head):
    """The blocks of anything that FFmpeg knows."""
    if head[:4] == b"OggS" and not _has_last_page(file):
        raise _bad(file, "truncated, the last page of the stream is missing")
    file.seek(0)
    try:
        container = av.open(file, options={"format_whitelist": FORMATS}, metadata_errors="ignore")
    except (av.FFmpegError, ValueError) as error:
        head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        text = "text" if head.isascii() and b"\0" not in head else ""
        kind = next((kind for magic, kind in NOT_SOUND.items() if head.startswith(magic)), text)
        what = f"{kind}, not audio" if kind else "damaged, perhaps cut off" if BEGINNING.match(head) else \
            "damaged, or not audio"
        raise _bad(file, f"cannot be decoded, it is {what}; open it in a player") from error
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
    behind = 0
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
        if decoded and packet.size:
            # The last packet of a FLAC is all that lies up to the end.
            behind = max(behind, (packet.pos or 0) + (1 if form == "flac" else packet.size))
        if form in SHAPE and packet.size:
            key, frames = bytes(packet)[SHAPE[form]], frames + 1
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
    file.refuse_more(behind)


def _floats(frame):
    """float32 [channel, sample] of a frame of FFmpeg's, whose formats are planar or not, of integers or floats."""
    y = frame.to_ndarray()
    y = y if frame.format.is_planar else y.reshape(-1, frame.layout.nb_channels).T
    if y.dtype == np.uint8:
        return (y.astype(np.float32) - 128) / 128
    return y.astype(np.float32) / np.float32(2 ** (8 * y.itemsize - 1) if y.dtype.kind == "i" else 1)


def _promised_frames(file):
    """How many frames the header of an MP3 states, 0 if none; FFmpeg does not say which of its numbers are guesses."""
    file.seek(0)
    found = FRAMES.search(file.read(2**12))
    return int.from_bytes(found[1] or found[2], "big") if found else 0


def _has_last_page(file):
    """Whether an Ogg ends with a page that is marked as the last and is all there."""
    file.seek(max(0, file.size - 2**17))
    page = file.read()
    page = page[max(0, page.rfind(b"OggS")):]
    return len(page) >= 28 and page[5] & 4 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
