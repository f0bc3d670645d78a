"""One function a figure, all in one style.

The goal is figures that could stand in a printed book: thin axes, direct labels instead of legends, units on every
axis, no decoration. A function checks its input first, draws on the ``ax`` it is given (else on a new figure, narrow
enough for a phone), returns ``(fig, ax)`` and never calls ``show``. What cannot be drawn raises ``AudiolibError``
with a guess at what was meant. Parameters are explained a line each: name, then meaning or unit.

- Axes are in seconds and Hz on every scale, also on the mel scale. So ``ax.axhline(440)`` marks 440 Hz.
- Arrays over time are ``[band, frame]``, as in librosa; from ``Features`` pass ``features.x[i].T``. Frame ``t`` is
  centred on ``start + t * hop_length / sr`` seconds.
- Levels are in dB relative to amplitude (or power) 1. Shares are given from 0 to 1 and drawn in percent.
- Dark means loud, or much, or alike. Colours of levels fall evenly in lightness from paper to ink; colours of lines
  differ in lightness as well as in hue. Both survive print in grey and colour blindness.
- Names (of classes, networks, recordings) are data: they are drawn letter by letter, dollar signs and all, on one line
  and not longer than the figure can bear.

Call ``use_style()`` once at the top of a notebook; without it each figure of its own has the style all the same.

Chapters: 01_dataset, 02_sound, 03_stft, 04_mel, 05_chroma, 06_data, 07_cnn, 08_separable, 09_architectures,
10_experiments, 11_leak, 12_fair, 13_elsewhere, 14_listen
"""

import re
import sys
from collections.abc import Mapping
from itertools import pairwise

import librosa
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, PercentFormatter

from audiolib import AudiolibError, _checks

INK, SOFT, PALE = "#222222", "#6b6b6b", "#dcdcdc"
# Okabe and Ito's colours, in an order in which neighbours (and the first three) differ in lightness too.
PALETTE = ("#0072B2", "#E69F00", INK, "#009E73", "#56B4E9", "#D55E00", "#CC79A7")
# From paper to ink. The positions make the lightness (L* of CIELAB) fall evenly; a test measures it.
CMAP = LinearSegmentedColormap.from_list(
    "paper_to_ink",
    [(0, "#fffdf8"), (0.118, "#f9d9b0"), (0.289, "#ee9f7d"), (0.487, "#c9606f"), (0.676, "#8a3672"), (0.828, "#4b2364"),
     (1, "#150e33")],
)  # fmt: skip
DASHED = {"color": SOFT, "lw": 0.8, "ls": (0, (4, 3))}  # the line of chance, or of no difference
HALO = [withStroke(linewidth=2.5, foreground="white")]  # around letters that stand on lines
PLAIN = {"parse_math": False}  # a name with two dollar signs is not mathematics
# What a drawing of a network calls the layers of Keras whose class has a long name.
KINDS = {"SeparableConv": "sep", "DepthwiseConv": "depth", "MaxPooling": "pool", "AveragePooling": "pool",
         "GlobalAveragePooling": "mean", "GlobalMaxPooling": "max", "ZeroPadding": "pad",
         "TimeStatistics": "stats"}  # fmt: skip
WIDTH = 5.0  # inches: 600 CSS pixels at 120 dpi; on a phone of 400 the type of 8 pt is 8 pixels high
WIDE = 7.2  # for a drawing of a network; on a phone it is moved sideways, see book.css

STYLE = {
    "figure.figsize": (WIDTH, 2.6), "figure.dpi": 120, "figure.facecolor": "white",
    "figure.constrained_layout.use": True, "savefig.dpi": 240, "savefig.facecolor": "white",
    "svg.hashsalt": "audiolib",  # the same figure gives the same file
    "text.usetex": False, "text.color": INK, "font.family": ["DejaVu Sans"], "font.size": 9,
    "figure.titlesize": 9.5, "figure.labelsize": 9, "axes.labelcolor": INK, "axes.labelsize": 9,
    "axes.titlesize": 9.5, "axes.titlelocation": "left", "axes.titlepad": 5, "axes.edgecolor": SOFT,
    "axes.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "axes.prop_cycle": mpl.cycler(color=PALETTE),
    "grid.color": PALE, "grid.linewidth": 0.5, "lines.linewidth": 1.4, "lines.solid_capstyle": "round",
    "legend.frameon": False, "legend.fontsize": 8,
    **{f"{xy}tick.{key}": value for xy in "xy" for key, value in {
        "labelsize": 8, "color": SOFT, "labelcolor": INK, "major.width": 0.6, "major.size": 3, "minor.width": 0.4,
        "minor.size": 1.5}.items()},
}  # fmt: skip
styled = mpl.rc_context(STYLE)  # a decorator: what a function draws has the book's style


def use_style():
    """Turn the style on for the session; in a notebook also make inline figures sharp and exactly as wide as drawn."""
    mpl.rcParams.update(STYLE)
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        from matplotlib_inline.config import InlineBackend  # comes with ipykernel, not with matplotlib

        inline = InlineBackend.instance(parent=shell)
        inline.figure_formats = {"retina"}
        inline.print_figure_kwargs = {"bbox_inches": None}  # "tight" would change the width, and so the size of type


# --- sound ------------------------------------------------------------------------------------------------------------


@styled
def waveform(y, sr=22050, *, start=0.0, color=PALETTE[0], ax=None):
    """Amplitude over time.

    A long signal is drawn as its extremes in each of some two thousand stretches: the same picture, no peak lost, fast.

    y, sr, start : signal [sample], its rate in Hz, the time of its first sample in seconds
    color, ax : of the line; where to draw
    """
    y, sr = _signal(y), _checks.number("sr", sr, above=0)
    fig, ax = _axes(ax, 1.8)
    t = start + np.arange(len(y)) / sr
    keep = sorted({a + f(y[a:b]) for a, b in pairwise(_stretches(t)) for f in (np.argmin, np.argmax)})
    ax.plot(t[keep], y[keep], color=color, lw=0.6 if len(y) > 4000 else 1.2)
    ax.axhline(0, color=SOFT, lw=0.4, zorder=0)
    ax.set(xlim=(start, start + len(y) / sr), xlabel="Time (s)", ylabel="Amplitude")
    return fig, ax


