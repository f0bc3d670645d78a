"""The figures say what the data say, in true units; they draw where they are told and refuse what they cannot draw."""

import inspect
import re
import subprocess
import sys
from itertools import pairwise
from typing import NamedTuple

import librosa
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from audiolib import AudiolibError, plots

SR = 22050
TONE = np.sin(2 * np.pi * 1000 * np.arange(SR) / SR)
NOISE = np.random.default_rng(0).normal(0, 0.1, 30 * SR)
MEL_DB = librosa.power_to_db(librosa.feature.melspectrogram(y=TONE, sr=SR))
DISTANCE = np.abs(np.subtract.outer(np.arange(6.0), np.arange(4.0)))
HISTORY = {"accuracy": [0.2, 0.5, 0.8], "val_accuracy": [0.1, 0.4, 0.6], "loss": [2.0, 1.0, 0.5]}
ROWS = [{"value": 0.2, "low": 0.1, "high": 0.4}, {"value": 0.5, "low": None, "high": None}]

FIGURES = {
    "waveform": lambda ax=None: plots.waveform(TONE, SR, ax=ax),
    "spectrum": lambda ax=None: plots.spectrum(TONE, SR, ax=ax),
    "spectrogram": lambda ax=None: plots.spectrogram(TONE, SR, ax=ax),
    "spectrogram, log": lambda ax=None: plots.spectrogram(TONE, SR, scale="log", ax=ax),
    "mel_spectrogram": lambda ax=None: plots.mel_spectrogram(TONE, SR, ax=ax),
    "chromagram": lambda ax=None: plots.chromagram(np.eye(12), SR, ax=ax),
    "mfcc": lambda ax=None: plots.mfcc(librosa.feature.mfcc(S=MEL_DB), SR, ax=ax),
    "similarity": lambda ax=None: plots.similarity(DISTANCE, path=[[0, 0], [5, 3]], ax=ax),
    "confusion": lambda ax=None: plots.confusion([[3, 1], [0, 4]], ["blues", "rock"], ax=ax),
    "history": lambda ax=None: plots.history(HISTORY, ax=ax),
    "curves": lambda ax=None: plots.curves(LINES, xlabel="Delay (s)", ylabel="Level (dB)", ax=ax),
    "forest": lambda ax=None: plots.forest(["a", "b"], [0.5, 0.6], [0.4, 0.5], [0.6, 0.7], chance=0.1, ax=ax),
    "differences": lambda ax=None: plots.differences(["a", "b"], ROWS, mean=ROWS[0], ax=ax),
    "slopes": lambda ax=None: plots.slopes({"a": {"x": ROWS[0], "y": ROWS[0]}, "b": {"y": ROWS[0]}}, ax=ax),
    "genres": lambda ax=None: plots.genres([0.0, 3.0], [[0.9, 0.1], [0.2, 0.8]], ["blues", "rock"], ax=ax),
    "pareto": lambda ax=None: plots.pareto(["a", "b"], [100, 2000], [0.5, 0.6], [0.4, 0.5], [0.6, 0.7], ax=ax),
}


LINES = {"rise": ([0, 1, 2], [0, 1, 4]), "fall": ([0, 2], [3, 1])}


@pytest.fixture(autouse=True)
def _figures_closed():
    plt.close("all")  # of another test file in the same process
    yield
    plt.close("all")


def image(ax):
    """What a spectrogram drew: levels, and the time and frequency at which each cell begins and ends."""
    if ax.images:
        data = ax.images[0].get_array()
        t0, t1, f0, f1 = ax.images[0].get_extent()
        return data, np.linspace(t0, t1, data.shape[1] + 1), np.linspace(f0, f1, data.shape[0] + 1)
    corners = np.asarray(ax.collections[0].get_coordinates())
    return ax.collections[0].get_array(), corners[0, :, 0], corners[:, 0, 1]


def loudest(ax, column):
    """Lower and upper frequency of the loudest cell in a column."""
    data, _, edges = image(ax)
    row = int(np.argmax(data[:, column]))
    return edges[row], edges[row + 1]


# ------------------------------------------------------------------------------------- what holds for every figure


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_returned_with_units_and_never_shown(name, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("show was called"))
    fig, ax = FIGURES[name]()
    assert ax.figure is fig
    assert plt.get_fignums() == [fig.number]
    fig.canvas.draw()
    assert ax.get_xlabel()
    assert name in ("forest", "differences", "genres") or ax.get_ylabel()
    if "Time" in ax.get_xlabel():
        assert ax.get_xlabel().endswith("(s)")


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_on_the_axes_it_is_given(name):
    fig, (left, right) = plt.subplots(1, 2)
    assert FIGURES[name](ax=right) == (fig, right)
    assert right.has_data()
    assert not left.has_data()
    assert plt.get_fignums() == [fig.number]


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_off_at_the_edge_of_the_figure(name):
    fig, _ = FIGURES[name]()
    fig.canvas.draw()
    box, width, height = fig.get_tightbbox(), *fig.get_size_inches()
    assert 0 <= box.x0 < box.x1 <= width + 0.01
    assert 0 <= box.y0 < box.y1 <= height + 0.01


