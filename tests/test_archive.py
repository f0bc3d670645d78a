"""What is packed comes back; what is no archive is refused with its reason."""

import os
import zipfile

import librosa
import numpy as np
import pytest
import soundfile
from toys import SMALL, write_corpus

from audiolib import AudiolibError, corpora
from audiolib.archive import read_archive, write_archive
from audiolib.features import PAPER_MFCC, mfcc


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "corpus", seconds=2.0)


@pytest.fixture
def packed(tmp_path, corpus):
    path = tmp_path / "packed.npz"
    write_archive(path, corpus, SMALL, progress=False)
    return path


def rewrite(path, **changes):
    """The same archive with some arrays changed, or left out where None is given."""
    with np.load(path) as archive:
        content = {name: archive[name] for name in archive} | changes
    np.savez(path, **{name: value for name, value in content.items() if value is not None})
    return path


def test_levels_come_back_to_half_a_code(packed, corpus):
    made = read_archive(packed, segment_seconds=0.5)
    assert made.names == tuple(clip.name for clip in corpus.clips)
    assert made.clip_labels == ("drum",) * 3 + ("flute",) * 3
    assert made.x.shape == (24, 31, 20) and made.hop_seconds == 128 / 8000
    for number, clip in enumerate(corpus.clips):
        y, sr = corpora.read(clip)
        power = librosa.feature.melspectrogram(y=y, sr=sr, n_fft=256, hop_length=128, n_mels=20)
        expected = librosa.power_to_db(power).T[:124]
        step = np.ptp(librosa.power_to_db(power)) / 255
        assert np.abs(made.x[made.clip == number].reshape(124, 20) - expected).max() <= step / 2 + 1e-3


def test_codes_are_the_format_that_is_documented(packed):
    with np.load(packed, allow_pickle=False) as archive:
        assert archive["code"].dtype == np.uint8 and archive["code"].shape == (6, 126, 20)
        assert archive["floor_db"].dtype == archive["peak_db"].dtype == np.float32
        assert (archive["code"].min(axis=(1, 2)) == 0).all() and (archive["code"].max(axis=(1, 2)) == 255).all()
        assert archive["fmax"] == 4000 and archive["hop_length"] == 128 and archive["first_frame"] == 0


@pytest.mark.parametrize(
    ("seconds", "frames", "segments"), [(0.5, 31, 4), (0.016, 1, 126), (2.016, 126, 1), (0.688, 43, 2)]
)
def test_a_segment_has_the_frames_that_start_within_it(packed, seconds, frames, segments):
    made = read_archive(packed, segment_seconds=seconds)
    assert made.frames == frames and len(made) == 6 * segments


@pytest.mark.parametrize("seconds", [0.001, 0, -1, 3, float("nan"), float("inf")])
def test_a_segment_that_cannot_be_cut_is_refused_with_what_can(packed, seconds):
    with pytest.raises(AudiolibError, match=r"segment_seconds=.*choose 0\.016 to 2\.016"):
        read_archive(packed, segment_seconds=seconds)


def test_mfccs_are_the_cosine_transform_of_the_levels(packed):
    made = read_archive(packed, segment_seconds=0.5, kind="mfcc", n_mfcc=7)
    levels = read_archive(packed, segment_seconds=0.5)
    expected = librosa.feature.mfcc(S=levels.x[0].T, n_mfcc=7).T
    np.testing.assert_allclose(made.x[0], expected, atol=1e-3)
    assert made.fingerprint == mfcc(levels, 7).fingerprint and made.frontend["kind"] == "mfcc"
    with pytest.raises(AudiolibError, match="kind='mfccs'"):
        read_archive(packed, kind="mfccs")
    with pytest.raises(AudiolibError, match="n_mfcc=21"):
        read_archive(packed, segment_seconds=0.5, kind="mfcc", n_mfcc=21)


def test_exact_duplicates_have_equal_digests(tmp_path, corpus):
    corpus.clips[4].path.write_bytes(corpus.clips[0].path.read_bytes())
    write_archive(tmp_path / "a.npz", corpus, SMALL, progress=False)
    digests = read_archive(tmp_path / "a.npz", segment_seconds=1).digests
    assert digests[0] == digests[4] and len(set(digests)) == 5


