"""Copies are found in all the clothes that a recording may wear, and strangers are not taken for copies."""

import av
import librosa
import numpy as np
import pytest
import soundfile

from audiolib import AudiolibError, _copies, archive, corpora, sounds
from audiolib.features import Features

SR = 22050

#: The 50 exact repetitions in GTZAN that Sturm lists: B. L. Sturm, "An analysis of the GTZAN music genre dataset",
#: MIRUM 2012, and "The GTZAN dataset: its contents, its faults, ...", arXiv:1306.1461, 2013 (sturm2012analysis and
#: sturm2013faults in book/references.bib). Of three numbers each is a repetition of the others. One goes across genres.
STURM = {
    "disco": [(50, 51, 70), (55, 60, 89), (71, 74), (98, 99)],
    "hiphop": [(39, 45), (76, 78)],
    "jazz": [(33, 51), (34, 53), (35, 55), (36, 58), (37, 60), (38, 62), (39, 65), (40, 67), (42, 68), (43, 69),
             (44, 70), (45, 71), (46, 72)],
    "metal": [(4, 13), (34, 94), (40, 61), (41, 62), (42, 63), (43, 64), (44, 65), (45, 66)],
    "pop": [(15, 22), (30, 31), (45, 46), (47, 80), (52, 57), (54, 60), (56, 59), (67, 71), (87, 90)],
    "reggae": [(3, 54), (5, 56), (8, 57), (10, 60), (13, 58), (41, 69), (73, 74), (80, 81, 82), (75, 91, 92)],
}  # fmt: skip


def music(seed, seconds=12.0):
    """A melody of plucked strings that no other seed plays."""
    random = np.random.default_rng(seed)
    y = np.zeros(round(seconds * SR), np.float32)
    at = 0.0
    while at < seconds - 0.65:
        note = sounds.pluck(float(110 * 2 ** (random.integers(0, 36) / 12)), 0.6, sr=SR)
        begin = round(at * SR)
        y[begin : begin + len(note)] += note * random.uniform(0.3, 0.9)
        at += random.choice([0.15, 0.2, 0.3, 0.45])
    return (16000 * y / np.abs(y).max()).astype(np.int16) / np.float32(2**15)  # what every format can hold


def write_mp3(path, y, rate=64000):
    with av.open(str(path), "w", format="mp3") as file:
        stream = file.add_stream("mp3", rate=SR, layout="mono")
        stream.bit_rate = rate
        samples = (np.clip(y, -1, 1) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16p", layout="mono")
        frame.sample_rate = SR
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)


