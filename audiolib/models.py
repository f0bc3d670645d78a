"""The paper's networks, their controlled twins, and some of others and our own, by name, in plain Keras.

Every network but the images (``lachmish`` and the ``square`` ones) reads a segment ``[frame, band]`` (13 MFCCs or 128
log-mel bands) along time only: its first kernel covers all bands, so frequency is gone after one layer and what follows
is a sequence of features. Each ends in a softmax over the classes; it is returned built but not compiled.

All layers are Keras's own (batch normalisation with one kernel of TensorFlow in training, `audiolib._keras`), because
nothing equal was faster on a CPU without XLA: separable layers as sums of shifted products took 1.0 to 2.8 times as
long, convolutions as one matrix product over unfolded frames 0.9 to 2.3, pooling by reshaping 1.5 to 5, and whole
training steps in the 2-D form 1.0 to 1.5 times those in the 1-D form. `benchmarks/models.py` times them.

Chapters: 07_cnn, 08_separable, 09_architectures, 10_experiments, 12_fair, 13_elsewhere
"""

import numpy as np

from audiolib import AudiolibError, networks
from audiolib._checks import number, one_of, whole
from audiolib._keras import BatchNormalization, keras, plain_settings

layers, ops = keras.layers, keras.ops
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}  # and Keras's name of the policy


def build(name, *, frames, bands, classes=10, seed=0, form=None, separable_l2="ignored", norm_momentum=0.99,
          filters=1, pools="max", stride=1, padding="valid", precision="float32"):  # fmt: skip
    """One of the networks, with fresh weights, not compiled.

    Parameters
    ----------
    name : str, one of `networks.NAMES`
    frames, bands, classes : int
    seed : int
        Decides the first weights and the dropout. A layer draws by its place, so twins start with equal weights where
        they have equal layers.
    form : {"1d", "2d", None}
        "2d" is the paper's form: the segment is an image of one channel, the first kernel as wide as the image, all
        others one band wide. "1d" (or None; it is faster on a CPU) is a sequence of frames with the bands as channels.
        Both compute the same numbers from the same weights (`transfer` converts them) and start with the same.
        ``lachmish`` and ``square`` are images in either case.
    separable_l2 : {"ignored", "applied"}
        What becomes of the L2 penalty that the paper passes to its separable layers as ``kernel_regularizer``. Keras 3
        refuses that argument; TensorFlow 2 took it and made both kernels without it (``SeparableConv.build`` at commit
        0174bcb3, issue 41093 of 2020), so nothing was regularised. "ignored" does what such code did, "applied" what it
        says: the penalty on both kernels. In the twins with standard convolutions the option holds for those that stand
        in their place, so that both of a pair are penalised or neither.
    norm_momentum : float, 0 to below 1
        What a training step leaves of the running averages of batch normalisation, by which an answer is normalised.
        They start at 0 and 1; at Keras's default a few hundred steps are too few for the separable networks, whose
        first signals are far smaller than 1 (10_experiments). 0.9 needs a tenth of them.
    filters : float > 0
        How many filters and units a layer has, as a share of those of the network's listing.
    pools : {"max", "strides", "none"}
        "strides": no pools; the convolution before each moves by its size instead. "none": nothing in their place.
    stride : int >= 1
        By how many frames the first convolution moves. (Square kernels move by one.)
    padding : {"valid", "same"}
        "same" fills up with zeros beyond the edges, so that no frame is lost; only in the 1-D form and for images.
    precision : {"float32", "bfloat16"}
        In which layers compute; weights are float32. Keras's global settings (``keras.json``) have no say.

    Returns
    -------
    keras.Model
        From float [segment, frame, band] to probabilities [segment, class].

    Raises
    ------
    AudiolibError
        If the name or an option is unknown, or the segment is too short for the convolutions and pools.
    """
    changes = {"filters": filters, "pools": pools, "stride": stride, "padding": padding}
    chain = networks.steps(name, **changes)
    one_of("form", form or "1d", ("1d", "2d"))
    one_of("separable_l2", separable_l2, ("ignored", "applied"))
    one_of("precision", precision, PRECISIONS)
    number("norm_momentum", norm_momentum, 0, 0.9999)
    for what, value, least in (("bands", bands, 1), ("classes", classes, 2), ("seed", seed, 0)):
        whole(what, value, least, 2**32 - 1)
    if padding == "same" and form == "2d":
        raise AudiolibError("padding='same' would move the first kernel over the bands of an image; use form '1d'")
    if frames < (needed := networks.frames_needed(name, **changes)):
        raise AudiolibError(f"{name}: a segment of {frames} frames is too short, its convolutions and pools need at "
                            f"least {needed} frames; choose longer segments or a smaller hop")  # fmt: skip
    with plain_settings(PRECISIONS[precision]):
        return _chained(name, chain, frames, bands, classes, seed, form, separable_l2, norm_momentum)