def test_tracks_are_cut_to_the_shortest_or_to_what_is_asked(tmp_path, corpus):
    soundfile.write(corpus.clips[2].path, np.random.default_rng(0).uniform(-1, 1, 12000), 8000)
    path = tmp_path / "a.npz"
    write_archive(path, corpus, SMALL, progress=False)
    assert read_archive(path, segment_seconds=1.504).frames == 94
    with pytest.warns(UserWarning, match=r"1 of 6 clips skipped: drum/2: .*1\.5 s long"):
        write_archive(path, corpus, SMALL, seconds=1.8, progress=False)
    assert read_archive(path, segment_seconds=1.8).tracks == 5
    soundfile.write(corpus.clips[2].path, np.zeros(2000), 8000)
    with pytest.raises(AudiolibError, match=r"drum/2 has 16 frames.*seconds="):
        write_archive(path, corpus, SMALL, progress=False)


def test_silence_is_packed_too(tmp_path, corpus):
    soundfile.write(corpus.clips[0].path, np.zeros(16000), 8000)
    write_archive(tmp_path / "a.npz", corpus, SMALL, progress=False)
    np.testing.assert_allclose(read_archive(tmp_path / "a.npz", segment_seconds=1).x[0], -100, rtol=1e-5)


def test_a_clip_that_cannot_be_read_is_skipped_loudly(tmp_path, corpus):
    corpus.clips[1].path.write_text("not audio")
    with pytest.warns(UserWarning, match="1 of 6 clips skipped: drum/1"):
        write_archive(tmp_path / "a.npz", corpus, SMALL, progress=False)
    assert read_archive(tmp_path / "a.npz", segment_seconds=1).tracks == 5


def test_what_cannot_be_written_leaves_the_old_archive(packed, corpus, monkeypatch):
    before = packed.read_bytes()

    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(AudiolibError, match=r"packed\.npz: cannot be written .No space left"):
        write_archive(packed, corpus, SMALL, progress=False)
    assert packed.read_bytes() == before and len(list(packed.parent.iterdir())) == 4  # and no temporary file


@pytest.mark.parametrize(("options", "said"), [
    ({"frontend": PAPER_MFCC}, "kind='mfcc'"),
    ({"seconds": 0}, "seconds=0"),
    ({"seconds": float("nan")}, "seconds=nan"),
])
def test_what_cannot_be_packed_is_refused(tmp_path, corpus, options, said):
    with pytest.raises(AudiolibError, match=said):
        write_archive(tmp_path / "a.npz", corpus, **({"frontend": SMALL, "progress": False} | options))


def test_a_pipe_or_a_device_is_never_replaced(tmp_path, corpus):
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(AudiolibError, match=r"pipe\.npz: is there and is not a file"):
        write_archive(tmp_path / "pipe.npz", corpus, progress=False)
    assert (tmp_path / "pipe.npz").is_fifo()


def test_a_folder_that_is_not_there_is_refused_before_the_work(tmp_path, corpus):
    with pytest.raises(AudiolibError, match="nowhere is not there"):
        write_archive(tmp_path / "nowhere" / "a.npz", corpus, SMALL, progress=False)


def codes(tracks=6, frames=126, bands=20):
    return np.zeros((tracks, frames, bands), np.uint8)


