"""All of the sound in a file is read, or none: an error names the file and the way out, and the rest is still there.

Files in odd containers are made here, with FFmpeg's encoders.
"""

import contextlib
import functools
import io
import os
import re
import struct
import subprocess
import sys
import warnings
from fractions import Fraction
from pathlib import Path

import av
import librosa
import numpy as np
import pytest
import scipy.signal
import soundfile

from audiolib import AudiolibError, _decode, corpora

SR = 22050
WAY_OUT = r"copy it again|remove it|write it again|load it again"
NOISE = 0.1 * np.random.default_rng(0).standard_normal(SR).astype(np.float32)


def write(path, y=NOISE, sr=SR, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, y, sr, **options)
    return path


def cut(path, part, **options):
    """A file of which only a part is left."""
    content = write(path, **options).read_bytes()
    path.write_bytes(content[: int(part * len(content))])


def without_last_page(path):
    """An .ogg cut between two pages, each of which is whole."""
    content = write(path, np.tile(NOISE, 5)).read_bytes()
    path.write_bytes(content[: content.rindex(b"OggS")])


def with_nan(path, value):
    y = NOISE.copy()
    y[1000] = value
    write(path, y, subtype="FLOAT")


def patched(path, at, content):
    """A .wav with some bytes of its header replaced: 22 is channels, 24 the rate, 40 the length."""
    whole = write(path).read_bytes()
    path.write_bytes(whole[:at] + content + whole[at + len(content):])


def flac_of(path, samples):
    """A .flac whose header states another number of samples; 0 stands for "not known"."""
    whole = bytearray(write(path).read_bytes())
    whole[21:26] = (whole[21] >> 4 << 36 | samples).to_bytes(5, "big")
    path.write_bytes(whole)


# --- files that are no audio or not all of it: an error ---------------------------------------------------------------

