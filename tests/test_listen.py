"""A kept network hears files: the same numbers as Keras, of any length, and a clear word for what cannot be heard."""

import json
import subprocess
import sys
from dataclasses import asdict

import keras
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from toys import write_corpus

from audiolib import AudiolibError, features, listen, models, networks
from audiolib.cli import main
from audiolib.features import Frontend
from audiolib.recipes import Recipe

SMALL = Frontend(sample_rate=8000, n_fft=256, hop_length=128, n_mels=20, segment_seconds=0.5)


def untrained(**changes):
    """A network of three classes with random weights, as `load` gives one."""
    model = models.build("statistics", frames=SMALL.frames, bands=SMALL.bands, classes=3)
    given = {
        "labels": ("a", "b", "c"), "steps": networks.steps("statistics"), "weights": model.get_weights(),
        "frontend": SMALL, "normalization": "segment", "temperature": 1.0, "threshold": 0.0, "card": {},
    }  # fmt: skip
    return listen.Network(**given | changes)


@pytest.fixture
def song(tmp_path):
    """2.9 s that change: low in the first half, high in the second."""
    t = np.arange(23200) / 8000
    noise = np.random.default_rng(0).standard_normal(len(t))
    y = 0.5 * np.sin(2 * np.pi * np.where(t < 1.45, 300, 3000) * t) + 0.01 * noise
    soundfile.write(tmp_path / "song.wav", y, 8000)
    return tmp_path / "song.wav"


# --- the network by hand ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", networks.NAMES)
def test_by_hand_every_network_gives_the_logits_of_keras(name):
    frames, bands = (77, 32) if "square" in name else (130, 13)
    model = models.build(name, frames=frames, bands=bands, classes=5, seed=1)
    rng = np.random.default_rng(0)
    for layer in model.layers:  # averages that are not 0 and 1, as after a training
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    x = rng.standard_normal((3, frames, bands)).astype(np.float32)
    ours = listen.softmax(listen.forward(networks.steps(name), model.get_weights(), x))
    np.testing.assert_allclose(ours, model.predict_on_batch(x), atol=2e-5)


@pytest.mark.parametrize(("name", "options"), [
    ("deep-separable", {"pools": "strides"}), ("deep-separable", {"stride": 2, "padding": "same"}),
    ("standard-small", {"pools": "strides", "padding": "same", "filters": 0.1}),
])
def test_by_hand_changed_networks_do_too(name, options):
    model = models.build(name, frames=130, bands=13, classes=5, seed=1, **options)
    x = np.random.default_rng(0).standard_normal((3, 130, 13)).astype(np.float32)
    ours = listen.softmax(listen.forward(networks.steps(name, **options), model.get_weights(), x))
    np.testing.assert_allclose(ours, model.predict_on_batch(x), atol=2e-5)


def test_relative_levels_do_not_know_the_gain_nor_what_is_far_below():
    x = np.random.default_rng(0).uniform(-50, 0, (2, 5, 4))
    quiet = x.copy()
    x[0, 0, 0], quiet[0, 0, 0] = -150, -300
    np.testing.assert_allclose(features.relative(x), features.relative(quiet - 20))


# --- hearing a file ---------------------------------------------------------------------------------------------------


def test_segments_overlap_by_half_and_the_last_ends_with_the_file(song):
    heard = listen.listen(song, untrained())
    assert heard.starts[:3] == [0, 0.25, 0.5]
    assert heard.starts[-1] == pytest.approx(2.9 - 0.5, abs=0.26)
    assert heard.seconds == pytest.approx(2.9)
    y, _ = soundfile.read(song, dtype="float32")
    x = features.transform(y[2000:6000], SMALL)
    np.testing.assert_allclose(heard.segments[1], untrained().probabilities(x)[0], rtol=1e-5)
    np.testing.assert_allclose(heard.probabilities, heard.segments.mean(axis=0))