@styled
def waveforms(signals, sr=22050, *, height=0.9):
    """Several waveforms one above the other, on the same axes of time and amplitude, each with its name.

    signals, sr : mapping of names to signals [sample], from top to bottom, and their rate in Hz
    height : inches of each
    """
    if not isinstance(signals, Mapping) or not signals:
        raise AudiolibError(f"signals: {type(signals).__name__}; pass a mapping of names to signals, one or more")
    signals = {name: _signal(y, name) for name, y in signals.items()}
    size = (WIDTH, 0.35 + height * len(signals))
    fig, axes = plt.subplots(len(signals), figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax, (name, y) in zip(axes[:, 0], signals.items(), strict=True):
        waveform(y, sr, ax=ax)
        ax.set(xlabel="", yticks=[])
        ax.set_ylabel(_name(name), rotation=0, ha="right", va="center", **PLAIN)
    ax.set(xlabel="Time (s)", xlim=(0, max(map(len, signals.values())) / sr))
    return fig, axes[:, 0]


@styled
def spectrum(
    y, sr=22050, *, scale="linear", db=True, top_db=100.0, fmin=None, fmax=None, color=PALETTE[0], ax=None
):  # fmt: skip
    """Strength of each frequency over the whole signal: its Fourier transform, without a window.

    It is scaled so that a sinusoid of amplitude `a` with a whole number of periods reaches `a` (20 log10 `a` in dB).
    Of the many frequencies that fall on one pixel the strongest is drawn.

    y, sr : signal [sample] and its rate in Hz
    scale, fmin, fmax : "linear" or "log", and the ends of the axis in Hz (by default 0, or 20 if "log", and sr / 2)
    db, top_db : whether in dB rather than amplitude; how many dB below the loudest level the figure reaches
    color, ax : of the line; where to draw
    """
    y, sr, top_db = _signal(y), _checks.number("sr", sr, above=0), _checks.number("top_db", top_db, above=0)
    low, high = _band(fmin, fmax, sr, scale)
    strength = np.abs(np.fft.rfft(y)) / len(y)
    strength[1 : (len(y) + 1) // 2] *= 2  # a sinusoid is two of the complex terms, but for 0 Hz and sr / 2
    frequency = np.fft.rfftfreq(len(y), 1 / sr)
    seen = (frequency >= low) & (frequency <= high)
    if not seen.any():
        raise AudiolibError(f"fmin={low:g}, fmax={high:g}: its frequencies are {sr / len(y):g} Hz apart, none is there")
    frequency, strength = frequency[seen], strength[seen]
    if db:
        strength = librosa.amplitude_to_db(strength, ref=1.0, amin=1e-10, top_db=top_db)
    keep = [a + np.argmax(strength[a:b]) for a, b in pairwise(_stretches(frequency, log=scale == "log"))]
    fig, ax = _axes(ax, 2.2)
    floor = strength.max() - top_db if db else 0.0
    ax.fill_between(frequency[keep], strength[keep], floor, color=color, alpha=0.15, lw=0)
    ax.plot(frequency[keep], strength[keep], color=color, lw=0.8 if len(keep) > 1000 else 1.2)
    _frequency_axis(ax, "x", scale, low, high)
    ax.set(ylabel="Level (dB re 1)" if db else "Amplitude", ylim=(floor, None))
    return fig, ax


@styled
def spectrogram(
    S, sr=22050, *, scale="linear", n_fft=2048, hop_length=512, start=0.0, fmin=None, fmax=None, top_db=80.0,
    unit="dB", limits=None, colorbar=True, ax=None,
):  # fmt: skip
    """Level over time and frequency.

    S : signal [sample], its STFT (complex) or levels (in `unit`), both [1 + n_fft / 2, frame]
    sr, n_fft, hop_length, start : rate in Hz, window and hop in samples, time of the first frame in seconds
    scale, fmin, fmax : "linear" or "log", and the ends of the axis in Hz (by default 0, or 20 if "log", and sr / 2)
    unit : "dB", or anything else (such as "amplitude") to show magnitudes as they are, from 0 up
    top_db, limits : dB below the loudest level; or the values of the palest and the darkest colour
    colorbar, ax : whether there is one; where to draw
    """
    S, step = _framed(S, "[frequency, frame]", librosa.stft, sr, n_fft, hop_length)
    if len(S) < 3 or len(S) % 2 == 0:
        guess = "is it [frame, frequency] (pass S.T) or a mel spectrogram (use mel_spectrogram)?"
        raise AudiolibError(f"S: {len(S)} rows, but a spectrogram has 1 + n_fft / 2 of them, an odd number; {guess}")
    low, high = _band(fmin, fmax, sr, scale)
    S, limits = _levels(S, unit, top_db, limits)
    edges = (np.arange(len(S) + 1) - 0.5) * sr / 2 / (len(S) - 1)
    if scale == "log":
        S, edges = _thin_rows(S, edges, low, high)
    label = "Level (dB re 1)" if unit == "dB" else unit.capitalize()
    fig, ax = _heat(ax, 2.8, S, edges, step, start, limits, colorbar and label, smooth=scale == "linear")
    _frequency_axis(ax, "y", scale, low, high)
    return fig, ax


@styled
def mel_spectrogram(
    S, sr=22050, *, n_fft=2048, hop_length=512, n_mels=128, fmin=0.0, fmax=None, start=0.0, top_db=80.0, limits=None,
    colorbar=True, ax=None,
):  # fmt: skip
    """Level over time and mel band; each band has the same height.

    S : signal [sample], or its log-mel spectrogram in dB [band, frame]
    sr, n_fft, hop_length, start : rate in Hz, window and hop in samples, time of the first frame in seconds
    n_mels, fmin, fmax : how many bands, and the ends of the filter bank in Hz (by default 0 and sr / 2)
    top_db, limits : dB below the loudest level; or the values of the palest and the darkest colour
    colorbar, ax : whether there is one; where to draw
    """
    low, high = _band(fmin, fmax, _checks.number("sr", sr, above=0), "mel")
    bands = {"sr": sr, "n_mels": _checks.whole("n_mels", n_mels), "fmin": low, "fmax": high}

    def log_mel(y, **window):
        return librosa.power_to_db(librosa.feature.melspectrogram(y=y, **bands, **window), ref=1.0, top_db=None)

    S, step = _framed(S, "[band, frame]", log_mel, sr, n_fft, hop_length)
    if np.iscomplexobj(S) or len(S) in (257, 513, 1025, 2049):
        raise AudiolibError(f"S: {S.dtype}, {len(S)} rows; is it a short-time Fourier transform? use spectrogram")
    S, limits = _levels(S, "dB", top_db, limits)
    # The centres of the bands divide the mel axis evenly; a band reaches half-way to the next centre.
    edges = librosa.mel_to_hz(np.linspace(librosa.hz_to_mel(low), librosa.hz_to_mel(high), 2 * len(S) + 3)[1:-1:2])
    fig, ax = _heat(ax, 2.8, S, edges, step, start, limits, colorbar and "Level (dB re 1)")
    _frequency_axis(ax, "y", "mel", edges[0], edges[-1])
    return fig, ax


@styled
def chromagram(C, sr=22050, *, hop_length=512, start=0.0, colorbar=True, ax=None):
    """Strength of the twelve pitch classes over time.

    C : chroma features [12, frame], >= 0, pitch class C first, for instance from ``librosa.feature.chroma_cqt``
    sr, hop_length, start : rate in Hz, hop in samples, time of the first frame in seconds
    colorbar, ax : whether there is one; where to draw
    """
    step = _checks.number("hop_length", hop_length, above=0) / _checks.number("sr", sr, above=0)
    C = _matrix(C, "C", "[12, frame]", "a signal? use librosa.feature.chroma_cqt first")
    if len(C) != 12:
        hint = "is it [frame, 12]? pass C.T" if C.shape[1] == 12 else "for a spectrogram use spectrogram"
        raise AudiolibError(f"C: {len(C)} rows, but there are 12 pitch classes; {hint}")
    C, limits = _levels(C, "strength", None, None)
    fig, ax = _heat(ax, 2.6, C, np.arange(13) - 0.5, step, start, limits, colorbar and "Strength")
    ax.set_yticks(range(12), ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"])
    ax.tick_params(axis="y", length=0)
    ax.set_ylabel("Pitch class")
    return fig, ax


@styled
def mfcc(M, sr=22050, *, hop_length=512, start=0.0, limits=None, colorbar=True, ax=None):
    """Mel-frequency cepstral coefficients over time.

    Coefficients 0 (the mean level) and 1 (its slope) are many times the others; by default the colours span the others,
    but for 1 % at either end, and these two may leave them.

    M : coefficients in dB, from 0 on [coefficient, frame]
    sr, hop_length, start : rate in Hz, hop in samples, time of the first frame in seconds
    limits, colorbar, ax : values of the palest and the darkest colour; whether there is a bar of them; where to draw
    """
    step = _checks.number("hop_length", hop_length, above=0) / _checks.number("sr", sr, above=0)
    M = _matrix(M, "M", "[coefficient, frame]", "a signal? use librosa.feature.mfcc first")
    if np.iscomplexobj(M):
        raise AudiolibError(f"M: {M.dtype}; did you pass a short-time Fourier transform? use librosa.feature.mfcc")
    if limits is None:
        limits = np.percentile(M[2:] if len(M) > 2 else M, [1, 99])
    rows = np.arange(len(M) + 1) - 0.5
    fig, ax = _heat(ax, 2.4, M, rows, step, start, limits, colorbar and "Value (dB)", extend="both")
    ax.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10], integer=True))
    ax.set_ylabel("Coefficient")
    return fig, ax