CLOTHES = {
    "flac": lambda path, y: soundfile.write(f"{path}.flac", y, SR),
    "mp3": lambda path, y: write_mp3(f"{path}.mp3", y),
    "gain": lambda path, y: soundfile.write(f"{path}.wav", 0.2 * y, SR),
    "resampled": lambda path, y: soundfile.write(
        f"{path}.wav", librosa.resample(y, orig_sr=SR, target_sr=16000), 16000),
    "trimmed": lambda path, y: soundfile.write(f"{path}.wav", y[len(y) // 5 :], SR),
    "piece": lambda path, y: soundfile.write(f"{path}.wav", y[4 * SR : 9 * SR], SR),
    "all": lambda path, y: write_mp3(f"{path}.mp3", 0.3 * y[len(y) // 5 :]),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Twenty pieces under two labels, and of seven of them a copy under the other label."""
    folder = tmp_path_factory.mktemp("planted")
    for label in "ab":
        (folder / label).mkdir()
    for seed in range(20):
        soundfile.write(folder / "ab"[seed % 2] / f"piece{seed}x.wav", music(seed), SR)
    for seed, (kind, write) in enumerate(CLOTHES.items()):
        write(folder / "ba"[seed % 2] / f"{kind}x", music(seed))
    return corpora.load(folder)


def found(source):
    pairs = _copies.copies(_copies.look(source, progress=False), progress=False)
    return {frozenset((pair.first[2:], pair.second[2:])): pair for pair in pairs}


def test_every_planted_copy_is_found_and_nothing_else(planted):
    pairs = found(planted)
    assert set(pairs) == {frozenset((f"piece{seed}x", f"{kind}x")) for seed, kind in enumerate(CLOTHES)}
    kinds = {kind: pairs[frozenset((f"piece{seed}x", f"{kind}x"))] for seed, kind in enumerate(CLOTHES)}
    assert [kind for kind, pair in kinds.items() if pair.kind == "exact"] == ["flac"]
    assert abs(kinds["mp3"].shift) < 0.2 and kinds["mp3"].overlap > 11
    piece = kinds["piece"]  # the second by name of the corpus may be either
    later = piece.shift if piece.second.endswith("piecex") else -piece.shift
    assert later == pytest.approx(4, abs=0.15) and piece.overlap == pytest.approx(5, abs=0.2)


def test_the_sounds_are_looked_at_once_and_kept(planted, monkeypatch):
    first = _copies.look(planted, progress=False)
    monkeypatch.setattr(_copies, "_look", None)
    again = _copies.look(planted, progress=False)
    assert again.digests == first.digests and np.array_equal(again.levels[3], first.levels[3])


def test_a_failure_that_may_pass_is_not_kept(planted, monkeypatch):
    look = _copies._look

    def fails(clip):
        raise OSError("no more handles")

    monkeypatch.setattr(_copies, "_look", lambda clip: (fails if clip is planted.clips[0] else look)(clip))
    with pytest.warns(UserWarning, match="1 of 27 clips skipped.*may pass"):
        assert len(_copies.look(planted, progress=False).names) == 26
    monkeypatch.undo()
    assert len(_copies.look(planted, progress=False).names) == 27


def test_broken_and_silent_clips_are_told_and_the_others_looked_at(tmp_path):
    (tmp_path / "own" / "a").mkdir(parents=True)
    for seed in range(2):
        soundfile.write(tmp_path / "own" / "a" / f"{seed}.wav", music(0, 3.0), SR)
    (tmp_path / "own" / "a" / "2.wav").write_text("not audio")
    soundfile.write(tmp_path / "own" / "a" / "3.wav", np.zeros(SR), SR)
    corpus = corpora.load(tmp_path / "own")
    with pytest.warns(UserWarning, match="2 of 4 clips skipped: a/2: .*; a/3: silent"):
        looks = _copies.look(corpus, progress=False)
    assert [pair.kind for pair in _copies.copies(looks, progress=False)] == ["exact"]
    for seed in range(2):
        (tmp_path / "own" / "a" / f"{seed}.wav").unlink()
    with pytest.raises(AudiolibError, match="none of its 2 clips can be used"):
        _copies.look(corpora.load(tmp_path / "own"), progress=False)


def test_short_and_dull_clips_are_no_copies_of_one_another(tmp_path):
    """Words of a fraction of a second, hums and hisses: alike, and each its own recording."""
    (tmp_path / "own" / "a").mkdir(parents=True)
    t = np.arange(SR) / SR
    for seed in range(30):
        random = np.random.default_rng(seed)
        y = (music(seed, 1.0)[: round(random.uniform(0.15, 0.9) * SR)], 0.1 * random.standard_normal(SR),
             0.3 * np.sin(2 * np.pi * (200 + seed) * t))[seed % 3]  # fmt: skip
        soundfile.write(tmp_path / "own" / "a" / f"{seed}.wav", y, SR)
    looks = _copies.look(corpora.load(tmp_path / "own"), progress=False)
    assert len(looks.names) == 30 and _copies.copies(looks, progress=False) == []


def test_a_copy_is_found_whatever_the_size_of_the_tiles(planted, monkeypatch):
    whole = found(planted)
    monkeypatch.setattr(_copies, "TILE", 50)
    monkeypatch.setattr(_copies, "ASKED", 8)  # a clip much longer than five minutes
    assert set(found(planted)) == set(whole)


def test_one_clip_has_no_copies():
    features = Features(x=np.ones((3, 10, 40)), clip=[0, 0, 0], names=["a"], clip_labels=["x"], hop_seconds=0.05,
                        frontend={"kind": "mel", "fmin": 0.0, "fmax": None, "sample_rate": 8000})
    assert _copies.copies(_copies.look(features), progress=False) == []


def test_features_of_another_kind_are_refused():
    features = Features(x=np.ones((1, 10, 13)), clip=[0], names=["a"], clip_labels=["x"], frontend={"kind": "mfcc"})
    with pytest.raises(AudiolibError, match="features of kind 'mfcc'"):
        _copies.look(features)


@pytest.mark.real
def test_sturms_repetitions_are_found_in_the_archive_of_gtzan(real_data):
    """With precision and recall of at least 0.95. Disco 71 and 74 is missed."""
    known = {("metal.00058", "rock.00016")}
    for genre, sets in STURM.items():
        for each in sets:
            known |= {(f"{genre}.{a:05d}", f"{genre}.{b:05d}") for a in each for b in each if a < b}
    assert len(known) == 54
    looks = _copies.look(archive.read_archive(real_data / "gtzan-logmel.npz", segment_seconds=1.0))
    pairs = {(pair.first, pair.second) for pair in _copies.copies(looks, progress=False)}
    assert len(pairs & known) >= 0.95 * len(known) and len(pairs & known) >= 0.95 * len(pairs)
