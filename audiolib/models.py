"""The paper's networks, their controlled twins, and two of our own, by name, in plain Keras.

Every network but ``square`` reads a segment ``[frame, band]`` (13 MFCCs or 128 log-mel bands) along time only: its
first kernel covers all bands, so frequency is gone after one layer and what follows is a sequence of features. Each
ends in a softmax over the classes; it is returned built but not compiled.

====================  =================================================================================================
``standard``          the paper's first network: three convolutions and a dense layer of 2^13 units
``separable``         the same, second and third convolution depthwise separable (the paper's second network)
``deep-separable``    the paper's third network: one standard and five separable convolutions, batch norm, L2
``deep-standard``     twin of the third with standard convolutions: they differ in nothing but the convolution
``standard-norm``     the first with batch norm after each convolution and L2 (the paper gives this step one sentence
``separable-norm``    and no numbers; the strengths here are those of its third network), and the second likewise
``standard-small``    the first with the mean over time in place of flatten and the dense layer, and the second
``separable-small``   likewise: the convolutions then hold nearly all parameters, so that swapping them shows
``temporal-pooling``  for mel spectrograms, after S. Dieleman's "Recommending music on Spotify with deep learning"
                      (2014): the first up to its third convolution, then statistics over time and two dense layers
``statistics``        ours, to be fast: one convolution of 3 frames, statistics over time, one dense layer
``square``            ours, to be good: the spectrogram as an image under square kernels, which find the same pattern
                      in a higher or lower band
====================  =================================================================================================

The paper gives kernels and pool sizes, not paddings. Its parameter counts settle them as far as they can be: of the
uniform choices only 'valid' convolutions and 'valid' pooling with stride = size leave 5 frames of 130 (2560 features
before the dense layer, 21 862 410 parameters) in the first network and 13 in the third (832 features, 1 010 570
parameters); ReLU follows every convolution and the dense layer, and every layer has a bias.

The paper names its source [1] for mel spectrograms, but we do not have its list of sources. ``temporal-pooling`` is
our best guess at it. What the post by Dieleman states: kernels of 4 frames, 256 of them in the first layer, pools of
4 and then 2, mean, maximum and L2 norm over time, two dense layers of 2048 with dropout. It does not state in words how
many convolutions there are, the widths of the later ones, or the rate of the dropout: three, 256 and 512, and 0.3 are
taken from the paper's own first network, so that the two differ in their heads alone. (Others who rebuilt the post's
network have three or four convolutions. Another candidate for [1] is Yang and Zhang, Interspeech 2019, which classifies
GTZAN from mel spectrograms.)

All layers are Keras's own because nothing equal was faster on a CPU under TensorFlow without XLA (forward and back, 32
segments of the shapes that occur here, 2 cores): a separable layer whose depthwise step is a sum of shifted products
took 1.0 to 2.8 times as long as ``SeparableConv1D``, a convolution as one matrix product over unfolded frames 0.9 to
2.3 times as long as ``Conv1D``, pooling by reshaping 1.5 to 5 times as long as ``MaxPooling1D``. Training steps of
whole networks took 1.0 to 1.5 times as long in the 2-D form as in the 1-D form. `audiolib.bench_models` times them.

Chapters: 07_cnn, 08_separable, 09_architectures, 10_experiments, 12_verdict
"""

from typing import NamedTuple

import numpy as np

from audiolib import AudiolibError
from audiolib.backend import keras

layers, ops = keras.layers, keras.ops


class Conv(NamedTuple):
    """A standard convolution of `width` frames; `l2` is the strength of its weight penalty."""

    filters: int
    width: int
    l2: float = 0.0


class Square(NamedTuple):
    """A convolution over `width` frames by `width` bands, 0 beyond the lowest and the highest band."""

    filters: int
    width: int = 3


class Separable(NamedTuple):
    """A depthwise separable convolution: each channel filtered over `width` frames, then mixed with 1 x 1 kernels."""

    filters: int
    width: int
    l2: float = 0.0


class Pool(NamedTuple):
    """The maximum of each `size` frames, and in an image of each `bands` bands (or of all, if fewer are left)."""

    size: int
    bands: int = 1


class Dropout(NamedTuple):
    """Zero a fraction of the features in training."""

    rate: float