@styled
def similarity(
    D, *, path=None, names=("first", "second"), hop_seconds=None, label="Distance", limits=None, colorbar=True, ax=None
):
    """How far each frame of one recording is from each frame of another: dark where they are alike.

    D : distances >= 0 [frame of the first, frame of the second]
    path : an alignment to draw on top [step, 2]: rows and columns, as in ``librosa.sequence.dtw(C=D)[1]``
    names : of the first recording (upwards) and of the second (to the right)
    hop_seconds : seconds from frame to frame, one number or two; without it the axes count frames
    limits, label : distances of the darkest and the palest colour (by default 0 and the largest); what they mean
    colorbar, ax : whether there is one; where to draw
    """
    D, default = _levels(_matrix(D, "D", "[frame of the first, frame of the second]"), "distance", None, None)
    steps = np.ravel(1 if hop_seconds is None else hop_seconds)
    steps = np.broadcast_to([_checks.number("hop_seconds", step, above=0) for step in steps], 2)
    if path is not None:
        path = _matrix(path, "path", "[step, 2]")
        if path.shape[1] != 2 or (path < 0).any() or (path >= D.shape).any():
            hint = "; did you swap its columns?" if path.shape[1] == 2 and (path[:, ::-1] < D.shape).all() else ""
            raise AudiolibError(f"path: up to {path.max(axis=0)}, not rows and columns of D, {D.shape}{hint}")
    (height, width), (up, right) = np.array(D.shape) * steps, steps
    longest = max(height, width)
    fig, ax = _axes(ax, 0.6 + 3.4 * height / longest, 0.7 + 3.4 * width / longest + 0.8 * bool(colorbar))
    vmin, vmax = default if limits is None else limits
    extent = (-right / 2, width - right / 2, -up / 2, height - up / 2)
    image = ax.imshow(D, origin="lower", cmap=CMAP.reversed(), vmin=vmin, vmax=vmax, extent=extent)
    if path is not None:
        edge = [withStroke(linewidth=3.4, foreground=PALETTE[0])]
        ax.plot(path[:, 1] * right, path[:, 0] * up, color="white", lw=1.4, path_effects=edge)
    unit = "frame" if hop_seconds is None else "s"
    ax.set_xlabel(f"{_name(names[1])} ({unit})", **PLAIN)
    ax.set_ylabel(f"{_name(names[0])} ({unit})", **PLAIN)
    _colorbar(image, colorbar and label)
    return fig, ax


