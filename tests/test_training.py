"""A recipe decides everything; a run that was stopped goes on and ends with the same numbers."""

import math

import keras
import numpy as np
import pytest
from toys import QUICK, toy

from audiolib import AudiolibError, _keras, evaluation, models, training
from audiolib.training import Augmentation


@pytest.fixture
def tiny(monkeypatch):
    """In place of the paper's networks one with all that makes training random, that is traced in a second."""

    def build(name, *, frames, bands, classes=10, seed=0, form=None, separable_l2="ignored", precision="float32"):
        keras.utils.set_random_seed(seed)
        return keras.Sequential(
            [
                keras.Input((frames, bands)),
                keras.layers.SeparableConv1D(8, 3, activation="relu"),
                keras.layers.BatchNormalization(momentum=0.5),
                keras.layers.GlobalAveragePooling1D(),
                keras.layers.Dropout(0.3),
                keras.layers.Dense(8, "relu", kernel_regularizer=keras.regularizers.L2(0.01)),
                keras.layers.Dropout(0.3),
                keras.layers.Dense(classes, "softmax"),
            ]
        )

    monkeypatch.setattr(models, "build", build)


def weights_of(run):
    return np.concatenate([weight.ravel() for weight in run.model.get_weights()])


def assert_same(first, second):
    for name in set(first.history) - {"seconds"}:
        assert first.history[name] == second.history[name], name
    np.testing.assert_array_equal(weights_of(first), weights_of(second))
    np.testing.assert_array_equal(first.test["probabilities"], second.test["probabilities"])


# --- training ---------------------------------------------------------------------------------------------------------


def test_a_run_says_all_that_came_of_its_recipe(tiny):
    features = toy()
    run = training.train(QUICK.replace(epochs=30, learning_rate=0.02), features=features, progress=False)
    assert set(run.history) == {"loss", "accuracy", "val_loss", "val_accuracy", "penalty", "seconds"}
    assert all(len(values) == 30 for values in run.history.values())
    assert run.metrics["track_accuracy"]["value"] > 0.8  # easy, so it is learnt
    assert run.history["loss"][-1] < run.history["loss"][0]
    np.testing.assert_array_equal(run.test["y"], features.y[run.split.test])
    np.testing.assert_allclose(run.test["probabilities"].sum(axis=1), 1, atol=1e-5)
    assert run.metrics["segment_accuracy"]["n"] == run.metrics["track_accuracy"]["n"] == 6
    right = evaluation.correct(run.test["probabilities"], run.test["y"])
    assert run.metrics["segment_accuracy"]["value"] == pytest.approx(right.mean())
    assert run.data["fingerprint"] == features.fingerprint and run.data["tracks"] == 24
    assert run.seconds > 0 and run.versions["keras"] == keras.__version__


def test_losses_are_the_ones_keras_reports(tiny):
    features = toy()
    run = training.train(QUICK, features=features, progress=False)
    valid = run.split.valid
    loss, accuracy = run.model.evaluate(features.x[valid], features.y[valid], verbose=0)
    assert run.history["val_loss"][-1] == pytest.approx(loss, rel=1e-5)
    assert run.history["val_accuracy"][-1] == pytest.approx(accuracy)
    assert 0 < run.history["penalty"][-1] < loss


EVERYTHING = QUICK.replace(
    optimizer="sgd",
    schedule="one-cycle",
    weight_decay=0.01,
    normalization="standard",
    label_smoothing=0.1,
    frontend={"kind": "mel"},
    augmentation={
        "mixup": 0.3,
        "time_mask": 0.3,
        "band_mask": 0.5,
        "time_shift": 1.0,
        "band_shift": 2,
        "band_gain": 3.0,
    },
)


