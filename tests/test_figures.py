"""The figures that answer the hand: their numbers against Python's, on a small page and on the rendered chapters.

Without a browser these tests are skipped and say so.
"""

import ast
import json
import re
from pathlib import Path

import jupytext
import numpy as np
import pytest
import scipy.fft
from conftest import HTML, ROOT

from audiolib import page, protocols
from audiolib.features import Features

STATIC = ROOT / "book/_static"


def mentions(node, names):
    return any(isinstance(part, ast.Name) and part.id in names for part in ast.walk(node))


def chapter(name, *marks, leave_out=("page", "keras", "layer", "by_keras", "keep"), **given):
    """What the cells of a chapter define that hold one of these pieces of text: their definitions and assignments."""
    names = {"np": np, "SR": 22050, **given}
    sources = [cell.source for cell in jupytext.read(ROOT / f"notebooks/{name}.md").cells if cell.cell_type == "code"]
    for mark in marks:
        (source,) = (source for source in sources if mark in source)
        kept = [node for node in ast.parse(source).body if not mentions(node, leave_out)]
        exec(compile(ast.Module(kept, []), name, "exec"), names)
    return names


@pytest.fixture
def show(tab, tmp_path):
    """A function that puts a figure on a page of its own and opens it."""
    def show(*shown, script=True, viewport=None):
        scripts = [f'<script src="{(STATIC / name).as_uri()}"></script>' for name in ("fft.js", "figures.js")]
        (tmp_path / "page.html").write_text(
            '<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8"><title>figures</title>'
            f'<link rel="stylesheet" href="{(STATIC / "figures.css").as_uri()}">{"".join(scripts)}<body><main>'
            + "".join(one.data for one in shown), encoding="utf8")
        return tab((tmp_path / "page.html").as_uri(), java_script_enabled=script,
                   viewport=viewport or {"width": 900, "height": 900})

    return show


def numbers(shown):
    """What a figure hands to its script."""
    return json.loads(shown.data.split('<script type="application/json">')[1].split("</script>")[0])


def test_a_figure_hands_over_numbers_in_order_and_the_sound_of_a_player():
    sound = page.player(np.sin(np.arange(800) / 9), 8000, title="</script>")
    shown = page.figure("one", still="fig-one", y=np.float32([0.1, 2]), n=np.int64(3), word="</script><b>",
                        sounds={5: sound, 4: sound})
    assert shown.data.count("</script>") == 1, "no word ends the script"
    data = numbers(shown)
    assert (data["y"], data["n"], data["word"]) == ([0.1, 2], 3, "</script><b>")
    assert list(data["sounds"]) == ["5", "4"] and data["sounds"]["5"].startswith("data:audio/flac;base64,")
    assert '<a href="#fig-one">' in shown.data


def test_sums_and_spectrum_of_swing_are_numpys(show):
    names = chapter("02_sound", "t = np.arange(SR)", "riddle_sound = (", "def how_much(")
    y = names["riddle_sound"][:1102]
    one = show()
    for hertz in (200, 425, 440, 500, 660):
        found = one.evaluate("([y, hertz]) => hand.ask(y, 22050, hertz)", [y.tolist(), hertz])
        np.testing.assert_allclose(found, names["how_much"](y, hertz, 22050), atol=1e-9)
    found = one.evaluate("y => hand.spectrum(y, 16384)", y.tolist())
    np.testing.assert_allclose(found, 2 * np.abs(np.fft.rfft(y, 16384)) / len(y), atol=1e-9)


def test_swing_says_what_the_keys_ask(show):
    y = chapter("02_sound", "t = np.arange(SR)", "riddle_sound = (")["riddle_sound"][: round(0.05 * 22050)]
    one = show(page.figure("swing", still="fig", sr=22050, hertz=(200, 900), y=y))
    frequency, phase = one.get_by_role("slider").all()
    frequency.focus()
    for _ in range(3):
        one.keyboard.press("ArrowRight")
    assert frequency.get_attribute("aria-valuetext") == "440\u202fHz"
    told = one.get_by_role("status").inner_text()
    assert "0.336" in told and "0.216" in told and "0.400 long" in told and "blue prevails" in told
    phase.focus()
    one.keyboard.press("End")  # once round: the cosine again
    assert one.get_by_role("status").inner_text() == told.replace("0 degrees", "360 degrees")
    for _ in range(36):
        one.keyboard.press("ArrowLeft")  # half round
    assert "\u22120.336: orange prevails" in one.get_by_role("status").inner_text()
    assert one.errors == []


