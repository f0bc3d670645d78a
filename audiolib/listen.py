"""A trained network on somebody's own sounds: calibrated probabilities over time, with NumPy alone.

A *kept network* is one ``.npz`` file: its layers as data, its weights as float16, the frontend it hears through, the
classes, the temperature that makes its probabilities honest, and a card that says what it was made of and how far it
can be trusted. `keep` writes one after a training, `load` reads it, `listen` hears a file of any length through it, in
blocks, so that hours need no more memory than minutes. The package brings one that knows GTZAN's ten genres.

Probabilities are ``[segment, class]``, times are in seconds. TensorFlow is not loaded: a small network is as fast in
NumPy, and its answer is there before TensorFlow has started. A test holds both to the same numbers.

Chapters: 01_dataset, 14_listen
"""

from __future__ import annotations

import functools
import json
import zipfile
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from audiolib import AudiolibError, corpora, evaluation, features, networks
from audiolib._files import written_whole

SHIPPED = Path(__file__).with_name("genres.npz")
FORMAT = 1
SURE = 0.75  # share of the answers that shall be right; below that it had better say "not sure"
EPSILON = 1e-3  # of Keras's batch normalisation
KINDS = {kind.__name__: kind for kind in (
    networks.Conv, networks.Square, networks.Separable, networks.Pool, networks.Dropout, networks.Norm,
    networks.Flatten, networks.Mean, networks.Statistics, networks.Dense)}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network with all that it needs to hear a file.

    Attributes
    ----------
    labels : tuple of str
        The classes.
    steps : tuple
        Its layers, as in `networks.NETWORKS`.
    weights : list of float32 array
        In the order of Keras's ``get_weights``.
    frontend : features.Frontend
    normalization : str or (array, array)
        "none", "segment" (`features.relative`), or the mean and the deviation of each band.
    temperature : float
        What logits are divided by; above 1 where training made the network too sure.
    threshold : float
        Probability below which the answer is "not sure".
    card : dict
        Where it comes from and how far it can be trusted.
    """

    labels: tuple
    steps: tuple
    weights: list
    frontend: features.Frontend
    normalization: object
    temperature: float
    threshold: float
    card: dict

    def probabilities(self, x):
        """Calibrated probabilities float [segment, class] of the frontend's numbers [segment, frame, band]."""
        return softmax(self.logits(x) / self.temperature)

    def logits(self, x):
        """The same before temperature and softmax."""
        few = 8  # at a time: what is in between stays in the processor's cache
        parts = [forward(self.steps, self.weights, self._input(x[i : i + few])) for i in range(0, len(x), few)]
        return np.concatenate(parts)

    def _input(self, x):
        if isinstance(self.normalization, str):
            return features.relative(x) if self.normalization == "segment" else x
        mean, deviation = self.normalization
        return (x - mean) / deviation


@dataclass(frozen=True, eq=False)
class Heard:
    """What a network says of a file.

    Attributes
    ----------
    path : str
    seconds : float
        Length of the file.
    labels : tuple of str
    starts : list of float
        Of the segments, in seconds.
    segments : float array [segment, class]
        Probabilities.
    threshold : float
    """

    path: str
    seconds: float
    labels: tuple
    starts: list
    segments: np.ndarray
    threshold: float

    @property
    def probabilities(self):
        """Mean over the segments: float array [class]."""
        return self.segments.mean(axis=0)

    @property
    def genre(self):
        """The most probable class."""
        return self.labels[int(self.probabilities.argmax())]

    @property
    def sure(self):
        """Whether it is probable enough to be said."""
        return bool(self.probabilities.max() >= self.threshold)

    @property
    def agreement(self):
        """Share of the segments that by themselves say the same."""
        return float(np.mean(self.segments.argmax(axis=1) == self.probabilities.argmax()))

    def over_time(self):
        """What is said in turn, as (start, label): the mean of five neighbours decides, so that no blink counts."""
        near = np.array([self.segments[max(0, i - 2) : i + 3].mean(axis=0) for i in range(len(self.segments))])
        said = near.argmax(axis=1)
        turns = [i for i in range(len(said)) if i == 0 or said[i] != said[i - 1]]
        return [(self.starts[i], self.labels[said[i]]) for i in turns]

    def to_dict(self):
        """Everything in it, as JSON knows it."""
        def named(row):
            return {label: round(float(p), 5) for label, p in zip(self.labels, row, strict=True)}

        return {
            "path": self.path,
            "seconds": round(self.seconds, 2),
            "genre": self.genre,
            "sure": self.sure,
            "agreement": round(self.agreement, 3),
            "probabilities": named(self.probabilities),
            "segments": [{"start": round(start, 2), "probabilities": named(row)}
                         for start, row in zip(self.starts, self.segments, strict=True)],
        }

    def __str__(self):
        order = self.probabilities.argsort()[::-1]
        best, second = ((self.labels[i], f"{100 * self.probabilities[i]:.0f} %") for i in order[:2])
        said = f"{best[0]} {best[1]}" if self.sure else f"not sure, perhaps {best[0]} {best[1]}"
        turns = self.over_time()
        shown = ", ".join(f"{clock(start)} {label}" for start, label in turns[:6]) + (" ..." if len(turns) > 6 else "")
        return (f"{self.path}: {said} (then {second[0]} {second[1]}); {round(100 * self.agreement)} % of "
                f"{len(self.starts)} segments agree" + (f"; {shown}" if len(turns) > 1 else ""))