class Norm(NamedTuple):
    """Batch normalisation."""


class Flatten(NamedTuple):
    """All frames and channels in one row."""


class Mean(NamedTuple):
    """The mean over time, and in an image over the bands, of each channel."""


class Statistics(NamedTuple):
    """Mean, maximum and L2 norm over time of each channel, side by side."""


class Dense(NamedTuple):
    """A fully connected layer with ReLU."""

    units: int
    l2: float = 0.0


def _three_convolutions(kind, *, norm=False):
    """What the paper's first and second network share: three blocks of convolution, pool, dropout."""
    l2 = 0.04 if norm else 0.0
    norm = (Norm(),) if norm else ()
    return (
        Conv(256, 4, l2), *norm, Pool(4), Dropout(0.3),
        kind(256, 4, l2), *norm, Pool(2), Dropout(0.3),
        kind(512, 4, l2), *norm, Pool(2), Dropout(0.3),
    )  # fmt: skip


def _six_convolutions(kind):
    """The paper's third network."""
    return (
        Conv(256, 4, l2=0.04), Norm(), Dropout(0.2),
        kind(256, 4, l2=0.04), Norm(), Pool(2),
        kind(128, 3), Norm(), Dropout(0.2),
        kind(128, 3), Norm(), Pool(2),
        kind(64, 2, l2=0.04), Dropout(0.2), Norm(),
        kind(64, 2, l2=0.04), Norm(), Pool(2),
        Flatten(), Dense(2**10, l2=0.08), Dropout(0.2),
    )  # fmt: skip


_WIDE = (Flatten(), Dense(2**13), Dropout(0.3))
_WIDE_L2 = (Flatten(), Dense(2**13, l2=0.08), Dropout(0.3))

#: The networks as data, without the softmax layer that ends each of them.
NETWORKS = {
    "standard": (*_three_convolutions(Conv), *_WIDE),
    "separable": (*_three_convolutions(Separable), *_WIDE),
    "deep-separable": _six_convolutions(Separable),
    "deep-standard": _six_convolutions(Conv),
    "standard-norm": (*_three_convolutions(Conv, norm=True), *_WIDE_L2),
    "separable-norm": (*_three_convolutions(Separable, norm=True), *_WIDE_L2),
    "standard-small": (*_three_convolutions(Conv), Mean()),
    "separable-small": (*_three_convolutions(Separable), Mean()),
    "temporal-pooling": (
        *_three_convolutions(Conv)[:-2], Statistics(), Dense(2048), Dropout(0.3), Dense(2048), Dropout(0.3),
    ),
    "statistics": (Conv(128, 3), Norm(), Statistics(), Norm(), Dense(512), Norm(), Dropout(0.3)),
    "square": (
        Square(16), Norm(), Pool(2, 4), Square(32), Norm(), Pool(2, 2), Square(64), Norm(), Pool(2, 2),
        Square(128), Norm(), Pool(2, 2), Mean(), Dropout(0.3),
    ),
}  # fmt: skip
NAMES = tuple(NETWORKS)


def frames_needed(name):
    """Length of the shortest input that leaves a network one frame before its head.

    Going back from that frame, a pool of p needs p times as many frames and a convolution of k needs k - 1 more.
    The same number is the receptive field of the last frame before the head.
    """
    frames = 1
    for step in reversed(_steps(name)):
        if isinstance(step, Pool):
            frames *= step.size
        elif isinstance(step, Conv | Square | Separable):
            frames += step.width - 1
    return frames


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
    steps = _steps(name)
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

    form = "2d" if any(isinstance(step, Square) for step in steps) else form or "1d"
    x = inputs = keras.Input((frames, bands), name="segment")
    if form == "2d":
        x = layers.Reshape((frames, bands, 1), name="image")(x)
    counts = {}
    for place, step in enumerate(steps):
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
    softmax = layers.Dense(classes, "softmax", kernel_initializer=_glorot(_seeds(seed, len(steps))[0]), name="softmax")
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


def _steps(name):
    if name not in NETWORKS:
        raise AudiolibError(f"no network is called {name!r}; choose one of {', '.join(NAMES)}")
    return NETWORKS[name]


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
