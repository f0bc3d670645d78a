"""What cannot work is told at once, by its name and value and with the way out, before hours are spent."""

import numpy as np
import pytest
from test_study import write_archive
from toys import QUICK, toy

from audiolib import AudiolibError, training
from audiolib.features import Features
from audiolib.recipes import PAPER, Recipe


@pytest.fixture(autouse=True)
def no_epoch(monkeypatch):
    """None of these may reach the first epoch."""

    def fail(*args):
        raise AssertionError("training has begun")

    monkeypatch.setattr(training, "_epoch", fail)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "seperable"}, r"model 'seperable' is not known \(did you mean 'separable'\?\); there are standard"),
        ({"protocol": "tracks"}, r"protocol 'tracks' is not known \(did you mean 'track'\?\)"),
        ({"optimiser": "adamm"}, r"optimiser 'adamm' .*'adam'"),
        ({"schedule": "onecycle"}, r"schedule 'onecycle' .*'one-cycle'"),
        ({"normalisation": "minmax"}, "normalisation 'minmax' is not known; there are none, standard"),
        ({"precision": "float16"}, "precision 'float16' .*bfloat16"),
        ({"frontend": {"n_mffc": 13}}, r"frontend: 'n_mffc' is not known \(did you mean 'n_mfcc'\?\)"),
        ({"frontend": {"kind": "chroma"}}, "kind='chroma'"),
        ({"frontend": {"segment_seconds": -3}}, "segment_seconds=-3"),
        ({"frontend": "mel"}, "frontend='mel': names with values"),
        ({"corpus": "a.npz", "frontend": {"hop_length": 512}}, "frontend: 'hop_length' is not known; there are kind"),
        ({"model_options": {"l2": 1}}, "model_options: 'l2' is not known; there are form, norm_momentum, separable_l2"),
        ({"augmentation": {"mixpu": 0.2}}, "augmentation: 'mixpu' .*'mixup'"),
        ({"augmentation": {"time_mask": 1.5}}, "augmentation time_mask=1.5: a number from 0 to 1"),
        ({"augmentation": {"band_shift": 2}}, "band_shift=2: coefficients are no bands; use frontend kind 'mel'"),
        ({"augmentation": {"band_gain": 4}}, "band_gain=4.0: coefficients are no bands; use frontend kind 'mel'"),
        ({"frontend": {"kind": "mel"}, "augmentation": {"band_shift": 1.5}}, "band_shift=1.5: a whole number"),
        ({"learning_rate": 0}, "learning_rate=0 learns nothing"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"learning_rate": "0.1"}, "learning_rate='0.1': a number"),
        ({"weight_decay": -1}, "weight_decay=-1"),
        ({"label_smoothing": 1}, "label_smoothing=1"),
        ({"batch": 0}, "batch=0: a whole number of at least 1"),
        ({"epochs": 2.5}, "epochs=2.5"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": True}, "seed=True"),
        ({"seed": 2**32}, "seed=4294967296: a whole number of at most 4294967295"),
        ({"fold": 1}, "fold=1: the protocol 'segment' has no folds"),
        ({"protocol": "folds"}, r"fold \(of the protocol 'folds'\)=None"),
        ({"corpus": ""}, "corpus=''"),
        ({"learning_rte": 0.1}, r"recipe: 'learning_rte' is not known \(did you mean 'learning_rate'\?\)"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_recipe_with_an_unknown_name_or_value_is_refused_when_it_is_made(change, message):
    with pytest.raises(AudiolibError, match=message):
        Recipe.from_dict(change)


def test_a_recipe_is_made_of_a_mapping():
    with pytest.raises(AudiolibError, match=r"recipe=\['paper'\]: names with values"):
        Recipe.from_dict(["paper"])


def fails(recipe, message, **options):
    with pytest.raises(AudiolibError, match=message):
        training.train(recipe, progress=False, **options)


def test_a_corpus_that_is_not_there(data_root):
    fails(PAPER.but(corpus="nowhere"), "nowhere")
    fails(PAPER.but(corpus="nowhere.npz"), r"nowhere.npz")


def test_a_segment_longer_than_the_clips(data_root):
    write_archive(data_root / "toy.npz")  # 6 s
    recipe = PAPER.but(corpus="toy.npz", frontend={"segment_seconds": 7.0})
    fails(recipe, "segment_seconds=7: the tracks of .*toy.npz have 120 frames of 0.05 s")


def test_a_segment_too_short_for_the_network(data_root):
    write_archive(data_root / "toy.npz")
    recipe = PAPER.but(corpus="toy.npz", frontend={"segment_seconds": 1.0}, model="standard", batch=8)
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
    fails(PAPER.but(corpus="toy.npz"), message)


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
    fails(QUICK.but(batch=57), "batch=57 is more than the 56 segments of the training part", features=toy())


def test_lists_that_do_not_match_the_corpus(data_root, real_data):
    (data_root / "gtzan-splits").symlink_to(real_data / "gtzan-splits")
    fails(QUICK.but(protocol="fault-filtered"), "name 930 clips and 9.. of them are not in toy", features=toy())


def test_a_fold_that_is_not_there():
    features = toy(folds=[1 + number % 3 for number in range(24)])
    fails(QUICK.but(protocol="folds", fold=4), "fold 4 is not one of toy's folds 1, 2, 3", features=features)
    fails(QUICK.but(protocol="groups", fold=1), "toy comes without groups", features=features)


def test_a_folder_for_checkpoints_that_cannot_be_written(tmp_path):
    (tmp_path / "runs").write_text("a file in the way")
    message = "results cannot be written to .*runs .*choose another folder .*AUDIOLIB_CACHE"
    fails(QUICK, message, features=toy(frames=60), folder=tmp_path / "runs")


def test_threads_are_chosen_before_the_first_computation():
    import tensorflow as tf

    tf.constant(1) + 1
    with pytest.raises(AudiolibError, match="threads=99: TensorFlow has begun to compute with"):
        training.set_threads(99)
    training.set_threads(training._threads())  # no change, no error
