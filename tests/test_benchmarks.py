"""The bench of the networks: every step is timed in turns, and the table's arithmetic is right."""

import keras
import numpy as np
import pytest

from audiolib import _keras, models
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