def test_the_style_leaves_the_settings_of_the_session_alone():
    before = dict(mpl.rcParams)
    FIGURES["waveform"]()
    assert dict(mpl.rcParams) == before


def test_use_style_sets_the_style_for_the_session():
    with mpl.rc_context():
        plots.use_style()
        fig, ax = plt.subplots()
        assert fig.get_size_inches()[0] == plots.WIDTH
        assert ax.plot([1, 2])[0].get_color() == plots.PALETTE[0]
        assert not ax.spines["top"].get_visible()


def test_in_a_notebook_figures_keep_their_size_and_are_sharp():
    code = (
        "from IPython.core.interactiveshell import InteractiveShell as S\n"
        "S.instance()\n"
        "from audiolib import plots\n"
        "plots.use_style()\n"
        "from matplotlib_inline.config import InlineBackend as B\n"
        "print(sorted(B.instance().figure_formats), B.instance().print_figure_kwargs)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['retina'] {'bbox_inches': None}"


@pytest.mark.parametrize("name", [*{name.split(",")[0]: 0 for name in FIGURES}, "architecture", "waveforms"])
def test_the_help_of_a_figure_explains_every_parameter(name):
    draw = getattr(plots, name)
    for parameter in inspect.signature(draw).parameters:
        told = re.search(rf"^[\w, *]*\b{parameter}\b[\w, ]* : \S", draw.__doc__, re.MULTILINE)
        assert told, f"{name}({parameter}) is not explained"


ODD = ["Ke$ha & Ca$h", "_a_b", r"\alpha {x} 100 %", "one\n\x07line", "a very long label " * 9, "", "$\\frac{"]
SHOWN = [*ODD[:3], "one line", "a very long la … long label", "(no name)", "$\\frac{"]


def _confusion_of_odd_names():
    _, ax = plots.confusion(5 * np.eye(len(ODD), dtype=int), ODD)
    return [*ax.get_xticklabels(), *ax.get_yticklabels()], 2 * SHOWN


def _similarity_of_odd_names():
    _, ax = plots.similarity(DISTANCE, names=ODD[:2])
    return [ax.yaxis.label, ax.xaxis.label], [f"{name} (frame)" for name in SHOWN[:2]]


def _history_of_odd_names():
    _, ax = plots.history({name: {"loss": [3, i]} for i, name in enumerate(ODD)}, "loss")
    return ax.texts, SHOWN


def _forest_of_odd_names():
    names = [name for name in ODD if "\n" not in name]
    _, ax = plots.forest(names, *np.full((3, len(names)), 0.5))
    long = "a very long label a very … bel a very long label"
    return ax.texts[::2], [long if "…" in name else name for name in SHOWN if name != "one line"]


def _pareto_of_odd_names():
    shares = np.linspace(0.2, 0.8, len(ODD))
    _, ax = plots.pareto(ODD, 10 ** np.arange(1, len(ODD) + 1), shares, shares, shares, groups=ODD)
    return [*ax.texts, *ax.get_legend().get_texts()], 2 * SHOWN


@pytest.mark.parametrize("draw", [
    _confusion_of_odd_names, _similarity_of_odd_names, _history_of_odd_names, _forest_of_odd_names,
    _pareto_of_odd_names])  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_names_are_data_and_are_drawn_letter_by_letter(draw):
    texts, shown = draw()
    texts[0].figure.canvas.draw()
    assert [text.get_text() for text in texts] == shown
    assert not any(text._preprocess_math(text.get_text())[1] for text in texts), "taken for mathematics"


def lightness(color):
    """L* of CIELAB, 0 (black) to 100 (white), for D65."""
    c = np.array(mpl.colors.to_rgb(color))
    y = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(y) - 16 if y > 216 / 24389 else y * 24389 / 27


def test_levels_fall_evenly_in_lightness_so_that_they_survive_print_in_grey():
    steps = np.linspace(0, 1, 101)
    drawn = np.array([lightness(plots.CMAP(s)) for s in steps])
    assert drawn[0] > 97 and drawn[-1] < 10
    assert np.abs(drawn - np.interp(steps, [0, 1], drawn[[0, -1]])).max() < 2.5


def test_the_first_lines_of_a_figure_differ_in_grey():
    shades = [lightness(c) for c in plots.PALETTE]
    assert np.abs(np.diff(shades)).min() > 6
    assert np.diff(sorted(shades[:3])).min() > 20


# ----------------------------------------------------------------------------------------------------------- sound


def test_a_long_waveform_keeps_every_peak_in_few_points():
    y = NOISE.copy()
    y[[0, 123_456, len(y) - 1]] = 0.9, 1.0, -1.0
    _, ax = plots.waveform(y, SR, start=2)
    t, drawn = ax.lines[0].get_data()
    assert len(t) <= 4000
    assert t[np.argmax(drawn)] == pytest.approx(2 + 123_456 / SR)
    assert t[np.argmin(drawn)] == pytest.approx(2 + (len(y) - 1) / SR)
    assert (np.diff(t) > 0).all()
    assert ax.get_xlim() == pytest.approx((2, 32))


def test_a_short_waveform_is_drawn_sample_by_sample():
    _, ax = plots.waveform(TONE[:500], SR)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), TONE[:500])
    np.testing.assert_allclose(ax.lines[0].get_xdata(), np.arange(500) / SR)


