"""The studies of the book, as data: each a list of recipes, the most important first.

``python -m audiolib study NAME`` does those that have no record yet. Most are on ``gtzan-logmel.npz``, the archive of
log-mel spectrograms of 999 tracks, in segments of 6 s = 77 frames: the paper's networks need up to 55 frames, and 3 s
hold only 38 of the archive's.

===========  ==========================================================================================================
``paper``    1: the paper's three networks under its own protocol, with its recipe
``leak``     2: the same without the leak: by track, fault-filtered, artist folds
``fair``     3: the same depth with and without separable convolutions, and the steps of batch norm and L2 between
``mel``      4: 128 mel bands against 13 MFCCs, and counts of MFCCs between
``others``   5: from audio, ESC-10 by its folds, FSDD by speaker and at random, and 100 tracks of GTZAN as in the paper
``fast``     6: 90 % under the paper's protocol in the least time; and what the same recipe reaches without the leak
``best``     6: the best fault-filtered accuracy from scratch with at most a million parameters
===========  ==========================================================================================================

Chapters: 10_experiments, 11_leak, 12_verdict
"""

from __future__ import annotations

from audiolib import AudiolibError
from audiolib.recipe import PAPER, grid

SEEDS = (0, 1, 2)
EPOCHS = 60  # of a short run; the runs of 500 in "paper" show what the difference is
ARCHIVE = PAPER.but(corpus="gtzan-logmel.npz", frontend={"kind": "mfcc", "n_mfcc": 13, "segment_seconds": 6.0})
SHORT = ARCHIVE.but(epochs=EPOCHS)
PAPERS = ("deep-separable", "separable", "standard")
DEEP = ("deep-separable", "deep-standard")
ARTIST_FOLDS = (1, 2, 3)
SPEAKERS = (1, 2, 3, 4, 5, 6)  # of FSDD, a fold each
# Clips of 5 s in two halves; spoken digits of 0.1 to 2.3 s (nearly all below 1 s), at 8 kHz.
ESC10 = PAPER.but(corpus="esc10", frontend={"segment_seconds": 2.5}, protocol="folds", fold=1, epochs=EPOCHS)
FSDD = PAPER.but(
    corpus="fsdd",
    frontend={
        "sample_rate": 8000, "n_fft": 512, "hop_length": 80, "n_mels": 40, "segment_seconds": 1.0, "pad_short": True,
    },
    epochs=30,
)  # fmt: skip
FOLLOWING = {"norm_momentum": 0.9}  # batch norm's averages keep up with trainings of a few hundred steps
MINI = PAPER.but(corpus="gtzan-mini", epochs=EPOCHS)
# Ours, tuned by hand on the validation parts of seed 0 alone. All 128 bands at one scale, a rate that rises and falls.
OURS = ARCHIVE.but(normalisation="standard", schedule="one-cycle", learning_rate=0.003, weight_decay=0.01)
FAST = OURS.but(model="statistics", frontend={"kind": "mel", "segment_seconds": 3.0}, epochs=15)
BEST = OURS.but(
    model="square",
    frontend={"kind": "mel", "segment_seconds": 6.0},
    protocol="fault-filtered",
    weight_decay=0.05,
    epochs=40,
    augmentation={"mixup": 0.3, "time_mask": 0.2, "band_mask": 0.2, "time_shift": 1.0, "band_shift": 4, "band_gain": 4},
)
NO_GAIN = {"augmentation": {name: value for name, value in BEST.augmentation.items() if name != "band_gain"}}


def _by_artist(recipe, **choices):
    return grid(recipe.but(protocol="artist-folds", fold=1), **choices, fold=ARTIST_FOLDS)


STUDIES = {
    "paper": [
        *grid(SHORT, seed=SEEDS, model=PAPERS),
        *grid(ARCHIVE, seed=[0], model=PAPERS),  # 500 epochs
        *grid(ARCHIVE, seed=SEEDS[1:], model=PAPERS),
    ],
    "leak": [
        *grid(SHORT, seed=SEEDS, protocol=["fault-filtered", "track"], model=PAPERS),
        *_by_artist(SHORT, seed=[0], model=PAPERS),
        *_by_artist(SHORT, seed=SEEDS[1:], model=PAPERS),
    ],
    "fair": [
        *grid(SHORT, seed=SEEDS, protocol=["fault-filtered", "segment"], model=DEEP),
        *grid(SHORT, seed=SEEDS, protocol=["fault-filtered"], model=["standard-small", "separable-small"]),
        *grid(SHORT, seed=SEEDS, protocol=["fault-filtered"], model=["standard-norm", "separable-norm"]),
        *grid(
            SHORT.but(model_options={"separable_l2": "applied"}),
            seed=SEEDS,
            protocol=["fault-filtered"],
            model=DEEP,
        ),
        *_by_artist(SHORT, seed=SEEDS, model=DEEP),
        # Separable layers learn more slowly at the start: is it the layer or the learning rate?
        *grid(SHORT.but(protocol="fault-filtered"), seed=SEEDS, learning_rate=[2e-4, 4e-4], model=DEEP),
    ],
    "mel": [
        *grid(
            SHORT,
            seed=SEEDS,
            protocol=["fault-filtered", "segment"],
            frontend=[
                {"kind": kind, "segment_seconds": 6.0} | ({"n_mfcc": number} if kind == "mfcc" else {})
                for kind, number in (("mel", None), ("mfcc", 13), ("mfcc", 40), ("mfcc", 20), ("mfcc", 128))
            ],
        ),
        # Mel levels are far from zero mean and unit variance; MFCCs too. Is it the frontend or the scale?
        *grid(
            SHORT.but(normalisation="standard"),
            seed=SEEDS,
            protocol=["fault-filtered", "segment"],
            frontend=[{"kind": "mel", "segment_seconds": 6.0}, {"kind": "mfcc", "segment_seconds": 6.0}],
        ),
    ],
    "others": [
        recipe
        for seed in SEEDS
        for recipe in (
            *grid(MINI.but(seed=seed), protocol=["segment", "track"], model_options=[{}, FOLLOWING], model=DEEP),
            *grid(ESC10.but(seed=seed), model_options=[{}, FOLLOWING], model=DEEP, fold=[1, 2, 3, 4, 5]),
            # At random every speaker is in all parts.
            *grid(FSDD.but(seed=seed, protocol="track"), model_options=[{}, FOLLOWING], model=DEEP),
            *grid(
                FSDD.but(seed=seed, protocol="groups", fold=1),
                model_options=[{}, FOLLOWING],
                model=DEEP,
                fold=SPEAKERS,
            ),
        )
    ],
    "fast": grid(FAST, seed=SEEDS, protocol=["segment", "fault-filtered"]),
    "best": [*grid(BEST, seed=SEEDS), *grid(BEST.but(**NO_GAIN), seed=SEEDS)],  # what does the equaliser do?
}  # fmt: skip


def recipes(name):
    """The recipes of a study.

    Raises
    ------
    AudiolibError
        If no study has this name.
    """
    if name not in STUDIES:
        raise AudiolibError(f"no study is called {name!r}; there are {', '.join(STUDIES)}")
    return STUDIES[name]
