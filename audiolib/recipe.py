"""All that decides a training, as data: a frozen ``Recipe`` that is checked when it is made and goes to JSON and back.

Two runs of one recipe on one machine give the same numbers; two recipes that differ in anything have different keys.
What cannot work is refused here, at once, as far as it can be known without the data.

Chapters: 10_experiments
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
import json
import re
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from audiolib import AudiolibError, protocols

OPTIMISERS = ("adam", "sgd")
SCHEDULES = ("constant", "one-cycle", "cosine")
NORMALISATIONS = ("none", "standard")
PRECISIONS = ("float32", "bfloat16")
AUGMENTATIONS = {  # name: (highest value, what it is)
    "mixup": (10.0, "alpha of the Beta distribution from which the share of a second segment is drawn"),
    "time_mask": (1.0, "longest stretch of frames replaced by the mean, as a share of the segment"),
    "band_mask": (1.0, "widest stretch of bands replaced by the mean, as a share of the bands"),
    "time_shift": (1.0, "latest start, as a share of the segment, of the cut that is taken instead"),
    "band_shift": (64, "most bands (whole number) by which a mel spectrogram is moved up or down"),
    "band_gain": (40.0, "standard deviation in dB of a random equaliser at 3 to 6 points of the range of the bands"),
}
LARGEST = 2**32 - 1  # that scikit-learn and NumPy take as a seed
ARCHIVE_FRONTEND = ("kind", "n_mfcc", "segment_seconds")  # what an archive leaves open


@dataclass(frozen=True)
class Recipe:
    """All that decides a training. The defaults are the paper's: Adam at 0.0001, batches of 64, 500 epochs, 13 MFCCs.

    Parameters
    ----------
    corpus : str
        A corpus known by name, a folder of ``<label>/<file>``, or a log-mel archive (``.npz``; a path that is not
        absolute is below the data root).
    frontend : dict
        Fields of ``features.Frontend``; for an archive only ``kind``, ``n_mfcc`` and ``segment_seconds``. What is left
        out takes its default (kind ``mfcc``), and is written down.
    model : str, one of ``models.NAMES``
    model_options : dict
        Further arguments of ``models.build``.
    protocol : str, one of ``protocols.NAMES``
    fold : int >= 1, optional
        For the protocols that have folds.
    seed : int >= 0
        Decides the split, the first weights, the order of the segments, the dropout and the augmentation.
    optimiser : "adam" or "sgd" (with Nesterov momentum 0.9)
    learning_rate : float > 0
        The highest, if the schedule changes it.
    schedule : "constant", "one-cycle" (up for 30 % of the steps, then down a cosine) or "cosine" (down from the start)
    weight_decay : float >= 0
        Decoupled from the loss (with Adam: AdamW); biases and batch norm are spared.
    batch, epochs : int >= 1
    augmentation : dict
        Of the training part only; names and meanings in ``AUGMENTATIONS``.
    normalisation : "none" (the paper's) or "standard" (mean 0, deviation 1 in each band of the training part)
    label_smoothing : float, 0 to below 1
    precision : "float32" or "bfloat16" (weights stay in float32)

    Raises
    ------
    AudiolibError
        If a name or a value cannot work.
    """

    corpus: str = "synthetic"
    frontend: dict = field(default_factory=dict)
    model: str = "deep-separable"
    model_options: dict = field(default_factory=dict)
    protocol: str = "segment"
    fold: int | None = None
    seed: int = 0
    optimiser: str = "adam"
    learning_rate: float = 1e-4
    schedule: str = "constant"
    weight_decay: float = 0.0
    batch: int = 64
    epochs: int = 500
    augmentation: dict = field(default_factory=dict)
    normalisation: str = "none"
    label_smoothing: float = 0.0
    precision: str = "float32"

    def __post_init__(self):
        from audiolib import models  # imports Keras

        _one_of("model", self.model, models.NAMES)
        _one_of("protocol", self.protocol, protocols.NAMES)
        _one_of("optimiser", self.optimiser, OPTIMISERS)
        _one_of("schedule", self.schedule, SCHEDULES)
        _one_of("normalisation", self.normalisation, NORMALISATIONS)
        _one_of("precision", self.precision, PRECISIONS)
        for name, least in (("seed", 0), ("batch", 1), ("epochs", 1)):
            _whole(name, getattr(self, name), least)
        if self.protocol in ("artist-folds", "folds", "groups"):
            _whole(f"fold (of the protocol {self.protocol!r})", self.fold, 1)
        elif self.fold is not None:
            raise AudiolibError(f"fold={self.fold!r}: the protocol {self.protocol!r} has no folds; leave it out")
        for name, least, most in (("learning_rate", 0, 10), ("weight_decay", 0, 1), ("label_smoothing", 0, 0.999)):
            self._put(name, _number(name, getattr(self, name), least, most))
        if self.learning_rate == 0:
            raise AudiolibError("learning_rate=0 learns nothing; the paper's is 0.0001")
        if not isinstance(self.corpus, str) or not self.corpus:
            raise AudiolibError(f"corpus={self.corpus!r}: give a name, a folder or the file of an archive as text")
        self._put("frontend", _full_frontend(self.is_archive, _mapping("frontend", self.frontend)))
        self._put("augmentation", self._checked_augmentation())
        options = set(inspect.signature(models.build).parameters) - {"name", "frames", "bands", "classes", "seed"}
        for name in _mapping("model_options", self.model_options):
            _one_of("model_options:", name, sorted(options))

    def _put(self, name, value):
        object.__setattr__(self, name, value)

    def _checked_augmentation(self):
        result = {}
        for name, value in sorted(_mapping("augmentation", self.augmentation).items()):
            _one_of("augmentation:", name, tuple(AUGMENTATIONS))
            value = _number(f"augmentation {name}", value, 0, AUGMENTATIONS[name][0])
            if name == "band_shift":
                value = _whole("augmentation band_shift", int(value) if value.is_integer() else value, 0)
            if value and name in ("band_shift", "band_gain") and self.frontend["kind"] == "mfcc":
                raise AudiolibError(f"{name}={value}: coefficients are no bands; use frontend kind 'mel'")
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
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def name(self):
        """A file name that a reader understands, unique by its key."""
        parts = [
            Path(self.corpus).stem[:80],  # a file name has 255 characters at most
            self.protocol + (f"-{self.fold}" if self.fold else ""),
            self.model,
            hears(self.frontend),
            f"{self.epochs}ep",
            f"seed{self.seed}",
            self.key,
        ]
        return re.sub(r"[^A-Za-z0-9._-]", "-", "_".join(parts))

    def __hash__(self):
        return hash(self.key)

    def but(self, **changes):
        """The same recipe but for what is given; a dict replaces a dict."""
        return Recipe.from_dict(self.to_dict() | changes if "corpus" not in changes else self._moved(changes))

    def _moved(self, changes):
        """To another corpus, of the frontend only what both kinds of corpus know goes along."""
        shared = {name: self.frontend[name] for name in ARCHIVE_FRONTEND if name in self.frontend}
        return self.to_dict() | {"frontend": shared} | changes

    def to_dict(self):
        """Everything in it, as JSON knows it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values):
        """The recipe of what ``to_dict`` gave (or of some of it: the rest takes its default)."""
        for name in _mapping("recipe", values):
            _one_of("recipe:", name, [known.name for known in fields(cls)])
        return cls(**values)


