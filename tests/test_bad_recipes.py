"""What cannot work is told at once, by its name and value and with the way out, before hours are spent."""

import numpy as np
import pytest
from toys import QUICK, toy, write_archive

from audiolib import AudiolibError, training
from audiolib.features import Features
from audiolib.recipes import PAPER


@pytest.fixture(autouse=True)
def no_epoch(monkeypatch):
    """None of these may reach the first epoch."""

    def fail(*args):
        raise AssertionError("training has begun")

    monkeypatch.setattr(training, "_epoch", fail)


def fails(recipe, message, **options):
    with pytest.raises(AudiolibError, match=message):
        training.train(recipe, progress=False, **options)


def test_a_corpus_that_is_not_there(data_root):
    fails(PAPER.replace(corpus="nowhere"), "nowhere")
    fails(PAPER.replace(corpus="nowhere.npz"), r"nowhere.npz")


def test_a_segment_longer_than_the_clips(data_root):
    write_archive(data_root / "toy.npz")  # 6 s
    recipe = PAPER.replace(corpus="toy.npz", frontend={"segment_seconds": 7.0})
    fails(recipe, "segment_seconds=7: the tracks of .*toy.npz have 120 frames of 0.05 s")


def test_a_segment_too_short_for_the_network(data_root):
    write_archive(data_root / "toy.npz")
    recipe = PAPER.replace(corpus="toy.npz", frontend={"segment_seconds": 1.0}, model="standard", batch=8)
    fails(recipe, "standard: a segment of 20 frames is too short.*at least 55 frames")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"code": np.zeros((3, 5), np.uint8)}, "toy.npz.*code"),
        ({"code": np.zeros((24, 120, 128), np.float32)}, "toy.npz.*code"),
        ({"floor_db": np.zeros(3, np.float32)}, "toy.npz.*floor_db"),
        ({"floor_db": np.full(24, np.nan, np.float32)}, "toy.npz.*floor_db"),
        ({"label": np.array([{}] * 24, dtype=object)}, "toy.npz"),
    ],
    ids=["shape", "codes", "levels", "NaN", "pickle"],
)
def test_an_archive_that_is_not_one(change, message, data_root):
    write_archive(data_root / "toy.npz")
    with np.load(data_root / "toy.npz") as file:
        arrays = dict(file)
    np.savez(data_root / "toy.npz", **arrays | change)
    fails(PAPER.replace(corpus="toy.npz"), message)


def test_features_that_are_not_numbers():
    features = toy()
    x = features.x.copy()
    x[5, 3, 1] = np.nan
    fails(QUICK, r"toy: the features of 1 clip\(s\) are not finite numbers: blues.00001", features=toy(x=x))


def test_one_class():
    x, clip, names = toy().x[:32], toy().clip[:32], toy().names[:8]
    features = Features(x=x, clip=clip, names=names, clip_labels=["blues"] * 8, corpus="toy")
    fails(QUICK, r"one class \(blues\)", features=features)


def test_a_batch_larger_than_the_training_part():
    fails(QUICK.replace(batch=57), "batch=57 is more than the 56 segments .*--set batch=14", features=toy())


def test_lists_that_do_not_match_the_corpus(data_root, real_data):
    (data_root / "gtzan-splits").symlink_to(real_data / "gtzan-splits")
    fails(QUICK.replace(protocol="fault-filtered"), "name 930 clips and 9.. of them are not in toy", features=toy())


def test_a_fold_that_is_not_there():
    features = toy(folds=[1 + number % 3 for number in range(24)])
    fails(QUICK.replace(protocol="folds", fold=4), "fold 4 is not one of toy's folds 1, 2, 3", features=features)
    fails(QUICK.replace(protocol="groups", fold=1), "toy comes without groups", features=features)


def test_a_folder_for_checkpoints_that_cannot_be_written(tmp_path):
    (tmp_path / "runs").write_text("a file in the way")
    message = "results cannot be written to .*runs .*choose another folder .*AUDIOLIB_CACHE"
    fails(QUICK, message, features=toy(frames=60), folder=tmp_path / "runs")


def test_threads_are_chosen_before_the_first_computation():
    import tensorflow as tf

    tf.constant(1) + 1
    with pytest.raises(AudiolibError, match="threads=99: TensorFlow has begun to compute with"):
        training.set_threads(99)
    training.set_threads(training.threads())  # no change, no error