# --- results ----------------------------------------------------------------------------------------------------------


@styled
def curves(lines, *, xlabel, ylabel, height=2.4, ax=None, **settings):
    """Lines in one figure, each named at its right end.

    lines : mapping of names to (x, y), two arrays of the same length, ``x`` ascending
    xlabel, ylabel : of the axes, with their units
    height, ax : inches of a new figure; where to draw
    **settings : what else ``ax.set`` shall set, such as ``xscale``; by default ``x`` reaches from end to end
    """
    lines = [(_signal(x, f"{name}: x"), _signal(y, f"{name}: y"), _name(name), {"color": color})
             for (name, (x, y)), color in zip(lines.items(), PALETTE, strict=False)]  # fmt: skip
    fig, ax = _axes(ax, height)
    _lines(ax, lines, xlabel=xlabel, ylabel=ylabel, **settings)
    return fig, ax


@styled
def confusion(counts, labels, *, ax=None):
    """What was taken for what. The numbers are counts; the colours are shares of the row, so that classes compare.

    counts, labels : whole numbers [true class, predicted class], names of the classes
    ax : where to draw
    """
    counts, labels = _matrix(counts, "counts", "[true class, predicted class]"), list(labels)
    if counts.shape != (len(labels), len(labels)):
        raise AudiolibError(f"counts: shape {counts.shape}, but {len(labels)} labels make a square of {len(labels)}")
    if (counts < 0).any() or (counts != np.round(counts)).any():
        raise AudiolibError("counts: not all whole numbers >= 0; did you pass shares? pass counts, they are scaled")
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 1.4 + 0.33 * len(labels)
    fig, ax = _axes(ax, side, side + 0.1)
    ax.imshow(share, vmin=0, vmax=1, cmap=CMAP)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            shade = "white" if share[row, column] > 0.45 else INK
            ax.text(column, row, f"{count:.0f}", ha="center", va="center", size=8, color=shade)
    ax.set_xticks(range(len(labels)), map(_name, labels), rotation=40, ha="right", rotation_mode="anchor", **PLAIN)
    ax.set_yticks(range(len(labels)), map(_name, labels), **PLAIN)
    ax.tick_params(length=0)
    ax.spines[:].set(visible=True, color=PALE)
    ax.set(xlabel="Predicted", ylabel="True")
    return fig, ax


@styled
def history(runs, metric="accuracy", *, ax=None):
    """A metric over the epochs: solid on the validation part, dotted on the training part.

    runs : what Keras calls a history, ``{"accuracy": [...], "val_accuracy": [...]}``; or several of them by name
    metric, ax : which to draw, accuracies in percent; where to draw
    """
    runs = getattr(runs, "history", runs)
    if not isinstance(runs, Mapping) or not runs:
        raise AudiolibError(f"runs: {type(runs).__name__}; pass a Keras history, or a mapping of names to histories")
    runs = {name: getattr(run, "history", run) for name, run in runs.items()}
    one = not any(isinstance(run, Mapping) for run in runs.values())
    lines = []
    for i, (name, run) in enumerate(({"": runs} if one else runs).items()):
        if metric not in run:
            raise AudiolibError(f"metric={metric!r}: history {name} has only {', '.join(run)}")
        parts = [part for part in (metric, f"val_{metric}") if part in run]
        for part, told, dash in zip(parts, ("training", "validation"), ((0, (1, 1.6)), "-"), strict=False):
            values = _signal(run[part], part)
            words = told if one else _name(name) if part == parts[-1] else None
            look = {"color": PALETTE[i % len(PALETTE)], "ls": dash, "marker": "o" if len(values) == 1 else None}
            lines.append((range(1, len(values) + 1), values, words, look))
    fig, ax = _axes(ax, 2.8)
    if "acc" in metric:
        ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    ax.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True))
    ax.grid(axis="y")
    if not one:
        ax.set_title("dotted: training, solid: validation", loc="right", size=8, color=SOFT)
    last, words = max(len(values) for _, values, *_ in lines), metric.replace("_", " ").capitalize()
    _lines(ax, lines, xlabel="Epoch", ylabel=words, xlim=(min(1, last - 1), last))
    return fig, ax


@styled
def forest(names, values, lows, highs, *, paper=None, chance=None, color=PALETTE[0], xlabel="Accuracy (%)", ax=None):
    """Shares with their intervals, one row each.

    names : what was measured, from top to bottom; written above its bar, with the figures
    values, lows, highs : the shares and the ends of their intervals [row]
    paper : the range (low, high) that the paper gives for a row, or None, drawn as a pale bar behind it [row]
    chance, color : the share that guessing reaches, drawn as a line; of the marks, one or one a row
    xlabel, ax : of the horizontal axis, with its unit; where to draw
    """
    names = list(names)
    paper = [None] * len(names) if paper is None else list(paper)
    values, lows, highs = _shares(values, lows, highs, names=names, paper=paper)
    colors = _colors(color, len(names))
    fig, ax = _axes(ax, 0.75 + 0.36 * len(names))
    rows = np.arange(len(names))
    spans = [(row, 100 * span[0], 100 * span[1]) for row, span in zip(rows, paper, strict=True) if span is not None]
    for row, low, high in spans:
        ax.barh(row, high - low, left=low, height=0.62, color=PALE, zorder=1)
    ax.hlines(rows, lows, highs, color=colors, lw=1.6, zorder=3)
    ax.scatter(values, rows, color=colors, s=26, zorder=4, linewidths=0)
    look = {"xycoords": ("axes fraction", "data"), "size": 8, "path_effects": HALO}
    for row, name, value, low, high in zip(rows, names, values, lows, highs, strict=True):
        ax.annotate(_name(name, 48), (0, row - 0.22), va="bottom", **look, **PLAIN)
        ax.annotate(f"{value:.1f}  [{low:.1f}, {high:.1f}]", (1, row - 0.22), va="bottom", ha="right", **look)
    notes = [((low + high) / 2, "the paper") for _, low, high in spans[:1]]
    if chance is not None:
        ax.axvline(100 * chance, **DASHED, zorder=2)
        notes.append((100 * chance, "chance"))
    for x, text in notes:
        ax.annotate(text, (x, 1.01), xycoords=("data", "axes fraction"), ha="center", va="bottom", size=8, color=SOFT)
    ax.grid(axis="x")
    ax.spines["left"].set_visible(False)
    ax.set(yticks=[], ylim=(len(names) - 0.6, -0.85), xlabel=xlabel)
    return fig, ax