def test_waveforms_stand_one_above_the_other_on_the_same_axes_by_name():
    fig, axes = plots.waveforms({"Ke$ha & Ca$h": TONE, "short": TONE[:500]}, SR)
    fig.canvas.draw()
    assert [ax.get_ylabel() for ax in axes] == ["Ke$ha & Ca$h", "short"]
    assert axes[0].get_xlim() == axes[1].get_xlim() == (0, 1)
    assert axes[0].get_ylim() == axes[1].get_ylim()
    assert [ax.get_xlabel() for ax in axes] == ["", "Time (s)"]
    assert len(plots.waveforms({"one": TONE}, SR)[1]) == 1
    for nothing in ({}, [TONE]):
        with pytest.raises(AudiolibError, match="mapping of names"):
            plots.waveforms(nothing, SR)


def test_curves_reach_from_end_to_end_and_are_named_where_they_leave():
    _, ax = plots.curves(LINES, xlabel="Delay (s)", ylabel="Level (dB)", ylim=(0, 5))
    assert ax.get_xlim() == (0, 2) and ax.get_ylim() == (0, 5)
    heights = {text.get_text(): text.xy[1] for text in ax.texts}
    assert heights["rise"] == pytest.approx(0.8) and heights["fall"] == pytest.approx(0.2)


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("seconds", [1, 30])
def test_the_peak_of_a_1_kHz_tone_is_drawn_at_1000_Hz(scale, seconds):
    y = 0.5 * np.tile(TONE, seconds)
    _, ax = plots.spectrum(y, SR, scale=scale)
    f, level = ax.lines[0].get_data()
    assert f[np.argmax(level)] == pytest.approx(1000)
    assert level.max() == pytest.approx(20 * np.log10(0.5), abs=1e-6)
    assert len(f) <= 4001
    assert ax.get_xscale() == scale
    assert ax.get_xlim() == pytest.approx((20 if scale == "log" else 0, SR / 2))


@pytest.mark.parametrize("samples", [1000, 1001])
def test_the_spectrum_shows_the_amplitude_of_each_sinusoid(samples):
    t = np.arange(samples) / samples
    y = 0.25 + 0.5 * np.sin(2 * np.pi * 100 * t) + 0.2 * np.cos(2 * np.pi * 300 * t)
    y += 0.1 * np.cos(np.pi * np.arange(samples)) * (samples % 2 == 0)  # half the sample rate
    _, ax = plots.spectrum(y, samples, db=False)
    f, strength = ax.lines[0].get_data()
    found = dict(zip(f[strength > 1e-6].round(), strength[strength > 1e-6].round(6), strict=True))
    assert found == {0: 0.25, 100: 0.5, 300: 0.2} | ({500: 0.1} if samples % 2 == 0 else {})


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_the_spectrogram_shows_a_tone_at_its_frequency_and_times(scale):
    y = np.concatenate([TONE, np.sin(2 * np.pi * 5000 * np.arange(SR) / SR)])
    _, ax = plots.spectrogram(y, SR, scale=scale)
    _, t, _ = image(ax)
    early, late = np.searchsorted(t, [0.5, 1.5])
    for column, frequency in ((early, 1000), (late, 5000)):
        low, high = loudest(ax, column)
        assert low <= frequency <= high
        assert high - low < 60
    assert t[0] == pytest.approx(-256 / SR)  # frame 0 is centred on 0
    assert np.diff(t) == pytest.approx(512 / SR)
    assert ax.get_yscale() == scale
    assert ax.get_xlim() == pytest.approx((0, 2), abs=512 / SR)


