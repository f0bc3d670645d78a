"""Keras under anybody's settings, and with fused kernels that give Keras's own numbers but for rounding."""

import json
import logging
import logging.handlers
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from toys import QUICK, toy

from audiolib import AudiolibError, _keras, models, training

# --- kernels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decay", [None, 0.05])
def test_the_fused_adam_leaves_the_weights_where_keras_does(decay):
    random = np.random.default_rng(0)
    start, spared = random.normal(size=(30, 20)).astype("float32"), random.normal(size=20).astype("float32")
    gradients = [(random.normal(size=(30, 20)) * 10 ** random.uniform(-6, 2, (30, 20)),
                  random.normal(size=20)) for _ in range(50)]  # fmt: skip
    ends = []
    for kind in (keras.optimizers.Adam, _keras.Adam):
        weights = [keras.Variable(start, name="kernel"), keras.Variable(spared, name="bias")]
        optimizer = kind(1e-3, weight_decay=decay)
        if decay:
            optimizer.exclude_from_weight_decay(var_names=["bias"])
        optimizer.build(weights)
        for step, pair in enumerate(gradients):
            optimizer.learning_rate.assign(1e-3 * (1 + step % 3))
            optimizer.apply([tf.constant(g, tf.float32) for g in pair], weights)
        ends.append([np.asarray(v) for v in (*weights, *optimizer.variables)])
    assert np.abs(ends[0][0] - start).max() > 0.01
    for theirs, ours in zip(ends[0][:2], ends[1][:2], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    for theirs, ours in zip(ends[0][2:], ends[1][2:], strict=True):  # the kernel takes 1 - beta_2 in float32
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(40, 6), (8, 12, 6), (4, 5, 7, 6)])
def test_the_fused_batch_norm_gives_keras_numbers_gradients_and_averages(shape):
    random = np.random.default_rng(0)
    x, weight = (random.normal(1, 3, size=shape).astype("float32") for _ in range(2))
    found = []
    for kind in (keras.layers.BatchNormalization, _keras.BatchNormalization):
        layer = kind(momentum=0.7)
        layer.build(shape)
        layer.gamma.assign(np.linspace(0.5, 2, 6))
        for training_now in (True, True, False):
            with tf.GradientTape() as tape:
                source = tf.constant(x)
                tape.watch(source)
                answer = layer(source, training=training_now)
                total = tf.reduce_sum(answer * weight)
            found.append([answer, *tape.gradient(total, [source, layer.gamma.value, layer.beta.value])])
        found.append(layer.weights)
    for theirs, ours in zip(found[:4], found[4:], strict=True):
        for one, two in zip(theirs, ours, strict=True):
            np.testing.assert_allclose(np.asarray(two), np.asarray(one), rtol=1e-4, atol=1e-5)


def test_batch_norm_in_half_precision_is_keras_own(monkeypatch):
    x = tf.cast(np.random.default_rng(0).normal(size=(8, 12, 6)), "bfloat16")
    pair = [kind(dtype="mixed_bfloat16") for kind in (keras.layers.BatchNormalization, _keras.BatchNormalization)]
    one, two = (np.asarray(tf.cast(layer(x, training=True), "float32")) for layer in pair)
    np.testing.assert_array_equal(one, two)


def trained(name, by_keras, optimizers, soft=False):
    """Losses, shares right and weights after some steps of a network, by Keras's own step or by ours."""
    x = toy(frames=60).x.astype("float32")
    y = toy(frames=60).y
    target = np.eye(3, dtype="float32")[y] * 0.8 + np.float32(0.2 / 3) if soft else y
    model = models.build(name, frames=60, bands=4, classes=3)
    if by_keras:
        model = keras.models.clone_model(model, clone_function=lambda layer: (
            keras.layers.BatchNormalization if isinstance(layer, _keras.BatchNormalization) else type(layer)
        ).from_config(layer.get_config()))  # fmt: skip
    losses = keras.losses
    loss = losses.CategoricalCrossentropy() if soft else losses.SparseCategoricalCrossentropy()
    model.compile(optimizers[not by_keras](), loss, metrics=["accuracy"], jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    step = model.train_on_batch if by_keras else _keras.training_step(model, loss)
    rows = [np.arange(start, start + 16) for start in (0, 30, 60, 10)]
    told = [[float(value) for value in step(x[each], target[each])] for each in rows]
    return told, model.get_weights()


def compare(theirs, ours, atol):
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-4)
    for one, two in zip(theirs[1], ours[1], strict=True):
        np.testing.assert_allclose(two, one, atol=atol)


def test_some_steps_with_the_fused_adam_end_at_the_weights_of_keras():
    optimizers = [lambda: keras.optimizers.Adam(1e-3, epsilon=1e-4), lambda: _keras.Adam(1e-3, epsilon=1e-4)]
    compare(*(trained("standard-small", by_keras, optimizers) for by_keras in (True, False)), atol=1e-6)


