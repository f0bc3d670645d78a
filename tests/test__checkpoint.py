"""A checkpoint brings everything back, or is not used and says why; what is written is whole or not there."""

import json
import os

import keras
import numpy as np
import pytest

from audiolib import AudiolibError, _checkpoint, _keras

HISTORY = {name: [1.0] for name in _checkpoint.HISTORY}


@pytest.fixture
def saved(tmp_path):
    """A model whose state is on disk, with what identifies it."""
    path, identity = tmp_path / "runs" / "state.npz", {"data": "a"}
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(_keras.Adam(0.01), "mse", run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    _checkpoint.save(path, model, HISTORY, identity)
    return model, path, identity


def test_what_a_killed_run_left_half_written_is_swept_up_and_what_is_being_written_is_not(saved):
    model, path, identity = saved
    old, fresh = (path.with_name(f".{path.name}.{token}.part") for token in ("0a", "0b"))
    for each in (old, fresh):
        each.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert _checkpoint.resume(path, model, identity) == HISTORY
    assert not old.exists()
    assert fresh.exists()


def test_a_checkpoint_brings_back_weights_and_optimizer(saved):
    model, path, identity = saved
    before = [np.asarray(each) for each in [*model.weights, *model.optimizer.variables]]
    model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
    assert not np.array_equal(before[0], np.asarray(model.weights[0]))
    assert _checkpoint.resume(path, model, identity) == HISTORY
    for old, new in zip(before, [*model.weights, *model.optimizer.variables], strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    "damage", ["truncated", "empty", "a pickle", "a bare array", "unknown compression", "of other data"]
)
def test_a_checkpoint_that_cannot_be_trusted_is_not_used_and_said_so(damage, saved):
    model, path, identity = saved
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-300])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "a pickle":
        np.savez(path, header=np.array([{"format": 1}], dtype=object))
    elif damage == "a bare array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif damage == "unknown compression":
        data = bytearray(path.read_bytes())
        data[data.rfind(b"PK\x01\x02") + 10] = 1  # method of the last file in the directory of the zip
        path.write_bytes(data)
    else:
        identity = identity | {"data": "b"}
    with pytest.warns(UserWarning, match=r"this checkpoint is not used, the run starts over \(.+\)"):
        assert _checkpoint.resume(path, model, identity) == {}


@pytest.mark.parametrize(
    "header",
    ["null", "[]", "7", '"format"', "{}", '{"format": [1]}', "[" * 10**5,
     {"history": None}, {"history": []}, {"history": "loss"}, {"history": {}}, {"history": {"loss": [1.0]}},
     {"history": HISTORY | {"loss": [1.0, 2.0]}}, {"history": HISTORY | {"loss": ["a"]}},
     {"history": HISTORY | {"x": 1}},
     {"identity": None}, {"identity": []}, {"identity": "data"}, {"format": {"a": "b" * 10**6}}],
)  # fmt: skip
def test_an_absurd_header_ends_in_one_line_and_never_in_an_error(header, saved):
    model, path, identity = saved
    with np.load(path) as file:
        arrays = dict(file)
    if isinstance(header, dict):
        header = json.dumps(json.loads(str(arrays["header"])) | header)
    np.savez(path, **arrays | {"header": np.array(header)})
    with pytest.warns(UserWarning, match=r"this checkpoint is not used, the run starts over \(.+\)") as told:
        assert _checkpoint.resume(path, model, identity) == {}
    assert len(str(told[0].message)) < 400 + len(str(path)) and "\n" not in str(told[0].message)


def test_weights_of_another_type_are_not_used(saved):
    model, path, identity = saved
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **arrays | {"0000": arrays["0000"].astype(complex)})
    with pytest.warns(UserWarning, match="not used.*other shapes or types"):
        assert _checkpoint.resume(path, model, identity) == {}


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "runs" / "state.npz"
    _checkpoint.write_npz(path, [], a=np.ones(3))

    def full(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(_checkpoint.os, "fsync", full)
    with pytest.raises(AudiolibError, match=r"state.npz cannot be written \(no space left"):
        _checkpoint.write_npz(path, [], a=np.zeros(3))
    assert [p.name for p in path.parent.iterdir()] == ["state.npz"]
    assert np.load(path)["a"].tolist() == [1, 1, 1]
