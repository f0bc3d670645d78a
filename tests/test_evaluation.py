"""Accuracy, votes, intervals, calibration and paired tests say what they claim."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from audiolib import AudiolibError, evaluation


def one_hot(classes, number=3):
    return np.eye(number)[classes]


def test_a_vote_is_the_mean_of_a_tracks_segments():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [1.0, 0.0]])
    votes, clips = evaluation.vote(probabilities, [7, 3, 7, 7])
    assert clips.tolist() == [3, 7]
    np.testing.assert_allclose(votes, [[0.2, 0.8], [2.3 / 3, 0.7 / 3]])


def test_a_confident_segment_outweighs_two_doubtful_ones():
    votes, _ = evaluation.vote([[0.45, 0.55], [0.45, 0.55], [0.9, 0.1]], [0, 0, 0])
    assert votes.argmax() == 0


@pytest.mark.parametrize(("right", "n"), [(0, 5), (1, 10), (45, 50), (290, 290), (137, 290)])
def test_wilson_agrees_with_scipy(right, n):
    expected = binomtest(right, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(evaluation.wilson(right / n, n), (expected.low, expected.high), atol=1e-12)


def test_the_interval_by_segment_counts_tracks():
    y = np.zeros(50, int)
    probabilities = one_hot(np.repeat([0, 1], [40, 10]))
    by_segment = evaluation.accuracy(probabilities, y, clip=np.repeat(np.arange(10), 5))
    by_item = evaluation.accuracy(probabilities, y)
    assert by_segment["value"] == by_item["value"] == 0.8
    assert (by_segment["n"], by_item["n"]) == (10, 50)
    assert (by_segment["low"], by_segment["high"]) == evaluation.wilson(0.8, 10)
    assert by_segment["low"] < by_item["low"] < by_item["high"] < by_segment["high"]


def test_the_interval_by_segment_holds_the_truth_when_segments_of_a_track_agree():
    """400 pretended test parts of 100 tracks x 5 segments that share most of their luck; the truth is 70 %."""
    rng = np.random.default_rng(0)
    clip, covered, naive = np.repeat(np.arange(100), 5), 0, 0
    for _ in range(400):
        chance = rng.beta(0.7, 0.3, size=100)  # of a track: mostly near 0 or 1
        right = rng.random(500) < chance[clip]
        result = evaluation.accuracy(one_hot(np.where(right, 0, 1)), np.zeros(500, int), clip=clip)
        covered += result["low"] <= 0.7 <= result["high"]
        low, high = evaluation.wilson(result["value"], 500)
        naive += low <= 0.7 <= high
    assert covered / 400 > 0.93
    assert naive / 400 < 0.85  # counting segments would promise too much


UNEQUAL = {
    "log-normal": lambda rng: np.ceil(rng.lognormal(1.5, 1, size=100)).astype(int),
    "1 to 20 segments": lambda rng: rng.integers(1, 21, size=100),
    "one dominant clip": lambda rng: np.array([200] + [2] * 99),
    "equal": lambda rng: np.full(100, 5),
}


@pytest.mark.parametrize("kind", UNEQUAL)
def test_the_interval_by_segment_holds_the_truth_when_clips_are_of_unequal_length(kind):
    """All segments of a clip are right or wrong together; of all clips, 70 % are right."""
    rng, covered, naive = np.random.default_rng(0), 0, 0
    for _ in range(1000):
        counts = UNEQUAL[kind](rng)
        clip, right = np.repeat(np.arange(100), counts), rng.random(100) < 0.7
        found = evaluation.accuracy(one_hot(np.where(right[clip], 0, 1)), np.zeros(len(clip), int), clip=clip)
        covered += found["low"] <= 0.7 <= found["high"]
        low, high = evaluation.wilson(found["value"], 100)
        naive += low <= 0.7 <= high
    assert covered / 1000 > 0.93
    assert kind == "equal" or naive / 1000 < 0.94  # as many independent units as clips would promise too much


def test_clips_of_equal_length_count_as_many_as_they_are():
    assert evaluation.effective([5] * 290) == 290.0
    assert evaluation.effective([3, 0, 3]) == 2.0
    assert evaluation.effective([1000, 1, 1]) == pytest.approx(1, abs=0.01)


def test_over_seeds_is_students_interval():
    result = evaluation.over_seeds([0.80, 0.82, 0.87])
    assert result["value"] == pytest.approx(0.83)
    sd = np.std([0.80, 0.82, 0.87], ddof=1)
    assert result["high"] - result["value"] == pytest.approx(4.30265 * sd / 3**0.5, rel=1e-4)
    assert result["n"] == 3


def test_one_run_has_no_interval_over_seeds():
    assert evaluation.over_seeds([0.8]) == {"value": 0.8, "low": None, "high": None, "n": 1, "sd": None}


def test_confusion_has_the_true_class_in_rows():
    predicted, y = np.array([0, 1, 1, 2, 0]), np.array([0, 1, 2, 2, 1])
    table = evaluation.confusion(predicted, y, 4)
    np.testing.assert_array_equal(table, confusion_matrix(y, predicted, labels=range(4)))
    assert table[2, 1] == 1 and table[1, 2] == 0


def test_calibration_of_a_network_that_says_90_and_is_right_half_the_time():
    probabilities = np.tile([0.9, 0.1], (10, 1))
    result = evaluation.calibration(probabilities, [0, 1] * 5)
    assert result["ece"] == pytest.approx(0.4)
    assert result["count"].tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 10, 0]
    assert result["accuracy"][8] == 0.5 and np.isnan(result["accuracy"][0])


def test_a_calibrated_network_has_a_small_calibration_error():
    rng = np.random.default_rng(1)
    sure = rng.uniform(0.5, 1, 40_000)
    y = (rng.random(40_000) > sure).astype(int)
    assert evaluation.calibration(np.stack([sure, 1 - sure], 1), y)["ece"] < 0.01


def test_the_paired_test_is_the_exact_mcnemar_test():
    first = np.array([True] * 50 + [True] * 3 + [False] * 12 + [False] * 35)
    second = np.array([True] * 50 + [False] * 3 + [True] * 12 + [False] * 35)
    result = evaluation.paired_test(first, second)
    assert (result["first_only"], result["second_only"], result["n"]) == (3, 12, 100)
    assert result["p"] == pytest.approx(binomtest(3, 15).pvalue) == pytest.approx(0.03515625)
    assert result["difference"] == pytest.approx(0.09)


def test_the_same_predictions_do_not_differ():
    run = np.array([True, False, True])
    assert evaluation.paired_test(run, run)["p"] == 1.0


def test_a_track_tested_under_three_seeds_is_evidence_once():
    first, second = np.zeros((3, 6), bool), np.ones((3, 6), bool)
    result = evaluation.paired_test(first, second)
    assert result["second_only"] == 6 and result["p"] == pytest.approx(2 / 2**6)


def test_the_paired_test_is_rarely_wrong_when_nothing_differs():
    rng = np.random.default_rng(2)
    p = [evaluation.paired_test(rng.random(80) < 0.6, rng.random(80) < 0.6)["p"] for _ in range(500)]
    assert np.mean(np.array(p) < 0.05) <= 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: evaluation.accuracy([[2.0, -3.0]], [0]), "logits"),
        (lambda: evaluation.accuracy(one_hot([0, 1]), [0]), "1 true classes for 2 predictions"),
        (lambda: evaluation.vote(one_hot([0, 1]), [0]), "1 clip numbers for 2 segments"),
        (lambda: evaluation.accuracy(np.empty((0, 3)), []), r"shape \(0, 3\)"),
        (lambda: evaluation.paired_test([True], [True, False]), "same test part"),
        (lambda: evaluation.paired_test([1, 2], [1, 0]), "not the predicted classes"),
        (lambda: evaluation.wilson(0.5, 0), "at least one unit"),
        (lambda: evaluation.over_seeds([]), "at least one value"),
        (lambda: evaluation.effective([0, 0]), "at least one of them above 0"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(AudiolibError, match=message):
        call()


def test_a_clip_is_guessed_from_other_groups_and_a_label_never_seen_is_not_guessed():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 8)
    x = rng.normal(size=(24, 2)) + 9 * np.column_stack([y == 1, y == 2])
    guessed = evaluation.guess_each(x, y, range(24))
    assert guessed.shape == (24, 3) and (guessed.argmax(axis=1) == y).all()
    np.testing.assert_allclose(guessed.sum(axis=1), 1)
    guessed = evaluation.guess_each(x, y, [str(label) for label in y])  # each label is a group of its own
    assert (guessed[np.arange(24), y] == 0).all()


@pytest.mark.parametrize("y", [[0, 1], [0, 0], [0, 1, 2], [0, 0, 1]])
def test_too_few_clips_to_learn_from_are_no_error(y):
    guessed = evaluation.guess_each(np.random.default_rng(0).normal(size=(len(y), 3)), y, range(len(y)))
    np.testing.assert_allclose(guessed.sum(axis=1), 1)


def test_copies_alone_teach_nothing_and_are_no_error():
    x = np.repeat(np.random.default_rng(0).normal(size=(2, 3)), 2, axis=0)
    np.testing.assert_allclose(evaluation.guess_each(x, [0, 0, 1, 1], range(4)).sum(axis=1), 1)
