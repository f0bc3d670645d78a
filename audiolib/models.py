"""The paper's networks, their controlled twins, and two of our own, by name, in plain Keras.

Every network but ``square`` reads a segment ``[frame, band]`` (13 MFCCs or 128 log-mel bands) along time only: its
first kernel covers all bands, so frequency is gone after one layer and what follows is a sequence of features. Each
ends in a softmax over the classes; it is returned built but not compiled.

All layers are Keras's own because nothing equal was faster on a CPU under TensorFlow without XLA (forward and back, 32
segments of the shapes that occur here, 2 cores): a separable layer whose depthwise step is a sum of shifted products
took 1.0 to 2.8 times as long as ``SeparableConv1D``, a convolution as one matrix product over unfolded frames 0.9 to
2.3 times as long as ``Conv1D``, pooling by reshaping 1.5 to 5 times as long as ``MaxPooling1D``. Training steps of
whole networks took 1.0 to 1.5 times as long in the 2-D form as in the 1-D form. `benchmarks/models.py` times them.

Chapters: 07_cnn, 08_separable, 09_architectures, 10_experiments, 12_fair, 13_elsewhere
"""

import numpy as np

from audiolib import AudiolibError
from audiolib.backend import keras
from audiolib.networks import (
    Conv,
    Dense,
    Dropout,
    Flatten,
    Mean,
    Norm,
    Pool,
    Separable,
    Square,
    Statistics,
    frames_needed,
    steps,
)  # fmt: skip

layers, ops = keras.layers, keras.ops


