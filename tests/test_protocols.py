"""Who may be where: no protocol but the paper's lets a clip, a copy or a group into two parts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from audiolib import AudiolibError, protocols
from audiolib.features import Features

LABELS = ("blues", "disco", "rock")


def make(clips_a_label=8, segments=4, *, labels=LABELS, groups=None, folds=None, digests=None, corpus="toy"):
    clip_labels = [label for label in labels for _ in range(clips_a_label)]
    names = [f"{label}.{number:05d}" for label in labels for number in range(clips_a_label)]
    clip = np.repeat(np.arange(len(names)), segments)
    x = np.zeros((len(clip), 2, 1), np.float32)
    return Features(
        x=x, clip=clip, names=names, clip_labels=clip_labels, groups=groups, folds=folds, digests=digests, corpus=corpus
    )


def parts_of(features, split):
    """For each part, the clips in it."""
    return [set(features.clip[part]) for part in (split.train, split.valid, split.test)]


def assert_whole(features, split, values):
    """No value (of a clip) is in two parts; None is no value."""
    seen = [{values[clip] for clip in part} - {None} for part in parts_of(features, split)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not seen[one] & seen[other]


def assert_covers(features, split):
    together = np.concatenate([split.train, split.valid, split.test])
    np.testing.assert_array_equal(np.sort(together), np.arange(len(features)))


# --- the paper's protocol ---------------------------------------------------------------------------------------------


def test_segment_is_the_papers_prepare_dataset():
    features = make()
    rest, test = train_test_split(np.arange(96), test_size=0.25, random_state=3)
    train, valid = train_test_split(rest, test_size=0.2, random_state=3)
    split = protocols.segment(features, seed=3)
    for ours, theirs in ((split.train, train), (split.valid, valid), (split.test, test)):
        assert set(ours) == set(theirs)
    assert (len(split.train), len(split.valid), len(split.test)) == (57, 15, 24)


def test_segment_puts_tracks_into_all_parts():
    features = make()
    train, _, test = parts_of(features, protocols.segment(features, seed=0))
    assert len(train & test) > 10


# --- whole tracks -----------------------------------------------------------------------------------------------------


def test_track_keeps_tracks_whole_and_classes_even():
    features = make(clips_a_label=20)
    split = protocols.track(features, seed=0)
    assert_whole(features, split, range(60))
    assert_covers(features, split)
    for part, share in ((split.test, 5), (split.valid, 3), (split.train, 12)):
        assert np.bincount(features.y[part]).tolist() == [4 * share] * 3


def test_track_keeps_exact_copies_together_whatever_the_seed():
    digests = [f"{number // 2}" for number in range(60)]  # every clip has a copy
    digests[19], digests[20] = "across", "across"  # the last blues is also the first disco
    features = make(20, digests=digests)
    for seed in range(20):
        assert_whole(features, protocols.track(features, seed=seed), digests)


def test_missing_digests_make_no_copies():
    features = make(digests=["", None] * 12)
    assert_covers(features, protocols.track(features, seed=0))


@pytest.mark.parametrize("protocol", ["segment", "track"])
def test_the_seed_decides_the_split(protocol):
    features = make()
    first, again, other = (protocols.split(features, protocol, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.test, again.test)
    np.testing.assert_array_equal(first.valid, again.valid)
    assert set(first.test) != set(other.test)


def test_a_split_says_the_name_that_makes_it_again(tmp_path, monkeypatch):
    features = make(20, groups=[f"artist{number // 2}" for number in range(60)], folds=[1 + n % 4 for n in range(60)])
    write_artist_folds(tmp_path, features)
    for part, names in lists_of(features, (30, 15, 15)).items():
        (tmp_path / f"{part}_filtered.txt").write_text("\n".join(names))
    monkeypatch.setattr(protocols, "_published_lists", lambda: tmp_path)
    features = replace(features, groups=None)
    for name in protocols.NAMES:
        fold = 2 if name in protocols.WITH_FOLDS else None
        if name == "groups":
            features = replace(features, groups=[f"artist{number // 2}" for number in range(60)])
        split = protocols.split(features, name, fold=fold, seed=1)
        assert split.protocol == name
        assert protocols.split(features, split.protocol, fold=fold, seed=split.seed).digest == split.digest


def test_the_digest_of_a_split_tells_who_is_where():
    first, other = (protocols.segment(make(), seed=seed) for seed in (0, 1))
    assert first.digest == protocols.segment(make(), seed=0).digest != other.digest
    assert replace(first, train=first.valid, valid=first.train).digest != first.digest


# --- lists ------------------------------------------------------------------------------------------------------------


def lists_of(features, shares=(10, 6, 8)):
    names = np.random.default_rng(0).permutation(features.names)
    edges = np.cumsum(shares)
    return {"train": names[: edges[0]], "valid": names[edges[0] : edges[1]], "test": names[edges[1] : edges[2]]}


@pytest.mark.parametrize("written", ["{0}", "{1}/{0}.wav", "./{2}.wav", "/x/{0}.au"])
def test_lists_are_followed_however_names_are_written(written, tmp_path):
    features = make()
    lists = lists_of(features)
    for part, names in lists.items():
        lines = [written.format(name, name.split(".")[0], name.replace(".", "_")) for name in names]
        (tmp_path / f"{part}_filtered.txt").write_text("\r\n".join(lines) + "\r\n")
    split = protocols.listed(features, tmp_path)
    for part, clips in zip(("train", "valid", "test"), parts_of(features, split), strict=True):
        assert {features.names[clip] for clip in clips} == set(lists[part])


def test_clips_in_no_list_are_left_out():
    features = make()
    split = protocols.listed(features, lists_of(features, (10, 4, 6)))
    assert len(split.train) + len(split.valid) + len(split.test) == 20 * 4


def test_lists_of_another_corpus_are_refused():
    lists = lists_of(make(labels=("jazz", "pop", "metal")))
    with pytest.raises(AudiolibError, match=r"name 24 clips and 24 of them are not in toy \(jazz.00000"):
        protocols.listed(make(), lists)


def test_a_clip_or_two_that_the_corpus_lacks_are_counted_aloud():
    features = make(clips_a_label=20)
    lists = lists_of(features, (30, 15, 15))
    lists["train"] = [*lists["train"], "jazz.00054"]
    with pytest.warns(UserWarning, match=r"1 clip\(s\) that toy does not have: jazz.00054"):
        protocols.listed(features, lists)


def test_a_clip_in_two_lists_is_refused():
    lists = {"train": ["blues.00000"], "valid": ["blues.00001"], "test": ["./blues_00000.wav"]}
    with pytest.raises(AudiolibError, match=r"blues.00000 is in the lists of two parts: train and test"):
        protocols.listed(make(), lists)


def test_lists_that_divide_a_copy_are_refused():
    features = make()
    lists = lists_of(features)
    digests = [None] * 24
    for name in (lists["train"][0], lists["test"][0]):
        digests[features.names.index(name)] = "same"
    with pytest.raises(AudiolibError, match="are copies of one recording or of one group"):
        protocols.listed(make(digests=digests), lists)


def test_a_folder_without_lists_is_named(tmp_path):
    with pytest.raises(AudiolibError, match=r"train_filtered.txt: a list of names was expected"):
        protocols.listed(make(), tmp_path)


# --- groups and folds -------------------------------------------------------------------------------------------------


def test_official_folds_hold_each_clip_once():
    folds = [1 + number % 4 for number in range(24)]
    features = make(folds=folds)
    tested = []
    for fold in (1, 2, 3, 4):
        split = protocols.grouped(features, fold=fold, by="fold")
        assert_covers(features, split)
        assert_whole(features, split, range(24))
        clips = parts_of(features, split)[2]
        assert {folds[clip] for clip in clips} == {fold}
        tested += clips
    assert sorted(tested) == list(range(24))


def test_one_speaker_is_held_out_at_a_time_and_another_validates():
    speakers = [f"speaker{number % 4}" for number in range(24)]
    features = make(groups=speakers)
    for fold in (1, 2, 3, 4):
        split = protocols.split(features, "groups", fold=fold, seed=fold)
        assert_covers(features, split)
        assert_whole(features, split, speakers)
        assert {speakers[clip] for clip in parts_of(features, split)[2]} == {f"speaker{fold - 1}"}
        assert len({speakers[clip] for clip in parts_of(features, split)[1]}) == 1


def test_the_test_part_of_a_fold_is_the_same_for_every_seed():
    features = make(groups=[f"artist{number // 2}" for number in range(24)])
    tests = [protocols.grouped(features, fold=2, by="group", seed=seed).test for seed in range(4)]
    valids = {tuple(protocols.grouped(features, fold=2, by="group", seed=seed).valid) for seed in range(4)}
    assert all(np.array_equal(tests[0], test) for test in tests)
    assert len(valids) > 1


def write_artist_folds(folder, features, folds=3, clips_a_group=2):
    for fold in range(folds):
        lines = [
            f"./{name.replace('.', '_')}.wav\t{clip // clips_a_group}"
            for clip, name in enumerate(features.names)
            if clip // clips_a_group % folds == fold
        ]
        (folder / f"artist_fold{fold + 1}_evaluate_groups.txt").write_text("\n".join(lines) + "\n")


def test_artist_folds_keep_artists_whole(tmp_path):
    features = make(clips_a_label=20)
    write_artist_folds(tmp_path, features)
    artists = [clip // 2 for clip in range(60)]
    for fold in (1, 2, 3):
        split = protocols.grouped(features, fold=fold, by=tmp_path, seed=0)
        assert_whole(features, split, artists)
        assert_covers(features, split)


def test_a_fold_that_is_not_there_is_named():
    features = make(folds=[1 + number % 4 for number in range(24)])
    with pytest.raises(AudiolibError, match=r"fold 5 is not one of toy's folds 1, 2, 3, 4"):
        protocols.grouped(features, fold=5)
    with pytest.raises(AudiolibError, match="fold None"):
        protocols.split(features, "folds")


def test_a_corpus_without_groups_or_folds_says_so():
    for protocol in ("groups", "folds"):
        with pytest.raises(AudiolibError, match=f"toy comes without {protocol}"):
            protocols.split(make(), protocol, fold=1)


def test_two_groups_are_too_few():
    features = make(groups=["one", "two"] * 12)
    with pytest.raises(AudiolibError, match=r"1 group\(s\) are left beside fold 1"):
        protocols.grouped(features, fold=1, by="group")


def test_copies_in_two_official_folds_are_refused():
    digests = [None] * 24
    digests[0] = digests[1] = "same"
    features = make(folds=[1 + number % 4 for number in range(24)], digests=digests)
    with pytest.raises(AudiolibError, match=r"blues.0000\d .* and blues.0000\d .* are copies"):
        protocols.grouped(features, fold=1)


# --- whatever the corpus ----------------------------------------------------------------------------------------------


@st.composite
def corpora(draw):
    """Corpora built to catch a careless split: copies across labels, chains of copies and groups, uneven clips."""
    clips = draw(st.integers(12, 40))
    labels = draw(st.integers(2, 3))
    clip_labels = [LABELS[number % labels] for number in range(clips)]
    few = st.lists(st.one_of(st.none(), st.integers(0, clips // 2).map(str)), min_size=clips, max_size=clips)
    segments = draw(st.lists(st.integers(0, 4), min_size=clips, max_size=clips))
    clip = np.repeat(np.arange(clips), segments)
    clip = np.random.default_rng(draw(st.integers(0, 99))).permutation(clip)
    return Features(
        x=np.zeros((len(clip), 1, 1), np.float32),
        clip=clip,
        names=[f"clip{number}" for number in range(clips)],
        clip_labels=clip_labels,
        groups=draw(few),
        folds=draw(st.lists(st.integers(1, 4), min_size=clips, max_size=clips)),
        digests=draw(few),
        corpus="drawn",
    )


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(corpora(), st.sampled_from(["track", "folds", "groups", "listed"]), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_no_clip_copy_or_group_is_in_two_parts(features, protocol, fold, seed):
    try:
        if protocol == "listed":
            chosen = np.random.default_rng(seed).integers(0, 4, features.tracks)
            lists = {p: [n for n, c in zip(features.names, chosen, strict=True) if c == i]
                     for i, p in enumerate(protocols.PARTS)}  # fmt: skip
            split = protocols.listed(features, lists, seed=seed)
        else:
            split = protocols.split(features, protocol, fold=fold, seed=seed)
    except AudiolibError:
        return  # a clear refusal is right too; that not all are refused is tested below
    assert_whole(features, split, range(features.tracks))
    assert_whole(features, split, features.digests)
    if protocol != "track":
        assert_whole(features, split, features.groups)
    assert all(len(part) for part in (split.train, split.valid, split.test))


def test_the_property_is_not_kept_by_refusing_everything():
    rng = np.random.default_rng(0)
    accepted = {"track": 0, "folds": 0, "groups": 0}
    for _ in range(20):
        groups = [f"{fold}{number}" for fold, number in rng.integers(0, 5, (24, 2))]
        features = make(groups=groups, folds=[1 + int(group[0]) for group in groups], digests=groups)
        for protocol in accepted:
            try:
                split = protocols.split(features, protocol, fold=2, seed=1)
            except AudiolibError:
                continue
            accepted[protocol] += 1
            assert_whole(features, split, groups)
    assert min(accepted.values()) > 12


# --- what cannot work -------------------------------------------------------------------------------------------------


def test_an_unknown_protocol_is_named_with_the_known_ones():
    with pytest.raises(AudiolibError, match=r"protocol='tracks' is not known; did you mean 'track'"):
        protocols.split(make(), "tracks")


def test_one_class_is_refused():
    with pytest.raises(AudiolibError, match=r"one class \(blues\) leaves nothing to tell apart"):
        protocols.segment(make(labels=("blues",)))


def test_a_second_class_without_a_usable_clip_is_no_class():
    features = replace(make(labels=("blues",)), labels=("blues", "rock"))
    with pytest.raises(AudiolibError, match=r"one class \(blues\) leaves nothing to tell apart"):
        protocols.segment(features)


def test_too_few_tracks_for_the_protocol_say_how_many():
    with pytest.raises(AudiolibError, match="3 independent tracks of 3 classes are too few"):
        protocols.track(make(clips_a_label=1))


def test_an_empty_part_is_refused():
    features = make()
    lists = lists_of(features) | {"test": []}
    with pytest.raises(AudiolibError, match="the test part is empty"):
        protocols.listed(features, lists)


def test_a_class_that_train_never_shows_is_refused():
    features = make()
    lists = {"train": features.names[:10], "valid": features.names[10:16], "test": features.names[16:]}
    with pytest.raises(AudiolibError, match="training part never shows: rock"):
        protocols.listed(features, lists)


# --- the published lists ----------------------------------------------------------------------------------------------


@pytest.fixture
def gtzan():
    """A corpus with the names of GTZAN's thousand tracks."""
    genres = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
    return make(100, 1, labels=genres, corpus="gtzan")