def test_a_file_is_heard_the_same_in_small_blocks_and_at_another_rate(song, monkeypatch):
    whole = listen.listen(song, untrained())
    real = listen.corpora.stream

    def blocks(path):
        for block, sr in real(path):
            for start in range(0, block.shape[1], 777):
                yield block[:, start : start + 777], sr

    monkeypatch.setattr(listen.corpora, "stream", blocks)
    again = listen.listen(song, untrained())
    assert again.starts == whole.starts
    np.testing.assert_allclose(again.segments, whole.segments, rtol=1e-6)
    import librosa

    y, _ = soundfile.read(song, dtype="float32")
    double = np.tile(librosa.resample(y, orig_sr=8000, target_sr=44100), (2, 1)).T
    soundfile.write(song.with_name("stereo.wav"), double, 44100, subtype="FLOAT")
    other = listen.listen(song.with_name("stereo.wav"), untrained())
    assert np.abs(other.probabilities - whole.probabilities).max() < 0.05


def test_hours_need_no_more_memory_than_minutes(song, monkeypatch):
    longest = 0

    def endless(path):
        nonlocal longest
        for _ in range(300):
            yield np.random.default_rng(0).standard_normal((1, 8000)).astype(np.float32), 8000

    monkeypatch.setattr(listen.corpora, "stream", endless)
    real = np.concatenate

    def watched(parts, *args, **kwargs):
        nonlocal longest
        result = real(parts, *args, **kwargs)
        if result.ndim == 1:
            longest = max(longest, len(result))
        return result

    monkeypatch.setattr(listen.np, "concatenate", watched)
    for _ in listen._segments("x", SMALL):
        pass
    assert longest < 4 * 8000


def test_what_changes_over_time_is_told_without_blinks():
    segments = np.array([[0.9, 0.1]] * 6 + [[0.1, 0.9]] + [[0.9, 0.1]] * 6 + [[0.2, 0.8]] * 8)
    heard = listen.Heard("x", 12.0, ("a", "b"), [float(i) for i in range(len(segments))], segments, 0.9)
    assert [label for _, label in heard.over_time()] == ["a", "b"]
    assert heard.genre == "a" and not heard.sure and "not sure" in str(heard)
    assert heard.agreement == pytest.approx(12 / 21)


@pytest.mark.parametrize(("y", "reason"), [
    (np.full(2000, 0.1), r"0.25 s long, but this network hears 0.5 s at a time; too short"),
    (np.zeros(16000), "silent"),
])  # fmt: skip
def test_what_cannot_be_heard_is_told_with_its_name(tmp_path, y, reason):
    soundfile.write(tmp_path / "x.wav", y, 8000)
    with pytest.raises(AudiolibError, match=rf"x\.wav: .*{reason}"):
        listen.listen(tmp_path / "x.wav", untrained())


@pytest.mark.parametrize("name", ["nothing.mp3", "https://example.org/a.mp3", "/dev/null"])
def test_what_is_no_file_is_told_to_who_listens(name):
    with pytest.raises(AudiolibError, match="no such file; is the name right"):
        listen.listen(name)


# --- kept networks ----------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path):
    """A network kept after a short training on a corpus of noise of different colours."""
    rng = np.random.default_rng(0)
    for label, step in (("dark", 0.9), ("bright", 0.0)):
        (tmp_path / "c" / label).mkdir(parents=True)
        for number in range(6):
            y = rng.standard_normal(9000)
            y = np.array([y[i] + (step * y[i - 1] if i else 0) for i in range(len(y))])
            soundfile.write(tmp_path / "c" / label / f"{number}.wav", 0.1 * y, 8000)
    recipe = Recipe(
        corpus=str(tmp_path / "c"), frontend=asdict(SMALL), model="statistics", protocol="track", epochs=1, batch=4,
        normalization="standard",
    )  # fmt: skip
    model = models.build("statistics", frames=SMALL.frames, bands=SMALL.bands, classes=2)
    return listen.keep(tmp_path / "mine.npz", recipe, model.get_weights()), tmp_path / "mine.npz"


