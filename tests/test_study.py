"""A study records each run once, survives the loss of a worker and Ctrl-C, and tells damaged records apart."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from audiolib import AudiolibError, archive, evaluation, recipes, study, training
from audiolib.cli import main
from audiolib.recipes import Recipe

ROOT = Path(__file__).resolve().parent.parent


def write_archive(path, tracks=24, frames=120):
    """A small log-mel archive of three classes that differ in level."""
    rng = np.random.default_rng(0)
    label = np.repeat(["blues", "disco", "rock"], tracks // 3)
    level = np.repeat([60, 120, 180], tracks // 3)[:, None, None]
    np.savez(
        path,
        code=(level + rng.integers(0, 60, (tracks, frames, 128))).astype(np.uint8),
        floor_db=np.full(tracks, -60, np.float32),
        peak_db=np.full(tracks, 20, np.float32),
        track=np.array([f"{name}.{number:05d}" for number, name in enumerate(label)]),
        label=label,
        sample_rate=22050.0, n_fft=2048, n_mels=128, fmin=0.0, fmax=11025.0, hop_length=1102.5, first_frame=0.0,
    )  # fmt: skip


@pytest.fixture
def toys(data_root):
    write_archive(data_root / "toy.npz")
    first = Recipe(
        corpus="toy.npz", frontend={"segment_seconds": 3.0, "n_mfcc": 5}, protocol="track", model="separable-small",
        epochs=2, batch=28, learning_rate=1e-3,
    )  # fmt: skip
    return [first.but(seed=seed) for seed in range(3)]


def numbers_of(record):
    """All of a record that does not depend on how fast the machine was."""
    history = {name: values for name, values in record["history"].items() if name != "seconds"}
    return {name: part for name, part in record.items() if name not in ("seconds", "history")} | history


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """One real record, made once."""
    folder = tmp_path_factory.mktemp("record")
    write_archive(folder / "toy.npz")
    recipe = Recipe(
        corpus="toy.npz", frontend={"n_mfcc": 5}, protocol="track", model="separable-small", epochs=1, batch=28
    )  # fmt: skip
    features = archive.read_archive(folder / "toy.npz", segment_seconds=3.0, kind="mfcc", n_mfcc=5)
    return study.make_record(training.train(recipe, features=features, progress=False))


# --- records ----------------------------------------------------------------------------------------------------------


def test_a_record_holds_what_the_book_needs(record, tmp_path):
    path = study.write_record(record, tmp_path)
    read = study.read_record(path)
    assert path.stem == Recipe.from_dict(read["recipe"]).name
    for name in ("model", "protocol", "frontend", "seed", "epochs"):
        assert name in read["recipe"]
    assert {"name", "tracks", "fingerprint"} <= set(read["data"])
    assert {"keras", "tensorflow", "numpy", "audiolib", "python"} <= set(read["versions"])
    for accuracy in ("segment_accuracy", "track_accuracy"):
        assert set(read["test"][accuracy]) == {"value", "low", "high", "n"}
        assert read["test"][accuracy]["n"] == 6
    tracks = read["test"]["tracks"]
    assert len(tracks) == 6
    assert np.mean([t == p for t, p in tracks.values()]) == read["test"]["track_accuracy"]["value"]
    assert np.trace(read["test"]["confusion"]) == sum(t == p for t, p in tracks.values())
    assert all(read["data"]["labels"][t] == name.split(".")[0] for name, (t, _) in tracks.items())
    assert len(read["history"]["val_loss"]) == 1 and read["seconds"] > 0
    assert path.stat().st_size < 5000


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
        (lambda text: text.replace('"format": 1', '"format": 2'), "has format 2, this version reads 1"),
        (lambda text: "[1, 2]", "is not a record of a run"),
    ],
    ids=["truncated", "empty", "edited", "improved", "not a number", "another version", "not a record"],
)
def test_a_damaged_record_is_told_at_once_and_left_alone(damage, message, record, tmp_path):
    path = study.write_record(record, tmp_path / "results")
    damaged = damage(path.read_text())
    assert damaged != path.read_text()
    path.write_text(damaged)
    with pytest.raises(AudiolibError, match=message):
        study.load(tmp_path / "results")
    with pytest.raises(AudiolibError, match=message):
        study.run([Recipe.from_dict(record["recipe"])], folder=tmp_path / "results", progress=False)
    assert path.read_text() == damaged


def test_a_record_under_another_name_is_not_taken_for_the_run(record, tmp_path):
    path = study.write_record(record, tmp_path)
    other = Recipe.from_dict(record["recipe"]).but(seed=7)
    path.rename(tmp_path / f"{other.name}.json")
    with pytest.raises(AudiolibError, match="is the record of another recipe"):
        study.run([other], folder=tmp_path, progress=False)


def test_a_folder_that_cannot_be_written_is_told_before_training(toys, tmp_path):
    (tmp_path / "results").write_text("a file in the way")
    with pytest.raises(AudiolibError, match=r"results cannot be written to .*choose another folder"):
        study.run(toys, folder=tmp_path / "results", progress=False)
    assert not list((tmp_path / "cache").iterdir())


def test_no_folder_of_records_is_an_error_and_not_no_results(tmp_path):
    with pytest.raises(AudiolibError, match="is not a folder"):
        study.load(tmp_path / "nowhere")


# --- what records say together ----------------------------------------------------------------------------------------


def made(record, *, right, seed=0, fold=None, model="standard", protocol="track"):
    """A record as it would be with these answers: {track: bool}."""
    tracks = {name: [1, 1 if good else 0] for name, good in right.items()}
    accuracy = {"value": float(np.mean(list(right.values()))), "low": 0.0, "high": 1.0, "n": len(right)}
    recipe = record["recipe"] | {"seed": seed, "fold": fold, "model": model, "protocol": protocol}
    test = record["test"] | {"tracks": tracks, "segment_accuracy": accuracy, "track_accuracy": accuracy}
    return record | {"recipe": recipe, "test": test}


def test_the_table_has_a_row_a_recipe_over_its_seeds(record):
    rows = study.table(
        [made(record, right={"a": True, "b": s > 0}, seed=s) for s in range(3)]
        + [made(record, right={"a": False, "b": True}, model="separable")]
    )
    separable, standard = rows
    assert (standard["model"], standard["seeds"], standard["n"]) == ("standard", [0, 1, 2], 2)
    assert standard["frontend"] == "mfcc5-6s"
    assert standard["track_accuracy"]["value"] == pytest.approx(2.5 / 3)
    assert separable["track_accuracy"] == {"value": 0.5, "low": None, "high": None, "n": 1, "sd": None}


def test_folds_of_a_seed_are_one_measurement_weighed_by_their_tracks(record):
    big = made(record, right={name: True for name in "abc"}, fold=1, protocol="artist-folds")
    small = made(record, right={"d": False}, fold=2, protocol="artist-folds")
    (row,) = study.table([big, small])
    assert row["track_accuracy"]["value"] == 0.75 and row["n"] == 4 and row["folds"] == [1, 2]


def test_recipes_that_differ_in_anything_have_rows_of_their_own(record):
    plain = made(record, right={"a": True})
    applied = made(record, right={"a": False})
    applied["recipe"] = applied["recipe"] | {"model_options": {"separable_l2": "applied"}}
    assert [row["n"] for row in study.table([plain, applied])] == [1, 1]


def test_two_recipes_are_compared_on_the_tracks_that_both_were_tested_on(record):
    first = [made(record, right=dict.fromkeys("abcdefgh", False), seed=s) for s in (0, 1, 2)]
    second = [made(record, right=dict.fromkeys("abcdefgh", True), seed=s, model="separable") for s in (0, 1)]
    result = study.compare(first, second)
    assert result["pairs"] == 2 and result["n"] == 8 and result["difference"] == 1.0
    assert result["p"] == pytest.approx(2 / 2**8)  # eight tracks, not sixteen


def test_other_test_parts_cannot_be_compared(record):
    first, second = made(record, right={"a": True}), made(record, right={"b": True}, model="separable")
    with pytest.raises(AudiolibError, match="tested on different tracks"):
        study.compare([first], [second])
    with pytest.raises(AudiolibError, match="there is nothing to compare"):
        study.compare([first], [made(record, right={"a": True}, seed=5)])


# --- studies ----------------------------------------------------------------------------------------------------------


def test_a_study_does_what_has_no_record_and_skips_the_rest(toys, tmp_path, cache_root, monkeypatch):
    folder = tmp_path / "results"
    (first,) = study.run(toys[:1], folder=folder, progress=False)
    written = (folder / f"{toys[0].name}.json").stat().st_mtime_ns
    trained = []
    real = training.train
    monkeypatch.setattr(training, "train", lambda recipe, **o: trained.append(recipe) or real(recipe, **o))
    again = study.run([toys[0], toys[1], toys[0]], folder=folder, weights=True, progress=False)
    assert trained == [toys[1]]
    assert [record["recipe"]["seed"] for record in again] == [0, 1]
    assert (folder / f"{toys[0].name}.json").stat().st_mtime_ns == written
    assert again[0] == first
    assert (folder / f"{toys[1].name}.npz").exists()  # weights, because they were asked for
    assert not list((cache_root / "runs").iterdir())  # no checkpoint is left


def test_a_recipe_that_does_not_work_is_told_and_the_others_are_finished(toys, tmp_path):
    bad = toys[0].but(batch=1000)
    with pytest.raises(AudiolibError, match=r"1 of 2 recipes did not work: .*batch=1000 is more than the 28 segments"):
        study.run([bad, toys[1]], folder=tmp_path / "results", progress=False)
    assert len(study.load(tmp_path / "results")) == 1


def test_what_is_wrong_with_many_recipes_is_told_once(toys, tmp_path):
    gone = [recipe.but(corpus="gone.npz") for recipe in toys]
    message = r"3 of 3 recipes did not work: gone_track.*seed0_\w+ and 2 more: "
    with pytest.raises(AudiolibError, match=message) as caught:
        study.run(gone, folder=tmp_path / "results", progress=False)
    assert str(caught.value).count("no such file") == 1


def test_a_corpus_with_a_long_name_has_a_record_with_a_shorter_one(toys, tmp_path, data_root):
    (data_root / "toy.npz").rename(data_root / f"{'toy' * 80}.npz")
    recipe = toys[0].but(corpus=f"{'toy' * 80}.npz", epochs=1)
    assert study.run([recipe], folder=tmp_path / "results", progress=False)


def processes_below(pid):
    """Children of a process and theirs."""
    below = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "stat").read_text().rsplit(")")[-1].split()[1]) == pid:
                below += [int(entry.name), *processes_below(int(entry.name))]
        except OSError:
            continue
    return below


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("what the test waits for did not happen")


def test_workers_left_by_other_work_do_not_answer_with_its_data_root(toys, tmp_path, monkeypatch):
    import joblib

    with monkeypatch.context() as other:
        other.setenv("AUDIOLIB_DATA", str(tmp_path / "elsewhere"))
        joblib.Parallel(2)(joblib.delayed(os.getenv)("AUDIOLIB_DATA") for _ in range(4))
    assert len(study.run(toys[:1], folder=tmp_path / "results", jobs=2, threads=1, progress=False)) == 1


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the workers")
def test_a_study_survives_the_loss_of_one_of_its_two_workers(toys, tmp_path, cache_root):
    """Two processes, two runs; one worker is killed (SIGKILL) while both are at work."""
    # Long enough for the second worker to begin while the first is at work, on a busy machine too.
    both = [recipe.but(epochs=200) for recipe in toys[:2]]

    def kill():
        wait_for(lambda: len(list((cache_root / "runs").glob("*.npz"))) == 2)
        workers = [pid for pid in processes_below(os.getpid()) if "loky.backend.popen" in command_of(pid)]
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        killed.append(workers[0])

    killed, thread = [], threading.Thread(target=kill)
    thread.start()
    with pytest.warns(UserWarning, match="a worker process was lost; 2 runs go on from their checkpoints"):
        done = study.run(both, folder=tmp_path / "results", jobs=2, threads=1, every=0, progress=False)
    thread.join()
    assert killed and [record["recipe"]["seed"] for record in done] == [0, 1]
    assert all(len(record["history"]["loss"]) == 200 for record in done)


SCRIPT = """
import json, sys
from audiolib import study
from audiolib.cli import main
from audiolib.recipes import Recipe
recipe = Recipe.from_dict(json.loads(sys.argv[1]))
for folder in sys.argv[2:]:
    toys = [recipe.but(epochs=1), recipe]
    study.run(toys, folder=folder, checkpoints=f"{folder}-runs", threads=1, every=0, progress=False)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_a_stopped_study_loses_no_finished_run_and_goes_on_to_the_same_numbers(how, toys, tmp_path):
    recipe, folder, other = toys[0].but(epochs=25), tmp_path / "results", tmp_path / "whole"
    command = [sys.executable, "-c", SCRIPT, json.dumps(recipe.to_dict())]
    stopped = subprocess.Popen([*command, str(folder)], stderr=subprocess.DEVNULL, cwd=ROOT)
    state = tmp_path / "results-runs" / f"{recipe.name}.npz"
    wait_for(lambda: state.exists() or stopped.poll() is not None)
    stopped.send_signal(how)
    assert stopped.wait() != 0
    assert [record["recipe"]["epochs"] for record in study.load(folder)] == [1]
    assert 1 <= len(json.loads(str(np.load(state)["header"]))["history"]["loss"]) < 25
    if how == signal.SIGKILL:  # what follows is the same for both
        subprocess.run([*command, str(folder), str(other)], check=True, stderr=subprocess.DEVNULL, cwd=ROOT)
        resumed, whole = (study.read_record(each / f"{recipe.name}.json") for each in (folder, other))
        assert numbers_of(resumed) == numbers_of(whole)


