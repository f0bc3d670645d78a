"""Numbers are set as in print, players play what they were given, tables show text as it is."""

import base64
import io
import re

import matplotlib.pyplot as plt
import myst_nb
import numpy as np
import pytest
import soundfile
from PIL import Image

from audiolib import AudiolibError, comparison, corpora, page, sounds

SR = 22050


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_a_keeper_glues_under_its_chapter_words_and_counts_as_they_are_and_the_rest_as_floats(monkeypatch):
    glued = {}
    monkeypatch.setattr(myst_nb, "glue", lambda name, value, display: glued.update({name: value}) or display)
    keep = page.Keeper("12")
    keep("lead-low", np.float32(0.5))
    keep("word", "Holds")
    keep(n=np.int64(7), own_start=3, ratio=np.mean([1, 2]))
    keep.verdict("fair", comparison.Verdict("Open", 1, 0, 9), ["word", "n"])
    assert glued == {"12-lead-low": 0.5, "12-word": "Holds", "12-n": 7, "12-own-start": 3, "12-ratio": 1.5,
                     "12-fair-word": "Open", "12-fair-n": 9}  # fmt: skip
    assert {type(value) for value in glued.values()} == {str, int, float}


def test_large_and_small_numbers_are_set_in_spaces_that_do_not_break():
    assert page.thousands(21862410) == "21\u202f862\u202f410"
    assert page.thousands(np.int64(-1000)) == "\u22121\u202f000"
    assert page.power_of_ten(2.2e-16) == "2\u00a0×\u00a010⁻¹⁶"
    assert page.power_of_ten(-3e7) == "\u22123\u00a0×\u00a010⁷"
    assert page.power_of_ten(0.0) == "0"


def test_differences_have_a_real_minus_and_nothing_has_no_sign():
    said = [page.points(x) for x in (0.0123, -0.04, 0.0, -0.0004, 0.0006)]
    assert said == ["+1.2", "\u22124.0", "0.0", "0.0", "+0.1"]


def test_intervals_are_cut_off_where_shares_end_and_left_out_where_there_are_none():
    assert page.percent(-0.1, 1.2) == "[0.0, 100.0]"
    row = {"value": 0.02, "low": -0.01, "high": 0.05}
    assert page.interval(row) == "+2.0 (\u22121.0 to +5.0)"
    assert page.interval(row, show="{:.2f}".format) == "0.02 (-0.01 to 0.05)"
    assert page.interval({"value": 0.02, "low": None, "high": None}) == "+2.0"


