"""Small corpora, archives, features and recipes that several test files share."""

import numpy as np
import soundfile

from audiolib import corpora
from audiolib.features import Features, Frontend, extract
from audiolib.recipes import Recipe

#: A frontend of half-second segments at 8 kHz: [segment, 32, 20].
SMALL = Frontend(sample_rate=8000, n_fft=256, hop_length=128, n_mels=20, segment_seconds=0.5)
#: A training of four short epochs.
QUICK = Recipe(protocol="track", epochs=4, batch=14, learning_rate=0.01)
#: The classes of `toy` and `write_archive`.
LABELS = ("blues", "disco", "rock")


def write_corpus(folder, *, clips=3, seconds=1.3, sr=8000, labels=("drum", "flute"), seed=0):
    """A folder of <label>/<file> with noise of different loudness."""
    random = np.random.default_rng(seed)
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number in range(clips):
            y = random.uniform(-0.5, 0.5, round(seconds * sr))
            soundfile.write(folder / label / f"{number}.wav", y, sr)
    return corpora.load(folder)


def quiet_extract(corpus, frontend=SMALL, **options):
    """Features without a progress bar."""
    return extract(corpus, frontend, progress=False, **options)


def write_archive(path, tracks=24, frames=120):
    """A small log-mel archive of three classes that differ in level."""
    rng = np.random.default_rng(0)
    label = np.repeat(LABELS, tracks // 3)
    level = np.repeat([60, 120, 180], tracks // 3)[:, None, None]
    np.savez(
        path,
        code=(level + rng.integers(0, 60, (tracks, frames, 128))).astype(np.uint8),
        floor_db=np.full(tracks, -60, np.float32),
        peak_db=np.full(tracks, 20, np.float32),
        track=np.array([f"{name}.{number:05d}" for number, name in enumerate(label)]),
        label=label,
        sample_rate=22050.0, n_fft=2048, n_mels=128, fmin=0.0, fmax=11025.0, hop_length=1102.5, first_frame=0.0,
    )  # fmt: skip


def toy(clips_a_label=8, segments=4, frames=12, bands=4, kind="mel", **others):
    """Features of three classes that differ in level and are easy to learn."""
    rng = np.random.default_rng(0)
    clip_labels = [label for label in LABELS for _ in range(clips_a_label)]
    clip = np.repeat(np.arange(len(clip_labels)), segments)
    y = np.repeat(np.arange(3), clips_a_label * segments)
    x = rng.standard_normal((len(clip), frames, bands)) + 2 * (y[:, None, None] - 1)
    names = [f"{label}.{number % clips_a_label:05d}" for number, label in enumerate(clip_labels)]
    given = {"x": x, "clip": clip, "names": names, "clip_labels": clip_labels, "frontend": {"kind": kind}}
    return Features(**given | {"corpus": "toy"} | others)
