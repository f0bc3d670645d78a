"""All that decides a training, as data: a frozen ``Recipe`` that is checked when it is made and goes to JSON and back;
and the studies of the book, each a list of recipes, the most important first.

Two runs of one recipe on one machine give the same numbers; two recipes that differ in anything have different keys.
Most studies are on ``gtzan-logmel.npz``, the archive of log-mel spectrograms of 999 tracks, in segments of 6 s = 77
frames: the paper's networks need up to 55 frames, and 3 s hold only 38 of the archive's.

===========  ==========================================================================================================
``paper``    1: the paper's three networks under its own protocol, with its recipe
``leak``     2: the same without the leak: by track, fault-filtered, artist folds
``fair``     3: the same depth with and without separable convolutions, and the steps of batch norm and L2 between
``mel``      4: 128 mel bands against 13 MFCCs, and counts of MFCCs between
``others``   5: from audio, ESC-10 by its folds, FSDD by speaker and at random, and 100 tracks of GTZAN as in the paper
``fast``     6: 90 % under the paper's protocol in the least time; and what the same recipe reaches without the leak
``listen``   7: the network that the package brings, for music from anywhere; a twin of each kind
``best``     6: the best fault-filtered accuracy from scratch with at most a million parameters
``axes``     the first two networks with kernels that move over the bands too, on MFCCs and on mel; a quarter of the
             filters and an eighth, since squares are dear
``parts``    fully connected networks beside a convolutional one; no pools, strides in their place; stride and padding
``capacity`` small twins with fewer and fewer filters: when do they stop fitting the training part?
``raw``      the waveform against MFCCs, in a convolutional and a fully connected network
``esc10``    a recipe of our own on ESC-10, for square twins
===========  ==========================================================================================================

Chapters: 07_cnn, 08_separable, 09_architectures, 10_experiments, 11_leak, 12_fair, 13_elsewhere, 14_listen
"""

import copy
import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from audiolib import AudiolibError, networks, protocols
from audiolib._checks import number, one_of, whole

OPTIMIZERS = ("adam", "sgd")
SCHEDULES = ("constant", "one-cycle", "cosine")
NORMALIZATIONS = ("none", "standard", "segment")
PRECISIONS = ("float32", "bfloat16")
AUGMENTATIONS = {  # name: (highest value, what it is)
    "mixup": (10.0, "alpha of the Beta distribution from which the share of a second segment is drawn"),
    "time_mask": (1.0, "longest stretch of frames replaced by the mean, as a share of the segment"),
    "band_mask": (1.0, "widest stretch of bands replaced by the mean, as a share of the bands"),
    "time_shift": (1.0, "latest start, as a share of the segment, of the cut that is taken instead"),
    "band_shift": (64, "most bands (whole number) by which a mel spectrogram is moved up or down"),
    "band_gain": (40.0, "standard deviation in dB of a random equaliser at 3 to 6 points of the range of the bands"),
    "band_limit": (1.0, "probability that all above a random band is cut off, and half as often what is lowest"),
    "noise": (1.0, "probability of a floor of noise 25 to 55 dB below the loudest cell"),
    "contrast": (0.9, "most by which differences of level are stretched or shrunk, as a share; in half of them"),
}
LARGEST_SEED = 2**32 - 1  # that scikit-learn and NumPy take
ARCHIVE_FRONTEND = ("kind", "n_mfcc", "segment_seconds")  # what an archive leaves open
#: How records of format 1 spell two fields. Keys are made of that spelling, so that names of records stay.
FORMAT_1 = {"optimizer": "optimiser", "normalization": "normalisation"}


