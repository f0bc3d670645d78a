"""The numbers are librosa's, the segments know their clip, and a result is made once."""

import re
import warnings
from dataclasses import FrozenInstanceError, replace

import librosa
import numpy as np
import pytest
import soundfile
from toys import SMALL, quiet_extract, write_corpus

from audiolib import AudiolibError, corpora
from audiolib.features import LOG_MEL, PAPER_MFCC, Features, Frontend, extract, mfcc, transform


def signals():
    """Three seconds each of what is hard for 32-bit floats: wide ranges, silence, clicks."""
    t = np.arange(66150) / 22050
    random = np.random.default_rng(0)
    tone = np.sin(2 * np.pi * 440 * t)
    return {
        "tone": tone,
        "quiet tone": 1e-3 * np.sin(2 * np.pi * 1000.3 * t),
        "noise": 0.1 * random.normal(size=t.size),
        "faint noise": 1e-6 * random.normal(size=t.size),
        "chirp": np.sin(2 * np.pi * (50 * t + 1500 * t * t)),
        "click": np.eye(1, t.size, 3000)[0],
        "tone then silence": tone * (t < 1.5),
        "constant": np.full(t.size, 0.5),
        "silence": np.zeros(t.size),
    }


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "corpus")


@pytest.fixture
def good(corpus):
    """The right features, not from the cache."""
    return quiet_extract(corpus, cache=False)


class TestFrontend:
    def test_three_seconds_are_130_frames_by_default(self):
        assert (LOG_MEL.frames, LOG_MEL.bands, PAPER_MFCC.bands) == (130, 128, 13)
        assert LOG_MEL.segment_samples == 66150
        assert LOG_MEL.hop_seconds == 512 / 22050

    def test_is_frozen_and_has_a_value(self):
        with pytest.raises(FrozenInstanceError):
            LOG_MEL.n_fft = 1024
        assert Frontend() == LOG_MEL and hash(Frontend()) == hash(LOG_MEL)

    def test_numpy_numbers_become_plain_ones(self):
        frontend = Frontend(n_mels=np.int64(64), fmin=np.float32(20), pad_short=np.bool_(True))
        assert [type(value) for value in (frontend.n_mels, frontend.fmin, frontend.pad_short)] == [int, float, bool]

    @pytest.mark.parametrize(("numbers", "said"), [
        ({"kind": "chroma"}, "kind='chroma'"),
        ({"sample_rate": 0}, "sample_rate=0"),
        ({"sample_rate": 22050.5}, "sample_rate=22050.5"),
        ({"n_fft": -1}, "n_fft=-1"),
        ({"n_fft": True}, "n_fft=True"),
        ({"n_fft": 2**17}, "n_fft=131072: longer than a segment"),
        ({"hop_length": 0}, "hop_length=0"),
        ({"hop_length": "512"}, "hop_length='512'"),
        ({"n_mels": 0}, "n_mels=0"),
        ({"n_mels": 2**32}, "n_mels=4294967296: must be a whole number from 1 to"),
        ({"n_mels": 3000}, "n_mels=3000: more than n_fft=2048"),
        ({"sample_rate": 10**400}, "sample_rate=1000"),
        ({"fmax": 10**400}, "fmax=1000.*finite"),
        ({"kind": "mfcc", "n_mfcc": 200}, "n_mfcc=200: more than the 128"),
        ({"fmin": -1}, "fmin=-1"),
        ({"fmin": float("nan")}, "fmin=nan"),
        ({"fmin": None}, "fmin=None"),
        ({"fmin": 400, "fmax": 300}, "fmin=400.*below fmax .300 Hz"),
        ({"fmax": 11026}, "fmax=11026: above half the sample rate .11025 Hz"),
        ({"fmax": float("inf")}, "fmax=inf"),
        ({"segment_seconds": 0}, "segment_seconds=0"),
        ({"segment_seconds": 1e300}, "segment_seconds=1e.300: no clip is so long"),
        ({"segment_seconds": -3}, "segment_seconds=-3"),
        ({"segment_seconds": float("nan")}, "segment_seconds=nan"),
        ({"top_db": 0}, "top_db=0"),
        ({"top_db": float("nan")}, "top_db=nan"),
        ({"pad_short": "yes"}, "pad_short='yes'"),
    ])
    def test_a_number_that_makes_no_sense_is_refused_by_name_and_value(self, numbers, said):
        with pytest.raises(AudiolibError, match=said):
            Frontend(**numbers)

    def test_empty_mel_filters_are_refused_with_numbers_that_work(self):
        with pytest.raises(AudiolibError, match="n_mels=128") as caught:
            Frontend(n_fft=256)
        fewer, longer = (int(word.split("=")[1]) for word in str(caught.value).split() if "=" in word
                         and word.split("=")[0] in ("n_mels", "n_fft") and not word.endswith(":"))
        assert Frontend(n_fft=256, n_mels=fewer).n_mels == fewer
        assert Frontend(n_fft=longer).n_fft == longer
        with pytest.raises(AudiolibError):
            Frontend(n_fft=256, n_mels=fewer + 1)

    def test_filters_are_called_empty_exactly_when_librosas_are(self):
        random = np.random.default_rng(1)
        seen = set()
        for _ in range(60):
            sr, n_fft = int(random.choice([8000, 16000, 22050, 44100])), int(random.choice([256, 512, 1000, 2048]))
            n_mels, fmin = int(random.integers(5, 140)), float(random.choice([0, 20, 300]))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                empty = (librosa.filters.mel(sr=sr, n_fft=n_fft, n_mels=n_mels, fmin=fmin).max(axis=1) == 0).any()
            try:
                Frontend(sample_rate=sr, n_fft=n_fft, n_mels=n_mels, fmin=fmin)
                refused = False
            except AudiolibError:
                refused = True
            assert refused == empty, (sr, n_fft, n_mels, fmin)
            seen.add(refused)
        assert seen == {True, False}


