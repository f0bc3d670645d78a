"""Pairs, leads and verdicts, on invented records and invented tables."""

import numpy as np
import pytest

from audiolib import AudiolibError, comparison, evaluation, recipes

BASE = recipes.SHORT.replace(protocol="fault-filtered")


def record(right, *, recipe=BASE, history=None, **changes):
    """A record in which tracks "0", "1", ... are judged right or wrong."""
    recipe = recipe.replace(**changes)
    tracks = {str(i): [1, int(hit)] for i, hit in enumerate(right)}
    share = {"value": float(np.mean(right)), "n": len(right)}
    return {"recipe": recipe.to_dict(), "data": {"tracks": 999, "segments": 4995}, "history": history or {},
            "test": {"tracks": tracks, "track_accuracy": share, "segment_accuracy": share}}  # fmt: skip


def row(low, high):
    return {"value": (low + high) / 2, "low": low, "high": high}


YES, NO, UNDECIDED = row(0.1, 0.3), row(-0.3, -0.1), row(-0.1, 0.1)


# --- which records belong together ----------------------------------------------------------------------------------


def test_alike_leaves_seed_and_fold_free_and_what_is_named():
    found = [record([1], seed=2), record([1], model="deep-standard"), record([1], epochs=500)]
    assert comparison.alike(found, BASE) == found[:1]
    assert comparison.alike(found, BASE, "model") == found[:2]


def test_pairs_share_protocol_seed_and_fold():
    folds = {"protocol": "artist-folds"}
    first = [record([1], seed=1), record([1], seed=0), record([1], fold=2, **folds)]
    second = [record([0], seed=0), record([0], seed=3), record([0], fold=2, **folds), record([0], fold=3, **folds)]
    found = comparison.matched(first, second)
    assert len(found) == 2 and {a["recipe"]["protocol"] for a, _ in found} == {"fault-filtered", "artist-folds"}
    assert all(a["recipe"][name] == b["recipe"][name] for a, b in found for name in ("seed", "fold", "protocol"))


def test_of_two_recipes_on_one_side_nobody_knows_which_is_meant():
    with pytest.raises(AudiolibError, match="1 of 2 records repeat"):
        comparison.matched([record([1]), record([1], epochs=500)], [record([1])])


def test_a_seed_without_all_its_folds_is_left_out():
    places = ((0, 1), (0, 2), (0, 3), (1, 1))
    found = [record([1], protocol="artist-folds", fold=fold, seed=seed) for seed, fold in places]
    assert comparison.complete(found, (1, 2, 3)) == found[:3]
    pairs = [(each, each) for each in found]
    assert comparison.complete(pairs, (1, 2, 3)) == pairs[:3]
    assert comparison.complete([record([1])]) == [record([1])]


def test_repeats_of_a_recipe_differ_in_seed_and_fold_only():
    found = [record([1], seed=0), record([1], model_options={"separable_l2": "applied"}), record([1], seed=1)]
    assert comparison.repeats(found) == [[found[0], found[2]], [found[1]]]


# --- what they reached ----------------------------------------------------------------------------------------------


def test_accuracy_is_the_mean_over_seeds_with_an_interval_over_tracks():
    found = comparison.accuracy([record([1, 1, 0, 0], seed=0), record([1, 1, 1, 0], seed=1)])
    assert found["value"] == 0.625 and found["each"] == [0.5, 0.75] and found["seeds"] == [0, 1]
    assert found["n"] == found["effective"] == 4
    assert (found["low"], found["high"]) == evaluation.wilson(0.625, 4)


def test_folds_weigh_as_much_as_their_tracks():
    folds = {"protocol": "artist-folds"}
    found = comparison.accuracy([record([1] * 9, fold=1, **folds), record([0], fold=2, **folds)])
    assert found["value"] == pytest.approx(0.9) and found["n"] == 10


def test_clips_of_one_recording_are_no_independent_witnesses():
    found = comparison.accuracy([record([1, 1, 1, 0])], unit=lambda name: "a" if name < "3" else "b")
    assert found["n"] == 4 and found["effective"] == pytest.approx(16 / 10)


def test_segments_dealt_at_random_are_worth_what_a_simulated_deal_is_worth():
    rng = np.random.default_rng(0)
    clip = np.repeat(np.arange(999), 5)
    deals = [np.unique(rng.permutation(clip)[:1249], return_counts=True)[1] for _ in range(50)]
    simulated = np.mean([evaluation.effective(counts) for counts in deals])
    found = comparison.accuracy([record([1] * 751, protocol="segment")], by="segment")
    assert found["effective"] == pytest.approx(simulated, rel=0.01)
    assert found["n"] == 751 and comparison.accuracy([record([1] * 751, protocol="segment")])["effective"] == 751