@pytest.mark.parametrize("recipe", [QUICK, EVERYTHING], ids=["plain", "everything on"])
def test_the_same_recipe_gives_the_same_numbers_and_so_does_a_run_that_was_stopped(recipe, tiny, tmp_path, monkeypatch):
    features = toy()
    whole = training.train(recipe, features=features, progress=False)
    last = training._learning_rate(recipe, 15, 16)  # of four epochs of four batches
    assert float(whole.model.optimizer.learning_rate) == pytest.approx(last, abs=1e-9)

    class Stopped(Exception):
        pass

    def stop_in_the_third_epoch(*args):
        if args[-1] == 2:
            raise Stopped
        return real(*args)

    real = training._epoch
    monkeypatch.setattr(training, "_epoch", stop_in_the_third_epoch)
    with pytest.raises(Stopped):
        training.train(recipe, features=features, folder=tmp_path, progress=False, every=0)
    monkeypatch.setattr(training, "_epoch", real)
    resumed = training.train(recipe, features=features, folder=tmp_path, progress=False)
    assert_same(whole, resumed)

    def fail(*args):
        raise AssertionError("trained again")

    monkeypatch.setattr(training, "_epoch", fail)
    assert_same(whole, training.train(recipe, features=features, folder=tmp_path, progress=False))


def test_weights_that_the_last_step_made_useless_are_told_and_not_kept(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "predict", lambda model, x, rows, *others: np.full((len(rows), 3), np.nan))
    with pytest.raises(AudiolibError, match=r"the loss of epoch 1 is .*, val_loss nan; lower the learning rate"):
        training.train(QUICK, features=toy(), folder=tmp_path, progress=False)
    assert not list(tmp_path.glob("*.npz"))


def test_another_seed_gives_other_numbers(tiny):
    first, second = (training.train(QUICK.replace(seed=s, epochs=1), features=toy(), progress=False) for s in (0, 1))
    assert not np.array_equal(weights_of(first), weights_of(second))


def test_the_dropout_of_each_epoch_is_another(tiny):
    model, loss = training._compiled(QUICK, toy())
    step = _keras.training_step(model, loss)
    states = [v for v in model.variables if v.name == "seed_generator_state"]
    assert len(states) == 2  # there are two dropout layers, so this is what makes resuming exact
    augment = Augmentation({}, toy(), np.arange(16), 0.0, 1.0)
    seen = set()
    for epoch in (0, 1):
        training._epoch(QUICK, model, step, np.arange(16), toy().y, augment, epoch)
        seen.update(tuple(np.asarray(state).tolist()) for state in states)
    assert len(seen) == 4


def test_bfloat16_gives_probabilities_and_leaves_keras_as_it_was():
    recipe = QUICK.replace(precision="bfloat16", epochs=1, model="statistics")
    run = training.train(recipe, features=toy(), progress=False)
    assert run.model.layers[1].compute_dtype == "bfloat16" and run.model.weights[0].dtype == "float32"
    np.testing.assert_allclose(run.test["probabilities"].sum(axis=1), 1, atol=1e-5)
    assert keras.config.dtype_policy().name == "float32"


def test_xla_is_off(tiny):
    assert training._compiled(QUICK, toy())[0].jit_compile is False