BOTH = """
import json, sys
from audiolib import study
from audiolib.recipes import Recipe
if __name__ == "__main__":
    toys = [Recipe.from_dict(json.loads(text)) for text in sys.argv[2:]]
    study.run(toys, folder=sys.argv[1], jobs=2, threads=1, every=0, progress=False)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the workers")
def test_the_workers_of_a_killed_study_do_not_go_on(toys, tmp_path, cache_root):
    texts = [json.dumps(recipe.but(epochs=100000).to_dict()) for recipe in toys[:2]]
    (tmp_path / "both.py").write_text(BOTH)
    command = [sys.executable, str(tmp_path / "both.py"), str(tmp_path / "results"), *texts]
    process, below = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}), []
    try:
        wait_for(lambda: len(list((cache_root / "runs").glob("*.npz"))) == 2, 300)
        below = processes_below(process.pid)
        assert sum("loky.backend.popen" in command_of(pid) for pid in below) == 2
        process.kill()
        process.wait()
        wait_for(lambda: not any(map(command_of, below)), 60)
    finally:
        for pid in filter(command_of, [process.pid, *below]):
            os.kill(pid, signal.SIGKILL)


def test_a_study_runs_on_a_dask_cluster_by_its_address(toys, tmp_path):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "processes": False, "protocol": "tcp", "dashboard_address": None}
    threads = training._threads()  # the worker is in this process, which may have begun to compute
    with (
        distributed.LocalCluster(threads_per_worker=2, **options) as cluster,
        pytest.raises(AudiolibError, match=r"run 2 tasks at a time .* --nthreads 1"),
    ):
        study.run(toys[:1], folder=tmp_path / "results", address=cluster.scheduler_address, progress=False)
    with distributed.LocalCluster(threads_per_worker=1, **options) as cluster:
        done = study.run(
            toys[:2], folder=tmp_path / "results", address=cluster.scheduler_address, threads=threads, progress=False
        )
    assert [record["recipe"]["seed"] for record in done] == [0, 1]
    assert len(study.load(tmp_path / "results")) == 2


def test_a_scheduler_that_does_not_answer_is_named(toys, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(study, "ANSWER_SECONDS", 0.5)
    with pytest.raises(AudiolibError, match=r"no dask scheduler answers at tcp://127.0.0.1:9"):
        study.run(toys[:1], folder=tmp_path / "results", address="tcp://127.0.0.1:9", progress=False)


# --- the studies of the book ------------------------------------------------------------------------------------------


def test_the_studies_of_the_book_are_there_with_three_seeds_each():
    for name in recipes.STUDIES:
        listed = recipes.study(name)
        assert len(listed) == len(set(listed)), f"{name} asks for one run twice"
        assert {recipe.seed for recipe in listed} == {0, 1, 2}
    paper = recipes.study("paper")
    assert {recipe.model for recipe in paper if recipe.epochs == 500} == {"standard", "separable", "deep-separable"}
    with pytest.raises(AudiolibError, match="no study is called 'papers'; there are paper, leak"):
        recipes.study("papers")


def test_the_books_records_are_whole_and_of_its_studies():
    known = {recipe for name in recipes.STUDIES for recipe in recipes.study(name)}
    for path in (ROOT / "results").glob("*.json"):
        record = study.read_record(path)
        recipe = Recipe.from_dict(record["recipe"])
        assert path.stem == recipe.name and recipe in known
        assert len(record["history"]["loss"]) == recipe.epochs
        right = [true == predicted for true, predicted in record["test"]["tracks"].values()]
        accuracy = record["test"]["track_accuracy"]
        assert (accuracy["value"], accuracy["n"]) == (pytest.approx(np.mean(right)), len(right))
        assert (accuracy["low"], accuracy["high"]) == pytest.approx(evaluation.wilson(accuracy["value"], accuracy["n"]))
        assert np.trace(record["test"]["confusion"]) == sum(right)


@pytest.mark.real
def test_a_recorded_run_can_be_repeated(real_data, monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIOLIB_DATA", str(real_data))
    recipe = next(recipe for recipe in recipes.study("fast") if recipe.protocol == "fault-filtered")
    recorded = study.read_record(ROOT / "results" / f"{recipe.name}.json")
    with pytest.warns(UserWarning, match=r"jazz\.00054"):
        (again,) = study.run([recipe], folder=tmp_path / "results", progress=False)
    assert again["data"] == recorded["data"]
    # Another machine or another number of threads adds up in another order, and a thousand steps make that larger.
    for name in ("segment_accuracy", "track_accuracy"):
        assert again["test"][name]["value"] == pytest.approx(recorded["test"][name]["value"], abs=0.06)


def test_twins_of_the_fair_study_differ_in_the_model_alone():
    fair = recipes.study("fair")
    for recipe in fair:
        if "separable" in recipe.model:
            assert recipe.but(model=recipe.model.replace("separable", "standard")) in fair


# --- the command line -------------------------------------------------------------------------------------------------


def test_train_from_the_command_line_records_the_run_and_says_so(toys, tmp_path, data_root, monkeypatch):
    monkeypatch.delenv("AUDIOLIB_DATA")
    command = ["train", "toy.npz", "--data", str(data_root), "--results", str(tmp_path / "results"), "--quiet"]
    command += ["--model", "separable-small", "--protocol", "track", "--epochs", "1"]
    for part in ("batch=28", "schedule=cosine", 'frontend={"segment_seconds": 3}'):
        command += ["--set", part]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    (record,) = study.load(tmp_path / "results")
    assert record["recipe"]["schedule"] == "cosine" and record["recipe"]["frontend"]["segment_seconds"] == 3
    assert "separable-small" in result.output and "of tracks (" in result.output
    assert "delete it" not in result.output
    assert "this run was done; delete it to train again" in CliRunner().invoke(main, command).output


def test_a_study_is_listed_before_it_is_done(tmp_path):
    options = ["--list", "--results", str(tmp_path), "--only", "fault-filtered", "--only", "seed1"]
    result = CliRunner().invoke(main, ["study", "leak", *options])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == 3 and result.output.count("gtzan-logmel_fault-filtered") == 3


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["study", "papers"], "Error: no study is called 'papers'; there are paper, leak"),
        (["train", "--model", "seperable"], "Error: model 'seperable' is not known (did you mean 'separable'?)"),
        (["study", "fair", "--only", "nosuch"], "Error: no recipe of the study 'fair' has nosuch in its name"),
        (["train", "--set", "epoch=3"], "Error: recipe: 'epoch' is not known (did you mean 'epochs'?)"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(command, message):
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1 and message in result.output and "Traceback" not in result.output


# --- what a hostile user found ----------------------------------------------------------------------------------------


def test_an_error_that_nobody_foresaw_costs_no_other_run(toys, tmp_path, monkeypatch):
    train = training.train

    def strange(recipe, **options):
        if recipe.seed == 1:
            raise ZeroDivisionError("deep inside")
        return train(recipe, **options)

    monkeypatch.setattr(training, "train", strange)
    with pytest.raises(AudiolibError, match=r"1 of 3 recipes did not work.*ZeroDivisionError: deep inside"):
        study.run(toys, folder=tmp_path / "results", progress=False)
    assert len(study.load(tmp_path / "results")) == 2


def test_records_that_repeat_one_another_are_not_counted_twice(record):
    with pytest.raises(AudiolibError, match="1 of 2 records repeat"):
        study.table([record, record])
    other = record | {"recipe": record["recipe"] | {"model": "standard-small"}}
    with pytest.raises(AudiolibError, match="1 of 2 records repeat"):
        study.compare([record], [record, other])


def test_a_record_of_other_data_is_not_taken_for_the_run(toys, data_root, tmp_path):
    recipe = toys[0]
    study.run([recipe], folder=tmp_path / "results", progress=False)
    write_archive(data_root / "toy.npz", tracks=30)
    arguments = ["train", "toy.npz", "--results", str(tmp_path / "results"), "--quiet"]
    for name in ("model", "protocol", "epochs"):
        arguments += [f"--{name}", str(getattr(recipe, name))]
    for name in ("frontend", "batch", "learning_rate"):
        arguments += ["--set", f"{name}={json.dumps(getattr(recipe, name))}"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and "is of other data than toy.npz holds here and now" in result.output


def test_an_archive_that_was_written_anew_is_read_anew(toys, data_root):
    before = training.load_features(toys[0])
    assert training.load_features(toys[0]) is before
    write_archive(data_root / "toy.npz", tracks=30)
    assert training.load_features(toys[0]).tracks == 30


@pytest.mark.parametrize("given", ["seed=5", "corpus=other"])
def test_what_has_an_option_is_not_set_in_another_way(given):
    result = CliRunner().invoke(main, ["train", "synthetic", "--seed", "6", "--set", given])
    assert result.exit_code == 1 and "has an argument or an option of its own" in result.output


def test_a_path_that_no_disk_knows_is_one_line():
    result = CliRunner().invoke(main, ["train", "a" * 300, "--epochs", "1"])
    assert result.exit_code == 1 and "File name too long" in result.output and "Traceback" not in result.output


def test_a_folder_or_a_pipe_is_no_record(tmp_path):
    (tmp_path / "a.json").mkdir()
    os.mkfifo(tmp_path / "b.json")
    for name in ("a.json", "b.json"):
        with pytest.raises(AudiolibError, match=f"{name} is not a whole record"):
            study.read_record(tmp_path / name)


def test_a_record_below_a_file_is_told_in_the_librarys_words(record, tmp_path):
    (tmp_path / "results").write_text("a file in the way")
    with pytest.raises(AudiolibError, match="cannot be written"):
        study.write_record(record, tmp_path / "results" / "deeper")