def test_a_logarithmic_axis_gives_each_octave_the_same_height():
    fig, ax = plots.spectrogram(TONE, SR, scale="log")
    fig.canvas.draw()
    y = ax.transData.transform([(0, f) for f in (125, 250, 500, 1000, 2000)])[:, 1]
    assert np.diff(y) == pytest.approx(np.diff(y)[0])
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    assert labels == ["20", "50", "100", "200", "500", "1k", "2k", "5k", "10k"]


def test_thinning_a_logarithmic_spectrogram_loses_no_partial():
    S = np.full((1025, 3), -60.0)
    S[[100, 700, 1000]] = 0.0
    _, ax = plots.spectrogram(S, SR, scale="log")
    data, _, edges = image(ax)
    assert len(data) < 600
    for bin_ in (100, 700, 1000):
        row = np.searchsorted(edges, bin_ * SR / 2048) - 1
        assert data[row, 0] == 0
    assert (data == 0).sum() == 9


@pytest.mark.parametrize("draw", [plots.spectrogram, plots.mel_spectrogram])
def test_a_signal_and_its_levels_give_the_same_picture(draw):
    if draw is plots.spectrogram:
        levels = librosa.amplitude_to_db(np.abs(librosa.stft(NOISE[:SR])), ref=1.0, top_db=None)
    else:
        levels = librosa.power_to_db(librosa.feature.melspectrogram(y=NOISE[:SR], sr=SR), ref=1.0, top_db=None)
    (_, one), (_, two) = draw(NOISE[:SR], SR), draw(levels, SR)
    np.testing.assert_allclose(image(one)[0], image(two)[0], atol=1e-4)
    np.testing.assert_allclose(image(one)[1], image(two)[1])


def test_colours_reach_top_db_below_the_loudest_level_and_are_labelled():
    fig, ax = plots.spectrogram(TONE, SR, top_db=60)
    low, high = ax.images[0].get_clim()
    assert high == pytest.approx(20 * np.log10(512), abs=0.1)  # a Hann window of 2048 adds up half of a sine: 512
    assert high - low == 60
    assert fig.axes[-1].get_ylabel() == "Level (dB re 1)"
    assert plots.spectrogram(TONE, SR, limits=(-50, 10))[1].images[0].get_clim() == (-50, 10)


def test_silence_is_pale():
    for draw in (plots.spectrogram, plots.mel_spectrogram):
        _, ax = draw(np.zeros(SR), SR)
        drawn = (ax.images or ax.collections)[0]
        assert drawn.norm(drawn.get_array()).max() == 0


def test_magnitudes_can_be_shown_as_they_are():
    fig, ax = plots.spectrogram(TONE, SR, unit="amplitude")
    assert ax.images[0].get_clim() == pytest.approx((0, 512), rel=0.01)
    assert fig.axes[-1].get_ylabel() == "Amplitude"


def test_mel_bands_have_the_same_height_and_their_true_frequencies():
    fig, ax = plots.mel_spectrogram(TONE, SR)
    low, high = loudest(ax, 20)
    assert low < 1000 < high
    centres = librosa.mel_frequencies(n_mels=130, fmax=SR / 2)[1:-1]
    _, _, edges = image(ax)
    assert ((edges[:-1] < centres) & (centres < edges[1:])).all()
    fig.canvas.draw()
    heights = np.diff(ax.transData.transform([(0, f) for f in edges])[:, 1])
    assert heights == pytest.approx(heights[0])


@pytest.mark.parametrize("draw", [plots.spectrogram, plots.mel_spectrogram])
def test_a_long_recording_is_drawn_in_few_columns_without_losing_the_loudest(draw):
    S = np.full((129, 12_001), -60.0)
    S[40, 7_777] = S[41, 12_000] = 0.0
    _, ax = draw(S, SR)
    data, t, _ = image(ax)
    assert data.shape[1] <= 2000
    for row, frame in ((40, 7_777), (41, 12_000)):
        column = int(np.argmax(data[row]))
        assert data[row, column] == 0
        assert t[column] <= frame * 512 / SR <= t[column + 1]
    assert ax.get_xlim() == pytest.approx((0, 12_000 * 512 / SR))


def test_a_pitch_class_is_drawn_in_its_row():
    C = np.zeros((12, 20))
    C[9] = 1
    _, ax = plots.chromagram(C, SR)
    low, high = loudest(ax, 0)
    assert ax.get_yticklabels()[round((low + high) / 2)].get_text() == "A"


def test_the_two_large_coefficients_do_not_set_the_colours_of_the_others():
    M = np.random.default_rng(0).normal(0, 10, (13, 200))
    M[0] -= 400
    M[1] += 150
    _, ax = plots.mfcc(M, SR)
    low, high = ax.collections[0].get_clim()
    assert -40 < low < -15 and 15 < high < 40