def hears(frontend):
    """A short name of what a network hears through a recipe's frontend: ``mfcc13-6s``, ``mel-3s``."""
    kind = f"mfcc{frontend['n_mfcc']}" if frontend["kind"] == "mfcc" else "mel"
    return f"{kind}-{frontend['segment_seconds']:g}s"


def grid(recipe, **choices):
    """All combinations of the values given, the last one varying fastest.

    >>> grid(PAPER, model=["standard", "separable"], seed=[0, 1])  # doctest: +SKIP
    """
    recipes = [recipe]
    for name, values in choices.items():
        recipes = [each.but(**{name: value}) for each in recipes for value in values]
    return recipes


def _full_frontend(archive, given):
    """All fields with their values, checked by the frontend itself."""
    from audiolib.features import Frontend

    for name in given:
        _one_of("frontend:", name, ARCHIVE_FRONTEND if archive else [known.name for known in fields(Frontend)])
    checked = asdict(replace(Frontend(kind="mfcc"), **({"segment_seconds": 6.0} if archive else {}) | given))
    if archive:
        checked = {name: checked[name] for name in ARCHIVE_FRONTEND if name != "n_mfcc" or checked["kind"] == "mfcc"}
    return checked


def _one_of(what, value, known):
    if value not in known:
        close = difflib.get_close_matches(str(value), known, 1)
        guess = f" (did you mean {close[0]!r}?)" if close else ""
        raise AudiolibError(f"{what} {value!r} is not known{guess}; there are {', '.join(known)}")


def _mapping(what, value):
    if not isinstance(value, dict):
        raise AudiolibError(f"{what}={value!r}: names with values (a dict) are needed")
    return value


def _number(what, value, least, most):
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise AudiolibError(f"{what}={value!r}: a number from {least:g} to {most:g} is needed")
    return float(value)


def _whole(what, value, least):
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise AudiolibError(f"{what}={value!r}: a whole number of at least {least} is needed")
    if value > LARGEST:
        raise AudiolibError(f"{what}={value!r}: a whole number of at most {LARGEST} is needed")
    return value


#: The paper's recipe: what ``model.compile(Adam(0.0001), "sparse_categorical_crossentropy")`` and
#: ``model.fit(batch_size=64, epochs=500)`` do on 13 MFCCs under its own protocol.
PAPER = Recipe()
