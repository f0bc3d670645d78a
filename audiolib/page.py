"""What a page of the book shows beside figures: players, numbers for the prose, tables.

Goal: a chapter spends its lines on its subject. Numbers are set here as a printed book sets them: a real minus, thin
spaces that do not break between thousands, powers of ten with raised exponents. What is shown is of
``IPython.display.HTML``; what cannot be shown raises ``AudiolibError``.

>>> thousands(21862410).split(), " ".join(power_of_ten(2.2e-16).split()), plural(3, "run")
(['21', '862', '410'], '2 × 10⁻¹⁶', '3 runs')
>>> points(0.0123), percent(0.81, 1.02), interval({"value": 0.02, "low": -0.01, "high": 0.05}), p_value(0.0042)
('+1.2', '[81.0, 100.0]', '+2.0 (−1.0 to +5.0)', 'p = 0.004')

Chapters: 01_dataset, 02_sound, 03_stft, 04_mel, 05_chroma, 06_data, 07_cnn, 08_separable, 09_architectures,
10_experiments, 11_leak, 12_fair, 13_elsewhere, 14_listen
"""

import base64
import html
import io
import json
import math
import numbers
import re
from dataclasses import replace

import numpy as np
import scipy.signal
import soundfile
from IPython.display import HTML
from tabulate import tabulate

from audiolib import AudiolibError, _checks, corpora, sounds

PLAYED = (8000, 48000)  # Hz; the sample rates that every browser plays lie between these
FLAC = "audio/flac", {"format": "FLAC", "subtype": "PCM_16"}
MP3 = "audio/mpeg", {"format": "MP3", "subtype": "MPEG_LAYER_III"}
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
FILM = """<style>.film {max-width: 600px; background: #fff; color: #333} .film img {width: 100%}
.film label {display: block; text-align: right; font: 13px sans-serif} .film .moving {display: none}
@media print {.film label {display: none}}
@media screen and (prefers-reduced-motion: no-preference) {
.film:not(:has(input:checked)) .moving {display: block} .film:not(:has(input:checked)) .still {display: none}}
</style>"""


class Keeper:
    """Remembers numbers and words of one chapter, so that prose anywhere in the book can say them.

    Text, HTML and whole numbers stay as they are, every other number becomes a float; an underscore in a keyword
    becomes a hyphen.

    >>> keep = Keeper("04")
    >>> keep("step", 0.5)        # then {glue:text}`04-step:.1f` in the prose
    >>> keep(step=0.5, first_word="one")
    """

    def __init__(self, chapter):
        self.chapter = chapter

    def __call__(self, name=None, value=None, /, **values):
        from myst_nb import glue  # loads Sphinx, which a script that only wants a player can do without

        named = {key.replace("_", "-"): one for key, one in values.items()}
        if name is not None:
            named[name] = value
        for key, one in named.items():
            if not isinstance(one, (str, HTML)):
                one = int(one) if isinstance(one, numbers.Integral) else float(one)
            glue(f"{self.chapter}-{key}", one, display=False)

    def verdict(self, name, verdict, fields=("word", "yes", "no", "n")):
        """Remember these fields of a verdict of ``comparison``, as ``name-word`` and so on."""
        self(**{f"{name}_{field}": getattr(verdict, field) for field in fields})


# --- numbers as they are printed --------------------------------------------------------------------------------------


def thousands(n):
    """A whole number in groups of three, with narrow spaces that do not break."""
    return f"{n:,}".replace(",", "\u202f").replace("-", "\u2212")


def power_of_ten(x):
    """A very small or large number with one digit and a raised exponent, in spaces that do not break."""
    if x == 0:
        return "0"
    digit, exponent = f"{x:.0e}".split("e")
    return f"{digit}\u00a0×\u00a010".replace("-", "\u2212") + str(int(exponent)).translate(RAISED)


def points(x):
    """A difference of two shares in percentage points, with its sign; what rounds to nothing has none."""
    text = f"{100 * x:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "\u2212")


def percent(low, high):
    """An interval of a share in percent, cut off at 0 and 100."""
    return f"[{100 * max(0, low):.1f}, {100 * min(1, high):.1f}]"


def interval(row, show=points):
    """A value with its interval, each as ``show`` says it; alone where there is none (``low`` is None)."""
    value = show(row["value"])
    return value if row["low"] is None else f"{value} ({show(row['low'])} to {show(row['high'])})"


