"""Tables are read as people write them, and a clip is never taken for another of the same file name."""

import pytest
from toys import write_corpus

from audiolib import AudiolibError, _splits


@pytest.fixture
def corpus(tmp_path):
    """Three clips each under drum and flute, all named 0, 1 and 2, and one whose name nobody else has."""
    folder = tmp_path / "own"
    write_corpus(folder, seconds=0.3, labels=("drum", "flute"))
    (folder / "flute/2.wav").rename(folder / "flute/solo.wav")
    return _splits.find(folder)[0]


def test_tables_as_people_write_them_are_read(corpus, tmp_path):
    rows = ["drum\\0.wav;Training;", "./drum/1.wav;VAL;1", f"{corpus.root}/drum/2.wav;test;2", "solo;dev;", "",
            "elsewhere/own/flute/0.wav;eval;", "flute/1; test ;", "nowhere.wav;train;", ";train;"]
    path = tmp_path / "s.csv"
    path.write_bytes("\r\n".join(["\ufeffPath;Part;Group", *rows]).encode())
    with pytest.warns(UserWarning, match="2 of its files are not in the corpus.*the first: 'nowhere.wav'"):
        parts, groups = _splits.read_split(path, corpus)
    assert parts == {"drum/0": "train", "drum/1": "valid", "drum/2": "test", "flute/solo": "valid",
                     "flute/0": "test", "flute/1": "test"}  # fmt: skip
    assert groups == {"drum/1": "1", "drum/2": "2"}
    path.write_bytes(b"\xff\xfepath")
    with pytest.raises(AudiolibError, match="UTF-8"):
        _splits.read_split(path, corpus)


def test_a_name_in_two_labels_is_known_by_its_label_only(corpus, tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("path,part\ndrum/1.wav,train\nflute/1.wav,test\n1.wav,valid\nharp/solo.wav,valid\n")
    with pytest.warns(UserWarning, match="2 of its files .*or more than one clip could be meant"):
        assert _splits.read_split(path, corpus)[0] == {"drum/1": "train", "flute/1": "test"}


def test_what_is_written_is_read_again(corpus, tmp_path):
    parts = {clip.name: ("train", "valid", "test")[number % 3] for number, clip in enumerate(corpus.clips)}
    _splits.write_split(tmp_path / "s.csv", corpus, parts, {"drum/0": "a; b, \"c\""})
    assert _splits.read_split(tmp_path / "s.csv", corpus) == (parts, {"drum/0": "a; b, \"c\""})
    assert (tmp_path / "s.csv").read_text().startswith("path,part,group\ndrum/0.wav,train,")
