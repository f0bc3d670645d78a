"""What a network costs, layer by layer: parameters, multiply-adds, memory, receptive field, and measured time.

Everything but time follows from formulas. With K the positions of a kernel (its frames, times its bands in the 2-D
form), C channels in, F filters, m the depth multiplier and P positions of the output:

==========================  ============================  ========================
layer                       parameters (with bias)        multiply-adds
==========================  ============================  ========================
convolution                 K C F + F                     P K C F
depthwise convolution       K C m + C m                   P K C m
depthwise separable         K C m + C m F + F             P (K C m + C m F)
dense                       C F + F                       P C F
batch normalisation         4 C (2 C of them trained)     P C
==========================  ============================  ========================

A multiply-add is one multiplication whose product is added to a sum: two floating-point operations. Biases, ReLU,
pooling and softmax are not counted, as is usual. Memory is that of one segment's activations. Time is measured on this
machine with other work perhaps going on beside it, hence medians with intervals, and rounds that take turns.

Chapters: 07_cnn, 08_separable, 09_architectures, 12_fair, 13_elsewhere
"""

import math
import re
import time
from collections import namedtuple
from typing import NamedTuple

import numpy as np
from scipy.stats import quantile_test

from audiolib import AudiolibError, networks
from audiolib._checks import whole


class Layer(NamedTuple):
    """One row of the bill: a layer of a network that gets one segment.

    Bytes are those that it writes: its output and, in a separable layer, what its first step hands to its second; 0
    where the output is only another view of the input (flatten, reshape).
    """

    name: str
    kind: str  # the name of its class in Keras
    shape: tuple  # of the output without the segment axis
    parameters: int
    multiply_adds: int
    activation_bytes: int
    field: int  # frames of the segment that one output frame depends on
    stride: int  # frames of the segment between two output frames


class Summary(NamedTuple):
    """The bill of a whole network for one segment."""

    name: str
    parameters: int
    trainable: int
    multiply_adds: int
    activation_bytes: int  # all outputs together: what training keeps for the way back
    field: int  # receptive field in frames of the last layer that still has a time axis
    field_ms: float
    covered: int  # frames of the segment that reach the output at all (pools drop what is left over at the end)


#: A median with a distribution-free 95 % interval, in the unit of what was measured.
Time = namedtuple("Time", "median low high repeats")
# Kinds of layers without their "1D" or "2D": what moves a kernel or a pool over the frames, what sees all frames at
# once, and what treats each frame by itself.
WINDOWS = ("Conv", "DepthwiseConv", "SeparableConv", "MaxPooling", "AveragePooling")
WHOLE = ("Flatten", "TimeStatistics", "GlobalAveragePooling", "GlobalMaxPooling")
EACH = ("Dense", "BatchNormalization", "InputLayer", "Reshape", "ZeroPadding", "Dropout", "Activation", "ReLU")


def layers(model):
    """The cost of each layer of a network, a list of `Layer` in the order of computation.

    The model is a chain of layers on input [segment, frame, band], such as `audiolib.models.build` returns; an
    AudiolibError if it is no chain, or a layer of a kind that has no formula here.
    """
    rows, field, stride, previous = [], 1, 1, None
    for layer in model.layers:
        name, outputs = type(layer).__name__, layer.output
        inputs = outputs if name == "InputLayer" else layer.input
        if isinstance(inputs, list | tuple) or (previous is not None and inputs is not previous):
            raise AudiolibError(f"{model.name}: layer {layer.name} does not simply follow the one before; no formula")
        previous = outputs
        frames, channels, shape = inputs.shape[1], inputs.shape[-1], tuple(outputs.shape[1:])
        positions, kind = math.prod(shape[:-1]), name.removesuffix("1D").removesuffix("2D")
        if kind in WINDOWS:
            size = layer.pool_size if "Pooling" in kind else layer.kernel_size
            field += (size[0] - 1) * getattr(layer, "dilation_rate", (1,))[0] * stride
            stride *= layer.strides[0]
        elif kind in WHOLE:
            field += (frames - 1) * stride
        elif kind not in EACH:
            raise AudiolibError(f"layer {layer.name} is a {name}, for which there is no formula here")
        # Each number of a kernel is used once for each position of the output.
        kernels = sum(math.prod(each.shape) for each in layer.weights if "kernel" in each.name)
        values = 0 if kind in ("Flatten", "Reshape") else math.prod(shape)
        if kind == "SeparableConv":
            values += positions * channels * layer.depth_multiplier
        memory = values * int(re.sub(r"\D", "", layer.compute_dtype)) // 8  # "bfloat16" has 16 bits
        work = positions * (channels if kind == "BatchNormalization" else kernels)
        rows.append(Layer(layer.name, name, shape, layer.count_params(), work, memory, field, stride))
    return rows


