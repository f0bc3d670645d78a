"""The tables of the embedded corpus: every entry can be played, every bar is full."""

import numpy as np
import pytest

from audiolib import _scores, compose

SR = 22050


def test_the_genres_are_gtzans():
    expected = "blues classical country disco hiphop jazz metal pop reggae rock"
    assert compose.GENRES == tuple(expected.split()) == tuple(_scores.RECORDINGS)


@pytest.mark.parametrize("genre", compose.GENRES)
def test_every_entry_of_the_tables_can_be_played(genre):
    for style in _scores.STYLES[genre]:
        for chords in style["chords"]:
            for name in chords.replace("-", " ").split():
                compose._chord(name)
        assert set(style["scales"]) <= set(_scores.SCALES)
        assert style["parts"][0][4] == 1.0  # the first part is in every track
        bars = {len(bar) for part in style["parts"] for pattern in part[5] for bar in pattern.split("|")}
        assert len(bars) == 1 and bars.pop() % style["steps"] == 0
        for instruments, low, _, _, _, patterns in style["parts"]:
            assert set("".join(patterns)) <= set(".|XxoCc13568m")
            drums = set("".join(patterns)) <= set(".|Xxo")
            for instrument in instruments:
                y = compose._play(instrument, () if drums else (low, low + 19), 0.5, seed=0, sr=SR)
                assert 0.2 < np.abs(y).max() <= 1.001


@pytest.mark.parametrize("piece", _scores.PIECES)
def test_every_bar_of_a_piece_is_full_and_has_a_chord(piece):
    score = _scores.PIECES[piece]
    bars = score["melody"].split("|")
    assert [sum(float(note.split(":")[1]) for note in bar.split()) for bar in bars] == [score["beats"]] * len(bars)
    assert len(score["chords"].split()) == len(bars)
