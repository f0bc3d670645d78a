"""The networks as data: lists of layers by name, without Keras.

====================  =================================================================================================
``standard``          the paper's first network: three convolutions and a dense layer of 2^13 units
``separable``         the same, second and third convolution depthwise separable (the paper's second network)
``deep-separable``    the paper's third network: one standard and five separable convolutions, batch norm, L2
``deep-standard``     twin of the third with standard convolutions: they differ in nothing but the convolution
``standard-norm``     the first with batch norm after each convolution and L2 (the paper gives this step one sentence
``separable-norm``    and no numbers; the strengths here are those of its third network), and the second likewise
``standard-small``    the first with the mean over time in place of flatten and the dense layer, and the second
``separable-small``   likewise: the convolutions then hold nearly all parameters, so that swapping them shows
``temporal-pooling``  after S. Dieleman's post "Recommending music on Spotify with deep learning" (2014), the paper's
                      source [6]: the first up to its third convolution, statistics over time, two dense layers
``lachmish``          after the paper's source [1] (M. Lachmish, "Music genre classification using deep learning", Tel
                      Aviv University, 2016): three 4 x 4 convolutions over the spectrogram as an image
``statistics``        ours, to be fast: one convolution of 3 frames, statistics over time, one dense layer
``square``            ours, to be good: the spectrogram as an image under square kernels, which find the same pattern
                      in a higher or lower band
``square-separable``  its twin: all convolutions but the first depthwise separable
====================  =================================================================================================

The paper prints all three of its networks as Keras code, and here they are layer by layer. What it does not name there
is Keras's default: 'valid' convolutions and pools, a bias in every layer. Its first pool reads
``MaxPooling2D((4, 1), 4)``: 4 frames by 1 band, moved by 4 frames *and 4 bands*. The first kernel has left a single
band, and of 1 band a stride of 4 keeps that one, as a stride of 1 would; so it is a pool over time alone, `Pool` (4),
and so are the others. The counts of parameters follow, for 130 frames of 13 MFCCs: 21 862 410 in the first network,
21 274 634 in the second, 1 010 570 in the third.

``lachmish`` is as its author's code has it: 'same' convolutions of 149, 73 and 35 filters, 'same' pools, a quarter
dropped after each, a hidden layer of 2^13. His input had two values a cell, ours has one, the level in dB; so his
first kernels had twice the weights. It takes 128 mel bands as in his work and, as the paper says of it, 13 MFCCs.

Dieleman's post gives kernels of 4 frames, 256 of them in the first layer, pools of 4 and then 2, mean, maximum and L2
norm over time, and two dense layers of 2048 with dropout. It does not give in words how many convolutions there are,
the widths of the later ones, or the rate of the dropout: three, 256 and 512, and 0.3 are taken from the paper's own
first network, so that ``temporal-pooling`` differs from it in its head alone.

The first convolution of a separable twin is always a standard one, as in the paper. Here it must be: its input has one
channel, of which a depthwise step would make one filtered picture, and the 1 x 1 kernels then 16 copies of that one in
other strengths.

Chapters: 09_architectures
"""

from typing import NamedTuple

from audiolib import AudiolibError


class Conv(NamedTuple):
    """A standard convolution of `width` frames; `l2` is the strength of its weight penalty."""

    filters: int
    width: int
    l2: float = 0.0


class Square(NamedTuple):
    """A convolution over `width` frames by `width` bands, 0 beyond the lowest and the highest band.

    `same`: 0 before the first and after the last frame, too, so that as many frames leave as entered. `separable`: each
    channel filtered by itself, then mixed with 1 x 1 kernels.
    """

    filters: int
    width: int = 3
    same: bool = False
    separable: bool = False


class Separable(NamedTuple):
    """A depthwise separable convolution: each channel filtered over `width` frames, then mixed with 1 x 1 kernels."""

    filters: int
    width: int
    l2: float = 0.0


class Pool(NamedTuple):
    """The maximum of each `size` frames, and in an image of each `bands` bands (or of all, if fewer are left).

    `same`: what is left over at the end makes one more; otherwise it is dropped.
    """

    size: int
    bands: int = 1
    same: bool = False


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


def _square(separable):
    """A network for images: four convolutions of 3 x 3, the mean of what they find."""
    return (
        Square(16), Norm(), Pool(2, 4), Square(32, separable=separable), Norm(), Pool(2, 2),
        Square(64, separable=separable), Norm(), Pool(2, 2), Square(128, separable=separable), Norm(), Pool(2, 2),
        Mean(), Dropout(0.3),
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
    "lachmish": (
        Square(149, 4, same=True), Pool(4, 4, same=True), Dropout(0.25),
        Square(73, 4, same=True), Pool(2, 2, same=True), Dropout(0.25),
        Square(35, 4, same=True), Pool(2, 2, same=True), Dropout(0.25),
        Flatten(), Dense(2**13), Dropout(0.25),
    ),
    "statistics": (Conv(128, 3), Norm(), Statistics(), Norm(), Dense(512), Norm(), Dropout(0.3)),
    "square": _square(separable=False),
    "square-separable": _square(separable=True),
}  # fmt: skip
NAMES = tuple(NETWORKS)
#: What `models.build` can be told beside the size of a segment, and what it takes otherwise.
OPTIONS = {"form": None, "norm_momentum": 0.99, "separable_l2": "ignored"}


def frames_needed(name):
    """Length of the shortest input that leaves a network one frame before its head.

    Going back from that frame, a pool of p needs p times as many frames and a convolution of k needs k - 1 more. The
    same number is the receptive field of the last frame before the head; but where 'same' layers fill up what is
    missing, one frame is enough.

    >>> frames_needed("standard"), frames_needed("lachmish")
    (55, 1)
    """
    frames = 1
    for step in reversed(steps(name)):
        if getattr(step, "same", False):
            continue
        if isinstance(step, Pool):
            frames *= step.size
        elif isinstance(step, Conv | Square | Separable):
            frames += step.width - 1
    return frames


def steps(name):
    """The layers of a network by its name; an AudiolibError if none has it."""
    if name not in NETWORKS:
        raise AudiolibError(f"no network is called {name!r}; choose one of {', '.join(NAMES)}")
    return NETWORKS[name]
