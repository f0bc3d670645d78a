"""What is on disk becomes a table of clips, and what cannot be used is said."""

import os
import subprocess
import sys
import types
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from audiolib import AudiolibError, cli, compose, corpora

# Small copies of known corpora are said to be parts; only one test is about that.
pytestmark = pytest.mark.filterwarnings("ignore:.*results on a part")
SR = 8000


def sound(seed=0, seconds=0.5):
    return 0.1 * np.random.default_rng(seed).standard_normal(int(seconds * SR)).astype(np.float32)


def write(path, y=None, sr=SR, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound(zlib.crc32(path.name.encode())) if y is None else y, sr, **options)
    return path


def write_gtzan(folder, genres=corpora.GENRES, tracks=2, suffix="wav"):
    for genre in genres:
        for index in range(tracks):
            write(folder / genre / f"{genre}.{index:05}.{suffix}")


def write_esc50(folder, suffix=".ogg", named=".ogg"):
    """Two ESC-10 clips of one source recording, one of another, and one clip that is of ESC-50 only."""
    rows = [("1-100-A-0", 1, "dog", "True", "100"), ("1-100-B-0", 1, "dog", "True", "100"),
            ("2-200-A-10", 2, "rain", "True", "200"), ("3-300-A-5", 3, "cat", "False", "300")]  # fmt: skip
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for name, fold, category, esc10, source in rows:
        write(folder / "audio" / (name + suffix))
        lines.append(f"{name}{named},{fold},{name.split('-')[3]},{category},{esc10},{source},{name.split('-')[2]}")
    (folder / "meta").mkdir()
    (folder / "meta/esc50.csv").write_text("\n".join(lines) + "\n")


