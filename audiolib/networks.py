"""The networks as data: lists of layers by name, without Keras.

====================  =================================================================================================
``standard``          the paper's first network: three convolutions and a dense layer of 2^13 units
``separable``         the same, second and third convolution depthwise separable (the paper's second network)
``deep-separable``    the paper's third network: one standard and five separable convolutions, batch norm, L2
``deep-standard``     twin of the third with standard convolutions: they differ in nothing but the convolution
``separable-norm``    the second with batch norm after each convolution and L2 (the paper took this step and gives no
``standard-norm``     numbers; the strengths here are those of its third network), and the first likewise
``standard-small``    the first with the mean over time in place of flatten and the dense layer, and the second
``separable-small``   likewise: the convolutions then hold nearly all parameters, so that swapping them shows
``lachmish``          after the paper's source [1] (M. Lachmish, "Music genre classification using deep learning", Tel
                      Aviv University, 2016): three 4 x 4 convolutions over the spectrogram as an image
``statistics``        ours, to be fast: one convolution of 3 frames, statistics over time, one dense layer
``square``            ours, to be good: the spectrogram as an image under square kernels, which find the same pattern
                      in a higher or lower band
``square-separable``  its twin: all convolutions but the first depthwise separable
``square-wide``       both with twice as many kernels in each layer, the separable one as
                      ``square-separable-wide``
``standard-square``   the paper's first and second network with kernels of 4 x 4 that move over the bands too, and
``separable-square``  pools as wide as long: of 13 MFCCs one band is left, so that the head is the same
``dense``             three fully connected layers, on 77 frames of 13 MFCCs with as many parameters as
``dense-wide``        ``standard-small``, and with as many multiply-adds
====================  =================================================================================================

The paper prints its networks as Keras code; what it does not name is Keras's default: 'valid' convolutions and pools, a
bias in every layer. Its first pool, ``MaxPooling2D((4, 1), 4)``, moves by 4 frames *and 4 bands*; of the single band
that the first kernel has left it keeps that one, so it is a pool over time alone, and so are the others. For 130 frames
(our reading, see chapter 10) of 13 MFCCs the three have 21 862 410, 21 274 634 and 1 010 570 parameters.

Options of `models.build` change any of them: ``filters`` (their share in each layer), ``pools`` ("strides": the
convolution before a pool moves by its size instead; "none": neither), ``stride`` of the first convolution, ``padding``.

``lachmish`` is as its author's code has it, but that his input had two values a cell, so that his first kernels had
twice the weights.

The first convolution of a separable twin is a standard one, as in the paper. It must be: of an input of one channel a
depthwise step would make one filtered picture, and the 1 x 1 kernels then 16 copies of that one in other strengths.

Chapters: 09_architectures
"""

from collections import namedtuple

from audiolib import AudiolibError
from audiolib._checks import number, one_of, whole

#: A standard convolution of `width` frames that moves by `stride`; `l2` is the strength of its weight penalty.
Conv = namedtuple("Conv", "filters width l2 stride same", defaults=[0.0, 1, False])
#: A depthwise separable one: each channel filtered over `width` frames, then mixed with 1 x 1 kernels.
Separable = namedtuple("Separable", "filters width l2 stride same", defaults=[0.0, 1, False])
#: A convolution over `width` frames by `width` bands, 0 beyond the edge bands (if `same`, beyond all edges).
Square = namedtuple("Square", "filters width same separable", defaults=[3, False, False])
#: The maximum of each `size` frames (in an image by `bands` bands, or all there are); `same` keeps what is left over.
Pool = namedtuple("Pool", "size bands same", defaults=[1, False])
#: Zeros in place of a fraction of the features, in training.
Dropout = namedtuple("Dropout", "rate")
#: Batch normalisation.
Norm = namedtuple("Norm", "")
#: All frames and channels in one row.
Flatten = namedtuple("Flatten", "")
#: The mean over time, and in an image over the bands, of each channel.
Mean = namedtuple("Mean", "")
#: Mean, maximum and L2 norm over time of each channel, side by side.
Statistics = namedtuple("Statistics", "")
#: A fully connected layer with ReLU.
Dense = namedtuple("Dense", "units l2", defaults=[0.0])


def _three_convolutions(kind, norm=(), l2=0.0):
    """What the paper's first and second network share: three blocks of convolution, pool, dropout."""
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


def _square(separable, width=16):
    """A network for images: four convolutions of 3 x 3, each twice as wide as the last; the mean of what they find."""
    return (
        Square(width), Norm(), Pool(2, 4), Square(2 * width, separable=separable), Norm(), Pool(2, 2),
        Square(4 * width, separable=separable), Norm(), Pool(2, 2),
        Square(8 * width, separable=separable), Norm(), Pool(2, 2),
        Mean(), Dropout(0.3),
    )  # fmt: skip