def test_standard_normalization_is_of_the_training_part_alone(tiny):
    features = toy()
    train = np.arange(10)
    mean, deviation = training.normalization(features.x, train, "standard")
    part = (features.x[train] - mean) / deviation
    np.testing.assert_allclose(part.mean((0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(part.std((0, 1)), 1, atol=1e-5)


def test_schedules():
    def rates(schedule):
        return [training._learning_rate(QUICK.replace(schedule=schedule), step, 101) for step in range(101)]

    assert set(rates("constant")) == {0.01}
    assert rates("cosine")[0] == 0.01 and rates("cosine")[50] == pytest.approx(0.005)
    cycle = rates("one-cycle")
    assert np.argmax(cycle) == 30 and max(cycle) == pytest.approx(0.01)
    assert cycle[0] == pytest.approx(0.0004) and cycle[-1] == pytest.approx(0, abs=1e-9)


def test_the_real_networks_train_from_their_names():
    run = training.train(QUICK.replace(model="separable-small", epochs=1), features=toy(frames=55), progress=False)
    assert run.model.name == "separable-small" and math.isfinite(run.history["loss"][0])


# --- augmentation -----------------------------------------------------------------------------------------------------


def numbered():
    """Features whose numbers say where they are from: 1000 x segment + 10 x frame + band."""
    segment, frame, band = np.meshgrid(np.arange(12), np.arange(10), np.arange(4), indexing="ij")
    return toy(1, 4, x=1000.0 * segment + 10 * frame + band)


def test_a_cut_reaches_into_the_next_segment_of_the_same_clip_only_if_that_is_in_train():
    features = numbered()
    augment = Augmentation({"time_shift": 1.0}, features, np.array([0, 1, 3, 4, 5, 6, 7]), 0.0, 1.0)
    rng = np.random.default_rng(0)
    reached = {row: set() for row in (0, 1, 3, 7)}
    for _ in range(200):
        for row, x in zip(reached, augment(np.array(list(reached)), rng), strict=True):
            reached[row] |= set((x // 1000).astype(int).ravel().tolist())
    # 1 is followed by 2, which is not in train; 3 and 7 are the last of their clips.
    assert reached == {0: {0, 1}, 1: {1}, 3: {3}, 7: {7}}


def test_a_shift_of_the_bands_repeats_the_edge():
    augment = Augmentation({"band_shift": 3}, numbered(), np.arange(12), 0.0, 1.0)
    x = augment(np.zeros(50, int), np.random.default_rng(0))
    rows = {tuple(row) for row in x[:, 0].astype(int).tolist()}
    assert rows == {(0, 1, 2, 3), (1, 2, 3, 3), (2, 3, 3, 3), (3, 3, 3, 3), (0, 0, 1, 2), (0, 0, 0, 1), (0, 0, 0, 0)}


def test_an_equaliser_changes_a_segment_by_one_smooth_curve_of_the_strength_that_was_asked_for():
    features = toy(1, 4, x=np.random.default_rng(0).normal(size=(12, 10, 64)))
    rows = np.arange(12).repeat(50)
    plain = Augmentation({}, features, np.arange(12), 0.0, 2.0)(rows, np.random.default_rng(0))
    x = Augmentation({"band_gain": 6.0}, features, np.arange(12), 0.0, 2.0)(rows, np.random.default_rng(0))
    gain = 2.0 * (x - plain)  # in dB: the input is divided by a deviation of 2 dB
    np.testing.assert_allclose(gain, gain[:, :1].repeat(10, axis=1), atol=1e-4)  # the same at all times
    assert gain[:, 0, [0, -1]].std() == pytest.approx(6.0, rel=0.1)
    assert abs(gain[:, 0].mean()) < 1
    bends = np.abs(np.diff(gain[:, 0], n=2)).max(axis=0) > 1e-3
    assert 1 <= bends.sum() <= 8  # straight but at the inner points, of which there are at most four


@pytest.mark.parametrize(("name", "axis"), [("time_mask", 1), ("band_mask", 2)])
def test_masks_are_one_stretch_of_the_mean_at_most_as_long_as_said(name, axis):
    features = numbered()
    x = Augmentation({name: 0.5}, features, np.arange(12), 0.0, 1.0)(np.zeros(300, int), np.random.default_rng(0))
    changed = (x != features.x[0]).any(axis=3 - axis)
    size = features.x.shape[axis]
    assert set(changed.sum(axis=1)) == set(range(size // 2 + 1))
    assert (np.abs(np.diff(changed, axis=1)).sum(axis=1) <= 2).all()
    masked = np.expand_dims(changed, 3 - axis)
    np.testing.assert_allclose(x, np.where(masked, features.x.mean(axis=(0, 1)), features.x[0]), rtol=1e-5)


def test_mixup_mixes_segments_and_targets_alike():
    augment = Augmentation({"mixup": 1.0}, numbered(), np.arange(12), 0.0, 1.0)
    one_hot = np.eye(3, dtype=np.float32)
    x, target = augment.mix(one_hot[:, None, :], one_hot, np.random.default_rng(0))
    np.testing.assert_allclose(x[:, 0], target)
    np.testing.assert_allclose(target.sum(axis=1), 1, rtol=1e-6)
    assert (target > 0).sum() > 3


def test_without_settings_a_batch_is_the_segments_themselves():
    features = numbered()
    batch = Augmentation({}, features, np.arange(12), 0.0, 1.0)(np.array([3, 1]), None)
    np.testing.assert_array_equal(batch, features.x[[3, 1]])