def lit(names, length, hop):
    """The rule of the two lamps, with the chapter's own functions: a valley of 6 dB between the tones, the clicks."""
    y, window = names["awkward"], names["hann_window"](length)

    def above(centre):
        frame = y[centre - length // 2 :][:length] * window
        return 10 * np.log10(max(np.sum(np.abs(np.fft.rfft(frame, 8192))[1115:] ** 2), 1e-20))

    first, second = names["CLICKS"]
    half = (second - first) // 2
    levels = {t: above(t) - above(first) for t in range(0, len(y), hop) if first - half < t < second + half}
    seen = [max([level for t, level in levels.items() if abs(t - click) < half], default=-200)
            for click in (first, second)]
    between = min([level for t, level in levels.items() if first < t < second], default=0)
    return bool(names["tone_valley"](length) < -6), min(seen) > -6 and between < -6


def test_the_lamps_follow_the_chapters_rule_and_are_never_both_lit(show):
    names = chapter("03_stft", "awkward = 0.05", "def tone_valley(", "def click_valley(")
    shown = page.figure("look", still="fig", y=names["awkward"], sr=22050, clicks=names["CLICKS"],
                        seconds=(0.4, 0.58), hertz=(500, 1700))
    one = show(shown)
    both = [(2**w, 2**h) for w in range(6, 14) for h in range(4, 12)]
    found = one.evaluate(
        "([data, both]) => both.map(([n, hop]) => hand.lamps(data, n, hop)).map(lit => [lit.tones, lit.clicks])",
        [numbers(shown), both])
    assert not any(tones and clicks for tones, clicks in found)
    assert any(tones for tones, _ in found) and any(clicks for _, clicks in found)
    for (length, hop), two in zip(both, found, strict=True):
        assert tuple(two) == lit(names, length, hop), (length, hop)
    for length, two in zip((64, 128, 256, 512, 1024), found[::8], strict=False):  # the finest hop: the hop is no matter
        assert two[1] == (names["click_valley"](length) < -6)
    size = one.get_by_role("slider", name="Window")
    size.focus()
    one.keyboard.press("End")
    assert "tones apart: yes" in one.locator(".hand-lit").inner_text() and "clicks apart: no" in one.inner_text("main")
    for _ in range(5):
        one.keyboard.press("ArrowLeft")
    assert one.locator(".hand-lit").all_inner_texts() == ["clicks apart: yes"]
    assert "two upright bars" in one.get_by_role("status").inner_text()
    one.get_by_role("slider", name="Hop").press("End")
    assert one.locator(".hand-lit").count() == 0 and "step over" in one.get_by_role("status").inner_text()
    assert one.errors == []


def test_keep_transforms_and_rebuilds_as_scipy_does(show):
    levels = np.random.default_rng(0).normal(-40, 12, 128).round(5)
    sound = page.player(np.sin(np.arange(4000) / 9), 8000, title="")
    one = show(page.figure("keep", still="fig", sr=8000, levels=levels, sounds={5: sound, 128: sound}))
    by_scipy = scipy.fft.dct(levels, norm="ortho")
    np.testing.assert_allclose(one.evaluate("y => hand.dct(y)", levels.tolist()), by_scipy, atol=1e-9)
    for count in (1, 5, 13, 40, 128):
        found = one.evaluate("([y, n]) => hand.rebuilt(hand.dct(y), n)", [levels.tolist(), count])
        wanted = scipy.fft.idct(np.where(np.arange(128) < count, by_scipy, 0), norm="ortho")
        np.testing.assert_allclose(found, wanted, atol=1e-9)
    one.get_by_role("button", name="Hear 5").click()
    error = np.sqrt(np.sum(by_scipy[5:] ** 2) / 128)
    share = 100 * (1 - np.sum(by_scipy[5:] ** 2) / np.sum(by_scipy[1:] ** 2))
    told = one.get_by_role("status").inner_text()
    assert told.startswith(f"5 of 128 coefficients: an error of {error:.1f}\u202fdB.")
    assert f"keep {share:.0f}\u202f%" in told
    one.get_by_role("slider").press("Home")
    assert one.get_by_role("status").inner_text().startswith("1 of 128")
    assert one.errors == []


def test_the_desk_mixes_as_the_chapters_layers_do(show):
    """Rendered by the browser's own audio: depthwise then pointwise, and the standard layer where sides differ."""
    names = chapter("08_separable", "def depthwise(", "def pointwise(", "def standard(", x=np.zeros((99, 3)))
    d, x = names["d"], np.random.default_rng(0).uniform(-0.1, 0.1, (2000, 3))
    one = show()
    kernels = one.evaluate("data => [-1, 0, 1].map(e => hand.equaliser(e, data))",
                           {"dull": names["dull"].tolist(), "same": names["same"].tolist()})
    np.testing.assert_allclose(np.transpose(kernels), d, atol=1e-12)
    other = np.stack([d * names["p"][:, 0], d[:, ::-1] * names["p"][:, 1]], axis=-1)  # [frame, channel, side]
    mixed = names["pointwise"](names["depthwise"](x, d), names["p"])
    for W, wanted in ((d[:, :, None] * names["p"], mixed), (other, names["standard"](x, other))):
        found = one.evaluate(
            """async ([stems, W]) => {
                const context = new OfflineAudioContext(2, 2000, 22050);
                const sources = stems.map(stem => {
                    const buffer = new AudioBuffer({length: 2000, sampleRate: 22050});
                    buffer.copyToChannel(Float32Array.from(stem), 0);
                    const node = new AudioBufferSourceNode(context, {buffer});
                    node.start();
                    return node;
                });
                hand.patch(context, sources, context.destination)((s, o) => W.map(frame => frame[s][o]));
                const heard = await context.startRendering();
                return [0, 1].map(o => [...heard.getChannelData(o)]);
            }""", [x.T.tolist(), W.tolist()])
        np.testing.assert_allclose(np.transpose(found)[len(d) - 1 :], wanted, atol=1e-5)


def test_the_desk_counts_its_weights_and_sees_what_is_not_separable(show):
    sound = page.player(np.sin(np.arange(4000) / 9), 8000, title="")
    kernel = np.hanning(32) / np.hanning(32).sum()
    one = show(page.figure("desk", still="fig", sr=8000, dull=kernel, same=np.eye(32)[16],
                           faders=[[0.7, 0.7], [0.9, 0.3], [0.1, 0.9]], start=(-1, 0, 1),
                           stems={name: sound for name in ("Drums", "Bass", "Piano")}))
    status, sliders = one.get_by_role("status"), one.get_by_role("slider")
    assert "102 weights" in status.inner_text() and sliders.count() == 9
    one.get_by_label("The desk is").select_option("full")
    assert "192 weights" in status.inner_text() and sliders.count() == 12
    assert "nothing that the separable desk could not do" in status.inner_text()
    one.get_by_role("group", name="Bass").get_by_label("Tone, right").press("ArrowLeft")
    assert "for the bass: the separable desk cannot" in status.inner_text()
    one.get_by_role("button", name="Play").click()
    one.get_by_role("group", name="Bass").get_by_label("Fader, right").press("Home")  # while it plays
    one.get_by_role("button", name="Stop").click()
    assert one.errors == []


@pytest.mark.parametrize(("k", "C", "N"), [(4, 256, 256), (1, 3, 1), (2, 2, 2), (16, 512, 96)])
def test_the_bill_is_that_of_the_library(show, k, C, N):
    keras = pytest.importorskip("keras")
    from audiolib import cost

    one = show(page.figure("bill", still="fig", frames=130))
    found = one.evaluate("([k, C, N]) => hand.bill(k, C, N, 130)", [k, C, N])
    for i, kind in enumerate((keras.layers.Conv1D, keras.layers.SeparableConv1D)):
        layer = kind(N, k, use_bias=False, padding="same")
        row = cost.layers(keras.Sequential([keras.Input((130, C)), layer]))[-1]
        assert (found["weights"][i], found["work"][i]) == (row.parameters, row.multiply_adds)
    for name, value in (("k,", k), ("C,", C), ("N,", N)):
        slider = one.get_by_role("slider", name=name)
        slider.press("Home")
        while slider.get_attribute("aria-valuetext") != str(value):
            slider.press("ArrowRight")
    shown = one.inner_text(".hand-bars").replace("\u202f", "")
    assert f"{found['weights'][1]} parameters, {found['work'][1]} multiply-adds" in shown
    assert f"{1 / N + 1 / k:.3f}" in one.get_by_role("status").inner_text()


def test_the_counter_of_deal_counts_what_the_protocols_dealt(show):
    names = chapter("11_leak", "ARTISTS = ", "def letters(", "def siblings(", Features=Features, protocols=protocols,
                    comb=None)
    sound = page.player(np.sin(np.arange(24 * 10 * 80) / 9), 8000, title="", seconds=9)
    one = show(page.figure("deal", still="fig", artists=names["ARTISTS"], segments=10, deals=names["shuffled"],
                           sr=8000, seconds=0.01, sound=sound))
    catalogue, artist = names["catalogue"], np.repeat(list(names["ARTISTS"]), 10)
    splits = {"by segment": [protocols.segment(catalogue, seed=seed) for seed in range(3)],
              "by track": [protocols.track(catalogue, seed=seed) for seed in range(3)],
              "by artist": [protocols.grouped(catalogue, fold=seed + 1, by="group", folds=4, seed=seed)
                            for seed in range(3)]}
    for protocol, some in splits.items():
        one.get_by_label("Deal", exact=True).select_option(protocol)
        for split in some:
            tracks = np.sum(names["siblings"](split, catalogue.clip) == 0)
            artists = np.sum(~np.isin(artist[split.test], artist[split.train]))
            told = one.get_by_role("status").first.inner_text()
            assert f"{len(split.test)} test cards. Without a sibling in training: {tracks}." in told
            assert told.endswith(f" by their artist in training: {artists}.")
            parts = one.locator(".hand-card").evaluate_all("cards => cards.map(card => card.dataset.part)")
            assert [i for i, part in enumerate(parts) if part == "x"] == split.test.tolist()
            one.get_by_role("button", name="Deal again").click()
        for _ in range(9):
            one.get_by_role("button", name="Deal again").click()  # twelve in all: the first again
    split = splits["by segment"][0]
    one.get_by_label("Deal", exact=True).select_option("by segment")
    one.locator(".hand-card").nth(split.test[0]).click()
    family = np.sum(catalogue.clip[split.train] == catalogue.clip[split.test[0]])
    assert one.locator(".hand-card.hand-lit").count() == 1 + family
    assert f"{family} of its siblings" in one.get_by_role("status").last.inner_text()
    one.keyboard.press("ArrowDown")  # to the same place of the next track
    assert one.evaluate("[...document.querySelectorAll('.hand-card')].indexOf(document.activeElement)") == \
        split.test[0] + 10
    one.keyboard.press("Enter")
    card = one.locator(".hand-card").nth(split.test[0] + 10)
    assert "hand-lit" in card.get_attribute("class") and f"track {catalogue.clip[split.test[0]] + 2}, segment " in \
        card.get_attribute("aria-label")
    assert one.errors == []


def test_without_scripts_and_on_paper_the_still_figure_is_named(show):
    shown = page.figure("bill", still="fig-one", frames=130)
    plain = show(shown, script=False)
    assert plain.locator(".hand-still a[href='#fig-one']").is_visible() and plain.locator(".hand-live").count() == 0
    one = show(shown)
    assert not one.locator(".hand-still").is_visible() and one.locator(".hand-live").is_visible()
    one.emulate_media(media="print")
    assert one.locator(".hand-still").is_visible() and not one.locator(".hand-live").is_visible()


# --- on the rendered chapters -----------------------------------------------------------------------------------------

FIGURES = {"02_sound": ["swing"], "03_stft": ["look"], "06_data": ["keep"], "08_separable": ["desk", "bill"],
           "11_leak": ["deal"]}  # fmt: skip


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_of_a_chapter_answers_a_key_and_can_be_used_by_everyone(tab, name, width, scheme):
    axe = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed: pip install -e .[test]")
    path = HTML / f"notebooks/{name}.html"
    if not path.exists():
        pytest.skip("the book is not rendered: make book")
    one = tab(path.as_uri(), viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert one.locator(".hand").evaluate_all("all => all.map(each => each.dataset.figure)") == FIGURES[name]
    for figure in one.locator(".hand").all():
        still = figure.locator(".hand-still a").get_attribute("href").removeprefix("#")
        assert one.locator(f"[id='{still}'] img").count() == 1, "the still figure is on the page"
        before = figure.get_by_role("status").all_inner_texts()
        figure.locator("input[type=range], select").first.press("ArrowDown")
        assert figure.get_by_role("status").all_inner_texts() != before
        live = figure.locator(".hand-live")
        assert live.evaluate("box => box.scrollWidth <= box.clientWidth"), "it is wider than its place"
    for sound in one.locator(".hand").get_by_role("button", name=re.compile("^(Play|Hear 13|test, .*)$")).all()[:1]:
        sound.click()
        one.wait_for_timeout(300)
    assert one.errors == []
    one.add_script_tag(path=Path(axe.__file__).parent / "axe.min.js")
    found = one.evaluate("axe.run('.hand-live', {resultTypes: ['violations']})")["violations"]
    assert [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")] == []


def test_only_pages_with_such_figures_load_their_script():
    pages = list((HTML / "notebooks").glob("*.html"))
    if not pages:
        pytest.skip("the book is not rendered: make book")
    assert {path.stem for path in pages if "figures.js" in path.read_text(encoding="utf8")} == set(FIGURES)