def _three_squares(separable):
    """The three blocks of the paper's first networks in two dimensions."""
    return (
        Square(256, 4), Pool(4, 4), Dropout(0.3),
        Square(256, 4, separable=separable), Pool(2, 2), Dropout(0.3),
        Square(512, 4, separable=separable), Pool(2, 2), Dropout(0.3),
    )  # fmt: skip


def _dense(units):
    return (Flatten(), *3 * (Dense(units), Dropout(0.3)))


_WIDE = (Flatten(), Dense(2**13), Dropout(0.3))
_WIDE_L2 = (Flatten(), Dense(2**13, l2=0.08), Dropout(0.3))

#: The networks as data, without the softmax layer that ends each of them.
NETWORKS = {
    "standard": (*_three_convolutions(Conv), *_WIDE),
    "separable": (*_three_convolutions(Separable), *_WIDE),
    "deep-separable": _six_convolutions(Separable),
    "deep-standard": _six_convolutions(Conv),
    "standard-norm": (*_three_convolutions(Conv, (Norm(),), 0.04), *_WIDE_L2),
    "separable-norm": (*_three_convolutions(Separable, (Norm(),), 0.04), *_WIDE_L2),
    "standard-small": (*_three_convolutions(Conv), Mean()),
    "separable-small": (*_three_convolutions(Separable), Mean()),
    "lachmish": (
        Square(149, 4, same=True), Pool(4, 4, same=True), Dropout(0.25),
        Square(73, 4, same=True), Pool(2, 2, same=True), Dropout(0.25),
        Square(35, 4, same=True), Pool(2, 2, same=True), Dropout(0.25),
        Flatten(), Dense(2**13), Dropout(0.25),
    ),
    "statistics": (Conv(128, 3), Norm(), Statistics(), Norm(), Dense(512), Norm(), Dropout(0.3)),
    "square": _square(separable=False),
    "square-separable": _square(separable=True),
    "square-wide": _square(separable=False, width=32),
    "square-separable-wide": _square(separable=True, width=32),
    "standard-square": (*_three_squares(separable=False), *_WIDE),
    "separable-square": (*_three_squares(separable=True), *_WIDE),
    "dense": _dense(430),
    "dense-wide": _dense(1638),
}  # fmt: skip
NAMES = tuple(NETWORKS)
#: What `models.build` can be told beside the size of a segment, and what it takes otherwise.
OPTIONS = {"form": None, "norm_momentum": 0.99, "separable_l2": "ignored", "filters": 1, "pools": "max", "stride": 1,
           "padding": "valid"}  # fmt: skip
CHANGES = ("filters", "pools", "stride", "padding")  # those that change the layers
MOVING = Conv | Separable | Square


def frames_needed(name, **options):
    """Length of the shortest input that leaves a network one frame before its head.

    Going back from that frame, a pool of p needs p times as many frames and a convolution of k needs k - 1 more ('same'
    layers fill up what is missing).

    >>> frames_needed("standard"), frames_needed("lachmish")
    (55, 1)
    """
    frames = 1
    for step in reversed(steps(name, **options)):
        if getattr(step, "same", False):
            continue
        if isinstance(step, Pool):
            frames *= step.size
        elif isinstance(step, MOVING):
            frames = (frames - 1) * getattr(step, "stride", 1) + step.width
    return frames


def steps(name, *, filters=1, pools="max", stride=1, padding="valid"):
    """The layers of a network by its name, as the options change them; an AudiolibError if there is no such network."""
    if name not in NETWORKS:
        raise AudiolibError(f"no network is called {name!r}; choose one of {', '.join(NAMES)}")
    number("filters", filters, most=64, above=0)
    one_of("pools", pools, ("max", "strides", "none"))
    one_of("padding", padding, ("valid", "same"))
    whole("stride", stride)
    chain = NETWORKS[name]
    if (pools == "strides" or stride > 1) and any(isinstance(step, Square) for step in chain):
        raise AudiolibError(f"{name}: square kernels have no strides here; use pools 'max' or 'none' and stride 1")
    result, last = [], 0  # of the convolutions
    for step in chain:
        if filters != 1 and isinstance(step, MOVING | Dense):
            step = step._replace(**{step._fields[0]: max(1, round(filters * step[0]))})
        if padding == "same" and isinstance(step, MOVING | Pool):
            step = step._replace(same=True)
        if isinstance(step, Pool) and pools != "max":
            if pools == "strides":
                result[last] = result[last]._replace(stride=step.size * result[last].stride)
            continue
        if isinstance(step, MOVING):
            if stride > 1 and not any(isinstance(each, MOVING) for each in result):
                step = step._replace(stride=stride)
            last = len(result)
        result.append(step)
    return tuple(result)