@styled
def differences(names, rows, *, mean=None, ratio=False, color=PALETTE[0], xlabel="Difference (points)", ax=None):
    """Differences, or ratios, with their intervals, a row each, and the line of no difference.

    names : what was compared, from top to bottom
    rows : mappings with ``value``, ``low``, ``high`` from ``comparison``; hollow without an interval (``low`` is None)
    mean : such a mapping of all of them, a row of its own below them, with a diamond
    ratio, color : whether no difference is 1, on a logarithmic axis, not 0; of the marks, one or one a row
    xlabel, ax : of the horizontal axis, with its unit; where to draw
    """
    names, rows = list(names), list(rows)
    _one_each(names=names, rows=rows)
    colors = _colors(color, len(names))
    if mean is not None:
        names, rows, colors = [*names, "mean of the pairs"], [*rows, mean], [*colors, INK]
    scale = 1 if ratio else 100
    fig, ax = _axes(ax, 0.75 + 0.28 * len(rows))
    ax.axvline(int(ratio), **DASHED)
    for y, (row, tint) in enumerate(zip(rows, colors, strict=True)):
        known = row["low"] is not None
        if known:
            ax.hlines(y, scale * row["low"], scale * row["high"], color=tint, lw=1.6)
        mark = "D" if mean is not None and y == len(rows) - 1 else "o"
        ax.plot(scale * row["value"], y, mark, ms=5, color=tint, mfc=None if known else "white")
    if ratio:  # half and twice are equally far from one
        ends = [row[end] for row in rows for end in ("value", "low", "high") if row[end]]
        ax.set(xscale="log", xlim=(min(*ends, 1) / 1.08, max(*ends, 1) * 1.08))
        wide = max(*ends, 1) / min(*ends, 1) > 5
        _ticks(ax.xaxis, (0.25, 0.5, 1, 2, 4, 8) if wide else (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2))
    _name_rows(ax, [_name(name, 44) for name in names])
    ax.set_xlabel(xlabel)
    return fig, ax


@styled
def slopes(lines, *, paper=None, chance=None, xlabel="Protocol", ylabel="Right (%)", ax=None):
    """How a share falls or rises from one condition to the next: a line for each thing that is tested.

    lines : by name, a mapping of conditions (columns, as they first appear) to ``value``, ``low`` and ``high``
    paper : by name, for some lines, the range (low, high) that the paper gives: a pale bar at the first condition
    chance : the share that guessing reaches, drawn as a line
    xlabel, ylabel, ax : of the axes, with their units; where to draw
    """
    columns = list(dict.fromkeys(column for line in lines.values() for column in line))
    if not columns:
        raise AudiolibError("no line has a value; pass {name: {condition: {'value': ..., 'low': ..., 'high': ...}}}")
    fig, ax = _axes(ax, 3.9)
    spread, ends = 0.035 * (np.arange(len(lines)) - (len(lines) - 1) / 2), []  # so that intervals stand side by side
    for number, (aside, (name, line)) in enumerate(zip(spread, lines.items(), strict=True)):
        color, mark = PALETTE[number % len(PALETTE)], "osD^vPX"[number % 7]
        at = np.array([columns.index(column) for column in line]) + aside
        values, lows, highs = (100 * np.array([row[end] for row in line.values()]) for end in ("value", "low", "high"))
        if paper and name in paper:
            low, high = paper[name]
            ax.bar(aside * 1.6 - 0.17, 100 * (high - low), 0.05, bottom=100 * low, color=color, alpha=0.3, lw=0)
        ax.vlines(at, lows, highs, color=color, lw=1.2, alpha=0.6)
        ax.plot(at, values, mark + "-", ms=5, color=color)
        ends.append((values[-1], color, name))
    if chance is not None:
        ax.axhline(100 * chance, **DASHED)
        ax.annotate("chance", (-0.3, 100 * chance), (0, 2), textcoords="offset points", size=8, color=SOFT)
    if paper:
        ax.annotate("the paper", (-0.3, 96), size=8, color=SOFT)
    ax.set_xticks(range(len(columns)), columns)
    ax.set(xlabel=xlabel, ylabel=ylabel, xlim=(-0.32, len(columns) - 0.8), ylim=(0, 100))
    ax.grid(axis="y")
    _end_labels(ax, ends)
    return fig, ax


@styled
def genres(starts, probabilities, labels, *, ax=None):
    """What a network says over time: a row a class, dark where it is sure.

    starts : seconds at which segments start, evenly spaced [segment]
    probabilities, labels : 0 to 1 [segment, class]; the classes
    ax : where to draw
    """
    share = _matrix(probabilities, "probabilities", "[segment, class]")
    if share.shape != (len(starts), len(labels)):
        raise AudiolibError(f"probabilities: {share.shape} for {len(starts)} starts and {len(labels)} labels")
    edges = [*starts, starts[-1] + (starts[1] - starts[0] if len(starts) > 1 else 1)]
    fig, ax = _axes(ax, 0.8 + 0.22 * len(labels))
    image = ax.pcolormesh(edges, np.arange(len(labels) + 1) - 0.5, share.T, vmin=0, vmax=1, cmap=CMAP)
    _name_rows(ax, [_name(label) for label in labels])
    ax.grid(False)
    ax.set(xlabel="Time (s)", ylabel="", ylim=(len(labels) - 0.5, -0.5))
    fig.colorbar(image, ax=ax, label="Probability", aspect=30)
    return fig, ax


