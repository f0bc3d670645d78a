"""The audit tells what crosses from training to test, in numbers, and proposes a split that nothing crosses."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from audiolib import archive, audit, corpora, sounds
from audiolib.cli import main

SR = 8000


def melody(seed, seconds=4.0):
    """Tones that no other seed plays."""
    random = np.random.default_rng(seed)
    notes = [sounds.pluck(float(random.uniform(100, 900)), 0.3, sr=SR, seed=seed) for _ in range(round(seconds / 0.2))]
    y = np.zeros(round(seconds * SR) + SR, np.float32)
    for number, note in enumerate(notes):
        y[round(number * 0.2 * SR) :][: len(note)] += note
    return (y[: round(seconds * SR)] * 0.4).clip(-1, 1)


def write(folder, names, seconds=4.0):
    """Files of these names, each with its own sound."""
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{name}.wav", melody(seed, seconds), SR)
    return folder


@pytest.fixture
def own(tmp_path):
    """Two labels of eight clips of 4 s whose names say nothing; an exact copy in the other label, and a quiet one."""
    folder = write(tmp_path / "own", [f"{label}/{label}{name}x" for label in ("cat", "dog") for name in "abcdefgh"])
    shutil.copy(folder / "cat/catax.wav", folder / "dog/zz.wav")
    y, _ = soundfile.read(folder / "cat/catbx.wav")
    soundfile.write(folder / "cat/zy.wav", 0.2 * y[SR // 2 :], SR)
    return folder


def table(path, rows, head="path,part"):
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["audit", *map(str, arguments), "--quiet"])


def halves(folder, **others):
    """A split of what lies there in turn, but for some."""
    parts = {path.relative_to(folder).as_posix(): ("train", "test")[number % 2]
             for number, path in enumerate(sorted(folder.glob("*/*.wav")))}
    return parts | {name.replace("__", "/") + ".wav": part for name, part in others.items()}


def crossed(own, tmp_path, *, group=False):
    """The two copies cross, one in each direction."""
    parts = halves(own, cat__catax="train", dog__zz="test", cat__catbx="test", cat__zy="train")
    return table(tmp_path / "split.csv", [f"{name},{part}" for name, part in parts.items()])


def test_without_a_split_copies_are_told_and_a_clean_split_is_written(own, tmp_path):
    shown = run(own, "--write", tmp_path / "clean.csv")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("own: 18 clips; 1 pairs of exact copies, 1 of one recording in other clothes\n")
    assert "cat/catax = dog/zz: exact" in shown.stdout and "the second starts 0.51 s later" in shown.stdout
    again = run(own, "--split", tmp_path / "clean.csv")
    assert again.exit_code == 0 and "Nothing crosses from training to test" in again.stdout
    parts, _ = audit.read_split(tmp_path / "clean.csv", corpora.load(own))
    assert len(parts) == 18 and parts["cat/catax"] == parts["dog/zz"] and parts["cat/catbx"] == parts["cat/zy"]
    for label in ("cat", "dog"):
        assert sum(part == "test" for name, part in parts.items() if name.startswith(label)) in (1, 2, 3)


def test_the_proposed_split_has_a_seed(own):
    proposed = [json.loads(run(own, "--json", "--seed", seed).stdout)["proposed"] for seed in (0, 0, 1)]
    assert proposed[0] == proposed[1] != proposed[2]


def test_what_crosses_is_told_with_its_evidence_and_is_an_error(own, tmp_path):
    shown = run(own, "--split", crossed(own, tmp_path))
    assert shown.exit_code == 1 and shown.stderr == ""
    assert "cross 1 exact copies, 1 other copies, 0 siblings; they touch 2 of 9 test clips (22 %)" in shown.stdout
    assert "exact: cat/catax -> dog/zz" in shown.stdout and "copy: cat/zy -> cat/catbx" in shown.stdout
    # The exact copy has another label than its original, the other one the same.
    assert "names 50 % of the touched test clips rightly (9 to 91 %, n = 2)" in shown.stdout
    assert "of the untouched test clips rightly" in shown.stdout and "A clean split: " in shown.stdout


def test_json_is_one_object_with_all_of_it(own, tmp_path):
    found = json.loads(run(own, "--split", crossed(own, tmp_path), "--json").stdout)
    assert found["clips"] == 18 and found["touched"] == ["cat/catbx", "dog/zz"] and found["groups"] == {}
    copy = next(pair for pair in found["crossing"] if pair["kind"] == "copy")
    assert (copy["first"], copy["second"]) == ("cat/zy", "cat/catbx") and copy["shift"] == pytest.approx(-0.5, abs=0.1)
    assert found["nearest"]["touched"]["n"] == 2 and found["parts"]["dog/zz"] == "test"
    assert set(found["proposed"].values()) == {"train", "valid", "test"}


def test_folders_of_parts_are_a_split(own, tmp_path):
    for name, part in halves(own, cat__catax="train", dog__zz="test", cat__catbx="test", cat__zy="train").items():
        place = tmp_path / "parts" / {"train": "Training", "test": "eval"}[part] / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(own / name, place)
    (tmp_path / "parts" / "notes").mkdir()
    shown = run(tmp_path / "parts")
    assert shown.exit_code == 1 and "exact: Training/cat/catax -> eval/dog/zz" in shown.stdout
    assert "touch 2 of 9 test clips" in shown.stdout and "not looked at: notes" in shown.stderr
    shutil.rmtree(tmp_path / "parts" / "eval")  # a part alone is a folder like any other
    assert run(tmp_path / "parts").exit_code == 1 and "did you mean" in run(tmp_path / "parts").stderr


def test_an_archive_can_be_audited(own, tmp_path):
    archive.write_archive(tmp_path / "own.npz", corpora.load(own), seconds=3.0, progress=False)
    shown = run(tmp_path / "own.npz", "--split", crossed(own, tmp_path), "--write", tmp_path / "clean.csv")
    assert shown.exit_code == 1 and "exact: cat/catax -> dog/zz" in shown.stdout
    assert run(tmp_path / "own.npz", "--split", tmp_path / "clean.csv").exit_code == 0
    archive.write_archive(tmp_path / "short.npz", corpora.load(own), seconds=0.8, progress=False)
    assert "exact copies" in run(tmp_path / "short.npz").stdout


def test_groups_of_the_table_or_of_a_pattern_cross(own, tmp_path):
    parts = halves(own, dog__zz="train", cat__zy="test", cat__catbx="test")
    rows = [f"{name},{part},{'kennel' if name in ('dog/dogcx.wav', 'dog/dogdx.wav') else ''}"
            for name, part in parts.items()]
    assert parts["dog/dogcx.wav"] != parts["dog/dogdx.wav"]
    shown = run(own, "--split", table(tmp_path / "a.csv", rows, "path,part,group"))
    assert shown.exit_code == 1 and "as the table says: 1 groups, the largest 'kennel' with 2" in shown.stdout
    assert "1 siblings; they touch 1 of" in shown.stdout and "sibling: dog/dog" in shown.stdout
    shown = run(own, "--split", tmp_path / "a.csv", "--group", "(dog[a-d])x")
    assert shown.exit_code == 0 and "names like (dog[a-d])x: 4 groups" in shown.stdout
    assert "nothing, as asked for" in run(own, "--split", tmp_path / "a.csv", "--group", "").stdout


@pytest.mark.parametrize(("pattern", "said"), [
    ("(", "no regular expression"), ("cat.*", "put what belongs together into brackets"), ("(cow)", "fits none")])
def test_a_pattern_that_is_none_is_told(own, pattern, said):
    shown = run(own, "--group", pattern)
    assert shown.exit_code == 1 and said in shown.stderr and len(shown.stderr.splitlines()) == 1


@pytest.mark.parametrize(("head", "rows", "said"), [
    ("file,part", ["cat/catax.wav,train"], "its first line is 'file,part'"),
    ("path,part", [], "and the only one"),
    ("", [], "it is empty"),
    ("path,part", ["cat/catax.wav,exam"], "row 2: part 'exam' is none of train, valid, test"),
    ("path,part", ["cat/catax.wav"], "row 2: part '' is none of"),
    ("path,part", ["cat/catax.wav,train", "cat/catax,test"], "row 3: cat/catax is in two parts, train and test"),
    ("path,part", ["cow/1.wav,train"], "none of its 1 files is in the corpus; the first is 'cow/1.wav'"),
    ("path,part", ["cat/catax.wav,train"], "puts no clip that can be used into test"),
    ("path,part", ["cat/catax.wav,test"], "puts no clip that can be used into train"),
    ("path,part", ['"cat/catax.wav,train'], "cannot be read as a table"),
])
def test_a_table_that_is_none_is_told_in_one_line(own, tmp_path, head, rows, said):
    shown = run(own, "--split", table(tmp_path / "s.csv", rows, head))
    assert shown.exit_code == 1 and said in shown.stderr and len(shown.stderr.splitlines()) == 1, shown.output


@pytest.mark.parametrize("names", [["a/1"], ["a/x", "a/y"], ["a/x", "b/y", "c/z"]])
def test_tiny_corpora_have_an_answer(tmp_path, names):
    shown = run(write(tmp_path / "own", names, 0.5), "--write", tmp_path / "s.csv")
    if len(names) == 1:
        assert shown.exit_code == 1 and "No split is clean" in shown.stdout and "not written" in shown.stderr
    else:
        assert shown.exit_code == 0 and (tmp_path / "s.csv").read_text().count("test") == 1, shown.output


def test_all_of_one_group_has_no_clean_split(tmp_path):
    shown = run(write(tmp_path / "own", ["a/one-x", "b/one-y"], 0.5), "--group", "(one)")
    assert shown.exit_code == 0 and "No split is clean: there is one clip, or all belong together" in shown.stdout


@pytest.mark.parametrize(("stems", "group"), [
    (["1-100-A-0", "1-100-B-0", "2-200-A-3"], "100"),
    (["7_george_0", "7_george_1", "7_theo_0"], "george"),
    (["0a7c_nohash_0", "0a7c_nohash_1", "ff01_nohash_0"], "0a7c"),
    (["100032-3-0-0", "100032-3-0-1", "100263-2-0-117"], "100032"),
    (["blues.00000_0", "blues.00000_1", "blues.00001_0"], "blues.00000"),
    (["rain_01", "rain_02", "hail_01"], "rain"),
    (["Rain-take1", "rain-take2", "hail-take1"], "rain"),
    (["rain part 1", "rain part 2", "hail part 1"], "rain"),
    (["rain", "rain (1)", "hail"], "a/rain"),
    (["rain", "rain - copy", "hail"], "a/rain"),
    (["rain - Copy (2)", "Rain", "hail"], "a/rain"),
])
def test_names_that_say_what_belongs_together(stems, group):
    groups, told = audit.siblings([f"a/{stem}" for stem in stems], ["a"] * len(stems))
    assert told and [groups.get(f"a/{stem}") == group for stem in stems] == [True, True, False]


@pytest.mark.parametrize("names", [
    [f"{genre}.{number:05d}" for genre in ("blues", "rock") for number in range(5)],
    [f"{label}/{label}_{number:02d}" for label in ("dog", "cat") for number in range(5)],
    [f"{label}/{number}" for label in ("dog", "cat") for number in range(5)],
    [f"{label}/sound_{number}" for label in ("dog", "cat") for number in range(5)],
    [f"{label}/{label} ({number})" for label in ("dog", "cat") for number in range(5)],
    [f"{label}/{word}" for label in ("dog", "cat") for word in ("one", "two", "three")],
])
def test_names_that_say_no_more_than_the_labels_say_nothing(names):
    labels = [name.replace(".", "/").split("/")[0] for name in names]
    assert audit.siblings(names, labels) == ({}, "")


def test_broken_clips_are_told_and_the_others_audited(own):
    (own / "cat/catcx.wav").write_text("not audio")
    soundfile.write(own / "cat/catdx.wav", np.zeros(SR), SR)
    shown = run(own)
    assert shown.exit_code == 0 and "own: 16 clips; 1 pairs of exact copies" in shown.stdout
    assert "2 of 18 clips skipped" in shown.stderr


def test_a_split_that_cannot_be_written_is_told(own, tmp_path):
    shown = run(own, "--write", tmp_path / "no" / "s.csv")
    assert shown.exit_code == 1 and "cannot be written" in shown.stderr


@pytest.mark.real
def test_no_group_of_esc10_crosses_its_folds_but_one_recording_does(real_data, monkeypatch):
    """Two ids of one uploader that are the same baby, with pauses cut: not in the table, and heard in the samples."""
    monkeypatch.setenv("AUDIOLIB_DATA", str(real_data))
    esc10 = corpora.load("esc10")
    looks = audit.look(esc10, progress=False)
    groups = {clip.name: clip.group for clip in esc10.clips}
    strangers = [pair for pair in audit.copies(looks, progress=False) if groups[pair.first] != groups[pair.second]]
    assert [(pair.first, pair.second) for pair in strangers] == [
        ("2-28314-A-12", "2-30322-A-12"), ("3-151080-A-20", "5-151085-A-20")]  # fmt: skip
    for fold in range(1, 6):
        parts = {clip.name: "test" if clip.fold == fold else "train" for clip in esc10.clips}
        found = audit.audit(esc10, parts, progress=False)
        assert "the groups of the corpus: 304 groups" in found.told
        assert [pair.kind for pair in found.crossing] == (["copy"] if fold in (3, 5) else [])