@dataclass(frozen=True)
class Recipe:
    """All that decides a training. The defaults are the paper's: Adam at 0.0001, batches of 64, 500 epochs, 13 MFCCs.

    Parameters
    ----------
    corpus : str
        Known by name, a folder of ``<label>/<file>``, or a log-mel archive (``.npz``, below the data root or here).
    frontend : dict
        Fields of ``features.Frontend``; for an archive only ``ARCHIVE_FRONTEND``. Others take their default.
    model : str, one of ``networks.NAMES``
    model_options : dict
        Further arguments of ``models.build``.
    protocol : str, one of ``protocols.NAMES``
    fold : int >= 1, for the protocols that have folds
    seed : int >= 0
        Decides the split, the first weights, the order of the segments, the dropout and the augmentation.
    optimizer : "adam" or "sgd" (with Nesterov momentum 0.9)
    learning_rate : float > 0
        The highest, if the schedule changes it.
    schedule : "constant", "one-cycle" (up for 30 % of the steps, then down a cosine) or "cosine" (down from the start)
    weight_decay : float >= 0
        Decoupled from the loss (with Adam: AdamW); biases and batch norm are spared.
    batch, epochs : int >= 1
    augmentation : dict
        Of the training part only; names and meanings in ``AUGMENTATIONS``.
    normalization : "none" (the paper's), "standard" (mean 0, deviation 1 in each band of the training part), "segment"
        (each segment relative to its own mean level, see `features.relative`)
    label_smoothing : float, 0 to below 1
    precision : "float32" or "bfloat16" (weights stay in float32)
    """

    corpus: str = "synthetic"
    frontend: dict = field(default_factory=dict)
    model: str = "deep-separable"
    model_options: dict = field(default_factory=dict)
    protocol: str = "segment"
    fold: int | None = None
    seed: int = 0
    optimizer: str = "adam"
    learning_rate: float = 1e-4
    schedule: str = "constant"
    weight_decay: float = 0.0
    batch: int = 64
    epochs: int = 500
    augmentation: dict = field(default_factory=dict)
    normalization: str = "none"
    label_smoothing: float = 0.0
    precision: str = "float32"

    def __post_init__(self):
        one_of("model", self.model, networks.NAMES)
        one_of("protocol", self.protocol, protocols.NAMES)
        one_of("optimizer", self.optimizer, OPTIMIZERS)
        one_of("schedule", self.schedule, SCHEDULES)
        one_of("normalization", self.normalization, NORMALIZATIONS)
        one_of("precision", self.precision, PRECISIONS)
        if not isinstance(self.corpus, str) or not self.corpus:
            raise AudiolibError(f"corpus={self.corpus!r}: give a name, a folder or the file of an archive as text")
        if self.protocol in protocols.WITH_FOLDS:
            self._put("fold", whole(f"fold (of the protocol {self.protocol!r})", self.fold))
        elif self.fold is not None:
            raise AudiolibError(f"fold={self.fold!r}: the protocol {self.protocol!r} has no folds; leave it out")
        self._put("seed", whole("seed", self.seed, 0, LARGEST_SEED))
        self._put("batch", whole("batch", self.batch))
        self._put("epochs", whole("epochs", self.epochs))
        self._put("learning_rate", number("learning_rate", self.learning_rate, most=10, above=0))
        self._put("weight_decay", number("weight_decay", self.weight_decay, 0, 1))
        self._put("label_smoothing", number("label_smoothing", self.label_smoothing, 0, 0.999))
        self._put("frontend", _full_frontend(self.is_archive, _mapping("frontend", self.frontend)))
        self._put("augmentation", self._checked_augmentation())
        for name in _mapping("model_options", self.model_options):
            one_of("model_options", name, networks.OPTIONS)
        others = {name: value for name, value in self.model_options.items() if value != networks.OPTIONS[name]}
        self._put("model_options", copy.deepcopy(others))

    def _put(self, name, value):
        object.__setattr__(self, name, value)

    def _checked_augmentation(self):
        result = {}
        for name, value in sorted(_mapping("augmentation", self.augmentation).items()):
            most = AUGMENTATIONS[one_of("augmentation", name, AUGMENTATIONS)][0]
            check = whole if name == "band_shift" else number
            value = check(f"augmentation {name}", value, 0, most)
            if value and name in ("band_shift", "band_gain") and self.frontend["kind"] != "mel":
                what = {"mfcc": "coefficients", "wave": "samples"}[self.frontend["kind"]]
                raise AudiolibError(f"{name}={value}: {what} are no bands; use frontend kind 'mel'")
            if value:
                result[name] = value
        return result

    @property
    def is_archive(self):
        """Whether the corpus is a file of features that somebody else extracted."""
        return self.corpus.endswith(".npz")

    @property
    def key(self):
        """Twelve digits that stand for everything in the recipe."""
        values = {FORMAT_1.get(name, name): value for name, value in self.to_dict().items()}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def name(self):
        """A file name that a reader understands, unique by its key."""
        corpus = Path(self.corpus).stem[:80]  # a file name has 255 characters at most
        protocol = self.protocol + (f"-{self.fold}" if self.fold else "")
        frontend = describe_frontend(self.frontend)
        name = f"{corpus}_{protocol}_{self.model}_{frontend}_{self.epochs}ep_seed{self.seed}_{self.key}"
        return re.sub(r"[^A-Za-z0-9._-]", "-", name)

    def __hash__(self):
        return hash(self.key)

    def replace(self, **changes):
        """The same recipe with other values; of the frontend, another corpus takes only what every kind knows."""
        values = self.to_dict()
        if "corpus" in changes:
            values["frontend"] = {name: self.frontend[name] for name in ARCHIVE_FRONTEND if name in self.frontend}
        return Recipe.from_dict(values | changes)

    def to_dict(self):
        """Everything in it, as JSON knows it; the dicts are copies."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values):
        """The recipe of what ``to_dict`` gave (or of some of it: the rest takes its default)."""
        for name in _mapping("recipe", values):
            one_of("recipe", name, [known.name for known in fields(cls)])
        return cls(**values)


def describe_frontend(frontend):
    """A short name of a recipe's frontend: ``mfcc13-6s``, ``mel-3s``, ``wave-3s``."""
    kind = f"mfcc{frontend['n_mfcc']}" if frontend["kind"] == "mfcc" else frontend["kind"]
    return f"{kind}-{frontend['segment_seconds']:g}s"