@styled
def pareto(names, costs, values, lows, highs, *, groups=None, xlabel="Parameters", ax=None):
    """What each network costs and what it reaches, with the front of those that no other beats at both.

    A point is on the front if none that costs no more is better. The front is drawn as a staircase, its points are
    named; the others show what was tried.

    names, costs : of the networks; above 0, on a logarithmic axis [point]
    values, lows, highs : the shares and the ends of their intervals [point]
    groups : kinds of networks, each in a colour and a shape of its own and named above the axes [point]
    xlabel, ax : what the cost is, with its unit; where to draw
    """
    names, costs = list(names), _signal(costs, "costs")
    groups = [""] * len(names) if groups is None else list(groups)
    values, lows, highs = _shares(values, lows, highs, names=names, costs=costs, groups=groups)
    if (costs <= 0).any():
        raise AudiolibError(f"costs={costs.min():g}: a logarithmic axis needs costs above 0; is one not measured?")
    fig, ax = _axes(ax, 3.6)
    ax.set_xscale("log")
    low, high = costs.min() / 6, costs.max() * 1.6  # names stand to the left of their points
    order = np.lexsort((-values, costs))  # of equal costs the best first
    front = order[np.diff(np.maximum.accumulate(values[order]), prepend=-1) > 0]
    stairs = np.append(costs[front], high), np.append(values[front], values[front[-1]])
    ax.step(*stairs, where="post", color=SOFT, lw=0.8, zorder=1)
    colors, marks = (0, 1, 3, 5, 6), "osD^v"
    for number, group in enumerate(dict.fromkeys(groups)):
        rows = np.array([each == group for each in groups])
        color = PALETTE[colors[number % len(colors)]]
        ax.vlines(costs[rows], lows[rows], highs[rows], color=color, lw=1, alpha=0.35, zorder=2)
        look = {"marker": marks[number % len(marks)], "s": 26, "linewidths": 0, "zorder": 3}
        ax.scatter(costs[rows], values[rows], color=color, label=f"{number}", **look)
    if any(groups):
        legend = ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0, handletextpad=0.2)
        for text, group in zip(legend.get_texts(), dict.fromkeys(groups), strict=True):
            text.set(text=_name(group), **PLAIN)  # given as a label, a group "_x" would be left out of the legend
    _ticks(ax.xaxis, [b * 10.0**e for e in range(-3, 15) for b in ((1, 2, 5) if high < 200 * low else (1,))],
           lambda count, _: f"{count:g}" if count < 1000 else _short(count))  # fmt: skip
    ax.grid(axis="y")
    ax.set(xlabel=xlabel, ylabel="Accuracy (%)", xlim=(low, high))
    a_point = np.ptp(ax.get_ylim()) / (ax.get_window_extent().height / fig.dpi * 72)  # of print, in percent
    free = -np.inf
    look = {"textcoords": "offset points", "ha": "right", "size": 8, "path_effects": HALO}
    for row in front:  # from below: a name that would stand on another moves up
        free = max(values[row] / a_point + 5, free)
        place = -4, free - values[row] / a_point  # to the left, where nothing can be that is better
        name = ax.annotate(_name(names[row]), (costs[row], values[row]), place, **look, **PLAIN)
        beyond = (ax.bbox.x0 - name.get_window_extent().x0) / fig.dpi * 72
        name.xyann = place[0] + max(0, beyond + 2), place[1]
        free += 10
    return fig, ax


