"""A study records each run once, loses nothing to a killed worker or Ctrl-C, and takes no record of other data."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from toys import write_archive, write_corpus

from audiolib import AudiolibError, recipes, records, study, training
from audiolib.cli import main
from audiolib.recipes import Recipe

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def toys(data_root):
    write_archive(data_root / "toy.npz")
    first = Recipe(
        corpus="toy.npz", frontend={"segment_seconds": 3.0, "n_mfcc": 5}, protocol="track", model="separable-small",
        epochs=2, batch=28, learning_rate=1e-3,
    )  # fmt: skip
    return [first.replace(seed=seed) for seed in range(3)]


def numbers_of(record):
    """All of a record that does not depend on how fast the machine was, or where it was started."""
    history = {name: values for name, values in record["history"].items() if name != "seconds"}
    return {name: part for name, part in record.items() if name not in ("seconds", "history", "origin")} | history


def test_a_folder_that_cannot_be_written_is_told_before_training(toys, tmp_path):
    (tmp_path / "results").write_text("a file in the way")
    with pytest.raises(AudiolibError, match=r"results cannot be written to .*choose another folder"):
        study.run(toys, folder=tmp_path / "results", progress=False)
    assert not list((tmp_path / "cache").iterdir())


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
    bad = toys[0].replace(batch=1000)
    with pytest.raises(AudiolibError, match=r"1 of 2 recipes did not work: .*batch=1000 is more than the 28 segments"):
        study.run([bad, toys[1]], folder=tmp_path / "results", progress=False)
    assert len(records.load(tmp_path / "results")) == 1


def test_what_is_wrong_with_many_recipes_is_told_once(toys, tmp_path):
    gone = [recipe.replace(corpus="gone.npz") for recipe in toys]
    message = r"3 of 3 recipes did not work: gone_track.*seed0_\w+ and 2 more: "
    with pytest.raises(AudiolibError, match=message) as caught:
        study.run(gone, folder=tmp_path / "results", progress=False)
    assert str(caught.value).count("no such file") == 1


def test_a_corpus_with_a_long_name_has_a_record_with_a_shorter_one(toys, tmp_path, data_root):
    (data_root / "toy.npz").rename(data_root / f"{'toy' * 80}.npz")
    recipe = toys[0].replace(corpus=f"{'toy' * 80}.npz", epochs=1)
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


@pytest.fixture
def others():
    """Processes that joblib keeps for whoever asks, for a while."""
    from joblib.externals.loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=1, timeout=600)
    yield executor
    executor.shutdown(kill_workers=True)


def test_workers_that_joblib_keeps_for_other_work_do_not_answer_with_its_data_root_and_are_left_alone(
    others, toys, tmp_path, monkeypatch
):
    with monkeypatch.context() as other:
        other.setenv("AUDIOLIB_DATA", str(tmp_path / "elsewhere"))
        assert others.submit(os.getenv, "AUDIOLIB_DATA").result().endswith("elsewhere")
    pid, waiting = others.submit(os.getpid).result(), others.submit(time.sleep, 0.2)
    assert len(study.run(toys[:1], folder=tmp_path / "results", jobs=2, threads=1, progress=False)) == 1
    assert waiting.result() is None and others.submit(os.getpid).result() == pid


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the workers")
def test_a_killed_worker_costs_no_finished_run_and_the_next_call_goes_on(toys, tmp_path, cache_root):
    """Three runs in two processes; a worker is killed (SIGKILL) when the first run is recorded and two are at work."""
    folder, runs = tmp_path / "results", cache_root / "runs"
    three = [toys[0], *(recipe.replace(epochs=300) for recipe in toys[1:])]

    def kill():
        wait_for(lambda: list(folder.glob("*.json")) and all((runs / f"{r.name}.npz").exists() for r in three[1:]))
        workers = [pid for pid in processes_below(os.getpid()) if "loky.backend.popen" in command_of(pid)]
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(AudiolibError, match=r"a worker process was lost .* call again, perhaps with fewer jobs"):
        study.run(three, folder=folder, jobs=2, threads=1, every=0, progress=False)
    thread.join()
    assert [record["recipe"]["seed"] for record in records.load(folder)] == [0]
    states = {recipe: len(json.loads(str(np.load(runs / f"{recipe.name}.npz")["header"]))["history"]["loss"])
              for recipe in three[1:]}  # fmt: skip
    assert all(0 < done < 300 for done in states.values())
    done = study.run(three[:2], folder=folder, progress=False)
    assert [len(record["history"]["loss"]) for record in done] == [2, 300]


SCRIPT = """
import json, sys
from audiolib import study
from audiolib.recipes import Recipe
recipe = Recipe.from_dict(json.loads(sys.argv[1]))
for folder in sys.argv[2:]:
    toys = [recipe.replace(epochs=1), recipe]
    study.run(toys, folder=folder, checkpoints=f"{folder}-runs", threads=1, every=0, progress=False)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_a_stopped_study_loses_no_finished_run_and_goes_on_to_the_same_numbers(how, toys, tmp_path):
    recipe, folder, other = toys[0].replace(epochs=25), tmp_path / "results", tmp_path / "whole"
    command = [sys.executable, "-c", SCRIPT, json.dumps(recipe.to_dict())]
    stopped = subprocess.Popen([*command, str(folder)], stderr=subprocess.DEVNULL, cwd=ROOT)
    state = tmp_path / "results-runs" / f"{recipe.name}.npz"
    wait_for(lambda: state.exists() or stopped.poll() is not None)
    stopped.send_signal(how)
    assert stopped.wait() != 0
    assert [record["recipe"]["epochs"] for record in records.load(folder)] == [1]
    assert 1 <= len(json.loads(str(np.load(state)["header"]))["history"]["loss"]) < 25
    if how == signal.SIGKILL:  # what follows is the same for both
        subprocess.run([*command, str(folder), str(other)], check=True, stderr=subprocess.DEVNULL, cwd=ROOT)
        resumed, whole = (records.read(each / f"{recipe.name}.json") for each in (folder, other))
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
    texts = [json.dumps(recipe.replace(epochs=100000).to_dict()) for recipe in toys[:2]]
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
    threads = training.threads()  # the worker is in this process, which may have begun to compute
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
    assert len(records.load(tmp_path / "results")) == 2