def test_a_kept_network_is_read_as_it_was_written(kept):
    network, path = kept
    again = listen.load(path)
    assert again.labels == ("bright", "dark") and again.frontend == SMALL
    assert 0.1 < again.temperature < 10 and again.card["test"]["n"] == 3
    x = np.random.default_rng(0).uniform(-60, 0, (2, SMALL.frames, SMALL.bands)).astype(np.float32)
    np.testing.assert_array_equal(again.probabilities(x), network.probabilities(x))
    assert [row[0] for row in again.card["valid"]["answered"]] == [i / 10 for i in range(1, 11)]


def test_the_card_counts_the_test_clips_by_confidence(kept):
    test = kept[0].card["test"]
    least, counts, right = np.array(test["by confidence"]).T
    assert counts.sum() == test["n"] and right.sum() == round(test["value"] * test["n"])
    assert list(least) == sorted(least, reverse=True) and (right <= counts).all()


@pytest.mark.parametrize("damage", ["cut", "text", "pickle", "other", "format", "shape", "missing"])
def test_what_is_no_kept_network_is_refused_by_name(kept, tmp_path, damage):
    path = kept[1]
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "text":
        path.write_text("hello")
    elif damage == "pickle":
        np.savez(path, header=np.array([{"a": 1}], dtype=object))
    elif damage == "other":
        np.savez(path, x=np.zeros(3))
    elif damage == "missing":
        path.unlink()
    else:
        with np.load(path) as file:
            arrays = dict(file)
        header = json.loads(str(arrays["header"]))
        if damage == "format":
            header["format"] = 99
        else:
            header["labels"].append("third")
        np.savez(path, **arrays | {"header": np.array(json.dumps(header))})
    listen.load.cache_clear()
    with pytest.raises(AudiolibError, match=r"mine\.npz: "):
        listen.load(path)


def test_an_archives_frames_are_those_of_its_audio():
    """A frame every 1102.5 samples: the frontend for audio has the archive's frames, one by one."""
    settings = {"kind": "mel", "archive": "x.npz", "sample_rate": 22050.0, "n_fft": 2048, "hop_length": 1102.5,
                "n_mels": 128, "fmin": 0.0, "fmax": 11025.0, "segment_seconds": 1.0}  # fmt: skip
    frontend = listen.frontend_of(settings, 20)
    assert (frontend.frames, frontend.bands) == (20, 128)
    y = np.random.default_rng(0).standard_normal(frontend.segment_samples).astype(np.float32)
    x = features.transform(y, frontend)[0]
    whole = features.transform(y, Frontend(hop_length=1, segment_seconds=frontend.segment_seconds))[0]
    np.testing.assert_allclose(x, whole[np.round(np.arange(20) * 1102.5).astype(int)], atol=1e-3)


# --- the command ------------------------------------------------------------------------------------------------------


def invoke(*args):
    return CliRunner().invoke(main, ["listen", *map(str, args)])


