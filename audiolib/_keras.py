"""Keras as this library uses it: whatever the user's settings are, and on TensorFlow with the kernels that are fused.

``keras.json`` of another project may name another backend, float16 or channels first. The backend is named here before
Keras is imported, and everything is built and trained within `plain_settings`.

On TensorFlow three things are done here instead of by Keras 3, with the same numbers but for rounding: its Adam makes a
dozen passes over the weights (with 20 million of them half of a step), ``ResourceApplyAdam`` one; its batch
normalisation takes a dozen operations forward and as many back, ``FusedBatchNormV3`` one each; and ``train_on_batch``
took 1.15 times as long as a step of our own. `benchmarks/models.py` measures them together.
"""

import contextlib
import os

from audiolib import AudiolibError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # else a search for a GPU that is not there is told as an error
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
try:
    import keras

    tf = None
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf
except Exception as error:  # of any kind: Keras takes what the file says as it comes
    told = str(error).strip().splitlines() or [""]
    raise AudiolibError(
        f"Keras does not start ({type(error).__name__}: {told[0]}); its settings are KERAS_BACKEND="
        f"{os.environ['KERAS_BACKEND']} and keras.json in {os.environ.get('KERAS_HOME') or '~/.keras'}: unset the "
        "variable, or move the file away"
    ) from error

SETTINGS = ("floatx", "epsilon", "image_data_format", "dtype_policy")


def tensorflow():
    """TensorFlow, which trainings need; an AudiolibError if Keras computes with something else in this process."""
    if tf is None:
        raise AudiolibError(
            f"Keras computes with {keras.backend.backend()} here, and trainings need TensorFlow; unset KERAS_BACKEND, "
            "or import audiolib.models before keras if it is keras.json that names it"
        )
    return tf


@contextlib.contextmanager
def plain_settings(policy="float32"):
    """Keras's own settings for what is built within, and a dtype policy; afterwards those that were there before."""
    before = [getattr(keras.config, name)() for name in SETTINGS]
    _set("float32", 1e-7, "channels_last", policy)
    try:
        yield
    finally:
        _set(*before)


def _set(*values):
    for name, value in zip(SETTINGS, values, strict=True):
        getattr(keras.config, f"set_{name}")(value)


class Adam(keras.optimizers.Adam):
    """Keras's Adam (with weight decay: AdamW), each variable updated by one kernel of TensorFlow.

    The kernel takes 1 - beta_2 in float32, so its steps differ from Keras's by 7 in a million.
    """

    def update_step(self, gradient, variable, learning_rate):
        if tf is None:
            return super().update_step(gradient, variable, learning_rate)
        place = self._get_variable_index(variable)
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable), m=_handle(self._momentums[place]), v=_handle(self._velocities[place]),
            beta1_power=tf.pow(tf.cast(self.beta_1, dtype), step), beta1=self.beta_1,
            beta2_power=tf.pow(tf.cast(self.beta_2, dtype), step), beta2=self.beta_2,
            lr=tf.cast(learning_rate, dtype), epsilon=self.epsilon, grad=tf.cast(gradient, dtype),
        )  # fmt: skip


def _handle(variable):
    """TensorFlow's handle of its own variable or of one of Keras's."""
    return variable.handle if isinstance(variable, tf.Variable) else variable.value.handle


@keras.saving.register_keras_serializable("audiolib")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalisation over the last axis, in training by one kernel of TensorFlow."""

    def call(self, inputs, training=None, mask=None):
        if tf is None or not training or inputs.dtype != "float32":
            return super().call(inputs, training=training, mask=mask)
        rows = tf.reshape(inputs, (-1, 1, 1, inputs.shape[-1]))
        # Its running averages are not used: their variance is that of a sample, n / (n - 1) times Keras's.
        result, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=rows, scale=self.gamma, offset=self.beta, mean=tf.zeros(0), variance=tf.zeros(0), epsilon=self.epsilon,
            is_training=True,
        )  # fmt: skip
        n = tf.cast(tf.shape(rows)[0], "float32")
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance * (n - 1) / n)):
            average.assign(average * self.momentum + tf.stop_gradient(value) * (1 - self.momentum))
        return tf.reshape(result, tf.shape(inputs))


def training_step(model, loss):
    """One step of training a compiled model on TensorFlow: what ``train_on_batch`` does, and nothing beside it.

    It is a function from a batch float32 [segment, frame, band] and its classes, int [segment] or shares [segment,
    class], to the loss with all penalties and the share of segments that the network had right (with dropout).
    """
    weights = [variable.value for variable in model.trainable_variables]

    @tf.function(autograph=False, reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            guess = model(x, training=True)
            total = tf.add_n([loss(y, guess), *model.losses])
        model.optimizer.apply_gradients(zip(tape.gradient(total, weights), model.trainable_variables, strict=True))
        classes = y if y.shape.rank == 1 else tf.argmax(y, axis=1)
        right = tf.equal(tf.argmax(guess, axis=1), tf.cast(classes, tf.int64))
        return total, tf.reduce_mean(tf.cast(right, tf.float32))

    def take(x, y):
        batch = tf.constant(x), tf.constant(y)
        # Called directly, TensorFlow takes the steps of many networks for one that is traced anew, and warns.
        return [float(each) for each in step.get_concrete_function(*batch)(*batch)]

    return take