@pytest.mark.parametrize(("changes", "said"), [
    ({"code": None}, "lacks code"),
    ({"label": None, "n_fft": None}, "lacks label, n_fft"),
    ({"code": codes().astype(np.float32)}, "code is float32, expected uint8"),
    ({"code": codes()[0]}, r"code has shape .126, 20."),
    ({"code": codes(0), "floor_db": np.zeros(0, "f4")}, r"code has shape .0, 126, 20."),
    ({"code": codes(5)}, r"floor_db has shape .6,. for 5 tracks"),
    ({"code": codes(bands=21)}, "n_mels is 20, but code has 21"),
    ({"floor_db": np.zeros(6)}, "floor_db is float64"),
    ({"floor_db": np.array([-50, -50, np.nan, -50, -50, -50], "f4")}, "floor_db is not finite for track 2"),
    ({"peak_db": np.full(6, np.inf, "f4")}, "peak_db is not finite for track 0"),
    ({"peak_db": np.full(6, -200, "f4")}, "not below peak_db for track 0"),
    ({"label": np.arange(6)}, "label is int64, expected text"),
    ({"label": np.array(["a", "b", "", "a", "b", "c"])}, "label is empty for track 2"),
    ({"track": np.array(list("abcdea"))}, "track a is there 2 times"),
    ({"track": np.array(["a", None, "b", "c", "d", "e"], dtype=object)}, "pickled Python objects.*refused"),
    ({"hop_length": 0.0}, "hop_length is 0.0"),
    ({"hop_length": np.nan}, "hop_length is .*nan"),
    ({"sample_rate": np.array([1.0, 2.0])}, "sample_rate is .*expected a number"),
    ({"sample_rate": "fast"}, "sample_rate is"),
])
def test_a_broken_promise_of_the_format_is_named(packed, changes, said):
    with pytest.raises(AudiolibError, match=said) as caught:
        read_archive(rewrite(packed, **changes), segment_seconds=0.5)
    assert str(packed) in str(caught.value)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-200])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)


def encrypted(path):
    data = bytearray(path.read_bytes())
    data[data.rfind(b"PK\x01\x02") + 8] |= 1  # the flag of the last file in the directory of the zip
    path.write_bytes(data)


def bare_array(path):
    with path.open("wb") as file:
        np.save(file, codes())


def huge(path):
    """A few bytes that claim to be 400 TB."""
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    header += b"{'descr': '|u1', 'fortran_order': False, 'shape': (999999, 999999, 400), }".ljust(117) + b"\n"
    with zipfile.ZipFile(path, "a") as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (content | {"code.npy": header}).items():
            archive.writestr(name, data)


@pytest.mark.parametrize("damage", [
    truncate, flip, encrypted, bare_array, huge,
    lambda path: path.write_text("no zip at all"),
    lambda path: path.write_bytes(b""),
    lambda path: path.unlink(),
    lambda path: (path.unlink(), path.mkdir()),
], ids=["truncated", "flipped byte", "encrypted", "bare array", "claims terabytes", "text", "empty", "missing",
        "folder"])
def test_a_damaged_file_is_named(packed, damage):
    damage(packed)
    with pytest.raises(AudiolibError, match=r"packed\.npz"):
        read_archive(packed, segment_seconds=0.5)


def test_a_file_that_is_not_there_comes_with_the_way_to_make_or_find_it(tmp_path):
    with pytest.raises(AudiolibError, match=r"a\.npz: no such file; .*audiolib pack.*AUDIOLIB_DATA"):
        read_archive(tmp_path / "a.npz")


@pytest.mark.real
def test_the_archive_of_gtzan_is_read_whole(real_data):
    made = read_archive(real_data / "gtzan-logmel.npz")
    assert made.x.shape == (999 * 5, 77, 128) and made.x.dtype == np.float32
    assert np.bincount(made.y).min() >= 99 * 5 and len(made.labels) == 10
    assert made.corpus == "gtzan-logmel" and made.hop_seconds == pytest.approx(0.0775, abs=1e-4)
    assert read_archive(real_data / "gtzan-logmel.npz", segment_seconds=3, kind="mfcc").x.shape == (9990, 38, 13)


@pytest.mark.real
def test_the_archive_of_gtzan_is_the_log_mel_of_its_audio(real_data):
    """Most tracks agree to 0.8 dB rms, as the archive's page says; its codes alone cost 0.1 dB."""
    made = read_archive(real_data / "gtzan-logmel.npz", segment_seconds=29)
    where = {name: number for number, name in enumerate(made.names)}
    differences = []
    for clip in corpora.load("gtzan-mini", root=real_data).clips[::5]:
        y, sr = corpora.read(clip, sr=22050)
        levels = librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=sr)).T
        frames = np.round((0.0280 + np.arange(made.frames) * made.hop_seconds) * sr / 512).astype(int)
        frames = frames[frames < len(levels)]
        differences.append(np.sqrt(np.mean((made.x[where[clip.name], : len(frames)] - levels[frames]) ** 2)))
    assert np.mean(np.array(differences) < 0.8) >= 0.7, np.round(differences, 2)