def test_where_a_fold_is_a_voice_voices_are_counted():
    found = [record([1], recipe=BASE.replace(protocol="groups", fold=fold)) for fold in (1, 1, 2)]
    assert comparison.by_fold(found, [0.2, 0.4, 0.9]) == pytest.approx(evaluation.over_seeds([0.3, 0.9]))


# --- how far one is ahead -------------------------------------------------------------------------------------------


def test_a_lead_counts_the_tracks_won_and_lost():
    found = comparison.lead([(record([1] * 40 + [0] * 60), record([1] * 30 + [0] * 30 + [1] * 20 + [0] * 20))])
    assert found["value"] == pytest.approx(0.1)
    won = np.array([-1] * 10 + [1] * 20 + [0] * 70) - 0.1
    assert found["high"] - found["value"] == pytest.approx(1.96 * np.sqrt(np.sum(won**2)) / 100)


def test_the_same_tracks_tested_again_narrow_a_lead_only_by_what_the_seeds_disagree_in():
    rng = np.random.default_rng(0)
    one = [(record(rng.random(100) < 0.5), record(rng.random(100) < 0.7))]
    again = comparison.lead(one * 3)
    assert again == pytest.approx(comparison.lead(one))


def test_a_lead_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        luck = rng.random(200)
        a, b = rng.random(200) * 0.5 + luck * 0.5 > 0.5, rng.random(200) * 0.5 + luck * 0.5 > 0.4
        found = comparison.lead([(record(a), record(b))])
        held += found["low"] <= 0.18 <= found["high"]  # P(b) - P(a) = 0.68 - 0.5
    assert held / 300 > 0.91


def test_runs_on_different_tracks_have_no_lead():
    with pytest.raises(AudiolibError, match="different tracks"):
        comparison.lead([(record([1, 0]), record([1]))])
    with pytest.raises(AudiolibError, match="no pair"):
        comparison.lead([])


def test_the_difference_of_two_shares_is_newcombes():
    """Newcombe (1998), table II, method 10, first row: 56/70 and 48/80, a difference of 0.2 (0.0524 to 0.3339)."""
    shares = [{"value": k / n, **dict(zip(("low", "high"), evaluation.wilson(k / n, n), strict=True))}
              for k, n in ((56, 70), (48, 80))]  # fmt: skip
    found = comparison.difference(*shares)
    assert [round(found[end], 4) for end in ("value", "low", "high")] == [0.2, 0.0524, 0.3339]


def paired(values, **changes):
    """Pairs whose second run starts that much above its first, a seed each."""
    return [(record([1], seed=seed, history={"accuracy": [0.5] * 5}, **changes),
             record([1], seed=seed, history={"accuracy": [0.5 + value] * 5}, **changes))
            for seed, value in enumerate(values)]  # fmt: skip


def test_a_measure_is_compared_seed_by_seed():
    found = comparison.over_seeds(comparison.start, paired([0.1, 0.2, 0.3]))
    expected = evaluation.over_seeds([0.1, 0.2, 0.3])
    assert found == pytest.approx(expected)
    ratio = comparison.over_seeds(comparison.start, paired([0.5, 0.5, 0.5]), ratio=True)
    assert ratio["value"] == pytest.approx(2) and ratio["low"] == pytest.approx(2)


def test_two_seeds_get_no_interval():
    found = comparison.over_seeds(comparison.start, paired([0.1, 0.2]))
    assert found["low"] is None and found["value"] == pytest.approx(0.15)


def test_folds_of_one_seed_are_one_start():
    folds = [pair for fold in (1, 2) for pair in paired([0.1, 0.2, 0.3], protocol="artist-folds", fold=fold)]
    one = comparison.over_seeds(comparison.start, folds[:3])
    assert comparison.over_seeds(comparison.start, folds) == pytest.approx(one)


def test_the_mean_is_over_pairs_of_networks_and_each_pair_counts_once():
    rows = [row(0, 0.2), row(0.2, 0.4), row(0.5, 0.7), row(0.7, 0.9)]
    found = comparison.mean_of_pairs(rows, ["a", "a", "b", "c"])
    assert found == pytest.approx(evaluation.over_seeds([0.2, 0.6, 0.8]))
    assert comparison.mean_of_pairs(rows[:3], ["a", "a", "b"]) is None


# --- what a training's history says ---------------------------------------------------------------------------------


def test_measures_of_a_history():
    steady = np.linspace(0.1, 0.9, 30)
    jumpy = steady + np.tile([0.05, -0.05], 15)
    assert comparison.start({"accuracy": [0.1, 0.2, 0.3, 0.4, 0.5, 0.9]}) == pytest.approx(0.3)
    assert comparison.unrest({"val_accuracy": steady}) == pytest.approx(0)
    assert comparison.unrest({"val_accuracy": jumpy}) == pytest.approx(0.1, rel=0.1)
    assert comparison.gap({"accuracy": [1.0] * 9, "val_accuracy": [0.0] * 4 + [0.6] * 5}) == pytest.approx(0.4)
    assert comparison.gap({"accuracy": [1.0, 0.8], "val_accuracy": [0.5, 0.5]}) == pytest.approx(0.4)


