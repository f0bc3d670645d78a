"""The command line: it teaches, it says in one line what went wrong, and its exit code can be relied on."""

import os
import re
import signal
import subprocess
import sys

import click
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from toys import write_corpus

from audiolib import AudiolibError, cli, corpora, features, protocols, recipes
from audiolib.archive import read_archive
from audiolib.cli import main

NUMBERS = ["--sample-rate=8000", "--n-fft=256", "--hop-length=128", "--n-mels=20", "--segment-seconds=0.5"]


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "corpus", seconds=3.2, clips=2)


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_python_m_audiolib_is_this_command_line():
    command = [sys.executable, "-m", "audiolib", "features", "/nowhere/at/all"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("Error: /nowhere/at/all: ") and len(done.stderr.splitlines()) == 1


def test_help_loads_nothing_heavy():
    code = ("import sys; from audiolib.cli import main; main(['--help'], standalone_mode=False); "
            "print([name for name in ('numpy', 'librosa', 'keras', 'tensorflow') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("command", ["fetch", "check", "features", "pack"])
def test_help_of_a_command_shows_an_example_that_has_its_name(command):
    shown = run(command, "--help")
    assert shown.exit_code == 0
    assert f"python -m audiolib {command} " in shown.output


def test_every_option_and_command_explains_itself():
    for name, command in main.commands.items():
        assert command.help and len(command.get_short_help_str(200)) > 20, name
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help or option.show_default, f"{name} --{option.name}"


def test_features_says_what_it_made_and_keeps_it(corpus, monkeypatch):
    shown = run("features", corpus.root, *NUMBERS, "--quiet")
    assert shown.exit_code == 0, shown.output
    assert "24 segments of 4 clips in 2 classes, 32 frames x 20 mel bands" in shown.output
    assert re.search(r"\[24, 32, 20\], 0\.1 MB, 16 ms a frame", shown.output)
    assert re.search(r"12 segments  drum\n +12 segments  flute\n", shown.output)
    monkeypatch.setattr(features, "_run", None)
    assert run("features", corpus.root, *NUMBERS, "--quiet").output == shown.output


@pytest.mark.parametrize(("arguments", "said"), [
    (["--hop-length", "0"], "Error: hop_length=0: "),
    (["--kind", "mfcc", "--n-mfcc", "500"], "Error: n_mfcc=500: "),
    (["--jobs", "0"], "Error: jobs=0: "),
    (["--segment-seconds", "9"], "Error: corpus "),
])
def test_a_wrong_number_ends_in_one_line(corpus, arguments, said):
    shown = run("features", corpus.root, "--quiet", *arguments)
    assert shown.exit_code == 1 and shown.stdout == ""
    assert shown.stderr.startswith(said) and len(shown.stderr.splitlines()) == 1


def test_skipped_clips_are_a_warning_of_one_line(corpus):
    corpus.clips[0].path.write_text("not audio")
    shown = run("features", corpus.root, *NUMBERS, "--quiet")
    assert shown.exit_code == 0
    assert shown.stderr.startswith("Warning: corpus: 1 of 4 clips skipped: drum/0: ")
    assert len(shown.stderr.splitlines()) == 1 and "UserWarning" not in shown.stderr


def test_pack_writes_an_archive_that_can_be_read(corpus, tmp_path):
    shown = run("pack", corpus.root, tmp_path / "out.npz", "--seconds", "3", "--quiet")
    assert shown.exit_code == 0, shown.output
    assert re.search(r"out\.npz: 0\.\d MB, <Features of out: 4 segments of 4 clips.*, 130 frames", shown.output)
    assert read_archive(tmp_path / "out.npz", segment_seconds=1).names == ("drum/0", "drum/1", "flute/0", "flute/1")
    assert run("pack", corpus.root, tmp_path / "no" / "out.npz").exit_code == 1


def test_archive_of_short_tracks_is_written_and_told(corpus, tmp_path):
    shown = run("pack", corpus.root, tmp_path / "out.npz", "--seconds", "0.5", "--quiet")
    assert shown.exit_code == 0 and "4 segments of 4 clips" in shown.output


@pytest.mark.parametrize(("command", "option"), [("pack", []), ("train", ["--keep"]), ("audit", ["--write"])])
def test_a_recording_is_not_written_over(command, option, corpus):
    path = corpus.clips[0].path
    shown = run(command, corpus.root, *option, path)
    assert shown.exit_code == 2 and f"'{path}' does not end in ." in shown.stderr


def test_picture_is_drawn_whatever_windows_the_user_has(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).standard_normal(7 * 8000) / 9, 8000)
    command = [sys.executable, "-m", "audiolib", "listen", "a.wav", "--picture", "a.png"]
    monkeypatch.setenv("MPLBACKEND", "module://of.another.project")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and (tmp_path / "a.png").stat().st_size > 9999, done.stderr


def test_a_command_needs_no_output(corpus):
    """As some schedulers start it."""
    command = [sys.executable, "-m", "audiolib", "check", corpus.root, "--quiet"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: os.close(1))
    assert done.returncode == 0 and done.stderr == ""


def test_what_pack_has_written_here_is_what_train_reads_here(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("pack", corpus.root, "mine.npz", "--seconds", "3", "--quiet").exit_code == 0
    options = ["--set", 'frontend={"segment_seconds": 1}', "--set", "batch=4", "--epochs", "1", "--quiet"]
    shown = run("train", "mine.npz", "--model", "statistics", "--results", "r", *options)
    assert shown.exit_code == 0, shown.output
    assert "of tracks (" in shown.output


def test_quiet_shows_no_bar_of_any_kind(corpus, monkeypatch, tmp_path):
    """Not of the features, not of the composing, not of the epochs; and an error or a warning once."""
    from audiolib import compose

    composed = []
    monkeypatch.setattr(compose, "write_corpus", lambda folder, **options: composed.append(options))
    run("check", "synthetic", "--quiet")
    assert composed == [{"progress": False}]
    options = ["--model", "statistics", "--epochs", "1", "--set", "batch=4", "--results", tmp_path / "r", "--quiet"]
    options += ["--set", 'frontend={"segment_seconds": 0.5, "sample_rate": 8000, "n_fft": 256, "hop_length": 64}']
    (corpus.root / "drum" / "notes.txt").write_text("loud")
    shown = run("train", corpus.root, *options, "--keep", tmp_path / "kept.npz")
    assert shown.exit_code == 0 and re.fullmatch(r"Warning: corpus: 1 skipped in .*\n", shown.stderr), shown.stderr
    shown = run("train", corpus.root, "--protocol", "groups", "--fold", "1", *options)
    assert shown.exit_code == 1 and shown.output.count("comes without groups") == 1


def test_check_of_a_sound_corpus_ends_well(corpus):
    shown = run("check", corpus.root, "--quiet")
    assert shown.exit_code == 0 and "4 clips are fine" in shown.output


def test_check_lists_what_is_wrong_and_fails(corpus):
    soundfile.write(corpus.clips[0].path, np.zeros(8000), 8000)
    corpus.clips[3].path.write_bytes(corpus.clips[2].path.read_bytes())
    shown = run("check", corpus.root, "--quiet")
    assert shown.exit_code == 1
    assert "drum/0: silent" in shown.output and "flute/0, flute/1" in shown.output


def test_check_names_all_that_is_left_out(corpus):
    for name in "ab":
        (corpus.root / "drum" / f"{name}.txt").write_text("notes")
    shown = run("check", corpus.root, "--quiet")
    assert shown.exit_code == 1 and "2 skipped" in shown.stderr
    for name in "ab":
        assert f"  left out: '{corpus.root / 'drum' / name}.txt': not a known audio file (.txt)" in shown.stdout


def test_a_number_of_cores_that_is_none_is_told(corpus, monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "abc")
    shown = run("check", corpus.root, "--quiet")
    assert shown.exit_code == 1
    assert shown.stderr == "Error: LOKY_MAX_CPU_COUNT='abc': must be a whole number; unset it\n"
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "-1")  # joblib takes it for one
    assert run("check", corpus.root, "--quiet").exit_code == 0


def test_corpora_says_what_is_known_and_what_is_there(data_root, cache_root):
    folder = data_root / "gtzan-mini" / "genres"
    (folder / "blues").mkdir(parents=True)
    soundfile.write(folder / "blues" / "blues.00000.wav", np.zeros(2000), 8000)
    shown = run("corpora")
    assert shown.exit_code == 0
    for name, description in corpora.DESCRIPTIONS.items():
        pattern = rf"^{name} .*{re.escape(description.title)}\n.*\n.*{re.escape(description.licence)}"
        assert re.search(pattern, shown.output, re.MULTILINE), name
    assert f"1 clips, 1 labels, 0 MB in {folder}" in shown.output
    assert "not there: python -m audiolib fetch esc10" in shown.output
    assert not list(cache_root.iterdir()), "listing must not make the synthetic corpus"


def test_fetch_says_where_the_corpus_is_or_what_to_do(monkeypatch, data_root):
    def fetch(name, *, progress):
        folder = data_root / "fsdd" / "recordings"
        folder.mkdir(parents=True)
        soundfile.write(folder / "0_george_0.wav", np.zeros(2000), 8000)
        return folder

    monkeypatch.setattr(corpora, "fetch", fetch)
    shown = run("fetch", "fsdd")
    assert shown.exit_code == 0 and f"fsdd: 1 clips in {data_root / 'fsdd' / 'recordings'}" in shown.output
    monkeypatch.undo()
    assert run("fetch", "nothing-like-it").exit_code == 1


def test_fetch_brings_the_published_lists(monkeypatch, data_root):
    monkeypatch.setattr(protocols, "fetch_lists", lambda: data_root / "gtzan-splits")
    shown = run("fetch", "gtzan-splits")
    assert shown.exit_code == 0 and shown.output == f"gtzan-splits: 6 lists in {data_root / 'gtzan-splits'}\n"


def test_a_wrong_command_gets_a_usage_message():
    shown = run("feature", "synthetic")
    assert shown.exit_code == 2 and "features" in shown.stderr


def test_other_errors_keep_their_traceback(monkeypatch):
    monkeypatch.setattr(corpora, "load", lambda name, **options: 1 / 0)
    assert isinstance(run("check", "synthetic").exception, ZeroDivisionError)
    monkeypatch.setattr(corpora, "load", lambda name, **options: (_ for _ in ()).throw(AudiolibError("said plainly")))
    assert run("check", "synthetic").stderr == "Error: said plainly\n"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "kill"])
