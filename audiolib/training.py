"""From a ``Recipe`` (all that decides a training) to a ``Run`` (all that came of it).

All chance of an epoch (the order of the segments, the augmentation, the dropout) comes from the recipe's seed and the
number of the epoch: a run that was killed goes on from its last checkpoint and ends with the numbers that it would have
had. TensorFlow runs without XLA, which can be several times slower on a CPU, above all for separable layers
(08_separable).

``history`` has a value an epoch: ``loss`` and ``accuracy`` of the training part as Keras reports them (with dropout,
averaged over the epoch), ``val_loss`` and ``val_accuracy``, ``penalty`` (the L2 term, in both losses as in Keras's),
and ``seconds``, training and validation together.

Chapters: 07_cnn, 08_separable, 10_experiments, 11_leak, 12_fair, 13_elsewhere, 14_listen
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from audiolib import AudiolibError, __version__, _checkpoint, evaluation, protocols
from audiolib.features import relative
from audiolib.recipes import Recipe

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class Run:
    """What came of a training.

    Of each part ``valid`` and ``test`` holds: ``probabilities`` float32 [segment, class], ``y`` and ``clip`` int
    [segment]; ``track`` and ``track_y`` int [track] and the votes ``track_probabilities`` [track, class];
    ``segment_accuracy`` and ``track_accuracy`` with their intervals.
    """

    recipe: Recipe
    history: dict  # see the module's page
    split: protocols.Split
    valid: dict
    test: dict
    names: tuple  # of the clips
    labels: tuple
    model: keras.Model  # with the weights of the last epoch
    seconds: float  # of training, over all resumptions
    data: dict  # what it was made from, see `describe`
    versions: dict

    @property
    def metrics(self):
        """``segment_accuracy`` and ``track_accuracy`` of the test part, each ``{value, low, high, n}``."""
        return {name: self.test[name] for name in ("segment_accuracy", "track_accuracy")}


def train(recipe, *, features=None, folder=None, progress=True, every=30.0):
    """Do what a recipe says.

    Parameters
    ----------
    recipe : Recipe
    features : Features, optional
        Already loaded ones; the default loads what the recipe names.
    folder : path, optional
        Where checkpoints are kept, one file a recipe. A run that finds its own there goes on with it.
    progress : bool
        Whether to show a bar with the epochs.
    every : float
        Least seconds between two checkpoints (that of the paper's first network has 260 MB); the last epoch has one.

    Returns
    -------
    Run

    Raises
    ------
    AudiolibError
        Before the first epoch if the recipe does not work with its data; later if the loss is not finite.
    """
    features = load_features(recipe, progress=progress) if features is None else features
    finite = np.isfinite(features.x).all(axis=(1, 2))
    if not finite.all():
        names = sorted({features.names[clip] for clip in features.clip[~finite]})
        raise AudiolibError(f"{features.corpus}: the features of {len(names)} clip(s) are not finite numbers: "
                            f"{', '.join(names[:3])}; run `python -m audiolib check` and leave those out")  # fmt: skip
    if folder:
        _checkpoint.check_writable(folder)
    split = protocols.split(features, recipe.protocol, fold=recipe.fold, seed=recipe.seed)
    if recipe.batch > len(split.train):
        raise AudiolibError(f"batch={recipe.batch} is more than the {len(split.train)} segments of the training part; "
                            f"choose a smaller one (--set batch={-(-len(split.train) // 4)}) or use more clips")

    from audiolib import _keras  # only now: TensorFlow takes seconds to load

    _keras.tensorflow()
    normal = normalization(features.x, split.train, recipe.normalization)
    x = relative(features.x) if recipe.normalization == "segment" else features.x  # what is judged
    with _keras.plain_settings():
        model, loss = _compiled(recipe, features)
        history = _fit(recipe, features, x, split, normal, model, loss, folder, progress, every)
        judged = {part: _judge(model, features, x, getattr(split, part), *normal) for part in ("valid", "test")}
    return Run(
        recipe, history, split, **judged, names=features.names, labels=features.labels, model=model,
        seconds=float(sum(history["seconds"])), data=describe(features), versions=_versions(),
    )  # fmt: skip


def _fit(recipe, features, x, split, normal, model, loss, folder, progress, every):
    """All epochs that a checkpoint has not yet: the history."""
    from audiolib._keras import training_step

    path = Path(folder) / f"{recipe.name}.npz" if folder else None
    identity = {"recipe": recipe.to_dict(), "data": features.fingerprint, "versions": _versions()}
    history = _checkpoint.resume(path, model, identity) if path else {}
    done = len(history.get("loss", ()))
    by_segment = recipe.normalization == "segment"
    augment = Augmentation(recipe.augmentation, features, split.train, *normal, by_segment=by_segment)
    step = training_step(model, loss)
    y, saved = features.y, time.monotonic()
    bar = tqdm(total=recipe.epochs, initial=done, unit="epoch", desc=recipe.model, disable=not progress)
    for epoch in range(done, recipe.epochs):
        started = time.perf_counter()
        row = _epoch(recipe, model, step, split.train, y, augment, epoch)
        row["penalty"] = float(sum(map(float, model.losses)))
        guessed, true = predict(model, x, split.valid, *normal), y[split.valid]
        of_true = np.maximum(guessed[np.arange(len(true)), true], 1e-7)  # Keras clips there too
        row["val_loss"] = float(-np.mean(np.log(of_true))) + row["penalty"]
        row["val_accuracy"] = float(np.mean(guessed.argmax(1) == true))
        row["seconds"] = time.perf_counter() - started
        if not math.isfinite(row["loss"] + row["val_loss"]):  # the last step shows in val_loss alone
            losses = f"{row['loss']}, val_loss {row['val_loss']}"
            raise AudiolibError(f"{recipe.name}: the loss of epoch {epoch + 1} is {losses}; lower the learning rate "
                                f"({recipe.learning_rate:g}) or use normalization 'standard'")  # fmt: skip
        for name, value in row.items():
            history.setdefault(name, []).append(value)
        if path and (time.monotonic() - saved >= every or epoch + 1 == recipe.epochs):
            _checkpoint.save(path, model, history, identity)
            saved = time.monotonic()
        bar.set_postfix({name: f"{row[name]:.3f}" for name in ("loss", "accuracy", "val_accuracy")}, refresh=False)
        bar.update()
    bar.close()
    return history


class Augmentation:
    """Batches of the training part, normalised and changed as ``recipes.AUGMENTATIONS`` describes.

    The settings are those of the recipe; what is not there is off. ``train`` (int [segment]) is the training part: cuts
    reach into the next segment of a clip only if that is in it too. ``mean`` and ``deviation`` are float or [band].
    With ``by_segment`` the input is normalised by `features.relative` instead.
    """

    def __init__(self, settings, features, train, mean, deviation, *, by_segment=False):
        self.settings, self.x, self.mean, self.deviation = settings, features.x, mean, deviation
        self.by_segment = by_segment
        # Masks are filled with the mean of the training part, which after normalisation is 0.
        normalised = np.ndim(mean) > 0 or by_segment
        masks = settings.get("time_mask") or settings.get("band_mask")
        self.fill = 0.0 if normalised or not masks else features.x[train].mean(axis=(0, 1))
        self.following = np.arange(len(features.x))  # of a segment without a successor: itself, so that it is rolled
        in_train = np.zeros(len(features.x), bool)
        in_train[train] = True
        joined = in_train[:-1] & in_train[1:] & (features.clip[:-1] == features.clip[1:])
        self.following[:-1][joined] += 1

    def __call__(self, rows, rng):
        """The batch of these rows: float32 [segment, frame, band]."""
        frames, bands = self.x.shape[1:]
        if share := self.settings.get("time_shift"):
            position = rng.integers(0, int(share * frames) + 1, len(rows))[:, None] + np.arange(frames)
            source = np.where(position < frames, rows[:, None], self.following[rows][:, None])
            x = self.x[source, position % frames]
        else:
            x = self.x[rows]
        if strength := self.settings.get("band_gain"):
            x = x + equaliser(len(rows), bands, strength, rng)[:, None, :]
        if share := self.settings.get("band_limit"):
            x = x - _limits(len(rows), bands, share, rng)[:, None, :]
        if share := self.settings.get("noise"):
            below = np.where(rng.random(len(rows)) < share, rng.uniform(25, 55, len(rows)), 200)
            floor = (x.max(axis=(1, 2)) - below)[:, None] + equaliser(len(rows), bands, 5, rng)
            x = 10 * np.log10(10 ** (x / 10) + 10 ** (floor[:, None, :] / 10))
        if most := self.settings.get("contrast"):
            by = np.where(rng.random(len(rows)) < 0.5, rng.uniform(1 - most, 1 + most, len(rows)), 1)[:, None, None]
            loudest = x.max(axis=(1, 2), keepdims=True)
            x = loudest + by * (x - loudest)
        x = relative(x) if self.by_segment else (x - self.mean) / self.deviation
        if most := self.settings.get("band_shift"):
            band = np.arange(bands) + rng.integers(-most, most + 1, len(rows))[:, None]
            x = np.take_along_axis(x, np.clip(band, 0, bands - 1)[:, None, :], axis=2)  # the edge band is repeated
        for name, axis in (("time_mask", 1), ("band_mask", 2)):
            if share := self.settings.get(name):
                size = x.shape[axis]
                width = rng.integers(0, int(share * size) + 1, len(rows))
                start = rng.integers(0, size - width + 1)
                place = np.arange(size)
                masked = (place >= start[:, None]) & (place < (start + width)[:, None])
                x = np.where(masked[:, :, None] if axis == 1 else masked[:, None, :], self.fill, x)
        return x.astype(np.float32, copy=False)

    def mix(self, x, target, rng):
        """Mixup (Zhang, Cisse, Dauphin, Lopez-Paz, 2018): segments and one-hot classes with a share of another's."""
        if alpha := self.settings.get("mixup"):
            share = rng.beta(alpha, alpha, len(x)).astype(np.float32)
            other = rng.permutation(len(x))
            x = share[:, None, None] * x + (1 - share[:, None, None]) * x[other]
            target = share[:, None] * target + (1 - share[:, None]) * target[other]
        return x, target


def load_features(recipe, *, progress=True):
    """The features that a recipe names: a corpus has a cache of its own, of archives the last one is kept."""
    from audiolib import archive, corpora, features

    if not recipe.is_archive:
        corpus = corpora.load(recipe.corpus, progress=progress)
        return features.extract(corpus, features.Frontend(**recipe.frontend), progress=progress)
    path = archive.find(recipe.corpus)
    state = path.stat()  # a file that was written anew is read anew
    return _read_archive(path, (state.st_mtime_ns, state.st_size), json.dumps(recipe.frontend))


@functools.lru_cache(maxsize=1)
def _read_archive(path, state, frontend):
    from audiolib import archive

    return archive.read_archive(path, **json.loads(frontend))


def predict(model, x, rows=None, mean=0.0, deviation=1.0, *, batch=256):
    """Probabilities of those segments of x [segment, frame, band] that `rows` names (all by default), `batch` at once:
    float32 [segment, class], each row adding up to 1. The training normalised by mean and deviation, float or [band].
    """
    rows = np.arange(len(x)) if rows is None else rows
    result = [model.predict_on_batch((x[rows[i : i + batch]] - mean) / deviation) for i in range(0, len(rows), batch)]
    result = np.concatenate(result).astype(np.float32)
    return result / result.sum(axis=1, keepdims=True)  # bfloat16 adds up to 1 within half a percent only


def set_threads(number):
    """Let TensorFlow use so many cores in this process; possible only before its first computation."""
    from audiolib._keras import tensorflow

    threading = tensorflow().config.threading
    try:
        threading.set_intra_op_parallelism_threads(number)
        threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        if threads() != number:
            raise AudiolibError(f"threads={number}: TensorFlow has begun to compute with {threads()} here; choose "
                                "before the first run") from error  # fmt: skip


def threads():
    """How many cores TensorFlow uses in this process."""
    from audiolib._keras import tensorflow

    return tensorflow().config.threading.get_intra_op_parallelism_threads() or os.cpu_count()


def _compiled(recipe, features):
    """The network with its optimizer, and its loss."""
    from audiolib import models
    from audiolib._keras import Adam, keras

    size = {"frames": features.frames, "bands": features.bands, "classes": len(features.labels)}
    model = models.build(recipe.model, **size, seed=recipe.seed, precision=recipe.precision, **recipe.model_options)
    sgd = functools.partial(keras.optimizers.SGD, momentum=0.9, nesterov=True)
    kind = {"adam": Adam, "sgd": sgd}[recipe.optimizer]
    optimizer = kind(learning_rate=recipe.learning_rate, weight_decay=recipe.weight_decay or None)
    if recipe.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    loss = keras.losses.SparseCategoricalCrossentropy()
    if _soft_targets(recipe):
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    optimizer.build(model.trainable_variables)
    return model, loss


def _soft_targets(recipe):
    return bool(recipe.label_smoothing or recipe.augmentation.get("mixup"))


def _epoch(recipe, model, step, train, y, augment, epoch):
    """One pass over the training part: its loss and accuracy."""
    rng = np.random.default_rng([recipe.seed, epoch])
    for number, state in enumerate(v for v in model.variables if v.name == "seed_generator_state"):
        state.assign(np.random.SeedSequence([recipe.seed, epoch, number]).generate_state(2))
    order = rng.permutation(train)
    classes = model.output_shape[-1]
    batches = range(0, len(order), recipe.batch)
    total = np.zeros(2)
    for number, start in enumerate(batches, start=epoch * len(batches)):
        rows = order[start : start + recipe.batch]
        x, target = augment(rows, rng), y[rows]
        if _soft_targets(recipe):
            x, target = augment.mix(x, np.eye(classes, dtype=np.float32)[target], rng)
        model.optimizer.learning_rate.assign(_learning_rate(recipe, number, recipe.epochs * len(batches)))
        total += np.array(step(x, target)) * len(rows) / len(order)
    return {"loss": float(total[0]), "accuracy": float(total[1])}


def _learning_rate(recipe, step, steps):
    if recipe.schedule == "constant":
        return recipe.learning_rate
    at = step / max(1, steps - 1)
    # Smith and Topin (2017): up to the highest rate, then down to almost nothing.
    rise = 0.3 if recipe.schedule == "one-cycle" else 0.0
    if at < rise:
        return recipe.learning_rate * (0.04 + 0.96 * at / rise)
    return recipe.learning_rate * (1 + math.cos(math.pi * (at - rise) / (1 - rise))) / 2


def normalization(x, train, kind):
    """Mean and deviation of each band [band] that the network's input is normalised by; 0 and 1 unless "standard"."""
    if kind != "standard":
        return np.float32(0), np.float32(1)
    part = x[train]
    mean = part.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    deviation = part.std(axis=(0, 1), dtype=np.float64).astype(np.float32)
    return mean, np.maximum(deviation, 1e-6)  # a band that never changes stays 0


def _limits(segments, bands, share, rng):
    """Attenuations in dB [segment, band] of a low-pass filter, and half as often of a high-pass filter."""
    band = np.arange(bands)
    high = np.where(rng.random(segments) < share, rng.uniform(0.45, 1, segments) * bands, bands)[:, None]
    low = np.where(rng.random(segments) < share / 2, rng.uniform(0, 0.1, segments) * bands, 0)[:, None]
    steep = rng.uniform(2, 8, segments)[:, None]  # dB a band
    return np.minimum(90, steep * (np.maximum(0, band - high) + np.maximum(0, low - band)))


def equaliser(segments, bands, deviation, rng):
    """Gains in dB [segment, band]: normally distributed at a few points of the axis of bands, straight lines between.

    After FilterAugment (Nam, Kim, Park, 2022): other microphones, rooms and studios for the same music.
    """
    points = rng.integers(3, 7)
    gains = rng.normal(0, deviation, (segments, points))
    place = np.linspace(0, points - 1, bands)[:, None]
    near = np.maximum(0, 1 - np.abs(place - np.arange(points)))  # [band, point]: shares of the two next to a band
    return gains @ near.T


def _judge(model, features, x, rows, mean, deviation):
    probabilities, y, clip = predict(model, x, rows, mean, deviation), features.y[rows], features.clip[rows]
    votes, clips = evaluation.vote(probabilities, clip)
    track_y = y[np.unique(clip, return_index=True)[1]]
    return {
        "probabilities": probabilities, "y": y, "clip": clip,
        "track": clips, "track_y": track_y, "track_probabilities": votes,
        "segment_accuracy": evaluation.accuracy(probabilities, y, clip=clip),
        "track_accuracy": evaluation.accuracy(votes, track_y),
    }  # fmt: skip

def describe(features):
    """What records say of the data: sizes, frontend, and two digests (``content`` does not depend on the processor)."""
    content = [features.names, features.clip_labels, features.groups, features.folds, features.digests]
    archived = "archive" in features.frontend or None in features.digests
    same = ("tracks", "frames", "bands", "hop_seconds", "frontend", "fingerprint")
    return {name: getattr(features, name) for name in same} | {
        "name": features.corpus,
        "segments": len(features.x),
        "labels": list(features.labels),
        "skipped": len(features.skipped),
        "content": None if archived else hashlib.sha256(json.dumps(content).encode()).hexdigest(),
    }


def _versions():
    packages = {name: importlib.metadata.version(name) for name in ("keras", "tensorflow", "numpy", "librosa")}
    return {"audiolib": __version__, "python": platform.python_version(), "backend": "tensorflow"} | packages