def test_a_p_value_shows_the_digits_that_matter_and_counts_agree_with_their_word():
    assert [page.p_value(p) for p in (1, 0.25, 0.0042, 1e-7, 0)] == [
        "p = 1.00", "p = 0.25", "p = 0.004", "p < 0.001", "p < 0.001"]  # fmt: skip
    with pytest.raises(AudiolibError, match=r"p=1\.5"):
        page.p_value(1.5)
    assert [page.plural(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]


# --- tables -----------------------------------------------------------------------------------------------------------


def test_a_table_has_text_to_the_left_numbers_to_the_right_and_shows_a_name_as_it_is():
    shown = page.table([["<b>Ke$ha & co", "1.50"], ["0012", page.HTML("<i>2</i>")]], ["name", "a < b"]).data
    assert "&lt;b&gt;Ke$ha &amp; co" in shown and "0012" in shown and "<i>2</i>" in shown and "a &lt; b" in shown
    assert "1.50" in shown, "a number is shown as it was formatted"
    assert shown.count("text-align: right") == 3, "the head and two cells of the second column"


def test_a_table_without_rows_still_says_its_columns_and_a_short_row_is_named():
    assert "share" in page.table([], ["name", "share"]).data
    with pytest.raises(AudiolibError, match="row 1 has 1 cells"):
        page.table([["a", "1"], ["b"]], ["name", "share"])


# --- players ----------------------------------------------------------------------------------------------------------


def peaks(y, sr):
    """Frequency of the strongest partial, from a spectrum with bins of at most 0.1 Hz."""
    return np.argmax(np.abs(np.fft.rfft(y * np.hanning(len(y)), 10 * sr))) / 10


def heard(shown):
    """What a browser would play: signal and rate."""
    return soundfile.read(io.BytesIO(base64.b64decode(re.search(r"data:audio/flac;base64,([^\"]+)", shown.data)[1])))


@pytest.mark.parametrize("sr", [8000, 11025, 16000, 22050, 32000, 44100, 48000, 10000, 96000])
def test_a_player_plays_what_it_was_given_at_any_rate(sr):
    y, rate = heard(page.player(sounds.tone(440, 2.0, sr=sr), sr, title="a tone"))
    middle = y[rate // 2 : 3 * rate // 2]
    assert len(y) / rate == pytest.approx(2.0, abs=0.15)
    assert peaks(middle, rate) == pytest.approx(440, abs=1)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.05)


def test_a_player_loses_nothing_that_is_faint_or_high():
    y = sounds.tone(10_500, 1.0, amplitude=0.001) + sounds.tone(300, 1.0, amplitude=0.3)
    played, rate = heard(page.player(y, SR, title="a faint high tone over a strong low one"))
    middle = slice(SR // 4, 3 * SR // 4)
    assert rate == SR and np.abs(played - y)[middle].max() <= 2**-15


def test_players_stand_in_one_row():
    shown = page.row(*(page.player(sounds.tone(f, 0.1), SR, title=f"{f} Hz") for f in (440, 880))).data
    assert shown.count("<audio") == 2 and shown.index("440\u202fHz") < shown.index("880\u202fHz")


def test_a_player_holds_five_seconds_and_a_small_page():
    shown = page.player(sounds.noise(60), SR, title="noise")
    y, rate = heard(shown)
    assert len(y) / rate == pytest.approx(5.0, abs=0.15)
    assert len(shown.data) < 300_000  # noise is what FLAC can shorten least


def test_a_player_is_silent_at_the_cuts():
    y, rate = heard(page.player(np.full(10 * SR, 0.5, dtype=np.float32), SR, title="constant"))
    assert np.abs(y[: rate // 1000]).max() < 0.1 and np.abs(y).max() > 0.4


def test_a_player_keeps_the_level_unless_asked_or_clipping():
    quiet = sounds.tone(440, amplitude=0.01)
    assert np.abs(heard(page.player(quiet, SR, title="t"))[0]).max() < 0.02
    assert np.abs(heard(page.player(quiet, SR, title="t", level="peak"))[0]).max() == pytest.approx(0.9, abs=0.1)
    loud = heard(page.player(5 * sounds.tone(440), SR, title="t"))[0]
    assert 0.9 < np.abs(loud).max() < 1.1
    assert peaks(loud, SR) == pytest.approx(440, abs=1)


def test_a_player_is_a_figure_with_its_title_escaped_and_said_to_screen_readers():
    shown = page.player(sounds.tone(440), SR, title='A <b> & "C"').data
    name = "A &lt;b&gt; &amp; &quot;C&quot;"
    assert shown.startswith('<figure class="audio-player"><figcaption>' + name)
    assert f'aria-label="{name}"' in shown and '<audio controls preload="metadata"' in shown


def test_a_player_knows_where_in_its_picture_a_figure_has_its_seconds():
    fig, ax = plt.subplots(figsize=(4, 2))
    ax.set_position((0.1, 0.2, 0.8, 0.7))
    ax.set_xlim(0.5, 3.5)
    shown = page.player(sounds.tone(440), SR, title="t", over=("fig-a", ax)).data
    one = "0.1000 0.9000 0.1000 0.8000 0.5000 3.5000"
    assert f'data-figure="fig-a" data-over="{one}"' in shown
    shown = page.player(sounds.tone(440), SR, title="t", over=("fig-a", ax, ax)).data
    assert f'data-over="{one}; {one}"' in shown
    assert "data-over" not in page.player(sounds.tone(440), SR, title="t").data
    plt.close(fig)


def test_a_light_player_is_a_fifth_of_the_bytes_and_plays_the_same_tone():
    heavy, light = (page.player(sounds.noise(3, amplitude=0.1) + sounds.tone(440, 3), SR, title="t", light=light).data
                    for light in (False, True))  # fmt: skip
    assert len(light) < len(heavy) / 4
    y, rate = soundfile.read(io.BytesIO(base64.b64decode(re.search(r"data:audio/mpeg;base64,([^\"]+)", light)[1])))
    assert len(y) / rate == pytest.approx(3.0, abs=0.15) and peaks(y, rate) == pytest.approx(440, abs=1)


def test_sounds_to_compare_are_marked_as_such():
    both = [page.player(sounds.tone(f, 0.1), SR, title=f"{f} Hz") for f in (440, 880)]
    assert page.row(*both, compare=True).data == f'<div class="compare">{page.row(*both).data}</div>'


def test_a_guess_holds_the_answers_folded_with_what_the_machine_says_as_text():
    one = page.player(sounds.tone(440, 0.1), SR, title="A")
    said = [("pop", "It says pop."), ("<x>", "It says <x>.")]
    shown = page.guess([one, one], ["pop", "r&b"], said, ["pop", "r&b"]).data
    assert 'data-choices="pop|r&amp;b"' in shown and shown.count("<audio") == 2
    assert 'data-answer="pop" data-machine="pop"' in shown and 'data-answer="r&amp;b" data-machine="&lt;x&gt;"' in shown
    assert "It is <b>r&amp;b</b>. It says &lt;x&gt;.</p></details>" in shown
    with pytest.raises(ValueError):
        page.guess([one], ["pop", "rock"], [("pop", "")], ["pop", "rock"])


def test_silence_has_a_player():
    assert np.abs(heard(page.player(np.zeros(SR), SR, title="silence", level="peak"))[0]).max() < 1e-3


@pytest.mark.parametrize(
    "y, options, says",
    [
        ([], {}, "one channel with samples"),
        (np.zeros((2, SR)), {}, "y.mean(axis=0)"),
        ([0.0, np.nan], {}, "1 of 2 samples"),
        ([0.0, np.inf], {}, "infinite"),
        (np.zeros(SR), {"level": "loud"}, "keep"),
        (np.zeros(SR), {"seconds": 0}, "seconds=0"),
    ],
)
def test_a_player_refuses_what_cannot_be_played_and_says_why(y, options, says):
    with pytest.raises(AudiolibError, match=re.escape(says)):
        page.player(np.asarray(y), SR, title="t", **options)


def test_a_film_moves_and_can_be_held_still_at_its_last_picture():
    fig, ax = plt.subplots(figsize=(2, 1))
    (line,) = ax.plot([0, 1], [0, 0])
    shown = page.film(fig, lambda i: line.set_ydata([0, i]), 3, alt="A line <rises>").data
    still, moving = (base64.b64decode(data) for data in re.findall(r"base64,([^\"]+)", shown))
    film, last = Image.open(io.BytesIO(moving)), Image.open(io.BytesIO(still))
    assert film.n_frames == 3 and film.size == last.size
    film.seek(2)
    assert np.array_equal(np.asarray(film.convert("RGB")), np.asarray(last))
    assert shown.count('alt="A line &lt;rises&gt;"') == 2 and "prefers-reduced-motion" in shown
    assert not plt.fignum_exists(fig.number)


def test_a_film_of_one_picture_is_refused():
    with pytest.raises(AudiolibError, match="count=1"):
        page.film(plt.figure(), print, 1, alt="nothing")


# --- what a chapter takes from a corpus -------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path_factory):
    """Two labels, three clips of 0.5 s each; the first of a is no audio, the second of b is silent."""
    folder = tmp_path_factory.mktemp("own")
    for label in "ab":
        (folder / label).mkdir()
        for k in range(3):
            soundfile.write(folder / label / f"{k}.wav", sounds.tone(220 * (k + 1), 0.5, sr=SR), SR)
    (folder / "a" / "0.wav").write_bytes(bytes(20000))
    soundfile.write(folder / "b" / "1.wav", np.zeros(SR), SR)
    return folder


def test_the_clip_that_is_asked_for_is_picked_or_the_next_that_can_be_heard(folder, capsys):
    corpus = corpora.load(folder)
    assert page.pick(corpus, 1)[0].name == "a/1"
    assert not capsys.readouterr().out
    clip, y, sr = page.pick(corpus, 0, sr=8000)
    assert (clip.name, sr, len(y)) == ("a/1", 8000, 4000)
    said = capsys.readouterr().out
    assert "left out: a/0: " in said and str(folder) not in said
    assert page.pick(corpus, 4)[0].name == "b/2"
    assert "b/1: silent" in capsys.readouterr().out
    assert page.pick(corpus, 99)[0].name == "b/2"


def test_clips_are_taken_evenly_from_each_label_and_the_broken_ones_named(folder, capsys):
    some = page.evenly(corpora.load(folder), 2)
    assert [clip.name for clip in some.clips] == ["a/2", "b/0", "b/2"]
    said = capsys.readouterr().out
    assert "left out: a/0: " in said and str(folder) not in said
    assert page.evenly(corpora.load(folder), 1).labels == ("b",), "a label without clips is none"


def test_a_corpus_of_which_nothing_can_be_used_is_said_to_be_one(folder):
    for path in folder.rglob("*.wav"):
        path.write_bytes(bytes(20000))
    with pytest.raises(AudiolibError, match="none of its 6 clips"):
        page.pick(corpora.load(folder), 0)
    with pytest.raises(AudiolibError, match="each of the 2 clips"):
        page.evenly(corpora.load(folder), 1)


def test_the_middle_of_a_short_signal_is_all_of_it():
    y = np.arange(100)
    np.testing.assert_array_equal(page.middle(y, 10, 4.0), np.arange(30, 70))
    np.testing.assert_array_equal(page.middle(y, 10, 40.0), y)


def test_a_picture_goes_to_other_pages_with_its_alternative_text():
    import matplotlib.pyplot as plt

    fig, _ = plt.subplots()
    shown = page.picture(fig, alt='A line "up"', caption="<em>Up</em>").data
    assert 'alt="A line &quot;up&quot;"' in shown and "<figcaption><p><em>Up</em></p></figcaption>" in shown
    image = base64.b64decode(re.search(r"base64,([^\"]+)", shown)[1])
    assert Image.open(io.BytesIO(image)).format == "WEBP"
    assert not plt.fignum_exists(fig.number), "it is not shown where it is made"


# --- drawings on cards ------------------------------------------------------------------------------------------------


def test_a_drawing_puts_values_and_intervals_where_they_belong_and_says_them_in_words():
    rows = {"a < b": {"value": 0.02, "low": -0.02, "high": 0.06},
            "one run": {"value": -0.04, "low": None, "high": None}}  # fmt: skip
    drawn = page.dots(rows, "points", span=(0.0, 0.01)).data

    def places(mark):
        found = re.findall(f'dots-{mark}" style="left: (.+?)%; width: (.+?)%', drawn)
        return [tuple(map(float, ends)) for ends in found]

    assert places("dot") == [(59.0, 0.0), (5.0, 0.0)]  # -4 lies at 5 %, +6 at 95 %: 9 % a point
    assert places("bar") == [(23.0, 72.0)], "none where no interval is known"
    assert places("line") == [(41.0, 0.0)] * 2 and places("span") == [(41.0, 9.0)] * 2
    assert 'aria-label="points: a &lt; b +2.0 (\u22122.0 to +6.0); one run \u22124.0"' in drawn
    assert "<em>points</em><em><u>\u22124.0</u><u>+6.0</u></em>" in drawn and "a < b" not in drawn


def test_in_a_drawing_of_ratios_half_and_twice_are_equally_far_from_one():
    drawn = page.dots({"pair": {"value": 1.0, "low": 0.5, "high": 2.0}}, "times", ratio=True).data
    assert re.findall('left: (.+?)%; width: (.+?)%', drawn) == [("50.0", "0.0"), ("5.0", "90.0"), ("50.0", "0.0")]
    assert page.dots({}, "times").data == ""