def _chained(name, chain, frames, bands, classes, seed, form, separable_l2, norm_momentum):
    """The layers of a chain one after the other, and a softmax."""
    form = "2d" if any(isinstance(step, networks.Square) for step in chain) else form or "1d"
    x = inputs = keras.Input((frames, bands), name="segment")
    if form == "2d":
        x = layers.Reshape((frames, bands, 1), name="image")(x)
    counts = {}
    for place, step in enumerate(chain):
        kind = type(step).__name__.lower()
        number = counts[kind] = counts.get(kind, 0) + 1
        options = {"name": f"{kind}_{number}"}
        padding = "same" if getattr(step, "same", False) else "valid"
        seeds = _seeds(seed, place)
        if isinstance(step, networks.Conv | networks.Separable) and place > 0 and separable_l2 == "ignored":
            step = step._replace(l2=0.0)
        match step:
            case networks.Norm():
                x = BatchNormalization(momentum=norm_momentum, **options)(x)
            case networks.Dropout(rate):
                x = layers.Dropout(rate, seed=seeds[0], **options)(x)
            case networks.Flatten():
                x = layers.Flatten(**options)(x)
            case networks.Statistics():
                x = TimeStatistics(**options)(x)
            case networks.Dense(units, l2):
                x = layers.Dense(units, "relu", **_weights("kernel", seeds[0], l2), **options)(x)
            case networks.Mean():
                x = _kind("GlobalAveragePooling", form)(**options)(x)
            case networks.Pool(size, across):
                size = size if form == "1d" else (size, min(across, x.shape[2]))
                x = _kind("MaxPooling", form)(size, padding=padding, **options)(x)
            case networks.Conv(filters, width, l2, stride):
                across = bands if place == 0 else 1  # the first kernel is as wide as the image
                size = width if form == "1d" else (width, across)
                weights = _weights("kernel", seeds[0], l2)
                if across > 1:
                    # Keras's default for the paper's first kernel [width, bands, 1, filters], whose fan-out counts the
                    # bands: its limit is 3.5 times smaller (13 bands) than the default for the same kernel in 1-D.
                    limit = (6 / (width * bands * (1 + filters))) ** 0.5
                    weights["kernel_initializer"] = keras.initializers.RandomUniform(-limit, limit, seeds[0])
                moved = {"strides": stride, "padding": padding, "activation": "relu"}
                x = _kind("Conv", form)(filters, size, **moved, **weights, **options)(x)
            case networks.Separable(filters, width, l2, stride):
                size = width if form == "1d" else (width, 1)
                weights = _weights("depthwise", seeds[0], l2) | _weights("pointwise", seeds[1], l2)
                moved = {"strides": stride, "padding": padding, "activation": "relu"}
                x = _kind("SeparableConv", form)(filters, size, **moved, **weights, **options)(x)
            case networks.Square(filters, width, same, separable):
                if not same:  # Keras pads both axes or none; we pad the bands only
                    sides = (width - 1) // 2, width // 2
                    x = layers.ZeroPadding2D(((0, 0), sides), name=f"edge_{number}")(x)
                layer, weights = layers.Conv2D, _weights("kernel", seeds[0])
                if separable:
                    layer = layers.SeparableConv2D
                    weights = _weights("depthwise", seeds[0]) | _weights("pointwise", seeds[1])
                x = layer(filters, width, padding=padding, activation="relu", **weights, **options)(x)
    softmax = layers.Dense(classes, "softmax", name="softmax", **_weights("kernel", _seeds(seed, len(chain))[0]))
    return keras.Model(inputs, softmax(x), name=name)


def _kind(name, form):
    """Keras's layer of a name in 1-D or 2-D."""
    return getattr(layers, name + form.upper())


def _weights(of, seed, l2=0.0):
    """How a layer's weights start and are penalised; each initializer has its own seed, or twins would differ."""
    penalty = keras.regularizers.L2(l2) if l2 else None
    return {f"{of}_initializer": keras.initializers.GlorotUniform(seed), f"{of}_regularizer": penalty}


def _seeds(seed, place):
    """Two seeds for the layer at a place of a network (31 bits, which every backend takes)."""
    return [int(s) for s in np.random.SeedSequence((seed, place)).generate_state(2) >> 1]


def transfer(source, target):
    """Give a network the weights of the same network in the other form: they differ by axes of length 1."""
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