def test_a_scheduler_that_does_not_answer_is_named(toys, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(study, "ANSWER_SECONDS", 0.5)
    with pytest.raises(AudiolibError, match=r"no dask scheduler answers at tcp://127.0.0.1:9"):
        study.run(toys[:1], folder=tmp_path / "results", address="tcp://127.0.0.1:9", progress=False)


# --- verifying --------------------------------------------------------------------------------------------------------


def test_verify_trains_the_shortest_recorded_runs_anew_and_compares_them_with_their_intervals(toys, tmp_path):
    folder = tmp_path / "results"
    for record in study.run(toys[:2], folder=folder, progress=False):
        quick = record["recipe"]["seed"] == 1
        records.write(record | {"seconds": 1.0 if quick else 2.0}, folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    (result,) = study.verify(toys, 1, folder=folder, progress=False)
    assert result["name"] == toys[1].name and result["within"] and result["again"] == result["recorded"]
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    drawn = {study.verify(toys, 1, folder=folder, draw=seed, progress=False)[0]["name"] for seed in (0, 3)}
    assert drawn == {toys[0].name, toys[1].name}
    with pytest.raises(AudiolibError, match=r"verify=3: .*results has 2 records of these recipes; ask for fewer"):
        study.verify(toys, 3, folder=folder, progress=False)


@pytest.mark.parametrize("honest", [True, False])
def test_verify_on_the_command_line_fails_where_a_record_cannot_be_repeated(honest, toys, tmp_path, monkeypatch):
    monkeypatch.setitem(recipes.STUDIES, "toys", toys)
    folder = tmp_path / "results"
    (record,) = study.run(toys[:1], folder=folder, progress=False)
    if not honest:  # a recorded figure that no training gives
        told = {"value": 2.0, "low": 1.5, "high": 2.5, "n": 6}
        records.write(record | {"test": record["test"] | {"track_accuracy": told}}, folder)
    shown = CliRunner().invoke(main, ["study", "toys", "--verify", "1", "--results", str(folder), "--quiet"])
    assert shown.exit_code == (0 if honest else 1), shown.output
    assert f"{'within' if honest else 'OUTSIDE'}  {toys[0].name}: recorded " in shown.output


@pytest.mark.real
def test_a_recorded_run_can_be_repeated(real_data, monkeypatch, tmp_path):
    """Another machine or another number of threads adds up in another order, and a thousand steps make that larger."""
    monkeypatch.setenv("AUDIOLIB_DATA", str(real_data))
    fast = [recipe for recipe in recipes.study("fast") if recipe.protocol == "fault-filtered"]
    with pytest.warns(UserWarning, match=r"jazz\.00054"):
        (result,) = study.verify(fast, 1, folder=ROOT / "results", progress=False)
    assert result["within"], result
    assert result["again"]["value"] == pytest.approx(result["recorded"]["value"], abs=0.06)


# --- the command line -------------------------------------------------------------------------------------------------


def test_train_from_the_command_line_records_the_run_and_says_so(toys, tmp_path, data_root, monkeypatch):
    monkeypatch.delenv("AUDIOLIB_DATA")
    command = ["train", "toy.npz", "--data", str(data_root), "--results", str(tmp_path / "results"), "--quiet"]
    command += ["--model", "separable-small", "--protocol", "track", "--epochs", "1"]
    for part in ("batch=28", "schedule=cosine", 'frontend={"segment_seconds": 3}'):
        command += ["--set", part]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    (record,) = records.load(tmp_path / "results")
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
        (["train", "--model", "seperable"], "Error: model='seperable' is not known; did you mean 'separable'?"),
        (["study", "fair", "--only", "nosuch"], "Error: no recipe of the study 'fair' has nosuch in its name"),
        (["train", "--set", "epoch=3"], "Error: recipe='epoch' is not known; did you mean 'epochs'?"),
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
    assert len(records.load(tmp_path / "results")) == 2


def train_command(recipe, folder):
    """What trains a toy recipe from the command line."""
    arguments = ["train", recipe.corpus, "--results", str(folder), "--quiet"]
    for name in ("model", "protocol", "epochs"):
        arguments += [f"--{name}", str(getattr(recipe, name))]
    for name in ("frontend", "batch", "learning_rate"):
        arguments += ["--set", f"{name}={json.dumps(getattr(recipe, name))}"]
    return arguments


def test_a_record_of_other_data_is_taken_by_no_one(toys, data_root, tmp_path, monkeypatch):
    recipe, folder = toys[0], tmp_path / "results"
    monkeypatch.setitem(recipes.STUDIES, "toys", toys[:1])
    study.run([recipe], folder=folder, progress=False)
    write_archive(data_root / "toy.npz", tracks=30)
    message = "is of other data than toy.npz holds here and now (tracks: 24 there, 30 here)"
    with pytest.raises(AudiolibError, match=re.escape(message)):
        study.run([recipe], folder=folder, progress=False)
    for command in (train_command(recipe, folder), ["study", "toys", "--results", str(folder), "--quiet"]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 1 and result.output.count(message) == 1


def test_records_without_their_data_are_taken_and_it_is_said(toys, data_root, tmp_path):
    done = study.run(toys[:2], folder=tmp_path / "results", progress=False)
    (data_root / "toy.npz").unlink()
    message = r"records of toy.npz are taken unchecked, without data \(.*no such file"
    with pytest.warns(UserWarning, match=message) as told:
        assert study.run(toys[:2], folder=tmp_path / "results", progress=False) == done
    assert len(told) == 1


def test_records_of_the_same_clips_on_another_processor_are_taken_and_it_is_said(tmp_path, monkeypatch):
    write_corpus(tmp_path / "corpus", clips=8)
    frontend = {"sample_rate": 8000, "n_fft": 256, "hop_length": 128, "n_mels": 20, "segment_seconds": 0.5}
    recipe = Recipe(corpus=str(tmp_path / "corpus"), frontend=frontend, model="statistics", batch=4, epochs=1)
    (record,) = study.run([recipe], folder=tmp_path / "results", progress=False)
    other = record | {"data": record["data"] | {"fingerprint": "of another processor"}}
    records.write(other, tmp_path / "results")
    with pytest.warns(UserWarning, match="records of these same clips are taken, though their features are not"):
        study.run([recipe], folder=tmp_path / "results", progress=False)


def test_the_list_of_a_study_does_not_call_a_damaged_record_done(toys, tmp_path, monkeypatch):
    monkeypatch.setitem(recipes.STUDIES, "toys", toys)
    study.run(toys[:2], folder=tmp_path, progress=False)
    path = records.path_of(toys[0], tmp_path)
    path.write_text(path.read_text()[:-40])
    shown = CliRunner().invoke(main, ["study", "toys", "--list", "--results", str(tmp_path)])
    assert shown.exit_code == 1 and f"{path} is not a whole record" in shown.stderr
    assert [line[:4].strip() for line in shown.stdout.splitlines()] == ["BAD", "done", ""]


def test_an_error_is_told_once_and_quiet_shows_no_bar(toys, tmp_path):
    shown = CliRunner().invoke(main, train_command(toys[0].replace(batch=99), tmp_path / "results"))
    assert shown.exit_code == 1
    assert shown.output.count("batch=99 is more than") == 1 and len(shown.output.splitlines()) == 1


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