def test_at_equal_fit_the_slower_one_sets_the_level():
    quick = {"accuracy": np.linspace(0, 1, 21), "val_accuracy": np.linspace(0, 0.5, 21)}
    slow = {"accuracy": np.linspace(0, 0.5, 21), "val_accuracy": np.linspace(0, 0.4, 21)}
    told = comparison.level_with(({"history": quick}, {"history": slow}))
    assert told == pytest.approx(0.38 - 0.25, abs=0.03)  # running means of five stop a little short of the ends


# --- what it comes to -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "mean", "word"),
    [
        ([YES] * 4, None, "Holds"),
        ([YES] * 2 + [UNDECIDED] * 4, None, "Holds"),
        ([YES], None, "Open"),  # one comparison is none
        ([YES], row(0.1, 0.2), "Open"),
        ([], None, "Open"),
        ([YES] + [UNDECIDED] * 5, None, "Open"),  # a single interval may be an accident
        ([YES] * 2 + [NO] * 8, None, "Holds in part"),  # two of ten are more than accident explains
        ([YES] * 2 + [UNDECIDED] * 18, None, "Open"),  # two of twenty are not
        ([YES] + [NO] * 9, None, "Does not hold"),
        ([YES] * 5 + [NO] * 5, None, "Holds in part"),
        ([UNDECIDED] * 6, None, "Open"),
        ([UNDECIDED] * 6, row(0.01, 0.2), "Holds"),
        ([UNDECIDED] * 6, UNDECIDED, "Open"),
        ([YES] * 3, NO, "Holds in part"),
        ([{"value": 0.5, "low": None, "high": None}] * 3 + [YES], None, "Open"),
    ],
)
def test_one_rule_for_all_claims(rows, mean, word):
    assert comparison.verdict(rows, +1, mean=mean).word == word
    assert comparison.verdict(rows[::-1], +1, mean=mean).word == word


@pytest.mark.parametrize("seed", range(20))
def test_the_rule_is_the_same_for_both_sides(seed):
    """Whoever claims the opposite gets the opposite verdict."""
    rng = np.random.default_rng(seed)
    table = [(YES, NO, UNDECIDED)[k] for k in rng.choice(3, size=rng.integers(0, 12), p=rng.dirichlet([1, 1, 1]))]
    mean = (None, YES, NO, UNDECIDED)[rng.integers(4)]
    opposite = {"Holds": "Does not hold", "Does not hold": "Holds"}
    one, other = (comparison.verdict(table, side, mean=mean) for side in (1, -1))
    assert other.word == opposite.get(one.word, one.word)
    assert (one.yes, one.no, one.n) == (other.no, other.yes, other.n)


def test_ratios_have_no_difference_at_one():
    assert comparison.verdict([row(0.7, 0.9)] * 3, -1, none=1).word == "Holds"
    assert comparison.verdict([row(0.7, 1.1)] * 3, -1, none=1).word == "Open"


def test_without_a_difference_a_verdict_is_rarely_anything_but_open():
    rng = np.random.default_rng(0)
    words = [comparison.verdict([row(x - 1.96, x + 1.96) for x in rng.normal(size=8)], +1).word for _ in range(400)]
    assert words.count("Open") / 400 > 0.95


def test_a_side_is_more_or_less():
    with pytest.raises(AudiolibError, match="side=0"):
        comparison.verdict([YES], 0)


def test_accidents_are_counted_by_the_binomial():
    assert comparison.by_accident(0, 5) == 1
    assert comparison.by_accident(1, 10) == pytest.approx(1 - 0.975**10)
    assert comparison.by_accident(2, 2) == pytest.approx(0.025**2)


@pytest.mark.parametrize(("disputed", "lead"), [(0, None), (5, None), (6, 6), (20, 10), (58, 16)])
def test_the_least_lead_is_significant_and_the_next_smaller_one_is_not(disputed, lead):
    assert comparison.least_lead(disputed) == lead
    if lead:
        won = (disputed + lead) // 2
        first = np.arange(disputed) < won
        assert evaluation.paired_test(first, ~first)["p"] < 0.05
        nearer = np.arange(disputed) < won - 1
        assert evaluation.paired_test(nearer, ~nearer)["p"] >= 0.05


@pytest.mark.parametrize(
    ("each", "word"),
    [
        ([0.85], "Open"),
        ([0.84, 0.85], "Open"),
        ([0.84, 0.85, 0.86], "Holds"),
        ([0.70, 0.71, 0.72], "Does not hold"),
        ([0.95, 0.96, 0.97], "Does not hold"),
        ([0.84, 0.86, 0.88], "Holds in part"),
        ([0.5, 0.7, 0.9], "Open"),
    ],
)
def test_a_range_needs_three_trainings(each, word):
    assert comparison.in_range(each, (0.83, 0.87)) == word