def quiet(name, **options):
    """Load without the warnings that small copies of known corpora cause."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return corpora.load(name, **options)


# --- layouts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["wav", "au", "flac", "mp3"])
def test_gtzan_tracks_have_their_name_and_genre(data_root, suffix):
    write_gtzan(data_root / "gtzan-mini/genres", suffix=suffix)
    corpus = quiet("gtzan-mini")
    assert corpus.labels == tuple(sorted(corpora.GENRES)) and len(corpus) == 20 and corpus.skipped == ()
    first = data_root / f"gtzan-mini/genres/blues/blues.00000.{suffix}"
    assert corpus.clips[0] == corpora.Clip(first, "blues.00000", "blues")


@pytest.mark.parametrize("place", ["gtzan/genres", "gtzan/genres_original", "gtzan/Data/genres_original", "genres",
                                   "genres_original", "Data/genres_original"])  # fmt: skip
def test_full_gtzan_is_found_wherever_its_archives_put_it(data_root, place):
    write_gtzan(data_root / place, tracks=1)
    assert quiet("gtzan").root == data_root / place


def test_genres_right_in_the_root_are_not_taken_for_the_mini_set(data_root):
    write_gtzan(data_root / "genres", tracks=1)
    with pytest.raises(AudiolibError, match="gtzan-mini: not under"):
        corpora.load("gtzan-mini")


@pytest.mark.parametrize("place", ["esc10", "ESC-50-master", "ESC-50"])
@pytest.mark.parametrize("named", [".ogg", ".wav"])
def test_esc10_has_folds_and_source_recordings_and_no_other_class(data_root, place, named):
    write_esc50(data_root / place, named=named)
    corpus = quiet("esc10")
    assert [(clip.name, clip.label, clip.group, clip.fold) for clip in corpus.clips] == [
        ("1-100-A-0", "dog", "100", 1), ("1-100-B-0", "dog", "100", 1), ("2-200-A-10", "rain", "200", 2)]  # fmt: skip


def test_esc10_clip_that_is_in_the_table_only_is_counted(data_root):
    write_esc50(data_root / "esc10")
    (data_root / "esc10/audio/1-100-B-0.ogg").unlink()
    with pytest.warns(UserWarning, match="1 x in the table but not on disk"):
        assert len(corpora.load("esc10")) == 2


def test_fsdd_groups_are_speakers(data_root):
    for name in ("7_jackson_3", "7_theo_0", "0_theo_1"):
        write(data_root / f"fsdd/recordings/{name}.wav")
    write(data_root / "fsdd/recordings/seven_jackson.wav")
    with pytest.warns(UserWarning, match="<digit>_<speaker>_<take>"):
        corpus = corpora.load("fsdd")
    assert [(clip.name, clip.label, clip.group) for clip in corpus.clips] == [
        ("0_theo_1", "0", "theo"), ("7_jackson_3", "7", "jackson"), ("7_theo_0", "7", "theo")]  # fmt: skip


def test_any_folder_of_labels_is_a_corpus(tmp_path):
    write(tmp_path / "birds/great tit/b.wav")
    write(tmp_path / "birds/great tit/a.flac")
    write(tmp_path / "birds/дрозд/a.ogg")
    corpus = corpora.load(tmp_path / "birds")
    assert (corpus.name, corpus.labels, corpus.description) == ("birds", ("great tit", "дрозд"), None)
    assert [clip.name for clip in corpus.clips] == ["great tit/a", "great tit/b", "дрозд/a"]
    assert corpora.load(str(tmp_path / "birds")) == corpus


def test_clips_do_not_depend_on_the_order_of_the_disk(tmp_path, monkeypatch):
    for name in ("c.wav", "a.wav", "a.flac", "b.wav"):
        write(tmp_path / "songs/x" / name)
    listed = Path.iterdir
    loaded = []
    for order in (sorted, lambda paths: sorted(paths, reverse=True)):
        monkeypatch.setattr(Path, "iterdir", lambda self, order=order: iter(order(listed(self))))
        loaded.append(quiet(tmp_path / "songs"))
    assert loaded[0] == loaded[1]
    assert [clip.path.name for clip in loaded[0].clips] == ["a.flac", "b.wav", "c.wav"]


def test_given_root_wins_over_the_environment(data_root, tmp_path):
    write_gtzan(data_root / "gtzan-mini/genres", tracks=1)
    write_gtzan(tmp_path / "other/gtzan-mini/genres", tracks=2)
    assert len(quiet("gtzan-mini")) == 10
    assert len(quiet("gtzan-mini", root=tmp_path / "other")) == 20


def test_part_of_a_known_corpus_is_said_to_be_a_part(data_root):
    write_gtzan(data_root / "gtzan-mini/genres", tracks=1)
    with pytest.warns(UserWarning, match=r"10 clips .* whole corpus has 100"):
        corpora.load("gtzan-mini")


def test_synthetic_corpus_is_made_in_the_cache_and_loaded_from_there(cache_root, monkeypatch):
    made = []
    compose = types.ModuleType("audiolib.compose")
    compose.VERSION = 7
    compose.write_corpus = lambda folder, **_: made.append(folder) or write_gtzan(folder / "genres", tracks=1)
    monkeypatch.setitem(sys.modules, "audiolib.compose", compose)
    monkeypatch.setattr("audiolib.compose", compose, raising=False)
    corpus = corpora.load("synthetic")
    assert made == [cache_root / "synthetic-7"] and len(corpus) == 10
    assert corpus.root == cache_root / "synthetic-7/genres"


def test_looking_makes_nothing(cache_root):
    for left in ("synthetic-0/manifest.json", f"synthetic-{compose.VERSION}/genres/blues/blues.00000.flac"):
        (cache_root / left).parent.mkdir(parents=True)
        (cache_root / left).write_text("{}")  # of an older version, and of a run that was killed
    before = sorted(cache_root.rglob("*"))
    with pytest.raises(AudiolibError, match=f"synthetic-{compose.VERSION}: not there, or not whole; load it"):
        corpora.load("synthetic", make=False)
    made = CliRunner().invoke(cli.main, ["corpora"])
    assert made.exit_code == 0 and "not there yet: made on first use" in made.output
    assert sorted(cache_root.rglob("*")) == before


def test_looking_finds_what_was_made(cache_root):
    compose.write_corpus(cache_root / f"synthetic-{compose.VERSION}", tracks=1, seconds=0.5, progress=False)
    assert len(corpora.load("synthetic", make=False)) == 10


@pytest.mark.parametrize(("one", "other", "said"), [
    ("rock", "rock ", r"'rock' and 'rock '"),
    ("rock", "Rock", r"'Rock' and 'rock'"),
    ("hip-hop", "hip_hop", "'hip-hop' and 'hip_hop'"),
    ("Hip Hop", "hiphop", "'Hip Hop' and 'hiphop'"),
    ("great tit", "great  tit", r"'great  tit' and 'great tit'"),
    ("M\u00fasica", "Mu\u0301sica", r"'Mu\\u0301sica' and 'M\\xfasica'"),
    ("\u0434\u0440\u043e\u0437\u0434", "\u0414\u0440\u043e\u0437\u0434", "'\u0414\u0440\u043e\u0437\u0434' and"),
    ("Rock", "R\u043eck", r"'Rock' and 'R\\u043eck'"),
    ("BACH", "\u0412\u0410\u0421\u041d", r"'BACH' and '\\u0412\\u0410\\u0421\\u041d'"),
    ("Kino", "\u039ain\u03bf", r"'Kino' and '\\u039ain\\u03bf'"),
])  # fmt: skip
def test_labels_that_look_alike_are_told(one, other, said, tmp_path):
    for label in (one, other, "jazz"):
        write(tmp_path / "songs" / label / f"{len(label)}.wav")
    if len(os.listdir(tmp_path / "songs")) < 3:
        pytest.skip("this file system takes them for one folder")
    with pytest.warns(UserWarning, match=rf"labels that look alike.*{said}.*one folder of .*songs") as caught:
        corpus = corpora.load(tmp_path / "songs")
    assert len(caught) == 1 and len(corpus.labels) == 3


def test_labels_that_do_not_look_alike_are_not_told(tmp_path):
    for label in (labels := ("rock", "rocks", "rock 2", "A", "A-", "A#", "1", "-1")):
        write(tmp_path / "songs" / label / "a.wav")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(corpora.load(tmp_path / "songs").labels) == len(labels)


def run_in_a_locale_of_ascii(*command):
    surroundings = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    return subprocess.run([sys.executable, *command], env=surroundings, capture_output=True)


def test_python_that_cannot_decode_a_name_is_told_how(tmp_path):
    write(tmp_path / "songs/дрозд/a.wav")
    write(tmp_path / "songs/x/a.wav")
    made = run_in_a_locale_of_ascii("-m", "audiolib", "check", str(tmp_path / "songs"), "--quiet")
    assert b"name that this Python cannot decode in its locale; start it with PYTHONUTF8=1" in made.stderr
    assert b"1 clips are fine" in made.stdout


def test_terminal_that_cannot_show_a_label_does_not_end_the_command(tmp_path):
    write(tmp_path / "птицы/дрозд/a.wav", sound(seconds=4))
    made = subprocess.run([sys.executable, "-m", "audiolib", "features", tmp_path / "птицы", "--quiet"],
                          env=os.environ | {"PYTHONIOENCODING": "latin-1"}, capture_output=True)
    assert made.returncode == 0, made.stderr
    assert rb"\u0434\u0440\u043e\u0437\u0434" in made.stdout


def test_roots_follow_the_environment_at_the_time_of_the_call(monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIOLIB_DATA", str(tmp_path / "a"))
    monkeypatch.setenv("AUDIOLIB_CACHE", "~/b")
    assert corpora.data_root() == tmp_path / "a" and corpora.cache_root() == Path.home() / "b"
    monkeypatch.setenv("AUDIOLIB_DATA", "")
    monkeypatch.delenv("AUDIOLIB_CACHE")
    assert corpora.data_root().is_absolute() and corpora.cache_root().is_relative_to(corpora.data_root())


# --- checking ---------------------------------------------------------------------------------------------------------


def test_kaggle_copy_has_one_track_that_is_not_audio(data_root):
    """jazz.00054.wav there is no audio; the other 999 are, here in small."""
    write_gtzan(data_root / "gtzan/Data/genres_original", tracks=3)
    bad = data_root / "gtzan/Data/genres_original/jazz/jazz.00002.wav"
    bad.write_bytes(np.random.default_rng(0).bytes(5000))
    corpus = quiet("gtzan")
    report = corpora.check(corpus, progress=False)
    assert (len(corpus), report.ok, len(report.problems)) == (30, 29, 1)
    name, reason = report.problems[0]
    assert name == "jazz.00002" and str(bad) in reason and "29 clips are fine, 1 are not" in str(report)


def test_duplicates_are_found_across_labels_and_formats(tmp_path):
    songs = tmp_path / "songs"
    y = (sound(1) * 2**15).astype(np.int16)
    write(songs / "rock/a.wav", y)
    write(songs / "pop/b.flac", y)
    write(songs / "pop/c.wav", y + np.int16(1))
    write(songs / "pop/d.wav", y, sr=2 * SR)
    report = corpora.check(corpora.load(songs), progress=False)
    assert report.duplicates == (("pop/b", "rock/a"),) and report.ok == 4
    assert "the same audio: pop/b, rock/a" in str(report)


@pytest.mark.parametrize(("y", "reason"), [(np.zeros(SR), "silent"), (np.full(SR, 0.25), "constant"),
                                           (sound()[:100], "0.0125 s long")])  # fmt: skip
def test_check_lists_what_can_be_read_but_says_nothing(tmp_path, y, reason):
    write(tmp_path / "songs/x/bad.wav", y)
    write(tmp_path / "songs/x/good.wav")
    report = corpora.check(corpora.load(tmp_path / "songs"), progress=False)
    assert [name for name, _ in report.problems] == ["x/bad"] and reason in report.problems[0][1] and report.ok == 1


NOISE = sound(seconds=1)


@pytest.mark.parametrize(("y", "reason"), [
    (np.stack([NOISE, -NOISE]), "antiphase"),
    (np.stack([NOISE + 0.25, 0.25 - NOISE]), "antiphase"),
    (np.stack([np.floor(2**15 * NOISE), np.floor(-(2**15) * NOISE)]) / 2**15, "antiphase"),  # half a step is left
    (np.stack([NOISE, NOISE, -NOISE, -NOISE]), "antiphase"),
    (np.stack([NOISE, 1e-3 * NOISE[::-1] - NOISE]), "antiphase"),
    (np.stack([np.tile(NOISE, 4), np.concatenate([np.tile(-NOISE, 3), NOISE])]), "antiphase"),
    (np.stack([np.tile(NOISE, 4), np.concatenate([-NOISE, np.tile(NOISE, 3)])]), ""),
    (np.pad(np.stack([NOISE, -NOISE]), ((0, 0), (0, 3 * SR))), "antiphase"),
    (np.zeros((2, SR)), "silent"),
    (np.stack([np.full(SR, 0.5), np.full(SR, 0.25)]), "constant: every sample is 0.375"),
    (np.stack([np.full(SR, 0.5), np.full(SR, -0.5)]), "constant: every sample is 0"),
    (np.stack([NOISE, np.zeros(SR)]), ""),
    (np.stack([NOISE, NOISE]), ""),
    (np.stack([NOISE, -0.9 * NOISE]), ""),
    (np.stack([NOISE, NOISE[::-1]]), ""),
    (NOISE, ""),
    (NOISE * 1e-30, ""),
])  # fmt: skip
def test_flaw_is_that_of_the_mono_mix(y, reason, tmp_path):
    said = corpora.flaw(y.astype(np.float32), SR)
    assert said.startswith(reason) and bool(said) == bool(reason)
    write(tmp_path / "songs/x/a.wav", y.T, subtype="FLOAT")
    corpus = corpora.load(tmp_path / "songs")
    assert [why for _, why in corpora.check(corpus, progress=False).problems] == [said] * bool(said)
    if said:  # check and what the features hear tell the same
        with pytest.raises(AudiolibError) as caught:
            corpora.mix(corpus.clips[0], SR)
        assert str(caught.value) == f"{corpus.clips[0].path}: {said}"
    else:
        np.testing.assert_array_equal(corpora.mix(corpus.clips[0], 22050), corpora.read(corpus.clips[0], sr=22050)[0])


def test_clip_that_finds_no_memory_beside_another_is_read_again_alone(tmp_path, monkeypatch):
    for name in "ab":
        write(tmp_path / f"songs/x/{name}.wav")
    honest, asked = corpora.read, []

    def read(clip, **options):
        asked.append(clip.name)
        if clip.name == "x/b" or asked.count(clip.name) == 1:
            raise AudiolibError(f"{clip.path}: too long") from MemoryError()
        return honest(clip, **options)

    monkeypatch.setattr(corpora, "read", read)
    report = corpora.check(corpora.load(tmp_path / "songs"), progress=False)
    assert report.ok == 1 and [name for name, _ in report.problems] == ["x/b"]


def test_digest_is_that_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert corpora.digest(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_content_digest_depends_on_audio_and_names_only(tmp_path):
    first = [corpora.Clip(write(tmp_path / f"{n}.wav", sound(i)), n, "x") for i, n in enumerate("ab")]
    moved = [corpora.Clip(write(tmp_path / f"m/{n}.wav", sound(i)), n, "y") for i, n in enumerate("ab")]
    assert corpora.content_digest(first) == corpora.content_digest(reversed(moved))
    write(tmp_path / "m/b.wav", sound(2))
    assert corpora.content_digest(first) != corpora.content_digest(moved)


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


@pytest.mark.parametrize(("name", "guess"), [("gtzn", "mean 'gtzan'"), ("ESC10", "mean 'esc10'"),
                                             ("/no/such", "Known are"), ("", "Known are")])
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


# --- real music -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gtzan-mini", "esc10", "fsdd"])
def test_real_corpora_are_whole(real_data, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        corpus = corpora.load(name, root=real_data)
    description = corpus.description
    assert (len(corpus), len(corpus.labels)) == (description.clips, description.classes)
    assert len({clip.fold for clip in corpus.clips} - {None}) == description.folds
    assert all((clip.group is not None) == bool(description.groups) for clip in corpus.clips)
    y, sr = corpora.read(corpus.clips[0], sr=22050)
    assert sr == 22050 and 0.01 < np.abs(y).max() <= 1.5


def test_real_speech_is_the_published_one(real_data):
    corpus = corpora.load("fsdd", root=real_data)
    assert corpora.content_digest(corpus.clips) == corpus.description.content


def test_real_music_has_the_published_checksums(real_data, tmp_path):
    """The set is published as .wav; decoding a lossless copy and writing .wav gives the published bytes."""
    clips = []
    for clip in corpora.load("gtzan-mini", root=real_data).clips:
        y, sr = soundfile.read(clip.path, dtype="int16")
        clips.append(corpora.Clip(write(tmp_path / f"{clip.name}.wav", y, sr), clip.name, clip.label))
    assert corpora.content_digest(clips) == corpora.DESCRIPTIONS["gtzan-mini"].content


def test_broken_corpus_stops_neither_check_nor_the_rest(tmp_path):
    for index in range(3):
        write(tmp_path / f"songs/x/{index}.wav")
    corpus = corpora.load(tmp_path / "songs")
    os.remove(corpus.clips[1].path)
    report = corpora.check(corpus, progress=False)
    assert report.ok == 2 and "no such file" in report.problems[0][1]
