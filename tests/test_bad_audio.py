"""The table of bad input: files, folders and parameters. (Bad archives are in test_fetch.py.)

Each case either reads all the same, or is an error that names the file and the way out, or is skipped with a warning
that counts it. In every case the rest of the corpus is still there.
"""

import os
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiolib import AudiolibError, corpora

# Small copies of known corpora are said to be parts; only one test is about that.
pytestmark = pytest.mark.filterwarnings("ignore:.*results on a part")
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


def without_length(path):
    """An .mp3 of 22 s and of variable bit rate without the header that states the number of frames."""
    whole = write(path, np.concatenate([NOISE, np.zeros(20 * SR), NOISE])).read_bytes()
    path.write_bytes(whole.replace(b"Xing", bytes(4)).replace(b"Info", bytes(4)))


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
    "a .mp3 of unknown length": ("a.mp3", without_length, "does not say how long it is"),
    "no samples": ("a.wav", lambda p: write(p, NOISE[:0]), "no samples"),
    "no samples, .au": ("a.au", lambda p: write(p, NOISE[:0]), "no samples"),
    "one NaN": ("a.wav", lambda p: with_nan(p, np.nan), "1 samples are NaN or infinite"),
    "one infinity": ("a.wav", lambda p: with_nan(p, -np.inf), "1 samples are NaN or infinite"),
    "a double too large": ("a.wav", lambda p: write(p, np.full(99, 1e300), subtype="DOUBLE"), "99 samples are NaN"),
    "a rate of 0": ("a.wav", lambda p: patched(p, 24, struct.pack("<I", 0)), "cannot be decoded|a rate of 0 Hz"),
    "a rate of 3 Hz": ("a.wav", lambda p: patched(p, 24, struct.pack("<I", 3)), "a rate of 3 Hz"),
    "a rate of 4 GHz": ("a.wav", lambda p: patched(p, 24, struct.pack("<I", 2**32 - 1)), "cannot be decoded|a rate of"),
    "no channels": ("a.wav", lambda p: patched(p, 22, struct.pack("<H", 0)), "cannot be decoded"),
    "65535 channels": ("a.wav", lambda p: patched(p, 22, struct.pack("<H", 2**16 - 1)), "cannot be decoded"),
    "a length beyond any memory": ("a.flac", lambda p: flac_of(p, 2**36 - 1), "cannot be decoded|truncated"),
    "a .flac of unknown length": ("a.flac", lambda p: flac_of(p, 0), "cannot be decoded"),
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


def test_decoder_drops_the_end_of_an_mp3_that_does_not_say_its_length(tmp_path):
    """Why such a file is refused: 4 of these 22 s would be read, and nobody would know."""
    without_length(tmp_path / "a.mp3")
    assert soundfile.info(tmp_path / "a.mp3").duration < 5


@pytest.mark.parametrize("sr", [0, -1, 44.1, 22050.0, "22050", 10**9])
def test_rate_to_read_at_is_a_whole_number_of_hz(sr, tmp_path):
    path = write(tmp_path / "a.wav")
    with pytest.raises(AudiolibError, match=r"sr=.*a\.wav.*whole Hz"):
        corpora.read(path, sr=sr)


# --- folders: what is odd in them is skipped, counted and said --------------------------------------------------------


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def twin(songs):
    write(songs / "x/good.flac")