def grid(recipe, **choices):
    """All combinations of the values given, the last one varying fastest.

    >>> [(each.model, each.seed) for each in grid(PAPER, model=["standard", "separable"], seed=[0, 1])]
    [('standard', 0), ('standard', 1), ('separable', 0), ('separable', 1)]
    """
    recipes = [recipe]
    for name, values in choices.items():
        recipes = [each.replace(**{name: value}) for each in recipes for value in values]
    return recipes


def _full_frontend(archive, given):
    """All fields with their values, checked by the frontend itself."""
    from audiolib.features import Frontend

    for name in given:
        one_of("frontend", name, ARCHIVE_FRONTEND if archive else [known.name for known in fields(Frontend)])
    checked = asdict(replace(Frontend(kind="mfcc"), **({"segment_seconds": 6.0} if archive else {}) | given))
    if archive:
        checked = {name: checked[name] for name in ARCHIVE_FRONTEND if name != "n_mfcc" or checked["kind"] == "mfcc"}
    return checked


def _mapping(what, value):
    if not isinstance(value, dict):
        raise AudiolibError(f"{what}={value!r:.60}: names with values (a dict) are needed")
    return value


#: The paper's recipe: what ``model.compile(Adam(0.0001), "sparse_categorical_crossentropy")`` and
#: ``model.fit(batch_size=64, epochs=500)`` do on 13 MFCCs under its own protocol.
PAPER = Recipe()