def clock(seconds):
    """``3:07`` or ``1:02:03``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def listen(path, network=None):
    """Hear a file through a network.

    Parameters
    ----------
    path : str or Path
        Any format and rate that `corpora.read` takes, of any length from one segment on.
    network : Network, optional
        From `load`; by default the one that comes with the package.

    Returns
    -------
    Heard
        Segments overlap by half; the last one ends with the file. Silent ones are left out.

    Raises
    ------
    AudiolibError
        If the file cannot be read, is shorter than a segment or silent.

    Examples
    --------
    >>> from audiolib.listen import listen
    >>> print(listen("song.mp3"))  # doctest: +SKIP
    """
    network = load() if network is None else network
    if not Path(path).is_file():
        if Path(path).is_dir():
            raise AudiolibError(f"{path}: no file, or no audio in this folder (no {' '.join(corpora.SUFFIXES)})")
        raise AudiolibError(f"{path}: no such file; is the name right? (Addresses are not fetched)")
    starts, rows, silent, seconds = [], [], 0, 0.0
    for start, y, seconds in _segments(path, network.frontend):  # noqa: B007  # the last says how long the file is
        if y is None:
            break
        if np.ptp(y) < 1e-6:
            silent += 1
        else:
            starts.append(start)
            rows.append(network.probabilities(features.transform(y, network.frontend)))
    if not rows:
        need = network.frontend.segment_seconds
        if silent:
            raise AudiolibError(f"{path}: silent, there is nothing to hear")
        raise AudiolibError(f"{path}: {seconds:.3g} s long, but this network hears {need:.3g} s at a time; too short")
    return Heard(str(path), seconds, network.labels, starts, np.concatenate(rows), network.threshold)


def _segments(path, frontend):
    """(start, samples, seconds so far) of segments that overlap by half; at the end (None, None, seconds)."""
    import soxr

    length, every = frontend.segment_samples, frontend.segment_samples // 2
    buffer, begin, done = np.empty(0, np.float32), 0, 0  # the buffer starts at sample `begin`; `done` starts are out
    stream, rate = None, frontend.sample_rate
    for block, sr in corpora.stream(path):
        mono = block.mean(axis=0)
        if sr != rate:
            stream = stream or soxr.ResampleStream(sr, rate, 1, dtype="float32", quality="HQ")
            mono = stream.resample_chunk(mono)
        buffer = np.concatenate([buffer, mono])
        while len(buffer) - (done - begin) >= length:
            yield done / rate, buffer[done - begin : done - begin + length], (begin + len(buffer)) / rate
            done += every
        keep = max(0, min(done - begin - every, len(buffer) - length))  # the last segment may start a little earlier
        buffer, begin = buffer[keep:], begin + keep
    if stream is not None:
        buffer = np.concatenate([buffer, stream.resample_chunk(np.empty(0, np.float32), last=True)])
    total = begin + len(buffer)
    while total - done >= length:
        yield done / rate, buffer[done - begin : done - begin + length], total / rate
        done += every
    if total >= length and total - (done - every + length) > rate // 2:
        yield (total - length) / rate, buffer[-length:], total / rate
    yield None, None, total / rate


def softmax(logits):
    """Probabilities of logits, over the last axis."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def forward(steps, weights, x):
    """The logits of a network, computed by hand.

    Parameters
    ----------
    steps : sequence of layers of `audiolib.networks`
    weights : list of array
        In the order of Keras's ``get_weights``; the last two are of the softmax layer.
    x : float32 array [segment, frame, band]

    Returns
    -------
    float32 array [segment, class]
    """
    left = iter(weights)
    image = any(isinstance(step, networks.Square) for step in steps)
    x = x[..., None] if image else x[:, :, None, :]  # [segment, frame, band, channel]; a sequence has one band
    for step in steps:
        match step:
            case networks.Conv() | networks.Square(separable=False):
                x = np.maximum(_convolve(_padded(x, step), _kernel(next(left), image), next(left)), 0)
                x = x[:, :: getattr(step, "stride", 1)]
            case networks.Separable() | networks.Square(separable=True):
                depth, point, bias = _kernel(next(left), image), next(left), next(left)
                x = _depthwise(_padded(x, step), depth)[:, :: getattr(step, "stride", 1)]
                x = np.maximum(x @ point.reshape(point.shape[-2:]) + bias, 0)
            case networks.Norm():
                gamma, beta, mean, variance = (next(left) for _ in range(4))
                scale = gamma / np.sqrt(variance + EPSILON)
                x = x * scale + (beta - mean * scale)
            case networks.Pool(size, bands):
                x = _pool(x, size, min(bands, x.shape[2]) if image else 1, step.same)
            case networks.Flatten():
                x = x.reshape(len(x), -1)
            case networks.Mean():
                x = x.mean(axis=(1, 2))
            case networks.Statistics():
                norm = np.sqrt(np.maximum((x * x).sum(axis=(1, 2)), 1e-12))
                x = np.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2)), norm], axis=-1)
            case networks.Dense():
                x = np.maximum(x @ next(left) + next(left), 0)
    return x @ next(left) + next(left)


