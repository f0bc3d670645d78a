"""The benches: steps are timed in turns, the table's arithmetic is right, a nearest neighbour is what it says."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from conftest import ROOT

from audiolib import _keras, evaluation, models, protocols
from audiolib.features import Features
from benchmarks import genres, nearest
from benchmarks import models as bench_models


def test_shares_and_ratios_follow_from_the_times():
    seconds = {"tensorflow": np.full((5, 6), 0.010), "jax": np.full((5, 6), 0.020)}
    seconds["tensorflow"][2] = 0.015
    table = bench_models.report(["standard-small"], seconds, frames=130, bands=13, batch=32)
    speed = 2 * bench_models.MATRIX**3 / 0.010
    assert table["matrix_gflops"] == pytest.approx({"tensorflow": speed / 1e9, "jax": speed / 2e9})
    rows = {(r["step"], r["segments"], r["backend"]): r for r in table["rows"]}
    kinds = ("training", 32), ("by Keras", 32), ("inference", 32), ("inference", 1)
    assert set(rows) == {(*kind, backend) for kind in kinds for backend in seconds}
    forward, first = 14_802_944, 127 * 4 * 13 * 256
    assert rows["inference", 32, "jax"]["ratio_to_tensorflow"] == [2, 2, 2]
    assert rows["inference", 1, "jax"]["of_matrix_speed"] == pytest.approx(2 * forward / 0.020 / speed)
    training = rows["training", 32, "tensorflow"]
    assert training["of_matrix_speed"] == pytest.approx(64 * (3 * forward - first) / 0.010 / speed)
    assert training["ms"] == pytest.approx([10, 10, 10])
    assert rows["by Keras", 32, "tensorflow"]["times_training"] == pytest.approx([1.5, 1.5, 1.5])
    assert "times_training" not in training


def test_a_process_times_every_step_of_every_round():
    seconds = bench_models.measure(
        ["separable-small"], frames=56, bands=2, batch=2, repeats=2, warm=1, backends=("tensorflow",), progress=False
    )
    assert seconds["tensorflow"].shape == (5, 2)
    assert (seconds["tensorflow"] > 0).all()


def test_the_step_by_keras_holds_nothing_of_ours(monkeypatch):
    trained = []
    monkeypatch.setattr(keras.Model, "train_on_batch", lambda self, *batch: trained.append(self))
    bench_models.step_by_keras(models.build("statistics", frames=20, bands=2), 2, False)()
    assert type(trained[0].optimizer) is keras.optimizers.Adam
    assert not any(isinstance(layer, _keras.BatchNormalization) for layer in trained[0].layers)
    assert sum(isinstance(layer, keras.layers.BatchNormalization) for layer in trained[0].layers) == 3


def test_a_backend_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(bench_models.importlib.util, "find_spec", lambda name: None)
    assert bench_models.measure(["standard"], frames=60, bands=2, progress=False) == {}


@pytest.mark.real
def test_the_recorded_nearest_neighbour_can_be_computed_again(real_data, monkeypatch):
    """The record in results/nearest has no recipe that could be run again, but the script that made it can."""
    monkeypatch.setenv("AUDIOLIB_DATA", str(real_data))
    with pytest.warns(UserWarning, match=r"jazz\.00054"):
        found = nearest.finer_exam()
    recorded = json.loads((ROOT / "results/nearest/gtzan-logmel.json").read_text())["finer"]
    for protocol, said in found.items():
        for name in ("value", "low", "high", "n", "own"):
            assert said[name] == pytest.approx(recorded[protocol][name], abs=0.005)


def toy(seed=0):
    """24 tracks of 4 segments whose bands bear the mark of the track in level and spread, and less of the label."""
    rng = np.random.default_rng(seed)
    clip, label = np.repeat(np.arange(24), 4), np.arange(24) % 2
    marks, spread = 2 * rng.normal(size=(24, 1, 4)) + label[:, None, None], np.exp(rng.normal(size=(24, 1, 4)))
    x = marks[clip] + 0.1 * spread[clip] * rng.normal(size=(96, 50, 4))
    return Features(x=x.astype("float32"), clip=clip,
                    names=[f"t{i}" for i in range(24)], clip_labels=[("a", "b")[one] for one in label])  # fmt: skip


def test_a_nearest_neighbour_finds_siblings_where_there_are_some():
    music = toy()
    by_segment, by_track = (nearest.examine(music, protocols.split(music, name)) for name in ("segment", "track"))
    assert by_segment["own"] > 0.8 and by_track["own"] == 0
    assert by_segment["value"] > by_track["value"]
    assert nearest.finer(music, protocols.split(music, "segment"), kept=4)["own"] > 0.5
    climb = nearest.by_siblings(replace(music, digests=tuple(f"d{i}" for i in range(24))))
    assert len(climb) == 4 and (np.diff(climb) >= 0).all()


def test_folds_are_pooled_by_their_tracks():
    parts = [{"value": 1.0, "n": 30, "effective": 30.0}, {"value": 0.0, "n": 10, "effective": 10.0}]
    found = nearest._pooled(parts)
    assert found["value"] == 0.75 and found["n"] == 40
    assert (found["low"], found["high"]) == evaluation.wilson(0.75, 40)


@pytest.mark.parametrize(
    ("accuracies", "taken"),
    [({"square": 0.67, "square-separable": 0.60, "square-wide": 0.66, "square-separable-wide": 0.64},
      "square-separable-wide"),  # 2 points of 200 clips are within the interval
     ({"square": 0.60, "square-separable": 0.56, "square-wide": 0.80, "square-separable-wide": 0.66}, "square-wide"),
     ({"square": 0.60, "square-separable": 0.71, "square-wide": 0.80, "square-separable-wide": 0.66},
      "square-separable")],
)  # fmt: skip
def test_the_best_separable_network_is_kept_unless_its_twin_is_clearly_better(accuracies, taken):
    assert genres.chosen(accuracies, n=200) == taken