FOLDERS = {
    "an empty label": (lambda s: (s / "y").mkdir(), "1 x empty label"),
    "a label with hidden files only": (lambda s: write(s / "y/.hidden.wav"), "1 x empty label"),
    "a text among the audio": (lambda s: (s / "x/notes.txt").write_text("la"), r"1 x not a known audio file \(.txt\)"),
    "a file without an ending": (lambda s: (s / "x/notes").write_text("la"), r"not a known audio file \(no ending\)"),
    "a link that leads nowhere": (lambda s: link(s / "x/b.wav", "gone.wav"), "1 x link that leads nowhere"),
    "a link to itself": (lambda s: link(s / "x/b.wav", "b.wav"), "1 x link that leads nowhere or in a circle"),
    "two links in a circle": (lambda s: [link(s / "x/b.wav", "c.wav"), link(s / "x/c.wav", "b.wav")], "2 x link that"),
    "a label that leads nowhere": (lambda s: link(s / "y", "gone"), "1 x link that leads nowhere or in a circle"),
    "a label that leads back up": (lambda s: link(s / "x/up", ".."), "1 x folder inside a label"),
    "a folder inside a label": (lambda s: write(s / "x/cd 2/b.wav"), "1 x folder inside a label"),
    "audio outside a label": (lambda s: write(s / "b.wav"), "1 x audio outside a label folder"),
    "one track in two formats": (twin, "1 x second file of the same clip name"),
    "a pipe": (lambda s: os.mkfifo(s / "x/b.wav"), "1 x not a regular file"),
    "a name that is not UTF-8": (lambda s: write(s / "x/b.wav").rename(os.fsdecode(bytes(s / "x") + b"/\xe9.wav")),
                                 "1 x name that cannot be printed"),
    "a name of two lines": (lambda s: write(s / "x/a\nb.wav"), "1 x name that cannot be printed"),
    "a label of two lines": (lambda s: write(s / "y\nz/b.wav"), "1 x name that cannot be printed"),
}  # fmt: skip


@pytest.mark.parametrize("case", FOLDERS)
def test_folder_is_loaded_that_has(case, tmp_path):
    make, reason = FOLDERS[case]
    songs = tmp_path / "songs"
    good = write(songs / "x/good.wav")
    make(songs)
    with pytest.warns(UserWarning, match=reason) as caught:
        corpus = corpora.load(songs)
    assert len(corpus) == 1 and corpus.labels == ("x",) and corpus.clips[0].path.stem == good.stem
    assert len(caught) == 1 and "songs: " in str(caught[0].message) and "Corpus.skipped" in str(caught[0].message)
    assert corpus.skipped and all(path.is_relative_to(songs) and why for path, why in corpus.skipped)