UNREADABLE = {
    "0 bytes": ("a.wav", lambda p: p.write_bytes(b""), "empty file"),
    "text": ("a.wav", lambda p: p.write_text("not found\n" * 99), "cannot be decoded"),
    "a web page": ("a.mp3", lambda p: p.write_text("<html>moved</html>"), "cannot be decoded"),
    "random bytes": ("a.wav", lambda p: p.write_bytes(np.random.default_rng(0).bytes(9999)), "cannot be decoded"),
    "zeros": ("a.mp3", lambda p: p.write_bytes(bytes(9999)), "cannot be decoded"),
    "raw samples": ("a.raw", lambda p: p.write_bytes(bytes(9999)), "cannot be decoded"),
    "a header alone": ("a.wav", lambda p: p.write_bytes(write(p).read_bytes()[:44]), "truncated"),
    "half a header": ("a.wav", lambda p: p.write_bytes(write(p).read_bytes()[:20]), "cannot be decoded"),
    "half a .wav": ("a.wav", lambda p: cut(p, 0.5), "truncated"),
    "most of a .wav": ("a.wav", lambda p: cut(p, 0.999), "truncated"),
    "half a .wav of floats": ("a.wav", lambda p: cut(p, 0.5, subtype="FLOAT"), "truncated"),
    "half a .au": ("a.au", lambda p: cut(p, 0.5), "truncated"),
    "half a .aiff": ("a.aiff", lambda p: cut(p, 0.5), "truncated"),
    "half a .flac": ("a.flac", lambda p: cut(p, 0.5), "cannot be decoded"),
    "most of a .flac": ("a.flac", lambda p: cut(p, 0.99), "cannot be decoded"),
    "half a .ogg": ("a.ogg", lambda p: cut(p, 0.5), "truncated"),
    "most of a .ogg": ("a.ogg", lambda p: cut(p, 0.99), "truncated"),
    "a .ogg without its last page": ("a.ogg", without_last_page, "truncated"),
    "half a .mp3": ("a.mp3", lambda p: cut(p, 0.5), "truncated"),
    "no samples": ("a.wav", lambda p: write(p, NOISE[:0]), "no samples"),
    "no samples, .au": ("a.au", lambda p: write(p, NOISE[:0]), "no samples"),
    "one NaN": ("a.wav", lambda p: with_nan(p, np.nan), "1 samples are NaN or infinite"),
    "one infinity": ("a.wav", lambda p: with_nan(p, -np.inf), "1 samples are NaN or infinite"),
    "a float too loud": ("a.wav", lambda p: write(p, np.full(99, 1e30), subtype="FLOAT"), "beyond 1e.15 .scale the si"),
    "a double too large": ("a.wav", lambda p: write(p, np.full(99, 1e300), subtype="DOUBLE"), "99 samples are NaN"),
    "a rate of 0": ("a.wav", lambda p: patched(p, 24, struct.pack("<I", 0)), "cannot be decoded|a rate of 0 Hz"),
    "a rate of 3 Hz": ("a.wav", lambda p: patched(p, 24, struct.pack("<I", 3)), "a rate of 3 Hz"),
    "a rate of 4 GHz": ("a.wav", lambda p: patched(p, 24, struct.pack("<I", 2**32 - 1)), "cannot be decoded|a rate of"),
    "no channels": ("a.wav", lambda p: patched(p, 22, struct.pack("<H", 0)), "cannot be decoded|0 channels"),
    "65535 channels": ("a.wav", lambda p: patched(p, 22, struct.pack("<H", 2**16 - 1)), "decoded|65535 channels"),
    "a length beyond any memory": ("a.flac", lambda p: flac_of(p, 2**36 - 1), "cannot be decoded|truncated"),
    "a link that leads nowhere": ("a.wav", lambda p: p.symlink_to("gone.wav"), "no such file"),
    "a link to itself": ("a.wav", lambda p: p.symlink_to("a.wav"), "no such file"),
    "a folder": ("a.wav", lambda p: p.mkdir(), "no such file"),
    "nothing": ("a.wav", lambda p: None, "no such file"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_reading_is_refused_of(case, tmp_path):
    name, make, reason = UNREADABLE[case]
    path = tmp_path / name
    make(path)
    with warnings.catch_warnings(), pytest.raises(AudiolibError, match=f"({reason}).*({WAY_OUT})") as caught:
        warnings.simplefilter("error")  # a reason is given once, not in passing
        corpora.read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("case", [c for c in UNREADABLE if c not in ("raw samples", "nothing", "a folder")])
def test_the_rest_of_the_corpus_survives(case, tmp_path):
    name, make, _ = UNREADABLE[case]
    write(tmp_path / "songs/x/good.wav")
    make(tmp_path / "songs/x" / name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        corpus = corpora.load(tmp_path / "songs")
    report = corpora.check(corpus, progress=False)
    assert report.ok == 1 and len(report.problems) + len(corpus.skipped) == 1


# --- reading ----------------------------------------------------------------------------------------------------------


def test_reading_gives_what_was_written(tmp_path):
    y, sr = corpora.read(write(tmp_path / "a.flac", NOISE, subtype="PCM_24"))
    assert (y.dtype, y.shape, sr) == (np.float32, (SR,), SR)
    np.testing.assert_allclose(y, NOISE, atol=2**-22)


def test_mono_is_the_mean_of_the_channels(tmp_path):
    left, right = NOISE, NOISE[::-1]
    path = write(tmp_path / "a.wav", np.stack([left, right], axis=1), subtype="FLOAT")
    np.testing.assert_allclose(corpora.read(path)[0], (left + right) / 2, atol=1e-7)
    both, _ = corpora.read(path, mono=False)
    np.testing.assert_array_equal(both, [left, right])


@pytest.mark.parametrize("sr", [8000, 16000, 22050, 48000, 192000])
def test_resampling_keeps_the_pitch_and_the_duration(tmp_path, sr):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(sr) / sr)
    y, rate = corpora.read(write(tmp_path / "a.wav", tone, sr), sr=22050)
    assert (rate, len(y), y.dtype) == (22050, 22050, np.float32)
    assert np.argmax(np.abs(np.fft.rfft(y))) == 440  # bins of 1 Hz


def test_clip_and_path_read_the_same(tmp_path):
    path = write(tmp_path / "songs/x/a.wav")
    clip = corpora.load(tmp_path / "songs").clips[0]
    np.testing.assert_array_equal(corpora.read(clip)[0], corpora.read(str(path))[0])


def test_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    path = write(tmp_path / "a.wav")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("audiolib._decode.open", refuse, raising=False)
    with pytest.raises(AudiolibError, match=rf"a\.wav: cannot be decoded \(Permission.*.*({WAY_OUT})") as caught:
        corpora.read(path)
    assert isinstance(caught.value.__cause__, OSError)  # by this the caller knows that the file may be good


# --- odd files that are audio all the same ----------------------------------------------------------------------------

READABLE = {
    "8 bit": ("a.wav", {"subtype": "PCM_U8"}, 2**-7),
    "24 bit": ("a.wav", {"subtype": "PCM_24"}, 2**-22),
    "32 bit": ("a.wav", {"subtype": "PCM_32"}, 2**-22),
    "float": ("a.wav", {"subtype": "FLOAT"}, 0),
    "double": ("a.wav", {"subtype": "DOUBLE"}, 1e-7),
    "mu-law": ("a.au", {"subtype": "ULAW"}, 0.05),
    "8 kHz": ("a.wav", {"sr": 8000}, 2**-14),
    "192 kHz": ("a.wav", {"sr": 192_000}, 2**-14),
    "stereo": ("a.wav", {"y": np.stack([NOISE] * 2, 1)}, 2**-14),
    "six channels": ("a.flac", {"y": np.stack([NOISE] * 6, 1)}, 2**-14),
    "one sample": ("a.wav", {"y": NOISE[:1]}, 2**-14),
    "shorter than a window": ("a.flac", {"y": NOISE[:100]}, 2**-14),
    "silent": ("a.wav", {"y": np.zeros(SR)}, 0),
    "constant": ("a.wav", {"y": np.full(SR, 0.5)}, 2**-14),
    "louder than full scale": ("a.wav", {"y": 30 * NOISE, "subtype": "FLOAT"}, 0),
    "an ending in capitals": ("A.WAV", {}, 2**-14),
    "an ending that lies": ("a.wav", {"format": "FLAC"}, 2**-14),
    "spaces": ("a song  of two.wav", {}, 2**-14),
    "non-Latin letters": ("дрозд 鶫.flac", {}, 2**-14),
    "a leading dash": ("-n.wav", {}, 2**-14),
    "dots": ("a.b..c.wav", {}, 2**-14),
    "a name of 255 bytes": ("x" * 251 + ".wav", {}, 2**-14),
}


@pytest.mark.parametrize("case", READABLE)
def test_audio_is_read_that_is_or_has(case, tmp_path, monkeypatch):
    name, options, tolerance = READABLE[case]
    options = {"y": NOISE, "sr": SR} | options
    write(tmp_path / "songs/x" / name, **options)
    monkeypatch.chdir(tmp_path / "songs/x")
    clip = corpora.load("..").clips[0]
    first = np.asarray(options["y"], np.float32).reshape(len(options["y"]), -1)[:, 0]
    for path in (clip, name, Path(name)):
        y, sr = corpora.read(path)
        assert sr == options["sr"] and y.dtype == np.float32
        np.testing.assert_allclose(y, first, atol=tolerance)
    resampled, sr = corpora.read(clip, sr=16000)
    assert sr == 16000 and len(resampled) == -(-len(first) * 16000 // options["sr"])


def test_length_that_is_not_known_is_no_truncation(tmp_path):
    """Programs that write .wav into a pipe cannot know its length and write the largest number."""
    patched(tmp_path / "a.wav", 40, b"\xff\xff\xff\xff")
    assert len(corpora.read(tmp_path / "a.wav")[0]) == len(NOISE)


def test_mp3_with_a_picture_before_the_sound_is_read(tmp_path):
    sound = write(tmp_path / "a.mp3").read_bytes()
    (tmp_path / "a.mp3").write_bytes(b"ID3\x03\x00\x00" + bytes([0, 2, 3, 4]) + bytes(2 * 2**14 + 3 * 2**7 + 4) + sound)
    assert len(corpora.read(tmp_path / "a.mp3")[0]) == len(NOISE)


@pytest.mark.parametrize("sr", [0, -1, 44.1, 22050.0, "22050", 10**9])
def test_rate_to_read_at_is_a_whole_number_of_hz(sr, tmp_path):
    path = write(tmp_path / "a.wav")
    with pytest.raises(AudiolibError, match=r"sr=.*a\.wav.*whole Hz"):
        corpora.read(path, sr=sr)


# --- compressed sound, whatever it is in ------------------------------------------------------------------------------

TIME = np.arange(6 * SR) / SR
CHIRP = (0.4 * np.sin(2 * np.pi * (200 * TIME + 60 * TIME**2))).astype(np.float32)
CHIRP += 0.01 * np.random.default_rng(0).standard_normal(len(CHIRP)).astype(np.float32)


def encoded(codec, form, rate=SR, layout="mono", **options):
    """The bytes of a file of the chirp in that codec and container."""
    file = io.BytesIO()
    if codec == "vorbis":  # libsndfile's encoder; FFmpeg's own is an experiment
        soundfile.write(file, librosa.resample(CHIRP, orig_sr=SR, target_sr=rate), rate, format="OGG")
        return file.getvalue()
    with av.open(file, "w", format=form, options=options) as container:
        track = container.add_stream(codec, rate=rate, layout=layout, bit_rate=64000)
        for start in range(0, len(CHIRP), 4096):
            frame = av.AudioFrame.from_ndarray(CHIRP[None, start : start + 4096], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SR, start, Fraction(1, SR)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return file.getvalue()


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


KINDS = {
    "MP3": ("libmp3lame", "mp3", SR),
    "MP3 without a header": ("libmp3lame", "mp3", SR, {"write_xing": "0"}),
    "AAC in MP4": ("aac", "mp4", SR),
    "AAC in a stream": ("aac", "adts", SR),
    "Vorbis": ("vorbis", "ogg", SR),
    "Opus": ("libopus", "ogg", 48000),
    "FLAC in Ogg": ("flac", "ogg", SR),
    "FLAC": ("flac", "flac", SR),
    "ALAC": ("alac", "mp4", SR),
    "WMA": ("wmav2", "asf", SR),
    "WebM": ("libopus", "webm", 48000),
    "Matroska": ("libopus", "matroska", 48000),
    "WavPack": ("wavpack", "wv", SR),
    "MP3 in WAV": ("libmp3lame", "wav", SR),
    "transport stream": ("aac", "mpegts", SR),
}


@functools.cache
def sample(kind):
    codec, form, rate, *options = KINDS[kind]
    return encoded(codec, form, rate=rate, **(options[0] if options else {}))


def assert_chirps(y, sr, times=1):
    """The chirp so many times, one after the other, and not more than a moment besides."""
    assert times * 6 - 0.05 <= len(y) / sr <= times * 6.13
    if sr != SR:
        y = librosa.resample(y, orig_sr=sr, target_sr=SR)
    for k in range(times):  # the middle of each, wherever the encoder's delay has put it
        about = y[max(0, round((6 * k + 1) * SR)) :][: 4 * SR]
        likeness = scipy.signal.correlate(about, CHIRP[2 * SR : 4 * SR], "valid")
        best = int(np.argmax(likeness))
        part = about[best : best + 2 * SR]
        assert abs(best / SR - 1) < 0.13 * (k + 1)
        assert likeness[best] > 0.97 * np.linalg.norm(part) * np.linalg.norm(CHIRP[2 * SR : 4 * SR])


@pytest.mark.parametrize("ending", [".mp3", ".wav", ".m4a"])
@pytest.mark.parametrize("kind", KINDS)
def test_all_is_read_whatever_the_ending_says_of(kind, ending, tmp_path, capfd):
    path = put(tmp_path / f"c/x/a{ending}", sample(kind))
    assert_chirps(*corpora.read(path))
    assert corpora.check(corpora.load(tmp_path / "c"), progress=False).ok == 1
    assert capfd.readouterr() == ("", ""), "the decoder's own lines"


def test_blocks_end_to_end_are_the_recording(tmp_path):
    for name, content in {"a.mp3": sample("MP3"), "a.flac": sample("FLAC"), "a.wav": None}.items():
        path = put(tmp_path / name, content) if content else write(tmp_path / name, np.stack([CHIRP, -CHIRP / 2], 1))
        blocks, rates = zip(*corpora.stream(path), strict=True)
        y, sr = corpora.read(path, mono=False)
        assert len(blocks) > 1 and set(rates) == {sr} and all(block.dtype == np.float32 for block in blocks)
        np.testing.assert_array_equal(np.concatenate(blocks, axis=1), y)


@pytest.mark.parametrize(("subtype", "channels"), [("PCM_16", 1), ("PCM_24", 2), ("PCM_S8", 1), ("PCM_16", 6)])
def test_flac_is_what_libsndfile_makes_of_it_to_the_last_bit(subtype, channels, tmp_path):
    path = write(tmp_path / "a.flac", np.stack([np.roll(CHIRP, k) for k in range(channels)], 1), subtype=subtype)
    y, _ = soundfile.read(path, dtype="float32", always_2d=True)
    np.testing.assert_array_equal(corpora.read(path, mono=False)[0], y.T)
    np.testing.assert_array_equal(corpora.read(path)[0], y.mean(axis=1))


def xing(content, flags=None, count=None):
    """An MP3 with other flags or another number of frames in its header."""
    at = content.index(b"Xing") if b"Xing" in content else content.index(b"Info")
    old = struct.unpack(">II", content[at + 4 : at + 12])
    new = struct.pack(">II", old[0] if flags is None else flags, old[1] if count is None else count(old[1]))
    return content[: at + 4] + new + content[at + 12 :]


ID3 = b"ID3\3\0\0\1\0\0\0" + bytes(2**21)  # 2 MB of pictures
ID3V1 = b"TAG" + b"title".ljust(125, b"\0")
APE = b"APETAGEX" + struct.pack("<IIII", 2000, 48, 1, 0x80000000) + bytes(8)
APE = APE[:8] + struct.pack("<IIII", 2000, 48, 1, 0xA0000000) + bytes(8) + b"\5\0\0\0\0\0\0\0Title\0Hello"[:16] + APE
JUNK = np.random.default_rng(1).bytes(3000)


def flac_without_length(content):
    return content[:21] + bytes([content[21] & 0xF0]) + bytes(4) + content[26:]


def segments(content):
    """The second half of a FLAC behind the header of the whole, as FFmpeg's segmenter leaves the last."""
    packets, file = [], io.BytesIO()
    with av.open(io.BytesIO(content)) as whole, av.open(file, "w", format="flac") as part:
        track = part.add_stream_from_template(whole.streams.audio[0])
        for packet in whole.demux(audio=0):
            if packet.size:
                packets.append(bytes(packet))
        del track
    return content[:content.index(packets[0])] + b"".join(packets[len(packets) // 2:])


WHOLE = {  # what is read whole: (bytes, how many chirps)
    "two Vorbis joined": lambda: (2 * sample("Vorbis"), 2),
    "three Opus joined": lambda: (3 * sample("Opus"), 3),
    "two FLAC in Ogg joined": lambda: (2 * sample("FLAC in Ogg"), 2),
    "two MP3 joined": lambda: (2 * sample("MP3"), 2),
    "two MP3 without a header joined": lambda: (2 * sample("MP3 without a header"), 2),
    "two MP3 with all kinds of tags joined": lambda: (2 * (ID3 + sample("MP3") + APE + ID3V1), 2),
    "two AAC joined": lambda: (2 * sample("AAC in a stream"), 2),
    "two FLAC joined": lambda: (2 * sample("FLAC"), 2),
    "an MP3 that does not count its frames": lambda: (xing(sample("MP3"), flags=14), 1),
    "an MP3 that counts 0 frames": lambda: (xing(sample("MP3"), count=lambda n: 0), 1),
    "an MP3 that counts a third of its frames": lambda: (xing(sample("MP3"), count=lambda n: n // 3), 1),
    "an MP3 with megabytes of pictures": lambda: (ID3 + sample("MP3"), 1),
    "an MP3 without a header with megabytes of pictures": lambda: (ID3 + sample("MP3 without a header"), 1),
    "an MP3 with APE and ID3 tags behind": lambda: (sample("MP3 without a header") + APE + ID3V1, 1),
    "an MP3 behind junk": lambda: (JUNK + sample("MP3 without a header"), 1),
    "an MP3 before junk": lambda: (sample("MP3") + JUNK, 1),
    "an AAC with tags": lambda: (ID3 + sample("AAC in a stream") + ID3V1, 1),
    "a FLAC behind ID3": lambda: (ID3 + sample("FLAC"), 1),
    "a FLAC before ID3": lambda: (sample("FLAC") + ID3V1, 1),
    "a FLAC of unknown length": lambda: (flac_without_length(sample("FLAC")), 1),
    "two FLAC of unknown length joined": lambda: (2 * flac_without_length(sample("FLAC")), 2),
    "a WavPack before its APE tag": lambda: (sample("WavPack") + APE, 1),
    "an Ogg before junk": lambda: (sample("Vorbis") + JUNK, 1),
    "a FLAC behind junk": lambda: (b"junkjunk" + sample("FLAC"), 1),
    "an Ogg behind a server's answer": lambda: (b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n" + sample("Opus"), 1),
    "an MP4 that plays while it loads": lambda: (encoded("aac", "mp4", movflags="frag_keyframe+empty_moov"), 1),
    "a WebM from a browser, of unknown length": lambda: (encoded("libopus", "webm", rate=48000, live="1"), 1),
}  # fmt: skip


@pytest.mark.parametrize("case", WHOLE)
def test_all_is_read_of(case, tmp_path, capfd):
    content, times = WHOLE[case]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_chirps(*corpora.read(put(tmp_path / "a.mp3", content)), times)
    assert capfd.readouterr() == ("", "")


def test_mp3_of_changing_bit_rate_without_a_header_is_read_to_its_end(tmp_path):
    """libsndfile stops after 4 of these 22 s, where it guesses the end."""
    whole = write(tmp_path / "a.mp3", np.concatenate([NOISE, np.zeros(20 * SR), NOISE])).read_bytes()
    put(tmp_path / "a.mp3", whole.replace(b"Xing", bytes(4)).replace(b"Info", bytes(4)))
    y, sr = corpora.read(tmp_path / "a.mp3")
    assert 22 <= len(y) / sr <= 22.2 and np.abs(y[-SR // 2 :]).max() > 0.1


def test_last_part_of_a_cut_up_flac_is_read(tmp_path):
    """Its header promises the whole, its frames are numbered from where it begins."""
    y, sr = corpora.read(put(tmp_path / "a.flac", segments(sample("FLAC"))))
    whole, _ = corpora.read(put(tmp_path / "b.flac", sample("FLAC")))
    assert 2.5 < len(y) / sr < 3.5
    np.testing.assert_array_equal(y, whole[-len(y) :])


def middle_of(content, new):
    at = len(content) // 2
    return content[:at] + new + content[at + len(new) :]


REFUSED = {
    "Vorbis, then another rate": (lambda: sample("Vorbis") + encoded("vorbis", "ogg", rate=44100), "joined"),
    "Vorbis, then Opus": (lambda: sample("Vorbis") + sample("Opus"), "joined"),
    "MP3, then another rate": (lambda: sample("MP3") + encoded("libmp3lame", "mp3", rate=44100), "joined"),
    "MP3, then stereo": (lambda: sample("MP3") + encoded("libmp3lame", "mp3", layout="stereo"), "joined: 22050 Hz, 1"),
    "an MP3 that counts twice its frames": (lambda: xing(sample("MP3"), count=lambda n: 2 * n), r"truncated, \d+ of"),
    "half an MP3 without a header": (lambda: sample("MP3 without a header")[:20_000], "truncated"),
    "a whole and half an Ogg": (lambda: sample("Vorbis") + sample("Vorbis")[:20_000], "truncated"),
    **{f"half, {kind}": (lambda kind=kind: sample(kind)[: len(sample(kind)) // 2], r"truncated|damaged")
       for kind in KINDS if kind not in ("MP3 without a header", "transport stream")},
    **{f"zeros amid, {kind}": (lambda kind=kind: middle_of(sample(kind), bytes(3000)), "damaged|truncated")
       for kind in KINDS if kind not in ("MP3 in WAV", "transport stream")},
    "one bit of a FLAC": (lambda: middle_of(sample("FLAC"), b"\x5a\xa5"), "damaged"),
    "one bit of an Ogg": (lambda: middle_of(sample("Vorbis"), b"\x5a\xa5"), "damaged"),
    **{f"one behind the other, {kind}": (lambda kind=kind: 2 * sample(kind), "another recording is joined")
       for kind in ("AAC in MP4", "ALAC", "WavPack")},
    "FLAC, then another rate": (lambda: sample("FLAC") + encoded("flac", "flac", rate=44100), "joined"),
    "MP3, then FLAC": (lambda: sample("MP3") + sample("FLAC"), "another recording"),
    "half, AC-3": (lambda: encoded("ac3", "ac3", rate=44100)[:30_001], "truncated"),
    "a tape archive of one file": (lambda: b"a.flac".ljust(512, b"\0") + sample("FLAC"), "cannot be decoded"),
    "a pointer of Git LFS": (lambda: b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
    "an MP4 cut before its index": (lambda: sample("AAC in MP4")[:20_000], "damaged, perhaps cut off"),
    "a film without sound": (lambda: film(), "MOV without sound"),
    "a PDF": (lambda: b"%PDF-1.4\n" + JUNK, "it is a PDF"),
    "a zip archive": (lambda: b"PK\3\4" + JUNK, "it is a zip archive"),
    "a web page": (lambda: b"\n<!DOCTYPE html><p>moved", "it is a web page"),
    "text": (lambda: b"not found\n" * 99, "it is text"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + JUNK, "it is a picture"),
    "a playlist": (lambda: b"#EXTM3U\n#EXTINF:1,\nhttp://localhost/a.mp3\n", "it is a playlist"),
    "a list of other files": (lambda: b"ffconcat version 1.0\nfile /etc/passwd\n", "it is text"),
}  # fmt: skip


def film():
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        track = container.add_stream("mpeg4", rate=10)
        track.width = track.height = 64
        for _ in range(20):
            container.mux(track.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        container.mux(track.encode(None))
    return file.getvalue()


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name_is(case, tmp_path, capfd):
    make, reason = REFUSED[case]
    path = put(tmp_path / "c/x/a.mp3", make())
    with warnings.catch_warnings(), pytest.raises(AudiolibError, match=f"({reason}).*({WAY_OUT})") as caught:
        warnings.simplefilter("error")
        corpora.read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert not isinstance(caught.value.__cause__, OSError | MemoryError)
    assert capfd.readouterr() == ("", "")


# --- PCM whose header counts wrongly ----------------------------------------------------------------------------------

INFO = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"some writer 1\0"


def counted(path, size, behind=b""):
    """A file whose header counts so many bytes of samples more or less (or, beyond 2**30, just so many)."""
    content = bytearray(write(path, CHIRP).read_bytes())
    at = {".wav": content.find(b"data") + 4, ".au": 8, ".aiff": content.find(b"SSND") + 4}[path.suffix]
    form = "<I" if path.suffix == ".wav" else ">I"
    (right,) = struct.unpack(form, content[at : at + 4])
    content[at : at + 4] = struct.pack(form, size if size == 0 or size > 2**30 else right + size)
    return put(path, bytes(content) + behind)


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.au"])
@pytest.mark.parametrize("size", [-100_000, -44, 0, 2**31 - 1, 2**31 + 36, 2**32 - 1])
def test_all_is_read_of_pcm_that_counts_too_few_bytes_or_none(name, size, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, _ = corpora.read(counted(tmp_path / name, size))
    np.testing.assert_allclose(y, CHIRP, atol=2**-14)


def test_a_mended_header_is_the_same_however_it_is_read(tmp_path):
    with open(counted(tmp_path / "a.wav", 0), "rb", buffering=0) as raw:
        file = _decode._Recording(raw)
        _decode._count(file, file.read(64))
        file.seek(0)
        at_once = file.read(64)
        file.seek(0)
        assert at_once == b"".join(file.read(3) for _ in range(22))[:64] and bytes(4) not in at_once[36:44]


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.au"])
@pytest.mark.parametrize("size", [1, 8, 16, 20])
def test_pcm_that_counts_its_header_is_read_with_a_warning(name, size, tmp_path):
    with pytest.warns(UserWarning, match=rf"{name}: its header counts {size} bytes of samples more"):
        y, _ = corpora.read(counted(tmp_path / name, size))
    np.testing.assert_allclose(y, CHIRP, atol=2**-14)


@pytest.mark.parametrize("behind", [INFO, ID3V1, ID3, bytes(511), b"id3 \4\0\0\0abcd", b"x"])
def test_what_lies_behind_the_samples_is_not_sound(behind, tmp_path):
    path = put(tmp_path / "a.wav", write(tmp_path / "a.wav", CHIRP).read_bytes() + behind)
    np.testing.assert_array_equal(corpora.read(path)[0], soundfile.read(path, dtype="float32")[0])


@pytest.mark.parametrize("junk", [b"\xef\xbb\xbf", b"\r\n", ID3, ID3 + b"\0" * 7])
@pytest.mark.parametrize("size", [0, -100_000])
def test_pcm_is_read_behind_junk(junk, size, tmp_path):
    content = counted(tmp_path / "a.wav", size).read_bytes()
    np.testing.assert_allclose(corpora.read(put(tmp_path / "a.wav", junk + content))[0], CHIRP, atol=2**-14)
    with pytest.raises(AudiolibError, match="truncated"):
        corpora.read(put(tmp_path / "a.wav", junk + write(tmp_path / "b.wav", CHIRP).read_bytes()[:-50_000]))


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.au", "a.rf64", "a.caf"])
def test_pcm_files_joined_are_refused(name, tmp_path):
    path = write(tmp_path / name, CHIRP)
    put(path, 2 * path.read_bytes())
    with pytest.raises(AudiolibError, match="another recording is joined behind"):
        corpora.read(path)


@pytest.mark.parametrize("between", [b"", INFO])
def test_wav_whose_samples_lie_in_two_chunks_is_refused(between, tmp_path):
    content = write(tmp_path / "a.wav", CHIRP).read_bytes()
    with pytest.raises(AudiolibError, match="two chunks"):
        corpora.read(put(tmp_path / "a.wav", content + between + content[36:]))


@pytest.mark.parametrize("size", [0, 2**64 - 1])
def test_rf64_whose_writer_could_not_know_its_size_is_read_whole(size, tmp_path):
    """The 64 bits lie in a chunk of their own; FFmpeg into a pipe, or a recorder without power, leaves them so."""
    content = bytearray(write(tmp_path / "a.wav", CHIRP, format="RF64").read_bytes())
    content[28:36] = struct.pack("<Q", size)
    for riff in content[20:28], struct.pack("<Q", size):
        content[20:28] = riff
        y, _ = corpora.read(put(tmp_path / "b.wav", bytes(content)))
        np.testing.assert_array_equal(y, soundfile.read(tmp_path / "a.wav", dtype="float32")[0])


def test_wav_with_nothing_but_titles_has_no_samples(tmp_path):
    path = put(tmp_path / "a.wav", write(tmp_path / "a.wav", CHIRP[:0]).read_bytes() + INFO)
    with pytest.raises(AudiolibError, match="no samples"):
        corpora.read(path)


@pytest.mark.parametrize("options", [
    {"subtype": "MS_ADPCM"}, {"subtype": "IMA_ADPCM"}, {"subtype": "ULAW"}, {"subtype": "ALAW"}, {"format": "RF64"},
    {"format": "W64"}, {"format": "CAF"}, {"format": "AIFF", "subtype": "FLOAT"}, {"format": "WAVEX"},
    {"endian": "BIG"},
], ids=str)  # fmt: skip
def test_kin_of_wav_is_whole_or_refused(options, tmp_path):
    path = write(tmp_path / "a.wav", CHIRP, **options)
    np.testing.assert_array_equal(corpora.read(path)[0], soundfile.read(path, dtype="float32")[0])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudiolibError, match=r"truncated, \d+ of \d+ bytes"):
        corpora.read(path)


# --- memory, names, noise ---------------------------------------------------------------------------------------------

LONG = """
import resource, sys
from audiolib import corpora
corpus = corpora.load(sys.argv[1])
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 400 * 2**20,) * 2)
print(corpora.check(corpus, progress=False))
print(sum(block.shape[1] for block, sr in corpora.stream(sys.argv[1] + "/x/long.wav")))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux's limits")
def test_recording_of_hours_is_named_and_costs_the_others_nothing(tmp_path):
    write(tmp_path / "c/y/good.wav")
    samples = 4 * 3600 * 8000  # 460 MB of floats; the process may take 400
    with put(tmp_path / "c/x/long.wav", b"").open("wb") as file:  # as good as no bytes on disk
        file.write(b"RIFF" + struct.pack("<I", 36 + 2 * samples) + b"WAVEfmt "
                   + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16) + b"data" + struct.pack("<I", 2 * samples))
        file.write(b"\x10\x20" * 50_000)
        file.truncate(44 + 2 * samples)
    made = subprocess.run([sys.executable, "-c", LONG, tmp_path / "c"], capture_output=True, text=True,
                          env=os.environ | {"LOKY_MAX_CPU_COUNT": "2"})  # each thread's stack counts
    said = made.stdout.splitlines()
    assert said[0].startswith("c: 1 clips are fine, 1 are not"), made.stderr
    assert re.fullmatch(r"  x/long: .*long\.wav: longer than the memory .*cut it into parts.*", said[1])
    assert said[2] == str(samples), "in blocks it is read in little memory"


def test_name_is_no_address(tmp_path, monkeypatch):
    """FFmpeg would take these for a protocol."""
    monkeypatch.chdir(tmp_path)
    for name in ("pipe:0.mp3", "http:a.mp3", "concat:a|b.mp3", "-i.mp3", "корпус é.mp3"):
        assert_chirps(*corpora.read(put(Path(name), sample("MP3"))))


def test_name_is_read_in_a_locale_of_ascii(tmp_path):
    put(tmp_path / "c/дрозд.mp3", sample("MP3"))
    put(tmp_path / "c/дрозд.wav", write(tmp_path / "a.wav", CHIRP).read_bytes())
    code = ("import pathlib, sys; from audiolib.corpora import read; assert sys.getfilesystemencoding() == 'ascii'\n"
            "for path in pathlib.Path(sys.argv[1]).iterdir(): print(read(path)[0].size)")
    surroundings = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    command = [sys.executable, "-c", code, tmp_path / "c"]
    made = subprocess.run(command, env=surroundings, capture_output=True, text=True)
    assert made.stdout.split() == [str(len(CHIRP))] * 2, made.stderr


@pytest.mark.parametrize("kind", [*KINDS, "a.wav", "a.aiff", "a.au"])
def test_no_damage_ends_in_another_error(kind, tmp_path, capfd):
    """Bytes of each kind of file changed and cut at random: read or refused, and never anything else, or a word."""
    rng = np.random.default_rng(0)
    if kind in KINDS:
        whole = np.frombuffer(sample(kind), np.uint8)
    else:
        whole = np.frombuffer(counted(tmp_path / kind, 0).read_bytes(), np.uint8)[:20_000]
    for _ in range(6 if kind in KINDS else 200):
        content = whole.copy()
        where = rng.integers(0, min(len(whole), 10 ** rng.integers(2, 6)), rng.integers(1, 30))
        content[where] = rng.integers(0, 256, len(where))
        path = put(tmp_path / "a.mp3", content[: rng.integers(len(content) // 2, len(content))].tobytes())
        with warnings.catch_warnings(), contextlib.suppress(AudiolibError):
            warnings.simplefilter("ignore")
            assert np.isfinite(corpora.read(path)[0]).all()
    assert capfd.readouterr() == ("", "")
