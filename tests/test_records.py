"""A record is small, whole, and told apart from damaged ones and from those of other data."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toys import write_archive

from audiolib import AudiolibError, archive, cost, evaluation, models, recipes, records, training
from audiolib.recipes import Recipe

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One real run, made once."""
    folder = tmp_path_factory.mktemp("record")
    write_archive(folder / "toy.npz")
    recipe = Recipe(
        corpus="toy.npz", frontend={"n_mfcc": 5}, protocol="track", model="separable-small", epochs=1, batch=28
    )  # fmt: skip
    features = archive.read_archive(folder / "toy.npz", segment_seconds=3.0, kind="mfcc", n_mfcc=5)
    return training.train(recipe, features=features, progress=False)


@pytest.fixture(scope="module")
def record(run):
    """Its record."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["/anywhere/audiolib/__main__.py"])
        return records.make(run, origin=records.origin(), choice=recipes.CHOICES["paper"])


# --- records ----------------------------------------------------------------------------------------------------------


def test_a_record_holds_what_the_book_needs(record, tmp_path):
    path = records.write(record, tmp_path)
    read = records.read(path)
    assert path.stem == Recipe.from_dict(read["recipe"]).name
    for name in ("model", "protocol", "frontend", "seed", "epochs"):
        assert name in read["recipe"]
    assert {"name", "tracks", "fingerprint"} <= set(read["data"])
    assert {"keras", "tensorflow", "numpy", "audiolib", "python"} <= set(read["versions"])
    for accuracy in ("segment_accuracy", "track_accuracy"):
        assert set(read["test"][accuracy]) >= {"value", "low", "high", "n"}
        assert read["test"][accuracy]["n"] == 6
    tracks = read["test"]["tracks"]
    assert len(tracks) == 6
    assert np.mean([t == p for t, p in tracks.values()]) == read["test"]["track_accuracy"]["value"]
    assert np.trace(read["test"]["confusion"]) == sum(t == p for t, p in tracks.values())
    assert all(read["data"]["labels"][t] == name.split(".")[0] for name, (t, _) in tracks.items())
    assert len(read["history"]["val_loss"]) == 1 and read["seconds"] > 0
    assert path.stat().st_size < 5000


def test_a_record_holds_what_shall_be_trusted_in_ten_years(record, tmp_path):
    read = records.read(records.write(record, tmp_path))
    assert read == json.loads(json.dumps(record)) and read["format"] == 2
    origin, lock = read["origin"], ROOT / "requirements.lock"
    assert origin["lock"] == hashlib.sha256(lock.read_bytes()).hexdigest()
    assert origin["command"] == ["python", "-m", "audiolib"]
    if (ROOT / ".git").exists():
        assert re.fullmatch("[0-9a-f]{40}", origin["commit"]) and origin["clean"] in (True, False)
    assert read["choice"] == {"epoch": "the last", "recipe": "as in the paper", "tried": 0}
    assert read["machine"]["threads"] >= 1 and read["machine"]["processor"]
    if "model name" in Path("/proc/cpuinfo").read_text():
        assert read["machine"]["processor"] in Path("/proc/cpuinfo").read_text()
    assert re.fullmatch("[0-9a-f]{64}", read["split"]["digest"]) and read["split"]["train"] == 28
    model = models.build("separable-small", frames=60, bands=5, classes=3)
    assert read["multiply_adds"] == cost.summary(model).multiply_adds


def test_the_probabilities_of_each_track_give_its_votes_and_the_log_loss(run, record):
    probabilities, tracks = record["test"]["probabilities"], record["test"]["tracks"]
    assert list(probabilities) == list(tracks)
    kept = np.array([probabilities[name] for name in tracks])
    np.testing.assert_allclose(kept, run.test["track_probabilities"], rtol=6e-4)
    assert kept.argmax(axis=1).tolist() == [predicted for _, predicted in tracks.values()]


def test_the_origin_is_unknown_outside_a_checkout_and_tells_no_folder_of_this_machine(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "audiolib"
    package.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)  # somebody else's project around it
    monkeypatch.setattr(records, "__file__", str(package / "records.py"))
    monkeypatch.setattr(sys, "argv", [str(package / "__main__.py"), "study", "--data", "/me/data", "--results=/me/r"])
    origin = records.origin()
    assert origin["commit"] is origin["clean"] is origin["lock"] is None
    assert origin["command"][-2:] == [".../data", "--results=.../r"]
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", ["/bin/another-program", "study"])
    assert records.origin()["commit"] is None and records.origin()["command"] is None  # no git


def test_a_record_of_format_1_is_read_in_the_shape_of_format_2(record):
    old = ROOT / "results" / f"{recipes.study('paper')[0].name}.json"
    raw, read = json.loads(old.read_text()), records.read(old)
    assert raw["format"] == read["format"] == 1
    assert set(record) == set(read) and set(record["test"]) - {"effective"} == set(read["test"])
    assert set(record["data"]) == set(read["data"]) and set(record["recipe"]) == set(read["recipe"])
    assert read["recipe"]["optimizer"] == raw["recipe"]["optimiser"] and "optimiser" not in read["recipe"]
    for name in ("split", "origin", "choice", "multiply_adds"):
        assert read[name] is None
    assert read["test"]["probabilities"] is None and read["data"]["content"] is None
    for name in ("history", "valid", "parameters", "seconds", "machine", "versions"):
        assert read[name] == raw[name]


def test_a_record_names_no_place_on_this_machine(record):
    assert str(ROOT) not in json.dumps(record) and "/tmp" not in json.dumps(record)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:-40], "is not a whole record"),
        (lambda text: "", "is not a whole record"),
        (lambda text: text.replace('"seed": 0', '"seed": 1'), "was changed after it was written"),
        (lambda text: text.replace('"value": ', '"value": 1'), "was changed after it was written"),
        (lambda text: text.replace('"value": ', '"value": NaN, "was": '), "was changed after it was written"),
        (lambda text: text.replace('"format": 2', '"format": 3'), "has format 3, this version reads 1 and 2"),
        (lambda text: "[1, 2]", "is not a record of a run"),
    ],
    ids=["truncated", "empty", "edited", "improved", "not a number", "another version", "not a record"],
)
def test_a_damaged_record_is_told_at_once_and_left_alone(damage, message, record, tmp_path):
    path = records.write(record, tmp_path / "results")
    damaged = damage(path.read_text())
    assert damaged != path.read_text()
    path.write_text(damaged)
    with pytest.raises(AudiolibError, match=message):
        records.load(tmp_path / "results")
    with pytest.raises(AudiolibError, match=message):
        records.find(Recipe.from_dict(record["recipe"]), tmp_path / "results")
    assert path.read_text() == damaged


def test_a_record_under_another_name_is_not_taken_for_the_run(record, tmp_path):
    path = records.write(record, tmp_path)
    other = Recipe.from_dict(record["recipe"]).replace(seed=7)
    path.rename(tmp_path / f"{other.name}.json")
    with pytest.raises(AudiolibError, match="is the record of another recipe"):
        records.find(other, tmp_path)


def test_no_folder_of_records_is_an_error_and_not_no_results(tmp_path):
    with pytest.raises(AudiolibError, match="is not a folder"):
        records.load(tmp_path / "nowhere")


def test_only_the_record_of_these_data_is_found(record, tmp_path):
    recipe, data = Recipe.from_dict(record["recipe"]), record["data"]
    assert records.find(recipe, tmp_path) is None
    records.write(record, tmp_path)
    assert records.find(recipe, tmp_path) == records.find(recipe, tmp_path, data)
    assert records.find(recipe, tmp_path)["recipe"] == recipe.to_dict()
    with pytest.raises(AudiolibError, match=r"is of other data than toy.npz holds here and now \(tracks: 24 there, 30"):
        records.find(recipe, tmp_path, data | {"fingerprint": "another", "tracks": 30})
    with pytest.raises(AudiolibError, match="the same number of tracks, but not the same levels"):
        records.find(recipe, tmp_path, data | {"fingerprint": "another"})


def test_features_of_the_same_audio_that_differ_in_the_last_bits_are_no_other_data(record, tmp_path):
    """Matrix products depend on the processor: the same clips give another fingerprint on another machine."""
    recipe = Recipe.from_dict(record["recipe"])
    heard = record["data"] | {"content": "of the audio"}
    records.write(record | {"data": heard}, tmp_path)
    assert records.find(recipe, tmp_path, heard | {"fingerprint": "another"})
    with pytest.raises(AudiolibError, match="not the same audio, labels or groups"):
        records.find(recipe, tmp_path, heard | {"fingerprint": "another", "content": "of other audio"})


# --- what records say together ----------------------------------------------------------------------------------------


def made(record, *, right, seed=0, fold=None, model="standard", protocol="track"):
    """A record as it would be with these answers: {track: bool}."""
    tracks = {name: [1, 1 if good else 0] for name, good in right.items()}
    accuracy = {"value": float(np.mean(list(right.values()))), "low": 0.0, "high": 1.0, "n": len(right)}
    recipe = record["recipe"] | {"seed": seed, "fold": fold, "model": model, "protocol": protocol}
    test = record["test"] | {"tracks": tracks, "segment_accuracy": accuracy, "track_accuracy": accuracy}
    return record | {"recipe": recipe, "test": test}


def test_two_recipes_are_compared_on_the_tracks_that_both_were_tested_on(record):
    first = [made(record, right=dict.fromkeys("abcdefgh", False), seed=s) for s in (0, 1, 2)]
    second = [made(record, right=dict.fromkeys("abcdefgh", True), seed=s, model="separable") for s in (0, 1)]
    result = records.compare(first[:2], second)
    assert result["pairs"] == 2 and result["n"] == 8 and result["difference"] == 1.0
    assert result["p"] == pytest.approx(2 / 2**8)  # eight tracks, not sixteen


def test_other_test_parts_cannot_be_compared(record):
    first, second = made(record, right={"a": True}), made(record, right={"b": True}, model="separable")
    with pytest.raises(AudiolibError, match="tested on different tracks"):
        records.compare([first], [second])
    for sides in ([[first], [made(record, right={"a": True}, seed=5)]], [[first], []], [[], []]):
        with pytest.raises(AudiolibError, match="there is nothing to compare"):
            records.compare(*sides)


def test_the_books_records_are_whole_and_of_its_studies():
    known = {recipe for name in recipes.STUDIES for recipe in recipes.study(name)}
    for path in (ROOT / "results").glob("*.json"):
        record = records.read(path)
        recipe = Recipe.from_dict(record["recipe"])
        assert path.stem == recipe.name and recipe in known
        assert len(record["history"]["loss"]) == recipe.epochs
        right = [true == predicted for true, predicted in record["test"]["tracks"].values()]
        accuracy = record["test"]["track_accuracy"]
        assert (accuracy["value"], accuracy["n"]) == (pytest.approx(np.mean(right)), len(right))
        assert (accuracy["low"], accuracy["high"]) == pytest.approx(evaluation.wilson(accuracy["value"], accuracy["n"]))
        assert np.trace(record["test"]["confusion"]) == sum(right)


def test_records_that_repeat_one_another_are_not_counted_twice(record):
    other = record | {"recipe": record["recipe"] | {"model": "standard-small"}}
    with pytest.raises(AudiolibError, match="1 of 2 records repeat"):
        records.compare([record, record], [record, other])


def test_a_folder_or_a_pipe_is_no_record(tmp_path):
    (tmp_path / "a.json").mkdir()
    os.mkfifo(tmp_path / "b.json")
    for name in ("a.json", "b.json"):
        with pytest.raises(AudiolibError, match=f"{name} is not a whole record"):
            records.read(tmp_path / name)


def test_a_record_below_a_file_is_told_in_the_librarys_words(record, tmp_path):
    (tmp_path / "results").write_text("a file in the way")
    with pytest.raises(AudiolibError, match="cannot be written"):
        records.write(record, tmp_path / "results" / "deeper")