def p_value(p):
    """A p-value to the digits that matter."""
    p = _checks.number("p", p, 0, 1)
    return "p < 0.001" if p < 0.001 else f"p = {p:.{3 if p < 0.01 else 2}f}"


def plural(n, word):
    """A count and what is counted; the word takes an s unless there is one of it."""
    return f"{thousands(n)} {word}" + ("" if n == 1 else "s")


# --- players, pictures and tables -------------------------------------------------------------------------------------


def player(y, sr, *, title, seconds=5.0, level="keep", over=None, light=False):
    """The first ``seconds`` of a mono signal to listen to, as FLAC inside the HTML, with soft edges of 10 ms.

    FLAC because it changes nothing that 16 bits hold: the smaller MP3 and Ogg drop what is faint or high, and that is
    what a book about sound may want to show. ``title`` stands above the player and is read out by screen readers.
    A ``level`` of "keep" scales down only what is beyond ±1, "peak" scales what is too quiet to hear to 0.9.
    ``over=("fig-name", ax, ...)`` lets a line run over a figure of the page, in its axes of seconds, while it sounds.
    ``light`` is MP3, a fifth of the bytes, for a page that must be small.
    """
    _checks.one_of("level", level, ("keep", "peak"))
    _checks.number("sr", sr, above=0)
    _checks.number("seconds", seconds, above=0.5 / sr)  # rounded, a sample at least
    y = np.asarray(y, dtype=np.float32)
    if y.ndim != 1 or len(y) == 0:
        guess = "; did you mean y.mean(axis=0)?" if y.ndim == 2 else ""
        raise AudiolibError(f"y has the shape {y.shape}, but a player needs one channel with samples in it{guess}")
    y = y[: round(seconds * sr)]
    if not np.isfinite(y).all():
        bad = np.count_nonzero(~np.isfinite(y))
        raise AudiolibError(f"y: {bad} of {len(y)} samples are NaN or infinite; np.nan_to_num(y) makes them playable")
    rate = int(np.clip(sr, *PLAYED))
    if rate != sr:
        divisor = math.gcd(rate, int(sr))
        y = scipy.signal.resample_poly(y, rate // divisor, int(sr) // divisor)
    peak = float(np.abs(y).max())
    if level == "peak" and peak > 0:
        y = y * (0.9 / peak)
    elif peak > 1:
        y = y / peak
    clip = io.BytesIO()
    kind, options = MP3 if light else FLAC
    soundfile.write(clip, sounds.fade(y, sr=rate), rate, **options)
    # No line ends between a number and its unit.
    name = re.sub(r"(?<=\d) (?=(?:k?Hz|dB|ms|s|MB|%)(?![\w/]))", "\u202f", html.escape(title))
    return HTML(
        f'<figure class="audio-player"{_place(over)}><figcaption>{name}</figcaption><audio controls preload="metadata" '
        f'aria-label="{name}" src="{_data(kind, clip)}"></audio></figure>'
    )


def _place(over):
    """Where in its picture a figure has these axes (shares from the left and the top), and which seconds they show."""
    if over is None:
        return ""
    name, *axes = over
    axes[0].figure.draw_without_rendering()  # now the layout is made
    numbers = []
    for ax in axes:
        box = ax.get_position()
        here = box.x0, box.x1, 1 - box.y1, 1 - box.y0, *ax.get_xlim()
        numbers.append(" ".join(f"{x:.4f}" for x in here))
    return f' data-figure="{html.escape(name)}" data-over="{"; ".join(numbers)}"'


def row(*players, compare=False):
    """Players side by side, where the page is wide enough.

    ``compare`` is for sounds that are alike moment by moment: a button switches from one to the next at the same place.
    """
    players = "".join(one.data for one in players)
    return HTML(f'<div class="compare">{players}</div>' if compare else players)


def guess(players, answers, machine, choices):
    """Players with a question below each: which of the choices is it? On a page with the book's script, buttons.

    ``answers`` are the right ones, ``machine`` holds what a machine answered and a sentence that says so, pairs of text
    in the order of the players. Without the script the answers are folded.
    """
    parts = []
    for one, answer, (said, sentence) in zip(players, answers, machine, strict=True):
        answer, said, sentence = (html.escape(text) for text in (answer, said, sentence))
        parts.append(
            f'<div class="guess-one" data-answer="{answer}" data-machine="{said}">{one.data}<details>'
            f"<summary>The answer</summary><p>It is <b>{answer}</b>. {sentence}</p></details></div>"
        )
    choices = html.escape("|".join(choices))
    return HTML(f'<div class="guess" data-choices="{choices}">{"".join(parts)}<p class="guess-count"></p></div>')


def table(rows, headers):
    """A table of HTML: the first column is text, to the left; the others are numbers, to the right.

    Cells are shown as they are, text escaped: format numbers first. A cell of ``IPython.display.HTML`` stays HTML.
    """
    headers, rows = list(headers), [list(cells) for cells in rows]
    for number, cells in enumerate(rows):
        if len(cells) != len(headers):
            raise AudiolibError(f"row {number} has {len(cells)} cells, but there are {len(headers)} headers: {cells}")
    safe = [[one.data if isinstance(one, HTML) else html.escape(str(one)) for one in cells] for cells in rows]
    aligned = {"disable_numparse": True, "stralign": "right", "colalign": ["left"] if rows else None}
    return HTML(tabulate(safe, [html.escape(one) for one in headers], tablefmt="unsafehtml", **aligned))


def dots(rows, label, *, show=points, line=0.0, span=None, ratio=False):
    """A small drawing of values with their intervals, a row each: what a card of the claims page has room for.

    Parameters
    ----------
    rows : dict
        Name to a mapping with ``value``, ``low`` and ``high``; without an interval ``low`` is None.
    label : str
        What is drawn, with its unit.
    show : callable
        Says a value as text.
    line : float or None
        Where there is no difference, or what guessing reaches.
    span : (float, float), optional
        A range that somebody else gives, drawn as a pale bar.
    ratio : bool
        Whether the line is at 1, and half and twice are equally far from it; all values are then above 0.

    Returns
    -------
    IPython.display.HTML
        The drawing, with its values in words for screen readers; empty where there are no rows.
    """
    line = 1.0 if ratio else line
    ends = [row[end] for row in rows.values() for end in ("value", "low", "high") if row[end] is not None]
    if not ends:
        return HTML("")
    ends += [*(span or ()), *(() if line is None else (line,))]
    at = math.log if ratio else float
    start, width = at(min(ends)), (at(max(ends)) - at(min(ends))) or 1.0

    def mark(kind, low, high=None):
        """A mark in its row, in percent of the width; five are left free at either side."""
        left, right = (5 + 90 * (at(x) - start) / width for x in (low, low if high is None else high))
        return f'<b class="dots-{kind}" style="left: {left:.1f}%; width: {right - left:.1f}%"></b>'

    drawn = []
    for name, row in rows.items():
        marks = "" if span is None else mark("span", *span)
        marks += "" if line is None else mark("line", line)
        marks += "" if row["low"] is None else mark("bar", row["low"], row["high"])
        drawn.append(f"<span>{html.escape(name)}</span><i>{marks}{mark('dot', row['value'])}</i>")
    told = html.escape(f"{label}: " + "; ".join(f"{name} {interval(row, show)}" for name, row in rows.items()))
    drawn.append(f"<em>{html.escape(label)}</em><em><u>{show(min(ends))}</u><u>{show(max(ends))}</u></em>")
    return HTML(f'<div class="dots" role="img" aria-label="{told}">{"".join(drawn)}</div>')


def film(fig, change, count, *, alt, milliseconds=400):
    """A figure that moves, with a box to hold it still; in the end it is closed.

    ``change(i)`` brings it to its picture ``i``, from 0 to ``count - 1``; each stays for so many milliseconds, the last
    for 3 s. Who asked the system for less motion, or prints the page, sees the last picture only. ``alt`` says what is
    seen, for those who do not see it.
    """
    import matplotlib.pyplot as plt
    from PIL import Image

    _checks.whole("count", count, least=2)
    fig.set_dpi(150)
    pictures = []
    for number in range(count):
        change(number)
        fig.canvas.draw()
        fig.set_layout_engine("none")  # all has its place now; another layout would make the film shake
        pictures.append(Image.fromarray(np.asarray(fig.canvas.buffer_rgba())[..., :3].copy()))
    plt.close(fig)
    times = {"duration": [milliseconds] * (count - 1) + [3000], "loop": 0}
    still, moving = io.BytesIO(), io.BytesIO()
    pictures[-1].save(still, "png")
    pictures[0].save(moving, "webp", save_all=True, append_images=pictures[1:], lossless=True, method=2, **times)
    alt = html.escape(alt)
    return HTML(
        f'{FILM}<div class="film"><img class="still" alt="{alt}" src="{_data("image/png", still)}">'
        f'<img class="moving" alt="{alt}" src="{_data("image/webp", moving)}">'
        '<label><input type="checkbox"> hold still</label></div>'
    )


def picture(fig, *, alt, caption):
    """A figure of matplotlib as HTML, to be glued into another page, where the alternative text goes along.

    The figure is closed, so that it is not shown where it is made; ``caption`` is HTML and stands below it.
    """
    import matplotlib.pyplot as plt

    image, width = io.BytesIO(), round(fig.dpi * fig.get_figwidth())
    fig.savefig(image, format="webp", dpi=2 * fig.dpi, pil_kwargs={"lossless": True})
    plt.close(fig)
    return HTML(
        f'<figure class="align-default"><img style="width: {width}px" alt="{html.escape(alt)}" '
        f'src="{_data("image/webp", image)}">'
        f"<figcaption><p>{caption}</p></figcaption></figure>"
    )


def figure(name, *, still, **data):
    """A figure that answers the hand, drawn by ``figures.js`` from these numbers; a player among them gives its sound.

    ``still`` is the name of the figure in the text that shows it standing still: on paper, and where no script runs.
    """

    def plain(value):
        if isinstance(value, HTML):
            return re.search('src="([^"]+)"', value.data)[1]
        return np.asarray(value, float).round(5).tolist()

    text = json.dumps(data, default=plain).replace("<", "\\u003c")
    return HTML(
        f'<div class="hand" data-figure="{name}"><p class="hand-still">On the pages of the book a figure '
        f'here answers the hand; <a href="#{still}">this one</a> shows it standing still.</p>'
        f'<script type="application/json">{text}</script></div>'
    )


def _data(kind, file):
    """A file inside the page, as an address."""
    return f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


# --- what a chapter takes from a corpus -------------------------------------------------------------------------------


def pick(corpus, number, *, sr=None):
    """The clip of that number, its sound and its rate (or as converted to ``sr``); or the next that can be used.

    Beyond the last clip, the last one is meant. A clip that cannot be read, or that is silent, is named on the page and
    left out; it is an error if no clip remains.
    """
    start = min(max(0, int(number)), len(corpus) - 1)
    for clip in corpus.clips[start:] + corpus.clips[:start]:
        try:
            y, rate = corpora.read(clip, sr=sr)
        except AudiolibError as error:
            _leave_out(clip, str(error))
            continue
        if y.any():
            return clip, y, rate
        _leave_out(clip, "silent")
    raise AudiolibError(f"{corpus.name}: none of its {len(corpus)} clips can be read and heard; see the reasons above")


def evenly(corpus, per_label):
    """At most so many clips of each label, spread evenly over the list: a corpus.

    What ``corpora.check`` finds wrong is named on the page and left out; a label without clips is none, and it is an
    error if nothing remains.
    """
    chosen = []
    for label in corpus.labels:
        clips = [clip for clip in corpus.clips if clip.label == label]
        count = min(max(1, int(per_label)), len(clips))
        chosen += [clips[i] for i in np.linspace(0, len(clips) - 1, count).astype(int)]
    some = replace(corpus, clips=tuple(chosen))
    wrong = dict(corpora.check(some, progress=False).problems)
    for clip in some.clips:
        if clip.name in wrong:
            _leave_out(clip, wrong[clip.name])
    clips = tuple(clip for clip in chosen if clip.name not in wrong)
    if not clips:
        raise AudiolibError(f"{corpus.name}: something is wrong with each of the {len(chosen)} clips; see above")
    return replace(some, clips=clips, labels=tuple(sorted({clip.label for clip in clips})))


def _leave_out(clip, reason):
    """Say so on the page, by the clip's name: where it lies on somebody's disk is no matter of the page."""
    print(f"left out: {clip.name}: {reason.replace(str(clip.path), '').lstrip(': ')}")


def middle(y, sr, seconds=5.0):
    """At most so many seconds from the middle of a signal."""
    start = max(0, (len(y) - round(seconds * sr)) // 2)
    return y[start : start + round(seconds * sr)]