# --- the studies of the book ------------------------------------------------------------------------------------------
SEEDS = (0, 1, 2)
EPOCHS = 60  # of a short run; the runs of 500 in "paper" show what the difference is
ARCHIVE = PAPER.replace(corpus="gtzan-logmel.npz", frontend={"kind": "mfcc", "n_mfcc": 13, "segment_seconds": 6.0})
SHORT = ARCHIVE.replace(epochs=EPOCHS)
FILTERED = SHORT.replace(protocol="fault-filtered")
BY_ARTIST = SHORT.replace(protocol="artist-folds", fold=1)
PAPERS = ("deep-separable", "separable", "standard")
DEEP = ("deep-separable", "deep-standard")
ARTIST_FOLDS = (1, 2, 3)
SPEAKERS = (1, 2, 3, 4, 5, 6)  # of FSDD, a fold each
# Clips of 5 s in two halves; spoken digits of 0.1 to 2.3 s (nearly all below 1 s), at 8 kHz.
ESC10 = PAPER.replace(corpus="esc10", frontend={"segment_seconds": 2.5}, protocol="folds", fold=1, epochs=EPOCHS)
AT_8_KHZ = {"sample_rate": 8000, "n_fft": 512, "hop_length": 80, "n_mels": 40}
FSDD = PAPER.replace(corpus="fsdd", frontend=AT_8_KHZ | {"segment_seconds": 1.0, "pad_short": True}, epochs=30)
FOLLOWING = {"norm_momentum": 0.9}  # batch norm's averages keep up with trainings of a few hundred steps
MINI = PAPER.replace(corpus="gtzan-mini", epochs=EPOCHS)
# Ours, tuned by hand on the validation parts of seed 0 alone. All 128 bands at one scale, a rate that rises and falls.
OURS = ARCHIVE.replace(normalization="standard", schedule="one-cycle", learning_rate=0.003, weight_decay=0.01)
FAST = OURS.replace(model="statistics", frontend={"kind": "mel", "segment_seconds": 3.0}, epochs=15)
BEST = OURS.replace(
    model="square", frontend={"kind": "mel", "segment_seconds": 6.0}, protocol="fault-filtered", weight_decay=0.05,
    augmentation={"mixup": 0.3, "time_mask": 0.2, "band_mask": 0.2, "time_shift": 1.0, "band_shift": 4, "band_gain": 4},
    epochs=40,
)  # fmt: skip
#: For music from anywhere: gain, equaliser, bandwidth, noise and compression of a recording shall not decide.
LISTEN = BEST.replace(
    normalization="segment",
    epochs=60,
    augmentation=BEST.augmentation | {"band_gain": 6, "band_limit": 0.5, "noise": 0.3, "contrast": 0.3},
)
NO_GAIN = {"augmentation": {name: value for name, value in BEST.augmentation.items() if name != "band_gain"}}

QUARTER = {"filters": 0.25}
ON_MEL = {"frontend": {"kind": "mel", "segment_seconds": 6.0}, "normalization": "standard"}
FLAT = ("standard", "separable", "standard-square", "separable-square")
SHARES = (1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32)
# To see what fits into a network, not how fast: the rate rises to thirty times the paper's.
CAPACITY = OURS.replace(protocol="fault-filtered", epochs=20)
# Our own on ESC-10: half as many bands, since its clips are few and a network is trained for each fold.
OURS_ESC10 = OURS.replace(
    corpus="esc10", frontend={"kind": "mel", "n_mels": 64, "segment_seconds": 2.5}, protocol="folds", fold=1,
    model="square", weight_decay=0.05, batch=32, epochs=60, augmentation=BEST.augmentation | {"band_shift": 2},
)  # fmt: skip
# Both inputs at one scale, since samples are a thousand times smaller than coefficients.
RAW = MINI.replace(protocol="track", normalization="standard", epochs=20)


def _frontends(*choices):
    return [{"segment_seconds": 6.0, "kind": kind} | ({"n_mfcc": number} if number else {}) for kind, number in choices]