def test_the_command_hears_files_and_folders_and_counts_what_failed(kept, song, tmp_path):
    soundfile.write(tmp_path / "short.wav", np.full(800, 0.1), 8000)
    (tmp_path / "noise.mp3").write_bytes(bytes(range(256)) * 40)
    done = invoke(song, tmp_path / "c" / "dark", "--model", kept[1])
    assert done.exit_code == 0, done.output
    assert done.output.count("% of") == 7 and "7 files: " in done.output
    odd = [tmp_path / name for name in ("short.wav", "noise.mp3", "gone.wav")]
    done = invoke(song, *odd, "--model", kept[1], "--json")
    assert done.exit_code == 1
    (said,) = map(json.loads, done.stdout.splitlines())
    assert set(said) >= {"path", "seconds", "genre", "probabilities", "segments"}
    assert said["genre"] in said["probabilities"]
    assert sum(said["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert set(said["segments"][0]) == {"start", "probabilities"}
    for path in odd:
        assert sum(path.name in line for line in done.stderr.splitlines()) == 1


def test_the_command_draws_a_file(kept, song, tmp_path):
    assert invoke(song, "--model", kept[1], "--picture", tmp_path / "out.png").exit_code == 0
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"
    assert "cannot be written" in invoke(song, "--model", kept[1], "--picture", tmp_path / "no" / "out.png").output
    (tmp_path / "empty").mkdir()
    shown = invoke(song, tmp_path / "empty", "--model", kept[1])
    assert shown.exit_code == 1 and f"{tmp_path / 'empty'}: no file, or no audio in this folder" in shown.stderr
    assert shown.stdout.startswith(f"{song}: ") and "2 files: " in shown.stdout


def test_hearing_loads_no_tensorflow(kept, song):
    code = ("import sys; from audiolib import listen; listen.listen(sys.argv[1], listen.load(sys.argv[2])); "
            "print({'tensorflow', 'keras'} & set(sys.modules))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, song, kept[1]], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_three_commands_lead_from_a_folder_of_sounds_to_a_classifier(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path / "mine", clips=6)
    frontend = json.dumps({"kind": "mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 128, "n_mels": 20,
                           "segment_seconds": 0.5})  # fmt: skip
    given = ["train", "mine", "--model", "statistics", "--protocol", "track", "--epochs", "2", "--quiet"]
    given += ["--keep", "my.npz", "--set", "batch=4", "--set", f"frontend={frontend}"]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 0, done.output
    assert "my.npz: statistics" in done.output
    done = invoke("mine/drum/0.wav", "--model", "my.npz")
    assert done.exit_code == 0 and ("drum" in done.output or "flute" in done.output)


# --- the network that the package brings ------------------------------------------------------------------------------


def test_the_shipped_network_is_small_and_says_what_it_is():
    network = listen.load()
    assert listen.SHIPPED.stat().st_size < 1e6
    assert len(network.labels) == 10 and network.frontend.frames == 77
    told = {"recipe", "data", "valid", "test", "licence", "does not know", "changed levels", "by ear"}
    assert told <= set(network.card)


def test_the_readme_says_of_it_what_its_card_says():
    from conftest import ROOT

    text, card = (ROOT / "README.md").read_text(encoding="utf8"), listen.load().card
    test = card["test"]
    size = f"{card['parameters']:,} parameters in {listen.SHIPPED.stat().st_size / 1000:.0f} kB"
    assert size.replace(",", " ") in text
    assert f"right on {100 * test['value']:.0f} % of {test['n']} tracks" in text
    assert f"({100 * test['low']:.0f} to {100 * test['high']:.0f} %;" in text
    rows = (*card["changed levels"].values(), *card["by ear"].values())
    starts = [card["changed levels"]["as it is"]["value"]] * len(card["changed levels"])
    starts += [card["by ear"]["as it is"]["value"]] * len(card["by ear"])
    most = max(abs(row["value"] - start) for row, start in zip(rows, starts, strict=True))
    assert f"take up to {100 * most:.0f} points" in text


@pytest.mark.real
def test_the_shipped_network_is_that_of_its_record(real_data, monkeypatch):
    from conftest import ROOT

    from audiolib import protocols, records, training

    monkeypatch.setenv("AUDIOLIB_DATA", str(real_data))
    network = listen.load()
    record = records.read(ROOT / "results" / f"{network.card['record']}.json")
    assert record["recipe"] == network.card["recipe"]
    recipe = Recipe.from_dict(record["recipe"])
    data = training.load_features(recipe, progress=False)
    with pytest.warns(UserWarning, match=r"jazz\.00054"):
        split = protocols.split(data, recipe.protocol)
    found = listen.examine(network, data, split.test)
    assert found == network.card["test"]
    # Float16 and the temperature (which weighs segments anew) move a clip or two.
    assert found["value"] == pytest.approx(record["test"]["track_accuracy"]["value"], abs=0.015)