class TestTransform:
    @pytest.mark.parametrize("name", signals())
    def test_equals_librosas_mel_and_mfcc_to_a_ten_thousandth_of_their_range(self, name):
        y = signals()[name].astype(np.float32)
        for frontend, expected in (
            (LOG_MEL, librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=22050)).T),
            (PAPER_MFCC, librosa.feature.mfcc(y=y, sr=22050, n_mfcc=13).T),
        ):
            ours = transform(y, frontend)
            assert ours.dtype == np.float32 and ours.shape == (1, *expected.shape)
            np.testing.assert_allclose(ours[0], expected, rtol=0, atol=1e-4 * max(np.ptp(expected), 1))

    @pytest.mark.parametrize("numbers", [
        {"sample_rate": 16000, "n_fft": 1024, "hop_length": 160, "n_mels": 40, "fmin": 50.0, "fmax": 7000.0},
        {"n_fft": 1001, "hop_length": 315, "n_mels": 30, "segment_seconds": 1.0},
        {"sample_rate": 16000, "n_fft": 1024, "hop_length": 100, "n_mels": 30, "segment_seconds": 1.6},
        {"n_fft": 512, "hop_length": 2000, "n_mels": 16, "top_db": 30.0, "segment_seconds": 2.0},
        {"n_mels": 64, "top_db": None},
        {"segment_seconds": 7.5, "hop_length": 512},
    ])
    def test_every_number_means_what_it_means_in_librosa(self, numbers):
        frontend = Frontend(**numbers)
        y = np.random.default_rng(2).normal(size=8 * frontend.sample_rate).astype(np.float32)
        segment = y[: frontend.segment_samples]
        power = librosa.feature.melspectrogram(
            y=segment, sr=frontend.sample_rate, n_fft=frontend.n_fft, hop_length=frontend.hop_length,
            n_mels=frontend.n_mels, fmin=frontend.fmin, fmax=frontend.fmax,
        )
        expected = librosa.power_to_db(power, top_db=frontend.top_db).T
        ours = transform(y, frontend)[0]
        assert ours.shape == (frontend.frames, frontend.bands)
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4 * np.ptp(expected))

    def test_each_segment_is_transformed_as_if_alone(self):
        y = np.concatenate([signals()["tone"], signals()["faint noise"], signals()["click"]]).astype(np.float32)
        together = transform(y)
        for segment, alone in zip(together, np.split(y, 3), strict=True):
            np.testing.assert_array_equal(segment, transform(alone)[0])

    def test_what_is_left_after_the_last_whole_segment_is_dropped(self):
        assert len(transform(np.zeros(8000, np.float32), SMALL)) == 2
        assert len(transform(np.zeros(7999, np.float32), SMALL)) == 1

    def test_silence_lies_at_the_floor(self):
        np.testing.assert_allclose(transform(np.zeros(4000, np.float32), SMALL), -100, rtol=1e-6)

    def test_a_short_signal_is_refused_with_both_lengths_or_padded(self):
        y = np.random.default_rng(0).normal(size=1000).astype(np.float32)
        with pytest.raises(AudiolibError, match=r"0\.125 s.*segment is 0\.5 s.*pad_short"):
            transform(y, SMALL)
        padded = transform(y, replace(SMALL, pad_short=True))
        np.testing.assert_array_equal(padded, transform(np.pad(y, (0, 3000)), SMALL))

    @pytest.mark.parametrize(("y", "said"), [
        (np.zeros((2, 8000), np.float32), "stereo"),
        (np.zeros(8000, np.int16), "Divide by 32768"),
        (np.r_[np.zeros(7999), np.nan], "1 samples that are NaN"),
        (np.r_[np.zeros(7999), -np.inf], "NaN or infinite"),
        (np.zeros(0, np.float32), "0 samples"),
        (np.full(8000, 1e25), "scale the signal"),
        (np.full(8000, 1e300), "scale the signal"),
    ])
    def test_what_is_no_signal_is_refused_with_a_guess(self, y, said):
        with pytest.raises(AudiolibError, match=said):
            transform(y, SMALL)

    def test_leaves_its_input_alone_whatever_its_layout(self):
        y = np.random.default_rng(0).normal(size=16000).astype(np.float32)
        before = y.copy()
        strided = transform(y[::2], SMALL)
        np.testing.assert_array_equal(strided, transform(y[::2].copy(), SMALL))
        np.testing.assert_array_equal(y, before)