def test_a_stopped_command_ends_in_one_line(how):
    code = ("from audiolib import cli, corpora; import time\n"
            "corpora.load = lambda name, **options: (print('waiting', flush=True), time.sleep(60))\n"
            "cli.main(['check', 'synthetic'])")
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(how)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and "Stopped" in said and "Traceback" not in said


def recorded(right, **changes):
    """What is told of a run that judged these tracks right or wrong."""
    recipe = recipes.SHORT.replace(model="standard", **changes)
    share = {"value": float(np.mean(right)), "n": len(right)}
    tracks = {f"{recipe.fold}.{i}": [1, int(hit)] for i, hit in enumerate(right)}
    test = {"tracks": tracks, "track_accuracy": share, "segment_accuracy": share}
    return {"recipe": recipe.to_dict(), "data": {"tracks": 999, "segments": 4995}, "test": test}


def test_runs_are_told_a_recipe_a_line_over_its_seeds_and_its_folds_by_their_tracks(capsys):
    applied = {"model_options": {"separable_l2": "applied"}}
    cli._tell([recorded([1, s > 0], seed=s, protocol="track") for s in (1, 0, 2)]
              + [recorded([1, 1, 1], protocol="artist-folds", fold=1), recorded([0], protocol="artist-folds", fold=2)]
              + [recorded([1, 0], protocol="track", **applied)])  # fmt: skip
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 3
    assert told[0].startswith("standard          gtzan-logmel.npz mfcc13-6s track 60 epochs, seeds [0, 1, 2]: ")
    assert "83.3% of segments, 83.3% of tracks (" in told[0] and told[0].endswith(", n = 2)")
    assert "75.0% of tracks (30.1% to 95.4%, n = 4)" in told[1]  # Wilson's interval of 3 of 4
    assert "seeds [0]: 50.0% of segments" in told[2]


def test_the_help_of_study_names_all_of_them():
    told = CliRunner().invoke(cli.main, ["study", "--help"]).output
    assert all(name in told for name in recipes.STUDIES)