@styled
def architecture(rows, *, ax=None):
    """A network as it is built: what flows through it above the line, what its layers hold and do below.

    A block is a layer's output, as wide as its frames and as high as its channels (a dense layer's units fold into
    columns of 512), so its area is its memory. Below hang two squares: the full one has the area of the layer's
    parameters, the empty one that of its multiply-adds. All drawings have one scale. Layers that change no shape are
    not drawn; what a batch normalisation holds and does counts with the layer before it.

    rows, ax : from ``cost.layers(model)``; where to draw
    """
    drawn = []
    for row in rows:
        # Keras names a class by what it does and the number of its dimensions: SeparableConv1D, MaxPooling2D.
        kind = re.sub(r"(Layer|\dD)?$", "", row.kind, count=1)
        works = "Conv" in kind or "Pooling" in kind or kind == "Dense"
        if drawn and not works and np.prod(row.shape) == np.prod(drawn[-1][1]):
            drawn[-1][2:] = drawn[-1][2] + row.parameters, drawn[-1][3] + row.multiply_adds
        else:
            drawn.append([KINDS.get(kind, kind.lower()), *row[2:5]])
    if len(drawn) < 2:
        raise AudiolibError(f"rows: {len(drawn)} layers to draw, a network has at least 2; pass cost.layers(model)")
    fig, ax = _axes(ax, 2.9, WIDE)
    colors = {"conv": PALETTE[0], "sep": PALETTE[1], "depth": PALETTE[1], "dense": PALETTE[3]}
    centred = {"ha": "center", "va": "top", "size": 7}
    # Lengths are hundredths of an inch of a WIDE figure: 0.72 a frame, 0.17 a channel, 6.4 a letter.
    widths = [0.72 * (shape[0] if len(shape) > 1 else -(-shape[0] // 512)) for _, shape, *_ in drawn]
    rooms = [max(w, 0.0185 * np.sqrt(row[3]), 38, 6.4 * len(row[0])) for w, row in zip(widths, drawn, strict=True)]
    gap = max(4, (718 - sum(rooms)) / (len(rooms) - 1))
    x = 0.0
    for (kind, shape, parameters, multiply_adds), width, room in zip(drawn, widths, rooms, strict=True):
        color, vector = colors.get(kind, PALE), len(shape) == 1
        height = 0.17 * (min(shape[0], 512) if vector else shape[-1])
        middle, x = x + room / 2, x + room + gap
        ax.add_patch(Rectangle((middle - width / 2, 0), width, height, fc=color, ec=INK, lw=0.5))
        bands, frames = (" bands", " frames") if kind == "input" else ("", "")
        ax.text(middle, height + 11, f"{shape[-1]}{bands}", **centred)
        ax.text(middle, -4, "" if vector else f"{shape[0]}{frames}", **centred)
        ax.text(middle, -15, kind, **centred, weight="bold")
        for y, count, face in ((-158, multiply_adds, "none"), (-146, parameters, color)):
            side = 0.0185 * np.sqrt(count)
            ax.add_patch(Rectangle((middle - side / 2, -32 - side), side, side, fc=face, ec=color, lw=0.8))
            ax.text(middle, y, _short(count) if count else "", **centred)
    ax.text(0, -146, "\u25a0 parameters", va="top", size=7)
    ax.text(0, -158, "\u25a1 multiply-adds", va="top", size=7)
    ax.axhline(0, color=SOFT, lw=0.5, zorder=0)
    ax.set(xlim=(-1, max(x - gap, 718) + 1), ylim=(-172, 104), aspect="equal")
    ax.axis("off")
    return fig, ax


# --- input, checked ---------------------------------------------------------------------------------------------------


def _array(x, name):
    if isinstance(x, str) or hasattr(x, "__fspath__"):
        raise AudiolibError(f"{name}={str(x)!r}: did you pass a file name? read it first: y, sr = corpora.read(path)")
    try:
        x = np.asarray(x)
        x = x if x.dtype.kind in "fc" else x.astype(float)
    except (ValueError, TypeError):
        raise AudiolibError(f"{name}: not an array of numbers; did you pass a pair such as (y, sr)?") from None
    if x.size == 0:
        raise AudiolibError(f"{name}: empty, shape {x.shape}; does the cut lie outside of the recording?")
    if not np.isfinite(x).all():
        raise AudiolibError(f"{name}: {(~np.isfinite(x)).sum()} of {x.size} values are NaN or infinite; log of 0?")
    return x


def _signal(y, name="y"):
    y = _array(y, name)
    if y.ndim == 2 and min(y.shape) <= 8:
        axis = int(np.argmin(y.shape))
        raise AudiolibError(f"{name}: shape {y.shape}; did you pass stereo? mix it down: {name}.mean(axis={axis})")
    if y.ndim != 1:
        guess = {0: "a single number", 2: "a spectrogram"}.get(y.ndim, "a batch of segments")
        raise AudiolibError(f"{name}: shape {y.shape}, but one row of numbers is needed; did you pass {guess}?")
    if np.iscomplexobj(y):
        raise AudiolibError(f"{name}: complex; did you pass a Fourier transform? pass the signal itself")
    return y


def _matrix(S, name, shape, signal="a signal?"):
    S = _array(S, name)
    if S.ndim != 2:
        guess = {0: "a single number?", 1: signal}.get(S.ndim, f"a batch of segments? choose one: {name}[i].T")
        raise AudiolibError(f"{name}: shape {S.shape}, but {shape} is needed; did you pass {guess}")
    return S


def _framed(S, shape, transform, sr, n_fft, hop_length):
    """A spectrogram as it is or out of a signal, and the seconds from frame to frame."""
    S, hop = _array(S, "S"), _checks.number("hop_length", hop_length, above=0)
    stereo = S.ndim == 2 and min(S.shape) <= 2 and max(S.shape) > 4000  # too few rows of too many numbers
    if S.ndim == 1 or stereo:
        window = {"n_fft": _checks.whole("n_fft", n_fft), "hop_length": _checks.whole("hop_length", hop_length)}
        S = transform(_signal(S, "S"), **window)
    return _matrix(S, "S", shape), hop / _checks.number("sr", sr, above=0)


def _levels(S, unit, top_db, limits):
    """`S` in its unit, and the values of the palest and the darkest colour."""
    if np.iscomplexobj(S):
        S = np.abs(S)
        if unit == "dB":
            S = librosa.amplitude_to_db(S, ref=1.0, top_db=None)
    elif unit == "dB" and (S >= 0).all():
        guess = "did you pass amplitudes or powers? convert them with librosa.amplitude_to_db or librosa.power_to_db"
        raise AudiolibError(f"S: no level below 0 dB; {guess}")
    if unit != "dB" and (S < 0).any():
        raise AudiolibError(f"values down to {S.min():g}, but {unit} is never negative; did you pass dB?")
    if limits is None and unit != "dB":
        limits = (0, S.max() or 1)
    elif limits is None:
        peak, span = S.max(), _checks.number("top_db", top_db, above=0)
        limits = (peak - span, peak) if S.min() < peak else (peak, peak + span)  # silence is pale, not loud
    return S, limits


def _one_each(**lists):
    counts = {name: len(each) for name, each in lists.items()}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        raise AudiolibError(f"one of each is needed: {', '.join(f'{count} {name}' for name, count in counts.items())}")


def _shares(values, lows, highs, *, names, **others):
    """Shares and their intervals in percent, one for each name, as there is one of all others."""
    shares = {name: _signal(x, name) for name, x in (("values", values), ("lows", lows), ("highs", highs))}
    _one_each(names=names, **shares, **others)
    for name, value, low, high in zip(names, *shares.values(), strict=True):
        if not 0 <= low <= value <= high <= 1:
            hint = "percent? divide by 100" if value > 1 else "half-widths of the intervals, or their ends swapped?"
            raise AudiolibError(f"{name}: 0 <= {low:g} <= {value:g} <= {high:g} <= 1 is not so; did you give {hint}")
    return [100 * share for share in shares.values()]


def _colors(color, count):
    """One colour for each of so many rows."""
    colors = [color] * count if mpl.colors.is_color_like(color) else list(color)
    if len(colors) != count or not all(map(mpl.colors.is_color_like, colors)):
        raise AudiolibError(f"color={color!r}: one colour is needed, or one for each of the {count} names")
    return colors


def _band(fmin, fmax, sr, scale):
    """Ends of the frequency axis in Hz."""
    _checks.one_of("scale", scale, ("linear", "log", "mel"))
    low = fmin or (min(20.0, sr / 1000) if scale == "log" else 0.0)
    high = sr / 2 if fmax is None else fmax
    if not 0 <= low < high <= sr / 2:
        hint = "did you give kHz?" if 0 < high < 25 else "nothing is known above half the sample rate"
        raise AudiolibError(f"fmin={low:g}, fmax={high:g}: 0 <= fmin < fmax <= {sr / 2:g} is needed; {hint}")
    return low, high


# --- drawing ----------------------------------------------------------------------------------------------------------


def _short(count):
    """A count in three digits or so: 840, 13.6 k, 21.0 M."""
    power = 2 if count >= 999_500 else 1 if count >= 1000 else 0
    number = count / 1000**power
    return f"{number:.{1 if power and number < 99.95 else 0}f}{('', ' k', ' M')[power]}"


def _name(name, longest=28):
    """A name as it is drawn: on one line, its middle left out where it is too long; nothing is said to be nothing."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in str(name)).split())
    if len(line) > longest:
        line = f"{line[: longest // 2].rstrip()} … {line[3 - longest // 2 :].lstrip()}"
    return line or "(no name)"


def _axes(ax, height, width=WIDTH):
    return plt.subplots(figsize=(width, height)) if ax is None else (ax.figure, ax)


def _stretches(x, log=False, count=2000):
    """Where to cut sorted `x` into at most `count` stretches, evenly (or by ratio); few points are cut singly."""
    if len(x) <= 2 * count:
        return np.arange(len(x) + 1)
    if log:
        return np.unique([0, *np.searchsorted(x, np.geomspace(x[0], x[-1], count)), len(x)])
    return np.linspace(0, len(x), count + 1).astype(int)


def _thin_rows(S, edges, low, high, rows=600):
    """On a logarithmic axis most rows of a spectrum share a pixel with others: keep the loudest of each such group."""
    first = np.searchsorted(edges, np.geomspace(low, high, rows), side="right") - 1
    first = np.unique(np.clip(first, 0, len(S) - 1))
    return np.maximum.reduceat(S, first, axis=0), np.maximum(np.append(edges[first], edges[-1]), low / 2)


def _heat(ax, height, S, edges, step, start, limits, label, smooth=False, extend="neither"):
    """Draw `S` [row, frame]: row r reaches from ``edges[r]`` to ``edges[r + 1]``, frame t is centred on its time."""
    fig, ax = _axes(ax, height)
    frames = S.shape[1]
    times = start + (np.arange(frames + 1) - 0.5) * step
    if frames > 2000:  # no page shows more; of those that share a column the greatest value is drawn
        together = -(-frames // 2000)
        S = np.maximum.reduceat(S, np.arange(0, frames, together), axis=1)
        times = times[0] + np.arange(S.shape[1] + 1) * together * step
    look = {"cmap": CMAP, "vmin": limits[0], "vmax": limits[1]}
    if smooth:  # even rows, and more of them than pixels
        image = ax.imshow(S, origin="lower", aspect="auto", extent=(*times[[0, -1]], *edges[[0, -1]]), **look)
    else:
        image = ax.pcolormesh(times, edges, S, rasterized=True, **look)
    ends = (start, start + (frames - 1) * step) if frames > 1 else times[[0, -1]]
    ax.set(xlim=ends, ylim=edges[[0, -1]], xlabel="Time (s)")
    _colorbar(image, label, extend)
    return fig, ax


def _colorbar(image, label, extend="neither"):
    if label:
        look = {"pad": 0.015, "fraction": 0.04, "aspect": 28, "extend": extend}
        bar = image.figure.colorbar(image, ax=image.axes, label=label, **look)
        bar.outline.set_visible(False)
        bar.locator = MaxNLocator(5, steps=[1, 2, 4, 5, 10])
        bar.update_ticks()


def _ticks(axis, places, words="{x:g}"):
    """Ticks at these places only, as on an axis that is not linear."""
    axis.set_major_locator(FixedLocator(places))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(words)


def _frequency_axis(ax, which, scale, low, high):
    """Scale, ends, ticks and label of the x or y axis; always in Hz."""
    def words(f, _):
        return f"{f / 1000:g}k" if abs(f) >= 1000 else f"{f:g}"

    mel = {"functions": (librosa.hz_to_mel, librosa.mel_to_hz)} if scale == "mel" else {}
    getattr(ax, f"set_{which}scale")("function" if mel else scale, **mel)
    getattr(ax, f"set_{which}lim")(low, high)
    axis = getattr(ax, f"{which}axis")
    if scale == "linear":
        axis.set_major_locator(MaxNLocator(6 if which == "y" else 9, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(words)
    else:
        places = [0, 500, *1000 * 2 ** np.arange(6)] if mel else [b * 10**e for e in range(6) for b in (1, 2, 5)]
        _ticks(axis, [f for f in places if low <= f <= high], words)
    axis.set_label_text("Frequency (Hz, mel scale)" if mel else "Frequency (Hz)")


def _name_rows(ax, names):
    """A row for each name, from top to bottom."""
    ax.grid(axis="x")
    ax.set_yticks(range(len(names)), names, **PLAIN)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_ylim(len(names) - 0.4, -0.6)


def _lines(ax, lines, **settings):
    """Lines (x, y, name, look) from end to end; those that have a name bear it where they leave on the right."""
    for x, y, _, look in lines:
        ax.plot(x, y, **look)
    ax.set(**{"xlim": (min(x[0] for x, *_ in lines), max(x[-1] for x, *_ in lines)), **settings})
    right = ax.get_xlim()[1]
    _end_labels(ax, [(np.interp(right, x, y), look["color"], name) for x, y, name, look in lines if name])


def _end_labels(ax, ends, gap=0.075):
    """Name each line at its right end, in its colour, no name on top of another."""
    ends = sorted(ends, key=lambda end: end[0])
    to_axes = ax.transData + ax.transAxes.inverted()
    wanted = [to_axes.transform((1, value))[1] for value, *_ in ends]
    placed = list(wanted)
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    down = min(np.mean(np.subtract(placed, wanted)), placed[0])  # a heap of names is centred on its lines
    for height, (_, color, name) in zip(placed, ends, strict=True):
        dark = 0.75 * np.array(mpl.colors.to_rgb(color))  # letters need more contrast than lines
        ax.annotate(name, (1.01, height - down), xycoords="axes fraction", va="center", size=8, color=dark, **PLAIN)