def _kernel(kernel, image):
    return kernel if image else kernel[:, None]  # of a sequence: [frame, 1 band, ...]


def _padded(x, step):
    image, stride = isinstance(step, networks.Square), getattr(step, "stride", 1)
    if not (image or step.same):
        return x
    missing = max(0, step.width - (x.shape[1] % stride or stride)) if step.same else 0  # as TensorFlow counts
    before, after = (step.width - 1) // 2, step.width // 2
    return np.pad(x, ((0, 0), (missing // 2, missing - missing // 2), (before, after) if image else (0, 0), (0, 0)))


def _convolve(x, kernel, bias):
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))  # [..., channel, frame, band]
    return np.tensordot(windows, kernel.transpose(2, 0, 1, 3), 3) + bias


def _depthwise(x, kernel):
    height, width = kernel.shape[:2]
    frames, bands = x.shape[1] - height + 1, x.shape[2] - width + 1
    return sum(x[:, i : i + frames, j : j + bands] * kernel[i, j, :, 0] for i in range(height) for j in range(width))


def _pool(x, size, bands, same):
    if same:  # what is left over makes one more; half of what is missing lies before, as in TensorFlow
        missing = [-x.shape[1] % size, -x.shape[2] % bands]
        around = [(each // 2, each - each // 2) for each in missing]
        x = np.pad(x, ((0, 0), *around, (0, 0)), constant_values=-np.inf)
    frames, across = x.shape[1] // size, x.shape[2] // bands
    x = x[:, : frames * size, : across * bands]
    return x.reshape(len(x), frames, size, across, bands, -1).max(axis=(2, 4))


# --- kept networks ----------------------------------------------------------------------------------------------------


def keep(path, recipe, weights, *, data=None, card=None):
    """Write a trained network to one file, calibrated on its validation part and examined on its test part.

    Parameters
    ----------
    path : str or Path
        ``.npz``, whole or not at all.
    recipe : recipes.Recipe
        What was trained.
    weights : list of array
        In the order of Keras's ``get_weights``, as ``study --weights`` leaves them.
    data : features.Features, optional
        The recipe's, if they are loaded already.
    card : dict, optional
        More for its card.

    Returns
    -------
    Network
        As `load` reads it: with weights rounded to float16, by which it is calibrated and examined, too.

    Raises
    ------
    AudiolibError
        If the file cannot be written.
    """
    from audiolib import protocols, training

    data = training.load_features(recipe) if data is None else data
    split = protocols.split(data, recipe.protocol, fold=recipe.fold, seed=recipe.seed)
    weights = [np.asarray(weight, np.float16) for weight in weights]
    arrays = {f"{i:03d}": weight for i, weight in enumerate(weights)}
    normalization = recipe.normalization
    changes = {name: value for name, value in recipe.model_options.items() if name in networks.CHANGES}
    if normalization == "standard":
        mean, deviation = training.normalization(data.x, split.train, "standard")
        arrays |= {"mean": mean, "deviation": deviation}
        normalization = mean, deviation
    network = Network(
        labels=data.labels, steps=networks.steps(recipe.model, **changes),
        weights=[w.astype(np.float32) for w in weights],
        frontend=frontend_of(data.frontend, data.frames), normalization=normalization, temperature=1.0, threshold=0.0,
        card={},
    )  # fmt: skip
    valid = calibrate(network, data, split.valid)
    network = replace(network, temperature=valid["temperature"])
    header = {
        "format": FORMAT,
        "labels": list(data.labels),
        "steps": [[type(step).__name__, *step] for step in network.steps],
        "frontend": asdict(network.frontend),
        "normalization": recipe.normalization,
        "temperature": valid["temperature"],
        "threshold": valid["threshold"],
        "card": {
            "network": recipe.model,
            "parameters": int(sum(weight.size for weight in weights)),
            "recipe": recipe.to_dict(),
            "data": {"name": data.corpus, "fingerprint": data.fingerprint, "clips": len(data.names)},
            "valid": valid,
            "test": examine(network, data, split.test),
            **(card or {}),
        },
    }
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as part, part.open("xb") as file:
            np.savez_compressed(file, header=np.array(json.dumps(header)), **arrays)
    except OSError as error:
        raise AudiolibError(f"{path}: cannot be written ({error.strerror or error}); choose another folder") from error
    load.cache_clear()
    return load(path)


def examine(network, data, rows, change=None):
    """Accuracy of clips' votes, with its interval, and how honest the probabilities are.

    Parameters
    ----------
    network : Network
    data : features.Features
    rows : int array
        Segments.
    change : callable, optional
        Done to the levels [segment, frame, band] first: another equaliser, another bandwidth.

    Returns
    -------
    dict
        That of `evaluation.accuracy`; ``calibration_error``; and ``by confidence``: for each fifth of the clips, the
        surest first, the least probability, how many clips they are, and on how many of them it is right.
    """
    x = data.x[rows] if change is None else change(data.x[rows])
    votes, clips = evaluation.vote(network.probabilities(x), data.clip[rows])
    y = np.array([data.labels.index(data.clip_labels[clip]) for clip in clips])
    found = evaluation.accuracy(votes, y)
    found["calibration_error"] = evaluation.calibration(votes, y)["ece"]
    found = {name: round(float(value), 4) if name != "n" else value for name, value in found.items()}
    right, confidence = evaluation.correct(votes, y), votes.max(axis=1)
    fifths = [part for part in np.array_split(np.argsort(-confidence, kind="stable"), 5) if len(part)]
    rows = [[round(float(confidence[part].min()), 3), len(part), int(right[part].sum())] for part in fifths]
    return found | {"by confidence": rows}


def frontend_of(settings, frames):
    """The `Frontend` that makes of audio what a network was trained on, from the settings that features carry.

    For an archive it has the archive's hop, which need not be whole, and segments of as many frames.
    """
    if "archive" not in settings:
        return features.Frontend(**settings)
    kept = {name: settings[name] for name in ("kind", "n_mfcc") if name in settings}
    hop, rate = settings["hop_length"], int(settings["sample_rate"])
    return features.Frontend(
        **kept, sample_rate=rate, n_fft=int(settings["n_fft"]), hop_length=hop, n_mels=int(settings["n_mels"]),
        fmin=settings["fmin"], fmax=settings["fmax"], segment_seconds=(frames - 0.5) * hop / rate,
    )  # fmt: skip


def calibrate(network, data, rows):
    """Temperature and threshold of a network by the clips of a validation part.

    The temperature is that of the least cross-entropy of the clips' votes (Guo, Pleiss, Sun, Weinberger, 2017). The
    threshold is the least probability from which on three answers of four are right.

    Returns
    -------
    dict
        ``temperature``, ``threshold``, ``accuracy``, ``loss``, ``calibration_error``, and ``answered``: for each tenth
        of the clips, the surest first, the share answered, the accuracy among them and the least probability.
    """
    from scipy.optimize import minimize_scalar

    logits, clip = network.logits(data.x[rows]), data.clip[rows]
    y = np.array([data.labels.index(data.clip_labels[c]) for c in np.unique(clip)])

    def votes(temperature):
        return evaluation.vote(softmax(logits / temperature), clip)[0]

    def loss(log_temperature):
        return -np.mean(np.log(np.maximum(votes(np.exp(log_temperature))[np.arange(len(y)), y], 1e-9)))

    temperature = float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))
    said = votes(temperature)
    confidence, right = said.max(axis=1), said.argmax(axis=1) == y
    order = np.argsort(-confidence)
    curve = []
    for tenth in range(1, 11):
        answered = order[: max(1, round(tenth / 10 * len(y)))]
        curve.append([tenth / 10, round(float(right[answered].mean()), 3), round(float(confidence[answered].min()), 3)])
    so_far = np.cumsum(right[order]) / np.arange(1, len(y) + 1)
    answered = np.flatnonzero(so_far >= SURE)  # the most that it may answer; none if it is never that good
    threshold = 1.0 if not len(answered) else 0.0 if answered[-1] == len(y) - 1 else confidence[order[answered[-1]]]
    return {
        "temperature": round(temperature, 4),
        "threshold": round(float(threshold), 2),
        "accuracy": round(float(right.mean()), 4),
        "loss": round(float(loss(np.log(temperature))), 4),
        "calibration_error": round(evaluation.calibration(said, y)["ece"], 4),
        "answered": curve,
    }


@functools.lru_cache(maxsize=4)
def load(path=SHIPPED):
    """A kept network.

    Raises
    ------
    AudiolibError
        If there is no such file, or it is not a kept network, whole and consistent. Nothing is unpickled.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            arrays = {name: file[name] for name in file.files if name != "header"}
        if header["format"] != FORMAT:
            raise ValueError(f"format {header['format']}, this version reads {FORMAT}")
        steps = tuple(KINDS[kind](*values) for kind, *values in header["steps"])
        weights = [arrays[name].astype(np.float32) for name in sorted(arrays) if name.isdigit()]
        if not all(np.isfinite(weight).all() for weight in weights):
            raise ValueError("its weights are not finite")
        normal = header["normalization"]
        network = Network(
            labels=tuple(header["labels"]), steps=steps, weights=weights,
            frontend=features.Frontend(**header["frontend"]),
            normalization=(arrays["mean"], arrays["deviation"]) if normal == "standard" else normal,
            temperature=float(header["temperature"]), threshold=float(header["threshold"]), card=header["card"],
        )  # fmt: skip
        said = network.probabilities(np.zeros((1, network.frontend.frames, network.frontend.bands), np.float32))
        if said.shape != (1, len(network.labels)):
            raise ValueError(f"it gives {said.shape[1]} probabilities for {len(network.labels)} classes")
    except FileNotFoundError as error:
        raise AudiolibError(f"{path}: no such file; `python -m audiolib train ... --keep {path}` makes one") from error
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, StopIteration, AttributeError, MemoryError,
            RuntimeError, zipfile.BadZipFile) as error:  # fmt: skip
        raise AudiolibError(f"{path}: no network that `--keep` wrote, or damaged ({error}); keep it again") from error
    return network


def files(paths):
    """Audio files of paths, those of folders (at any depth) by their names; itself for a folder without any."""
    found = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.suffix.lower() in corpora.SUFFIXES
                            and not each.name.startswith(".") and each.is_file())
            found += inside or [path]
        else:
            found.append(path)
    return found


def summary(heard, failed):
    """One line on many files, each a (genre, sure): how often what was said."""
    counts = Counter(genre if sure else "not sure" for genre, sure in heard)
    told = [f"{count} {label}" for label, count in counts.most_common()] + [f"{failed} not heard"] * bool(failed)
    return f"{len(heard) + failed} files: {', '.join(told)}"


def read_weights(path):
    """The weights that ``study --weights`` left beside a record: list of array."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return [file[name] for name in sorted(file.files)]
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise AudiolibError(f"{path}: no weights of a training, or damaged ({error}); delete its record and train "
                            "again") from error