def test_a_path_lies_on_the_cells_it_names():
    path = np.array([[0, 0], [1, 1], [3, 2], [5, 3]])
    _, ax = plots.similarity(DISTANCE, path=path, names=("Slow", "Fast"), hop_seconds=(0.5, 0.25))
    np.testing.assert_allclose(ax.lines[0].get_xydata(), path[:, ::-1] * [0.25, 0.5])
    assert ax.images[0].get_extent() == pytest.approx((-0.125, 0.875, -0.25, 2.75))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Fast (s)", "Slow (s)")
    alike, unlike = (lightness(ax.images[0].cmap(ax.images[0].norm(d))) for d in (0.0, 5.0))
    assert alike < unlike


def test_the_path_of_librosa_can_be_passed_as_it_is():
    path = librosa.sequence.dtw(C=DISTANCE)[1]
    assert len(plots.similarity(DISTANCE, path=path)[1].lines) == 1


# --------------------------------------------------------------------------------------------------------- results


def test_confusion_shows_counts_and_colours_shares_of_the_row():
    _, ax = plots.confusion([[30, 10], [0, 4]], ["blues", "rock"])
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.75, 0.25], [0, 1]])
    assert {text.get_position(): text.get_text() for text in ax.texts} == {(0, 0): "30", (1, 0): "10", (1, 1): "4"}
    assert ax.yaxis_inverted()


def test_confusion_draws_a_class_that_never_occurs():
    _, ax = plots.confusion([[0, 0], [1, 4]], ["blues", "rock"])
    assert ax.images[0].get_array()[0].tolist() == [0, 0]


def test_history_begins_at_epoch_1_and_names_its_lines():
    _, ax = plots.history(HISTORY)
    dotted, solid = ax.lines
    assert dotted.get_xdata()[0] == solid.get_xdata()[0] == 1
    assert list(dotted.get_ydata()) == HISTORY["accuracy"]
    assert list(solid.get_ydata()) == HISTORY["val_accuracy"]
    assert solid.get_linestyle() == "-" != dotted.get_linestyle()
    assert {text.get_text() for text in ax.texts} == {"training", "validation"}


def test_names_of_lines_that_end_together_do_not_overlap():
    runs = {name: {"accuracy": [0.1, 0.9], "val_accuracy": [0.1, 0.7 + i / 1000]} for i, name in enumerate("abcd")}
    fig, ax = plots.history(runs)
    fig.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    assert [text.get_text() for text in ax.texts] == list("abcd")
    assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes))


def test_history_takes_what_keras_returns_and_a_metric_without_validation():
    class Keras:
        history = HISTORY

    assert len(plots.history(Keras())[1].lines) == 2
    assert len(plots.history({"small": Keras(), "large": Keras()})[1].lines) == 4
    assert [text.get_text() for text in plots.history(Keras(), "loss")[1].texts] == ["training"]


def test_forest_draws_value_interval_paper_and_chance_in_percent():
    _, ax = plots.forest(["a", "b"], [0.8, 0.6], [0.7, 0.5], [0.85, 0.7], paper=[(0.83, 0.87), None], chance=0.1)
    intervals, dots = ax.collections
    np.testing.assert_allclose(intervals.get_segments(), [[[70, 0], [85, 0]], [[50, 1], [70, 1]]])
    np.testing.assert_allclose(dots.get_offsets(), [[80, 0], [60, 1]])
    (bar,) = ax.patches
    assert (bar.get_x(), bar.get_width()) == pytest.approx((83, 4))
    assert list(ax.lines[0].get_xdata()) == [10, 10]
    assert "80.0  [70.0, 85.0]" in [text.get_text() for text in ax.texts]
    assert ax.yaxis_inverted()


@pytest.mark.parametrize("color", [(0, 0, 1), (0, 0, 1, 1), np.array([0, 0, 1.0]), "blue", "#00f", ["blue", (0, 0, 1)]])
def test_a_forest_takes_any_colour_for_all_rows_or_one_for_each(color):
    _, ax = plots.forest(["a", "b"], [0.8, 0.6], [0.7, 0.5], [0.85, 0.7], color=color)
    for marks in ax.collections:
        np.testing.assert_array_equal(np.broadcast_to(marks.get_edgecolor()[:, :3], (2, 3)), [[0, 0, 1]] * 2)