def summary(model, *, hop_seconds=512 / 22050, window_seconds=2048 / 22050):
    """The sums of `layers`, and the receptive field in ms.

    A field of n frames hears ``(n - 1) hop + window``: the frames start a hop apart, and each is one window long (by
    default as librosa cuts 22 050 Hz).
    """
    rows = layers(model)
    field = next((row.field for row in reversed(rows) if len(row.shape) > 1), 1)
    return Summary(
        name=model.name,
        parameters=sum(row.parameters for row in rows),
        trainable=sum(math.prod(each.shape) for each in model.trainable_variables),
        multiply_adds=sum(row.multiply_adds for row in rows),
        activation_bytes=sum(row.activation_bytes for row in rows),
        field=field,
        field_ms=1e3 * ((field - 1) * hop_seconds + window_seconds),
        covered=min(rows[-1].field, model.input_shape[1]),  # 'same' layers look beyond the edges, too
    )


def table(*, frames, bands, classes=10, **seconds):
    """Name to `Summary` of every network of `audiolib.models` for one size of segment, None where it is too short."""
    from audiolib import models

    frames = whole("frames", frames)
    bills = dict.fromkeys(networks.NAMES)
    for name in bills:
        if frames >= networks.frames_needed(name):
            bills[name] = summary(models.build(name, frames=frames, bands=bands, classes=classes), **seconds)
    return bills


def interleaved(functions, *, repeats=30, warm=2):
    """Time several functions in rounds, each once a round, so that a busy moment of the machine hits all alike.

    They are called without arguments and must have done their work when they return. ``repeats`` rounds count, the
    ``warm`` ones before them (compilation, caches) do not. Returns seconds, float [function, repeat].
    """
    seconds = np.empty((len(functions), warm + repeats))
    for turn in range(warm + repeats):
        for i, function in enumerate(functions):
            start = time.perf_counter()
            function()
            seconds[i, turn] = time.perf_counter() - start
    return seconds[:, warm:]


def median_interval(values, *, level=0.95):
    """Median (a `Time`) with an interval from order statistics: the narrowest that covers it with this probability.

    At least 6 values are needed for a level of 0.95. The number of those below the median is binomial (n, 1/2).

    >>> tuple(median_interval([3, 1, 2, 6, 5, 4]))
    (3.5, 1.0, 6.0, 6)
    """
    values = np.asarray(values, float)
    low, high = quantile_test(values).confidence_interval(level)
    if not np.isfinite([low, high]).all():
        raise AudiolibError(f"{len(values)} repeats are too few for an interval of level {level:g}; take 6 or more")
    return Time(float(np.median(values)), float(low), float(high), len(values))


def runner(model, *, batch=1, training=False, xla=False):
    """A function without arguments that does one step of a copy of a model on random segments.

    Parameters
    ----------
    model : keras.Model
        Any with one input. It is not touched: the copy has weights of its own.
    batch : int
        Segments at a time.
    training : bool
        A training step (forward, back, Adam) as `audiolib.training` does it, instead of inference.
    xla : bool
        Let TensorFlow compile the step with XLA. (JAX always does; Keras's own default would, too.)
    """
    from audiolib._keras import Adam, keras, plain_settings, tf, training_step

    random = np.random.default_rng(0)
    x = random.standard_normal((batch, *model.input_shape[1:]), dtype=np.float32)
    y = random.integers(0, model.output_shape[-1], batch)
    with plain_settings():
        model = keras.models.clone_model(model)
        loss = keras.losses.SparseCategoricalCrossentropy()
        model.compile(Adam(1e-4), loss, jit_compile=xla or keras.backend.backend() == "jax")
    if not training:
        return lambda: model.predict_on_batch(x)
    model.optimizer.build(model.trainable_variables)
    if tf is None or xla:
        return lambda: model.train_on_batch(x, y)
    step = training_step(model, loss)
    return lambda: step(x, y)