def test_what_systems_leave_behind_is_not_counted(tmp_path):
    for name in ("x/.DS_Store", "x/._a.wav", ".git/a.wav", "__MACOSX/a.wav", "README.md"):
        write(tmp_path / "songs" / "x/a.wav")
        (tmp_path / "songs" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "songs" / name).write_bytes(b"x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [clip.name for clip in corpora.load(tmp_path / "songs").clips] == ["x/a"]


def test_one_label_only_is_a_corpus(tmp_path):
    write(tmp_path / "songs/x/a.wav")
    assert corpora.load(tmp_path / "songs").labels == ("x",)


def test_linked_audio_is_read(tmp_path):
    write(tmp_path / "elsewhere/a.wav")
    link(tmp_path / "songs/x/a.wav", tmp_path / "elsewhere/a.wav")
    link(tmp_path / "songs/y", tmp_path / "elsewhere")
    assert [clip.name for clip in corpora.load(tmp_path / "songs").clips] == ["x/a", "y/a"]


def unreadable(monkeypatch, path, method="iterdir"):
    """Refuse one folder or file as the system would; root may read everything, so rights do not help here."""
    honest = getattr(Path, method)

    def refuse(self, *args):
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return honest(self, *args)

    monkeypatch.setattr(Path, method, refuse)


def test_unreadable_label_is_skipped_and_counted(tmp_path, monkeypatch):
    write(tmp_path / "songs/x/a.wav")
    write(tmp_path / "songs/y/a.wav")
    unreadable(monkeypatch, tmp_path / "songs/y")
    with pytest.warns(UserWarning, match=r"1 x folder cannot be read \(Permission denied\)"):
        assert corpora.load(tmp_path / "songs").labels == ("x",)


def test_unreadable_corpus_is_an_error(tmp_path, monkeypatch):
    write(tmp_path / "songs/x/a.wav")
    unreadable(monkeypatch, tmp_path / "songs")
    with pytest.raises(AudiolibError, match=r"songs: no audio in it .*Permission denied"):
        corpora.load(tmp_path / "songs")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every folder and file")
def test_rights_are_respected(tmp_path):
    path = write(tmp_path / "songs/x/a.wav")
    path.chmod(0)
    with pytest.raises(AudiolibError, match=r"a\.wav"):
        corpora.read(path)
    write(tmp_path / "songs/y/a.wav")
    path.parent.chmod(0)
    with pytest.warns(UserWarning, match="cannot be read"):
        assert corpora.load(tmp_path / "songs").labels == ("y",)
    path.parent.chmod(0o700)


def test_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    path = write(tmp_path / "a.wav")

    def refuse(*args, **kwargs):
        raise soundfile.LibsndfileError(2, f"Error opening {str(path)!r}: ")

    monkeypatch.setattr("audiolib._decode.soundfile.SoundFile", refuse)
    with pytest.raises(AudiolibError, match=rf"a\.wav: cannot be decoded \(.*unreadable.*({WAY_OUT})"):
        corpora.read(path)


def test_digest_of_nothing_is_an_error(tmp_path):
    with pytest.raises(AudiolibError, match=r"gone\.wav: cannot be read \(No such file"):
        corpora.digest(tmp_path / "gone.wav")


# --- nothing to load --------------------------------------------------------------------------------------------------


def test_label_outside_gtzans_ten_is_skipped(data_root):
    write(data_root / "gtzan/genres/blues/blues.00000.wav")
    write(data_root / "gtzan/genres/polka/polka.00000.wav")
    with pytest.warns(UserWarning, match="1 x label that is not one of GTZAN's ten"):
        assert corpora.load("gtzan").labels == ("blues",)


def test_track_under_two_genres_is_counted_once(data_root):
    write(data_root / "gtzan/genres/blues/blues.00000.wav")
    write(data_root / "gtzan/genres/rock/blues.00000.wav")
    with pytest.warns(UserWarning, match="1 x second file of the same clip name"):
        assert [clip.label for clip in corpora.load("gtzan").clips] == ["blues"]


@pytest.mark.parametrize("name", ["gtzan", "gtzan-mini", "esc10", "fsdd"])
def test_corpus_that_is_not_there_says_how_to_get_it(name, data_root):
    with pytest.raises(AudiolibError, match=rf"{name}: not under {data_root}.*audiolib fetch {name}.*AUDIOLIB_DATA"):
        corpora.load(name)


def test_root_that_does_not_exist_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIOLIB_DATA", str(tmp_path / "gone"))
    with pytest.raises(AudiolibError, match=r"gone: .*not there.*AUDIOLIB_DATA.*audiolib fetch fsdd"):
        corpora.load("fsdd")


@pytest.mark.parametrize(("name", "guess"), [("gtzn", "mean 'gtzan'"), ("ESC10", "esc10"), ("/no/such", "Known are")])
def test_unknown_name_is_guessed(name, guess):
    with pytest.raises(AudiolibError, match=f"^{name}: neither a folder nor a known corpus.*{guess}"):
        corpora.load(name)


def test_folder_one_too_high_is_guessed(data_root):
    write(data_root / "gtzan/genres/blues/blues.00000.wav")
    with pytest.raises(AudiolibError, match=f"did you mean {data_root}/gtzan/genres"):
        corpora.load(data_root / "gtzan")


def test_folder_one_too_low_says_what_a_corpus_is(tmp_path):
    write(tmp_path / "songs/x/a.wav")
    with pytest.raises(AudiolibError, match=r"audio outside a label folder.*<label>/<file>"):
        corpora.load(tmp_path / "songs/x")


def test_empty_folder_says_what_a_corpus_is(data_root):
    with pytest.raises(AudiolibError, match=r"no audio in it; A corpus is a folder of <label>/<file>"):
        corpora.load(data_root)


TABLES = {
    "another table": "a,b\n1,2\n",
    "a fold that is no number": "filename,fold,target,category,esc10,src_file,take\nx.wav,one,0,dog,True,1,A\n",
    "a row that is cut off": "filename,fold,target,category,esc10,src_file,take\nx.wav\n",
    "another encoding": "filename,fold,target,category,esc10,src_file,take\nd\xf6.wav,1,0,dog,True,1,A\n",
}


@pytest.mark.parametrize("case", TABLES)
def test_table_of_esc50_is_refused_that_is_or_has(case, data_root):
    table = data_root / "esc10/meta/esc50.csv"
    write(data_root / "esc10/audio/x.wav")
    table.parent.mkdir()
    table.write_text(TABLES[case], encoding="latin-1")
    with pytest.raises(AudiolibError, match=rf"{table}: not the table of ESC-50.*audiolib fetch esc10"):
        corpora.load("esc10")