STUDIES = {
    "paper": [
        *grid(SHORT, seed=SEEDS, model=PAPERS),
        *grid(ARCHIVE, seed=SEEDS, model=[*PAPERS, "deep-standard"]),  # 500 epochs
    ],
    "leak": [
        *grid(SHORT, seed=SEEDS, protocol=["fault-filtered", "track"], model=PAPERS),
        *grid(BY_ARTIST, seed=SEEDS, model=PAPERS, fold=ARTIST_FOLDS),
    ],
    "fair": [
        *grid(SHORT, seed=SEEDS, protocol=["fault-filtered", "segment"], model=DEEP),
        *grid(FILTERED, seed=(3, 4), model=DEEP),  # the book's question once more
        *grid(FILTERED, seed=SEEDS, model=["standard-small", "separable-small"]),
        *grid(FILTERED, seed=SEEDS, model=["standard-norm", "separable-norm"]),
        *grid(FILTERED.replace(model_options={"separable_l2": "applied"}), seed=SEEDS, model=DEEP),
        *grid(BY_ARTIST, seed=SEEDS, model=DEEP, fold=ARTIST_FOLDS),
        # Separable layers learn more slowly at the start: is it the layer or the learning rate?
        *grid(FILTERED, seed=SEEDS, learning_rate=[2e-4, 4e-4], model=DEEP),
    ],
    "mel": [
        *grid(SHORT, seed=SEEDS, protocol=["fault-filtered", "segment"], frontend=_frontends(
            ("mel", None), ("mfcc", 13), ("mfcc", 40), ("mfcc", 20), ("mfcc", 128))),
        # Mel levels are far from zero mean and unit variance; MFCCs too. Is it the frontend or the scale?
        *grid(SHORT.replace(normalization="standard"), seed=SEEDS, protocol=["fault-filtered", "segment"],
              frontend=_frontends(("mel", None), ("mfcc", 13))),
    ],
    "others": [
        recipe.replace(seed=seed)
        for seed in SEEDS
        for recipe in (
            *grid(MINI, protocol=["segment", "track"], model_options=[{}, FOLLOWING], model=DEEP),
            *grid(ESC10, model_options=[{}, FOLLOWING], model=DEEP, fold=[1, 2, 3, 4, 5]),
            # At random every speaker is in all parts.
            *grid(FSDD.replace(protocol="track"), model_options=[{}, FOLLOWING], model=DEEP),
            *grid(FSDD.replace(protocol="groups", fold=1), model_options=[{}, FOLLOWING], model=DEEP, fold=SPEAKERS),
        )
    ],
    "fast": grid(FAST, seed=SEEDS, protocol=["segment", "fault-filtered"]),
    "listen": grid(LISTEN, seed=SEEDS, model=["square", "square-separable", "square-wide", "square-separable-wide"]),
    # The twins in two dimensions once more, on three times as many tracks.
    "square": grid(LISTEN.replace(protocol="artist-folds", fold=1), seed=SEEDS, fold=ARTIST_FOLDS,
                   model=["square", "square-separable"]),
    "axes": [
        *grid(FILTERED.replace(model_options=QUARTER), seed=SEEDS, model=FLAT),
        *grid(FILTERED.replace(model_options={"filters": 0.125}, epochs=30, **ON_MEL), seed=SEEDS, model=FLAT),
    ],
    "parts": [
        *grid(FILTERED, seed=SEEDS, model=["dense", "dense-wide"]),
        *grid(FILTERED, seed=SEEDS, model_options=[QUARTER, QUARTER | {"pools": "strides"}], model=PAPERS),
        *grid(FILTERED, seed=SEEDS, model_options=[
            QUARTER | {"padding": "same"}, QUARTER | {"stride": 2}, QUARTER | {"stride": 2, "padding": "same"},
            QUARTER | {"pools": "none"}]),
    ],
    "capacity": grid(CAPACITY, seed=SEEDS, model_options=[{"filters": share} for share in SHARES],
                     model=["standard-small", "separable-small"]),
    "raw": grid(RAW, seed=SEEDS, frontend=[{"kind": "mfcc"}, {"kind": "wave"}], model=["standard-small", "dense"]),
    "esc10": grid(OURS_ESC10, seed=SEEDS, fold=[1, 2, 3, 4, 5], model=["square", "square-separable"]),
    "best": [*grid(BEST, seed=SEEDS), *grid(BEST.replace(**NO_GAIN), seed=SEEDS)],  # what does the equaliser do?
}  # fmt: skip

_AS_PRINTED = {"epoch": "the last", "recipe": "as in the paper", "tried": 0}
_TUNED = {"epoch": "the last", "recipe": "tuned by hand on the validation part of seed 0", "tried": None}
#: How a study came to its recipes and to the epoch that is tested, which its records keep; ``tried`` is the number of
#: recipes that were looked at on a validation part before (None: nobody counted).
CHOICES = {name: _TUNED if name in ("fast", "best", "listen", "square") else _AS_PRINTED for name in STUDIES} | {
    name: _AS_PRINTED | {"recipe": "as in the paper, but for what the study asks about"}
    for name in ("fair", "mel", "axes", "parts", "raw")
}
CHOICES["others"] = _AS_PRINTED | {"recipe": "as in the paper, segments as clips allow, two momenta of batch norm"}
CHOICES["esc10"] = _AS_PRINTED | {"recipe": "ours, looked at on the validation part of fold 1, seed 0", "tried": 1}
CHOICES["capacity"] = _TUNED | {"recipe": "that of the study fast, which was tuned by hand, without another look"}


def study(name):
    """The recipes of a study; an AudiolibError if none has this name."""
    if name not in STUDIES:
        raise AudiolibError(f"no study is called {name!r}; there are {', '.join(STUDIES)}")
    return STUDIES[name]