def test_the_published_lists_divide_gtzan(gtzan, real_data, monkeypatch):
    monkeypatch.setenv("AUDIOLIB_DATA", str(real_data))
    split = protocols.split(gtzan, "fault-filtered")
    assert [len(part) for part in (split.train, split.valid, split.test)] == [443, 197, 290]
    tested = [protocols.split(gtzan, "artist-folds", fold=fold, seed=1).test for fold in (1, 2, 3)]
    assert [len(part) for part in tested] == [315, 316, 317]
    assert len(set(np.concatenate(tested))) == 948


WAY_OUT = "python -m audiolib fetch gtzan-splits"


def test_lists_that_were_changed_are_refused(data_root):
    (data_root / "gtzan-splits").mkdir()
    for name, _, _ in protocols.LISTS:
        (data_root / "gtzan-splits" / name).write_text("blues/blues.00000.wav\n")
    for protocol, fold in (("fault-filtered", None), ("artist-folds", 1)):
        with pytest.raises(AudiolibError, match=f"is not the published list; delete it and run: {WAY_OUT}"):
            protocols.split(make(), protocol, fold=fold)


def test_a_split_fetches_nothing_and_says_what_does(data_root, monkeypatch):
    import pooch

    monkeypatch.setattr(pooch, "retrieve", None)
    for protocol, fold in (("fault-filtered", None), ("artist-folds", 1)):
        with pytest.raises(AudiolibError, match=f"train_filtered.txt is missing; fetch it with: {WAY_OUT}"):
            protocols.split(make(), protocol, fold=fold)
    assert not list(data_root.iterdir())


def test_lists_that_are_missing_are_fetched_from_where_they_are_published(data_root, real_data, monkeypatch):
    import pooch

    asked = []

    def retrieve(url, known_hash, fname, path):
        asked.append(url)
        path.mkdir(exist_ok=True)
        (path / fname).write_bytes((real_data / "gtzan-splits" / fname).read_bytes())

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    assert protocols.fetch_lists() == protocols.fetch_lists() == data_root / "gtzan-splits"
    assert len(asked) == 6 and asked[0].endswith("/GTZAN/train_filtered.txt")
    assert asked[-1].endswith("/f3_evaluate_groups.txt")


def test_lists_that_cannot_be_fetched_say_where_they_are(monkeypatch):
    import pooch

    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(pooch, "retrieve", offline)
    message = r"train_filtered.txt cannot be fetched from https://.*no network.*put it there by hand"
    with pytest.raises(AudiolibError, match=message):
        protocols.fetch_lists()