def build(name, *, frames, bands, classes=10, seed=0, form=None, separable_l2="ignored", norm_momentum=0.99):
    """One of the networks, with fresh weights, not compiled.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    frames, bands : int
        Size of a segment.
    classes : int
        Number of classes.
    seed : int
        Decides the first weights and the dropout: on one backend the same seed gives the same network. A layer draws by
        its place, so twins start with equal weights where they have equal layers.
    form : {"1d", "2d", None}
        "2d" is the paper's form: the segment is an image of one channel, the first kernel as wide as the image, all
        others one band wide. "1d" is a sequence of frames with the bands as channels. Both compute the same numbers
        from the same weights (`transfer` converts them), and the same seed gives both the same weights; None takes the
        one that is faster on a CPU, "1d". ``square`` is an image in either case.
    separable_l2 : {"ignored", "applied"}
        What becomes of the L2 penalty that the paper passes to its separable layers as ``kernel_regularizer``. Keras 3
        refuses that argument. In the Keras inside TensorFlow 2 (``tensorflow/python/keras/layers/convolutional.py``,
        read at commit 0174bcb3) ``SeparableConv`` passes it on to ``Conv.__init__``, which stores it, but
        ``SeparableConv.build`` makes its two kernels with ``depthwise_regularizer`` and ``pointwise_regularizer`` only:
        nothing was regularised (TensorFlow's issue 41093 of 2020 shows it: no penalty among the losses). "ignored" does
        what such code did, "applied" what it says: the penalty on both kernels. In the twins with standard convolutions
        the option holds for those that stand in their place, so that both of a pair are penalised or neither.
    norm_momentum : float, 0 to below 1
        What a training step leaves of the running averages of batch normalisation, by which an answer is normalised.
        They start at 0 and 1 and fade with its powers. At Keras's default a few hundred steps are too few for the
        separable networks, whose first signals are far smaller than 1 (10_experiments); 0.9 needs a tenth of them.

    Returns
    -------
    keras.Model
        From float [segment, frame, band] to probabilities [segment, class]. Its dtype policy is Keras's global one.

    Raises
    ------
    AudiolibError
        If the name or an option is unknown, or the segment is too short for the convolutions and pools.
    """
    chain = steps(name)
    if form not in ("1d", "2d", None):
        raise AudiolibError(f"form={form!r}: choose '1d', '2d', or None for the faster one")
    if not isinstance(norm_momentum, int | float) or not 0 <= norm_momentum < 1:
        raise AudiolibError(f"norm_momentum={norm_momentum!r}: a number from 0 to below 1 is needed")
    if separable_l2 not in ("ignored", "applied"):
        raise AudiolibError(f"separable_l2={separable_l2!r}: choose 'ignored' or 'applied'")
    for what, value, least in (("bands", bands, 1), ("classes", classes, 2), ("seed", seed, 0)):
        if value < least:
            raise AudiolibError(f"{what}={value}: must be at least {least}")
    if frames < frames_needed(name):
        raise AudiolibError(
            f"{name}: a segment of {frames} frames is too short, its convolutions and pools need at least "
            f"{frames_needed(name)} frames; choose longer segments or a smaller hop"
        )

    form = "2d" if any(isinstance(step, Square) for step in chain) else form or "1d"
    x = inputs = keras.Input((frames, bands), name="segment")
    if form == "2d":
        x = layers.Reshape((frames, bands, 1), name="image")(x)
    counts = {}
    for place, step in enumerate(chain):
        l2 = getattr(step, "l2", 0.0)
        if isinstance(step, Conv | Separable) and place > 0 and separable_l2 == "ignored":
            l2 = 0.0
        kind = type(step).__name__.lower()
        counts[kind] = counts.get(kind, 0) + 1
        if isinstance(step, Square):  # its convolution pads both axes or none; we pad the bands only
            x = layers.ZeroPadding2D((0, step.width // 2), name=f"edge_{counts[kind]}")(x)
        if isinstance(step, Pool) and form == "2d":
            step = step._replace(bands=min(step.bands, x.shape[2]))
        name_of_layer = f"{kind}_{counts[kind]}"
        x = _layer(step, form, bands if place == 0 else 1, l2, norm_momentum, _seeds(seed, place), name_of_layer)(x)
    softmax = layers.Dense(classes, "softmax", kernel_initializer=_glorot(_seeds(seed, len(chain))[0]), name="softmax")
    return keras.Model(inputs, softmax(x), name=name)


def transfer(source, target):
    """Give a network the weights of the same network in the other form.

    Parameters
    ----------
    source, target : keras.Model
        Built with the same name and sizes; their weights differ by axes of length 1.

    Raises
    ------
    AudiolibError
        If the two are not the same network.
    """
    theirs, ours = source.get_weights(), target.weights
    if [w.size for w in theirs] != [int(np.prod(w.shape)) for w in ours]:
        raise AudiolibError(f"{source.name} and {target.name} have weights of different sizes; build both alike")
    target.set_weights([weight.reshape(ours[i].shape) for i, weight in enumerate(theirs)])


@keras.saving.register_keras_serializable("audiolib")
class TimeStatistics(layers.Layer):
    """Mean, maximum and L2 norm over all axes but the first and the last: [segment, ..., channel] to three times the
    channels."""

    def call(self, x):
        time = tuple(range(1, len(x.shape) - 1))
        square = ops.sum(ops.square(x), axis=time)
        # The square root has no slope at 0, which a channel that is silent all the time reaches after ReLU.
        norm = ops.sqrt(ops.maximum(square, 1e-12))
        return ops.concatenate([ops.mean(x, axis=time), ops.max(x, axis=time), norm], axis=-1)


def _seeds(seed, place):
    """Two seeds for the layer at a place of a network (31 bits, which every backend takes)."""
    return [int(s) for s in np.random.SeedSequence((seed, place)).generate_state(2) >> 1]


def _glorot(seed):
    return keras.initializers.GlorotUniform(seed)


def _layer(step, form, bands, l2, norm_momentum, seeds, name):
    """The Keras layer of a step; `bands` is the width of its kernel in the 2-D form."""
    flat = form == "1d"
    first, second = seeds
    penalty = keras.regularizers.L2(l2) if l2 else None
    match step:
        case Conv(filters, width):
            draw = _glorot(first)
            if bands > 1:
                # Keras's default for the paper's first kernel [width, bands, 1, filters], whose fan-out counts the
                # bands: its limit is 3.5 times smaller (13 bands) than the default for the same kernel in 1-D.
                limit = (6 / (width * bands * (1 + filters))) ** 0.5
                draw = keras.initializers.RandomUniform(-limit, limit, first)
            kernel = width if flat else (width, bands)
            return (layers.Conv1D if flat else layers.Conv2D)(
                filters, kernel, activation="relu", kernel_initializer=draw, kernel_regularizer=penalty, name=name
            )
        case Square(filters, width):
            return layers.Conv2D(filters, width, activation="relu", kernel_initializer=_glorot(first), name=name)
        case Separable(filters, width):
            return (layers.SeparableConv1D if flat else layers.SeparableConv2D)(
                filters, width if flat else (width, 1), activation="relu", name=name,
                depthwise_initializer=_glorot(first), pointwise_initializer=_glorot(second),
                depthwise_regularizer=penalty, pointwise_regularizer=penalty,
            )  # fmt: skip
        case Pool(size, across):
            return layers.MaxPooling1D(size, name=name) if flat else layers.MaxPooling2D((size, across), name=name)
        case Dropout(rate):
            return layers.Dropout(rate, seed=first, name=name)
        case Norm():
            return layers.BatchNormalization(momentum=norm_momentum, name=name)
        case Flatten():
            return layers.Flatten(name=name)
        case Mean():
            return (layers.GlobalAveragePooling1D if flat else layers.GlobalAveragePooling2D)(name=name)
        case Statistics():
            return TimeStatistics(name=name)
        case Dense(units):
            return layers.Dense(
                units, activation="relu", kernel_initializer=_glorot(first), kernel_regularizer=penalty, name=name
            )
