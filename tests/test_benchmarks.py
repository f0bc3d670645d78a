"""The bench of the networks: every step is timed in turns, and the table's arithmetic is right."""

import numpy as np
import pytest

from benchmarks import models as bench_models


def test_shares_and_ratios_follow_from_the_times():
    seconds = {"tensorflow": np.full((4, 6), 0.010), "jax": np.full((4, 6), 0.020)}
    table = bench_models.report(["standard-small"], seconds, frames=130, bands=13, batch=32)
    speed = 2 * bench_models.MATRIX**3 / 0.010
    assert table["matrix_gflops"] == pytest.approx({"tensorflow": speed / 1e9, "jax": speed / 2e9})
    rows = {(r["step"], r["segments"], r["backend"]): r for r in table["rows"]}
    assert set(rows) == {(s, n, b) for s, n in (("training", 32), ("inference", 32), ("inference", 1)) for b in seconds}
    forward, first = 14_802_944, 127 * 4 * 13 * 256
    assert rows["inference", 32, "jax"]["ratio_to_tensorflow"] == [2, 2, 2]
    assert rows["inference", 1, "jax"]["of_matrix_speed"] == pytest.approx(2 * forward / 0.020 / speed)
    training = rows["training", 32, "tensorflow"]
    assert training["of_matrix_speed"] == pytest.approx(64 * (3 * forward - first) / 0.010 / speed)
    assert training["ms"] == pytest.approx([10, 10, 10])


def test_a_process_times_every_step_of_every_round():
    seconds = bench_models.measure(
        ["separable-small"], frames=56, bands=2, batch=2, repeats=2, warm=1, backends=("tensorflow",), progress=False
    )
    assert seconds["tensorflow"].shape == (4, 2)
    assert (seconds["tensorflow"] > 0).all()


def test_a_backend_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(bench_models.importlib.util, "find_spec", lambda name: None)
    assert bench_models.measure(["standard"], frames=60, bands=2, progress=False) == {}