class TestFeatures:
    def make(self, **changes):
        x = np.arange(5 * 2 * 3, dtype=np.float32).reshape(5, 2, 3)
        given = {"x": x, "clip": [0, 0, 1, 2, 2], "names": ("a", "b", "c"), "clip_labels": ("low", "high", "low")}
        return Features(**(given | changes))

    def test_knows_the_class_of_each_segment(self):
        made = self.make()
        assert made.labels == ("high", "low")
        assert made.y.tolist() == [1, 1, 0, 1, 1]
        assert (len(made), made.tracks, made.frames, made.bands) == (5, 3, 2, 3)

    def test_subset_keeps_the_clips_it_needs_and_their_order(self):
        part = self.make(groups=("x", "y", "z")).subset(np.array([True, False, False, True, True]))
        assert part.names == ("a", "c") and part.groups == ("x", "z")
        assert part.clip.tolist() == [0, 1, 1]
        assert part.labels == ("high", "low"), "a class is not forgotten because no clip of it is left"
        np.testing.assert_array_equal(part.x[0], self.make().x[0])
        assert self.make().subset([2]).names == ("b",)

    def test_fingerprint_tells_whether_two_are_the_same(self):
        made = self.make()
        assert made.fingerprint == self.make().fingerprint
        other_x = made.x.copy()
        other_x[4, 1, 2] += 1e-3
        for changes in ({"x": other_x}, {"clip": [0, 0, 1, 1, 2]}, {"clip_labels": ("low", "low", "low")},
                        {"groups": ("g", "g", "h")}, {"folds": (1, 1, 2)}):
            assert self.make(**changes).fingerprint != made.fingerprint, changes

    def test_x_cannot_be_changed_by_accident(self):
        with pytest.raises(ValueError, match="read-only"):
            self.make().x[0] = 0

    @pytest.mark.parametrize(("changes", "said"), [
        ({"clip": [0, 0, 1, 2, 3]}, "0 to 2"),
        ({"clip": [0, 0, 1, 2, -1]}, "0 to 2"),
        ({"clip": [0.0, 0, 1, 2, 2]}, "whole numbers"),
        ({"clip": [0, 1]}, "clip .2,."),
        ({"x": np.zeros((5, 2))}, "segment, frame, band"),
        ({"groups": ("x",)}, "groups has 1"),
        ({"labels": ("low",)}, "high"),
    ])
    def test_what_does_not_fit_together_is_refused(self, changes, said):
        with pytest.raises(AudiolibError, match=said):
            self.make(**changes)

    def test_repr_is_one_short_line(self, corpus):
        text = repr(quiet_extract(corpus))
        assert text == "<Features of corpus: 12 segments of 6 clips in 2 classes, 32 frames x 20 mel bands>"

    def test_mfcc_of_levels_is_the_mfcc_frontend(self, corpus):
        made = mfcc(quiet_extract(corpus), 7)
        direct = quiet_extract(corpus, replace(SMALL, kind="mfcc", n_mfcc=7))
        np.testing.assert_allclose(made.x, direct.x, atol=1e-4)
        assert made.frontend == direct.frontend
        with pytest.raises(AudiolibError, match="'mfcc'"):
            mfcc(made)
        with pytest.raises(AudiolibError, match="n_mfcc=21"):
            mfcc(quiet_extract(corpus), 21)


    def test_a_waveform_is_cut_into_frames_and_nothing_else(self, corpus):
        made = quiet_extract(corpus, replace(SMALL, kind="wave"))
        hop, length = SMALL.hop_length, SMALL.segment_samples
        assert made.x.shape[1:] == (length // hop, hop) == (made.frames, made.bands)
        y = corpora.mix(corpus.clips[0], SMALL.sample_rate)[: length // hop * hop]
        np.testing.assert_array_equal(made.x[0].ravel(), y)
        assert "samples" in repr(made)
        with pytest.raises(AudiolibError, match=r"hop_length \(of kind 'wave'\)=512.5"):
            replace(SMALL, kind="wave", hop_length=512.5)


class TestExtract:
    def test_segments_are_those_of_their_clips_in_the_corpus_order(self, corpus):
        made = quiet_extract(corpus)
        assert made.names == tuple(clip.name for clip in corpus.clips)
        assert made.clip.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
        assert made.digests == tuple(corpora.digest(clip.path) for clip in corpus.clips)
        for number, clip in enumerate(corpus.clips):
            expected = transform(corpora.read(clip, sr=8000)[0], SMALL)
            np.testing.assert_array_equal(made.x[made.clip == number], expected)

    def test_resamples_and_mixes_down(self, tmp_path):
        (tmp_path / "c" / "a").mkdir(parents=True)
        random = np.random.default_rng(0)
        soundfile.write(tmp_path / "c/a/stereo.wav", random.uniform(-1, 1, (16000, 2)), 16000, subtype="FLOAT")
        made = quiet_extract(corpora.load(tmp_path / "c"))
        y = soundfile.read(tmp_path / "c/a/stereo.wav", dtype="float32")[0].mean(axis=1)
        expected = transform(librosa.resample(y, orig_sr=16000, target_sr=8000), SMALL)
        np.testing.assert_allclose(made.x, expected, atol=1e-3)

    def test_clips_of_different_lengths_give_as_many_segments_as_fit(self, tmp_path):
        corpus = write_corpus(tmp_path / "c", clips=1, labels=("a", "b", "c"))
        for clip, seconds in zip(corpus.clips, (0.5, 9.6, 1.49), strict=True):
            soundfile.write(clip.path, np.random.default_rng(0).uniform(-1, 1, int(seconds * 8000)), 8000)
        assert np.bincount(quiet_extract(corpus).clip).tolist() == [1, 19, 2]

    def test_groups_folds_and_the_frontend_come_along(self, corpus):
        clips = tuple(replace(clip, group=f"g{i}", fold=i % 3 + 1) for i, clip in enumerate(corpus.clips))
        made = quiet_extract(replace(corpus, clips=clips))
        assert made.groups == ("g0", "g1", "g2", "g3", "g4", "g5") and made.folds == (1, 2, 3, 1, 2, 3)
        assert Frontend(**made.frontend) == SMALL
        assert made.hop_seconds == 128 / 8000

    def test_shows_a_bar_only_if_asked(self, corpus, capsys):
        extract(corpus, SMALL, cache=False, progress=False)
        assert capsys.readouterr().err == ""
        extract(corpus, SMALL, cache=False)
        assert "corpus: features" in capsys.readouterr().err


# --- strange and bad audio: a clear error or a loud, counted skip, and nothing is lost --------------------------------


def noise(count, channels=None):
    return np.random.default_rng(3).uniform(-0.5, 0.5, count if channels is None else (count, channels))


# (samples, rate, how it is written), with 0.5 s segments at 8000 Hz
@pytest.mark.parametrize(("y", "sr", "options", "segments"), [
    (noise(4000), 8000, {}, 1),
    (noise(8000), 8000, {"subtype": "PCM_U8"}, 2),
    (noise(8000), 8000, {"subtype": "PCM_24"}, 2),
    (noise(8000) * 100, 8000, {"subtype": "FLOAT"}, 2),
    (noise(8000) * 1e-30, 8000, {"subtype": "DOUBLE"}, 2),
    (noise(8000, 2), 8000, {}, 2),
    (noise(8000, 6), 8000, {}, 2),
    (noise(11025), 11025, {}, 2),
    (noise(22050), 22050, {}, 2),
    (noise(44100), 44100, {}, 2),
    (noise(48000, 6), 48000, {}, 2),
    (noise(96000), 96000, {}, 2),
    (noise(192000), 192000, {}, 2),
], ids=["exactly one segment", "8 bit", "24 bit", "peak of 50", "denormal",
        "stereo", "6 channels", "11 kHz", "22 kHz", "44 kHz", "6 channels at 48 kHz", "96 kHz", "192 kHz"])
def test_strange_but_sound_audio_is_used(tmp_path, y, sr, options, segments):
    (tmp_path / "c" / "a").mkdir(parents=True)
    soundfile.write(tmp_path / "c/a/strange.wav", y, sr, **options)
    made = quiet_extract(corpora.load(tmp_path / "c"))
    assert made.x.shape == (segments, 32, 20) and np.isfinite(made.x).all() and made.skipped == ()


def wav(y, **options):
    return lambda path: soundfile.write(path, y, 8000, **options)


@pytest.mark.parametrize(("damage", "said"), [
    (wav(noise(1)), r"0\.000125 s long .1 samples"),
    (wav(noise(255)), "255 samples"),
    (wav(noise(3999)), r"3999 samples.*segment is 0\.5 s"),
    (wav(noise(0)), "no samples"),
    (wav(np.r_[noise(7999), np.nan], subtype="FLOAT"), "1 samples are NaN"),
    (wav(np.r_[noise(7999), np.inf], subtype="FLOAT"), "NaN or infinite"),
    (wav(noise(8000) * 1e30, subtype="FLOAT"), "^[0-9]+ samples are .*scale the signal"),
    (lambda path: path.write_bytes(path.read_bytes()[:3000]), "truncated"),
    (lambda path: path.write_text("RIFF, but only in words"), "cannot be decoded"),
    (lambda path: path.write_bytes(b""), "empty file"),
    (lambda path: path.unlink(), "No such file"),
    (wav(np.zeros(8000)), "^silent: every sample is 0$"),
    (wav(np.full(8000, 0.5)), "^constant: every sample is 0.5$"),
    (wav(np.full(8000, -1.0)), "^constant: every sample is -1$"),
], ids=["one sample", "shorter than a window", "just too short", "no sample", "NaN", "infinite", "overflow",
        "truncated", "text", "empty", "gone since it was listed", "silent", "constant", "constant -1"])
def test_a_bad_clip_is_skipped_loudly_and_the_others_are_used(corpus, good, damage, said):
    damage(corpus.clips[1].path)
    for _ in "cold", "cached":
        with pytest.warns(UserWarning, match=r"corpus: 1 of 6 clips skipped: drum/1: ") as caught:
            made = quiet_extract(corpus)
        assert len(caught) == 1
        assert made.names == ("drum/0", "drum/2", "flute/0", "flute/1", "flute/2")
        ((name, reason),) = made.skipped
        assert name == "drum/1" and re.search(said, reason)
        np.testing.assert_array_equal(made.x, good.x[good.clip != 1])
        assert made.clip.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
        assert made.digests == tuple(good.digests[i] for i in (0, 2, 3, 4, 5))


def test_silent_and_constant_clips_are_told_in_the_words_of_check(tmp_path):
    corpus = write_corpus(tmp_path / "c", sr=11025)  # resampled, a constant is none any more
    for clip, y in zip(corpus.clips, (np.zeros(9000), np.full(9000, 0.25), np.zeros(9) + 0.5), strict=False):
        soundfile.write(clip.path, y, 11025)
    with pytest.warns(UserWarning, match="3 of 6 clips skipped"):
        assert quiet_extract(corpus).skipped == corpora.check(corpus, progress=False).problems


def test_many_bad_clips_are_one_warning_with_the_first_few(tmp_path):
    corpus = write_corpus(tmp_path / "c", clips=10)
    for clip in corpus.clips[3:]:
        clip.path.write_text("not audio")
    with pytest.warns(UserWarning, match="17 of 20 clips skipped: .*drum/5.*all in Features.skipped") as caught:
        made = quiet_extract(corpus)
    assert len(caught) == 1 and len(str(caught[0].message)) < 1500
    assert len(made.skipped) == 17 and made.tracks == 3
    assert made.labels == ("drum", "flute"), "the classes are the corpus's, even if one has lost all its clips"


def test_a_corpus_without_one_good_clip_is_an_error_that_names_the_first(corpus):
    with pytest.raises(AudiolibError, match=r"none of its 6 clips can be used; the first: drum/0: 1\.3 s long"):
        quiet_extract(corpus, Frontend(sample_rate=8000, n_fft=512, n_mels=40))


@pytest.mark.real
def test_real_music_has_librosas_numbers(real_data, monkeypatch):
    monkeypatch.setenv("AUDIOLIB_DATA", str(real_data))
    corpus = corpora.load("gtzan-mini")
    corpus = replace(corpus, clips=corpus.clips[::10])
    made, coefficients = (extract(corpus, frontend, progress=False) for frontend in (LOG_MEL, PAPER_MFCC))
    assert made.tracks == 10 and made.x.shape[1:] == (130, 128)
    for number, clip in enumerate(corpus.clips):
        y, sr = librosa.load(clip.path, sr=22050)
        segment = int(np.flatnonzero(made.clip == number)[1])
        cut = y[66150 : 2 * 66150]
        for ours, expected in (
            (made.x[segment], librosa.power_to_db(librosa.feature.melspectrogram(y=cut, sr=sr)).T),
            (coefficients.x[segment], librosa.feature.mfcc(y=cut, sr=sr, n_mfcc=13).T),
        ):
            np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4 * np.ptp(expected))