@pytest.mark.parametrize("soft", [False, True])
def test_some_steps_with_batch_norm_penalties_and_dropout_end_at_the_weights_of_keras(soft):
    optimizers = [lambda: keras.optimizers.SGD(1e-3)] * 2
    compare(*(trained("deep-separable", by_keras, optimizers, soft) for by_keras in (True, False)), atol=1e-5)


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def strange():
    """Keras as another project's keras.json leaves it, and worse."""
    with _keras.plain_settings():
        _keras._set("float16", 0.1, "channels_first", "mixed_float16")
        yield


@pytest.mark.parametrize("model", ["statistics", "square"])
def test_a_training_is_the_same_whatever_keras_settings_are(model, request):
    recipe, features = QUICK.replace(model=model, epochs=2), toy(frames=60)
    plain = training.train(recipe, features=features, progress=False)
    request.getfixturevalue("strange")
    run = training.train(recipe, features=features, progress=False)
    assert run.history["loss"] == plain.history["loss"]
    np.testing.assert_array_equal(run.test["probabilities"], plain.test["probabilities"])
    again = training.predict(run.model, features.x, run.split.test)
    np.testing.assert_array_equal(again, plain.test["probabilities"])
    config = keras.config
    assert (config.floatx(), config.epsilon(), config.image_data_format()) == ("float16", 0.1, "channels_first")
    assert config.dtype_policy().name == "mixed_float16"


def python(code, **variables):
    """What a fresh process without this one's settings of Keras and TensorFlow prints, and its standard error."""
    spared = ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND", "KERAS_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in spared}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment | variables)
    return done.stdout.strip(), done.stderr


BUILD = """
from audiolib import AudiolibError
try:
    from audiolib import models
    model = models.build("square", frames=60, bands=13)
    print(model.predict_on_batch(__import__("numpy").ones((1, 60, 13))).shape)
except AudiolibError as error:
    print("told:", error)
"""


def test_a_backend_that_another_project_chose_is_not_taken_from_its_file(tmp_path):
    settings = {"backend": "theano", "floatx": "float16", "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    out, err = python(BUILD, KERAS_HOME=str(tmp_path))
    assert out == "(1, 10)", err
    assert not any(line.startswith("E0") for line in err.splitlines())  # no search for a GPU that failed


@pytest.mark.parametrize(
    ("variables", "text", "words"),
    [({"KERAS_BACKEND": "theano"}, None, "KERAS_BACKEND=theano"), ({}, "[1]", "keras.json in {home}"),
     ({}, '{"floatx": "bfloat16"}', "keras.json in {home}")],
)  # fmt: skip
def test_settings_that_keras_cannot_start_with_are_named(variables, text, words, tmp_path):
    if text:
        (tmp_path / "keras.json").write_text(text)
    out, _ = python(BUILD, KERAS_HOME=str(tmp_path), **variables)
    assert out.startswith("told: Keras does not start (") and len(out.splitlines()) == 1
    assert words.format(home=tmp_path) in out


def test_trainings_say_that_they_need_tensorflow(monkeypatch):
    monkeypatch.setattr(_keras, "tf", None)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(AudiolibError, match=r"Keras computes with jax here.*unset KERAS_BACKEND"):
        training.train(QUICK, features=toy(), progress=False)


def test_nothing_loads_tensorflow_before_a_network_is_built():
    code = """
import sys
from click.testing import CliRunner
from audiolib import archive, cli, cost, features, networks, protocols, recipes, records, study, training
assert CliRunner().invoke(cli.main, ["study", "paper", "--list"]).exit_code == 0
print([name for name in ("keras", "tensorflow") if name in sys.modules])
"""
    out, err = python(code)
    assert out == "[]", err


def test_steps_of_many_networks_are_not_taken_for_one_that_is_traced_anew():
    """A chapter trains a dozen networks, and TensorFlow writes what it thinks of that on the reader's page."""
    heard = logging.handlers.BufferingHandler(100)
    logger = logging.getLogger("tensorflow")
    logger.addHandler(heard)
    try:
        for _ in range(8):
            model = models.build("standard-small", frames=77, bands=2, filters=1 / 64)
            model.compile(_keras.Adam(), jit_compile=False)
            model.optimizer.build(model.trainable_variables)
            step = _keras.training_step(model, keras.losses.SparseCategoricalCrossentropy())
            for size in (4, 3):
                step(np.ones((size, 77, 2), "float32"), np.zeros(size, int))
    finally:
        logger.removeHandler(heard)
    assert [record.getMessage() for record in heard.buffer] == []