def test_only_networks_that_no_cheaper_one_equals_are_on_the_front():
    costs, shares = [900, 10, 100, 100, 1000], np.array([0.5, 0.3, 0.6, 0.4, 0.7])
    _, ax = plots.pareto("abcde", costs, shares, shares - 0.1, shares + 0.1, groups="xxyyy")
    stairs = ax.lines[0]
    assert stairs.get_drawstyle() == "steps-post"
    assert list(zip(stairs.get_xdata(), stairs.get_ydata(), strict=True))[:3] == [(10, 30), (100, 60), (1000, 70)]
    assert [text.get_text() for text in ax.texts] == ["b", "c", "e"]
    assert ax.get_xscale() == "log"
    drawn = np.concatenate([dots.get_offsets() for dots in ax.collections[1::2]])
    np.testing.assert_allclose(drawn, np.column_stack([costs, 100 * shares]))
    np.testing.assert_allclose(ax.collections[0].get_segments(), [[[900, 40], [900, 60]], [[10, 20], [10, 40]]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["x", "y"]


def test_names_and_figures_in_a_forest_stand_above_their_bar_and_free_of_one_another():
    names = [f"the longest name that is used, of network number {number}" for number in range(6)]
    fig, ax = plots.forest(names, [0.5] * 6, [0.4] * 6, [0.6] * 6)
    fig.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert all(not a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    bars = ax.transData.transform([(50, row) for row in range(6)])[:, 1]
    for name, bar, above in zip(boxes[::2], bars, [np.inf, *bars], strict=False):
        assert bar + 2 < name.y0 < name.y1 < above - 2


def test_names_on_a_crowded_front_do_not_overlap():
    shares = np.array([0.5, 0.501, 0.502, 0.503])
    fig, ax = plots.pareto(["one", "two", "three", "four"], [100, 101, 102, 103], shares, shares - 0.1, shares + 0.1)
    fig.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert all(not a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_names_on_a_front_hide_none_of_its_points():
    names = ["square-separable, mel", "square-separable-wide, mel", "square, mel", "square-wide, mel", "dense, mel"]
    costs, shares = [14_394, 50_282, 99_402, 392_330, 9e6], np.array([0.62, 0.657, 0.669, 0.709, 0.43])
    fig, ax = plots.pareto(names, costs, shares, shares - 0.05, shares + 0.05)
    fig.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    points = ax.transData.transform(np.column_stack([costs, 100 * shares]))
    assert len(boxes) == 4 and all(box.x0 > ax.bbox.x0 for box in boxes)
    assert not any(box.contains(*point) for box in boxes for point in points)


# -------------------------------------------------------------------------------------------------- input refused

STFT = librosa.stft(TONE)
REFUSED = {
    "a spectrogram as a signal": (lambda: plots.waveform(np.abs(STFT)), "did you pass a spectrogram"),
    "stereo, channels first": (lambda: plots.waveform(np.zeros((2, 9000))), r"mix it down: y.mean\(axis=0\)"),
    "stereo, channels last": (lambda: plots.spectrum(np.zeros((9000, 2))), r"mix it down: y.mean\(axis=1\)"),
    "stereo as a spectrogram": (lambda: plots.spectrogram(np.zeros((9001, 2))), "did you pass stereo"),
    "stereo as a mel spectrogram": (lambda: plots.mel_spectrogram(np.zeros((2, 9000))), "did you pass stereo"),
    "a batch": (lambda: plots.mel_spectrogram(np.zeros((8, 130, 128))), r"choose one: S\[i\].T"),
    "a pair (y, sr)": (lambda: plots.waveform((TONE, SR)), r"pair such as \(y, sr\)"),
    "a pair (y, sr) as a spectrogram": (lambda: plots.spectrogram((TONE, SR)), r"pair such as \(y, sr\)"),
    "a file name": (lambda: plots.waveform("blues.00000.wav"), "did you pass a file name"),
    "words": (lambda: plots.waveform(["a", "b"]), "not an array of numbers"),
    "nothing": (lambda: plots.waveform(None), "NaN|not an array"),
    "an empty signal": (lambda: plots.waveform([]), r"y: empty, shape \(0,\)"),
    "NaN": (lambda: plots.waveform([0.0, np.nan, 1.0]), "1 of 3 values are NaN"),
    "infinity": (lambda: plots.mel_spectrogram(np.log10(np.eye(4))), "log of 0"),
    "a complex signal": (lambda: plots.spectrum(np.fft.rfft(TONE)), "did you pass a Fourier transform"),
    "a number": (lambda: plots.waveform(3.0), "a single number"),
    "a rate of 0": (lambda: plots.waveform(TONE, 0), "sr=0"),
    "a rate in words": (lambda: plots.waveform(TONE, "fast"), "sr='fast'"),
    "half a sample": (lambda: plots.spectrogram(TONE, SR, hop_length=0.5), "hop_length=0.5: must be a whole number"),
    "an unknown scale": (lambda: plots.spectrogram(TONE, SR, scale="bark"), "scale='bark'"),
    "frequencies in kHz": (lambda: plots.spectrum(TONE, SR, fmin=20, fmax=8), "did you give kHz"),
    "above half the rate": (lambda: plots.spectrogram(TONE, SR, fmax=20000), "half the sample rate"),
    "between two bins": (lambda: plots.spectrum(TONE[:50], SR, fmin=10, fmax=20), "441 Hz apart"),
    "amplitudes as dB": (lambda: plots.spectrogram(np.abs(STFT), SR), "did you pass amplitudes or powers"),
    "dB as amplitudes": (lambda: plots.spectrogram(-np.abs(STFT), SR, unit="amplitude"), "did you pass dB"),
    "a transposed spectrogram": (lambda: plots.spectrogram(STFT.T, SR), "pass S.T"),
    "an STFT as a mel spectrogram": (lambda: plots.mel_spectrogram(STFT, SR), "use spectrogram"),
    "a negative range": (lambda: plots.spectrogram(TONE, SR, top_db=-80), "top_db=-80"),
    "transposed chroma": (lambda: plots.chromagram(np.ones((40, 12))), "pass C.T"),
    "a signal as chroma": (lambda: plots.chromagram(TONE), "chroma_cqt"),
    "a mel spectrogram as chroma": (lambda: plots.chromagram(np.ones((128, 40))), "128 rows"),
    "a signal as MFCC": (lambda: plots.mfcc(TONE), "librosa.feature.mfcc"),
    "similarities below 0": (lambda: plots.similarity(-DISTANCE), "never negative"),
    "a swapped path": (lambda: plots.similarity(DISTANCE, path=[[0, 0], [3, 5]]), "swap its columns"),
    "a path of one column": (lambda: plots.similarity(DISTANCE, path=[[0], [1]]), "path: up to"),
    "shares as counts": (lambda: plots.confusion([[0.5, 0.5], [0, 1]], ["a", "b"]), "did you pass shares"),
    "too few labels": (lambda: plots.confusion([[1, 0], [0, 1]], ["a"]), "1 labels"),
    "an unknown metric": (lambda: plots.history(HISTORY, "f1"), "has only accuracy, val_accuracy, loss"),
    "no history": (lambda: plots.history([0.1, 0.2]), "runs: list"),
    "a run without epochs": (lambda: plots.history({"accuracy": []}), "accuracy: empty"),
    "percent": (lambda: plots.forest(["a"], [50], [40], [60]), "divide by 100"),
    "half-widths": (lambda: plots.forest(["a"], [0.5], [0.1], [0.1]), "half-widths"),
    "a cost of nothing": (lambda: plots.pareto(["a"], [0], [0.5], [0.4], [0.6]), "costs above 0"),
    "a point without a cost": (lambda: plots.pareto(["a", "b"], [9], [0.5] * 2, [0.4] * 2, [0.6] * 2), "names.* 1 cos"),
    "a cost's accuracy in percent": (lambda: plots.pareto(["a"], [9], [50], [40], [60]), "divide by 100"),
    "colours of other number": (lambda: plots.forest(["a"], [0.5], [0.4], [0.6], color=["r", "b"]), "of the 1 name"),
    "rows of different number": (lambda: plots.forest(["a", "b"], [0.5], [0.4], [0.6]), "2 names, 1 values"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_input_that_cannot_be_drawn_is_refused_with_a_guess_and_leaves_no_figure(case):
    draw, message = REFUSED[case]
    with np.errstate(divide="ignore"), pytest.raises(AudiolibError, match=message):
        draw()
    assert plt.get_fignums() == []


# ----------------------------------------------------------------------------------------------------- architecture


class Row(NamedTuple):
    name: str
    kind: str
    shape: tuple
    parameters: int
    multiply_adds: int


NETWORK = [
    Row("segment", "InputLayer", (130, 13), 0, 0),
    Row("conv_1", "Conv1D", (127, 256), 13_568, 1_690_624),
    Row("norm_1", "BatchNormalization", (127, 256), 1_024, 32_512),
    Row("pool_1", "MaxPooling1D", (31, 256), 0, 0),
    Row("separable_1", "SeparableConv1D", (28, 256), 66_816, 1_863_680),
    Row("flatten_1", "Flatten", (7168,), 0, 0),
    Row("dense_1", "Dense", (8192,), 58_728_448, 58_720_256),
    Row("softmax", "Dense", (10,), 81_930, 81_920),
]


def squares(ax, full):
    """Areas of the squares below the line, from left to right."""
    below = [p for p in ax.patches if p.get_y() < 0 and p.get_width() > 0 and (p.get_facecolor()[3] > 0) == full]
    assert all(p.get_width() == pytest.approx(p.get_height()) for p in below)
    below.sort(key=lambda p: p.get_x() + p.get_width() / 2)
    return np.array([p.get_width() * p.get_height() for p in below])


def blocks(ax):
    return sorted((p for p in ax.patches if p.get_y() == 0), key=lambda p: p.get_x())


def test_the_squares_of_a_network_have_the_areas_of_its_parameters_and_multiply_adds_on_one_scale():
    _, ax = plots.architecture(NETWORK)
    scale = squares(ax, full=True)[0] / (13_568 + 1_024)  # the batch norm counts with its convolution
    assert squares(ax, full=True) / scale == pytest.approx([14_592, 66_816, 58_728_448, 81_930])
    assert squares(ax, full=False) / scale == pytest.approx([1_723_136, 1_863_680, 58_720_256, 81_920])
    _, other = plots.architecture([*NETWORK[:2], NETWORK[-1]])
    assert squares(other, full=True)[0] / scale == pytest.approx(13_568)


def test_the_blocks_of_a_network_have_the_areas_of_its_outputs_and_do_not_overlap():
    _, ax = plots.architecture(NETWORK)
    areas = np.array([p.get_width() * p.get_height() for p in blocks(ax)])
    assert areas / areas[0] * 130 * 13 == pytest.approx([130 * 13, 127 * 256, 31 * 256, 28 * 256, 8192, 10])
    assert all(a.get_x() + a.get_width() < b.get_x() for a, b in pairwise(blocks(ax)))


def test_a_network_is_labelled_with_its_shapes_and_counts():
    fig, ax = plots.architecture(NETWORK)
    words = [text.get_text() for text in ax.texts]
    for word in ("13 bands", "130 frames", "127", "31", "28", "256", "8192", "sep", "14.6 k", "58.7 M", "81.9 k"):
        assert word in words, word
    fig.canvas.draw()
    boxes = [t.get_window_extent() for t in ax.texts if t.get_text()]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


def test_a_layer_is_drawn_by_its_kind_whatever_its_name():
    named = [row._replace(name=f"my_layer_{i}") for i, row in enumerate(NETWORK)]
    same = [Row("dropout", "Conv1D", (127, 256), 9, 9), Row("conv_9", "SpatialDropout1D", (127, 256), 0, 0)]
    for rows in (NETWORK, named):
        _, ax = plots.architecture(rows)
        kinds = [text.get_text() for text in ax.texts if text.get_weight() == "bold"]
        assert kinds == ["input", "conv", "pool", "sep", "dense", "dense"]
    _, ax = plots.architecture([*NETWORK[:2], *same])
    assert [text.get_text() for text in ax.texts if text.get_weight() == "bold"] == ["input", "conv", "conv"]


def test_a_network_without_layers_is_refused():
    with pytest.raises(AudiolibError, match=r"cost\.layers"):
        plots.architecture(NETWORK[:1])
    assert not plt.get_fignums()


def test_differences_are_in_points_and_hollow_without_an_interval():
    _, ax = plots.differences(["a", "b"], ROWS, mean=ROWS[0])
    (bars,) = zip(*[line.get_segments() for line in ax.collections], strict=True)
    assert [bar[:, 0].tolist() for bar in bars] == [[10, 40], [10, 40]]
    marks = [line for line in ax.lines if line.get_marker() in ("o", "D")]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in marks] == [(20, 0), (50, 1), (20, 2)]
    assert [line.get_markerfacecolor() == "white" for line in marks] == [False, True, False]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "mean of the pairs"]


def test_half_and_twice_are_equally_far_from_no_difference():
    rows = [{"value": value, "low": None, "high": None} for value in (0.5, 2)]
    _, ax = plots.differences(["half", "twice"], rows, ratio=True)
    assert ax.get_xscale() == "log"
    low, one, high = (ax.transData.transform((x, 0))[0] for x in (0.5, 1, 2))
    assert one - low == pytest.approx(high - one)
    assert any(line.get_xdata() == [1, 1] for line in ax.lines)


def test_a_line_of_slopes_leaves_out_what_was_not_measured():
    row = {"value": 0.5, "low": 0.4, "high": 0.7}
    lines = {"one": {"x": row, "y": row, "z": row}, "two": {"x": row, "z": row}}
    _, ax = plots.slopes(lines, paper={"one": (0.8, 0.9)})
    first, second = (line for line in ax.lines if len(line.get_xdata()) > 1)
    assert np.round(first.get_xdata()).tolist() == [0, 1, 2] and np.round(second.get_xdata()).tolist() == [0, 2]
    assert first.get_ydata().tolist() == [50, 50, 50]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y", "z"]
    (bar,) = ax.patches
    assert (bar.get_y(), bar.get_height()) == pytest.approx((80, 10))


def test_comparisons_without_rows_are_refused():
    with pytest.raises(AudiolibError, match="2 names, 1 rows"):
        plots.differences(["a", "b"], ROWS[:1])
    with pytest.raises(AudiolibError, match="no line"):
        plots.slopes({})
