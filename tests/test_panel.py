"""The panel of chapter 14 in a real browser, from disk and offline: the page hears what Python hears, or says why not.

The page is the panel alone, so no book need be built; the last tests look at the chapter. Without a browser they are
skipped and say so.
"""

import base64
import importlib.util
import io
import json
import shutil
import struct
from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
import soundfile
from conftest import BROWSER, HTML, ROOT, opened

from audiolib import compose, features, listen, networks
from audiolib.features import Frontend

STATIC = ROOT / "book/_static"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>panel</title>
<link rel="stylesheet" href="listen.css">
<script src="fft.js"></script><script src="listen.js"></script>
<main><figure id="fig-listen-panel"><img alt="still" src="data:,"></figure></main></html>"""
SR = 22050

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed: the panel is not tried")


def extension():
    spec = importlib.util.spec_from_file_location("ear", ROOT / "book/_ext/ear.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("panel")
    for name in ("fft.js", "listen.js", "listen.css"):
        shutil.copy(STATIC / name, folder)
    (folder / "genres.js").write_text(extension().script(listen.load()))
    (folder / "index.html").write_text(PAGE)
    page = opened(browser, (folder / "index.html").as_uri())
    yield page
    assert page.thrown == []  # the browser itself calls a broken file an error
    assert page.outside == []
    page.context.close()


def heard(page, path):
    """What the page says of a file, as JSON."""
    page.set_input_files("#listen-file", path)
    page.wait_for_function("!document.querySelector('.listen progress').hidden || "
                           "document.querySelector('#listen-result').textContent")  # fmt: skip
    page.wait_for_function("document.querySelector('.listen progress').hidden")
    return json.loads(page.text_content("#listen-result"))


def assert_same(page, path, most):
    there, here = heard(page, path), listen.listen(path).to_dict()
    assert there["genre"] == here["genre"]
    assert list(there) == list(here)
    assert there["seconds"] == pytest.approx(here["seconds"], abs=0.05 if most > 1e-3 else 0.01)
    if most <= 1e-3:
        assert (there["sure"], there["agreement"]) == (here["sure"], here["agreement"])
    starts = [[one["start"] for one in said["segments"]] for said in (there, here)]
    assert starts[0] == pytest.approx(starts[1], abs=0.01)
    for mine, its in zip([here, *here["segments"]], [there, *there["segments"]], strict=True):
        assert list(its["probabilities"]) == list(mine["probabilities"])
        found = list(its["probabilities"].values())
        np.testing.assert_allclose(found, list(mine["probabilities"].values()), atol=most)


# --- the same numbers as Python ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def music():
    """Twelve seconds of each of four genres of the embedded corpus, end to end."""
    return np.concatenate([compose.track(genre, 0, seconds=12.0) for genre in ("blues", "disco", "metal", "classical")])


def noise(seconds, seed=0):
    """Noise that swells and fades."""
    y = np.random.default_rng(seed).standard_normal(round(seconds * SR))
    return 0.1 * y * (1.1 + np.sin(np.arange(len(y)) / 9000))


def chord(seconds):
    t = np.arange(round(seconds * SR)) / SR
    return 0.2 * sum(np.sin(2 * np.pi * f * t) for f in (220, 277.2, 329.6)) * (0.3 + (t % 0.5 < 0.1))


SOUNDS = {
    "six": lambda y: y[: 6 * SR],
    "just-one": lambda y: y[: 130_688],
    "seven": lambda y: y[12 * SR : 19 * SR],
    "ends-a-little-later": lambda y: y[: 9 * SR + 9000],
    "ends-half-way": lambda y: y[5 * SR : 16 * SR + 777],
    "thirty": lambda y: y[10 * SR : 40 * SR],
    "quiet": lambda y: 0.003 * y[24 * SR : 34 * SR],
    "loud": lambda y: 20 * y[36 * SR : 45 * SR],
    "noise": lambda y: noise(10),
    "chord": lambda y: chord(12),
    "silence-in-between": lambda y: np.concatenate([y[: 8 * SR], np.zeros(12 * SR), y[30 * SR : 38 * SR]]),
    "three-minutes": lambda y: np.concatenate([y, y[::-1], 0.5 * y, y])[: 180 * SR],
}


@pytest.mark.parametrize("name", SOUNDS)
def test_page_and_python_hear_the_same(page, music, tmp_path, name):
    path = tmp_path / f"{name}.wav"
    y = SOUNDS[name](music)
    soundfile.write(path, y, SR, subtype="FLOAT" if name in ("loud", "quiet") else "PCM_16")
    assert_same(page, path, 1e-3)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "DOUBLE"])
def test_other_numbers_in_a_wav_are_read_as_they_are(page, music, tmp_path, subtype):
    soundfile.write(tmp_path / "x.wav", np.stack([music, 0.5 * music[::-1]], 1)[: 8 * SR], SR, subtype=subtype)
    assert_same(page, tmp_path / "x.wav", 1e-3)


@pytest.mark.parametrize("name", ["wav", "flac", "mp3"])
def test_stereo_at_another_rate_is_heard_nearly_the_same(page, music, tmp_path, name):
    y = scipy.signal.resample_poly(music[6 * SR : 26 * SR], 2, 1)
    soundfile.write(tmp_path / f"x.{name}", np.stack([y, 0.7 * np.roll(y, 300)], 1), 2 * SR)
    assert_same(page, tmp_path / f"x.{name}", 0.05)


def test_the_mel_filters_are_those_of_librosa(page):
    frontend = listen.load().frontend
    told = page.evaluate("ear(GENRES).filters.map(({first, weights}) => [first, Array.from(weights)])")
    ours = np.zeros((frontend.n_fft // 2 + 1, frontend.n_mels))
    for band, (first, weights) in enumerate(told):
        ours[first : first + len(weights), band] = weights
    np.testing.assert_allclose(ours, features._mel_filters(frontend), atol=1e-6)


IMAGE = (
    networks.Square(9, 4, True), networks.Norm(), networks.Pool(4, 3, True), networks.Square(16, separable=True),
    networks.Norm(), networks.Pool(2, 2), networks.Dropout(0.3),
)  # fmt: skip
SEQUENCE = (
    networks.Conv(12, 4), networks.Norm(), networks.Pool(3), networks.Dropout(0.2), networks.Separable(10, 2),
    networks.Norm(),
)  # fmt: skip
NETWORKS = {
    "image-flat": (*IMAGE, networks.Flatten(), networks.Dense(11), networks.Dropout(0.1)),
    "image-mean": (*IMAGE, networks.Mean()),
    "sequence-flat": (*SEQUENCE, networks.Flatten(), networks.Dense(11)),
    "sequence-statistics": (*SEQUENCE, networks.Statistics(), networks.Norm()),
}


def untrained(steps, frontend, classes=3, seed=0):
    """Random weights in the order of Keras's, and of their shapes."""
    rng, image, shapes = np.random.default_rng(seed), isinstance(steps[0], networks.Square), []
    frames, bands, channels = frontend.frames, frontend.bands if image else 1, 1 if image else frontend.bands
    for step in steps:
        kind = type(step).__name__
        if kind in ("Conv", "Separable", "Square"):
            high, wide = (step.width, step.width) if image else (step.width, 1)
            window = (high, wide) if image else (high,)
            if kind == "Separable" or getattr(step, "separable", False):
                shapes += [(*window, channels, 1), (*(1 for _ in window), channels, step.filters), (step.filters,)]
            else:
                shapes += [(*window, channels, step.filters), (step.filters,)]
            frames, channels = frames if getattr(step, "same", False) else frames - high + 1, step.filters
        elif kind == "Norm":
            shapes += [(channels,)] * 4
        elif kind == "Pool":
            frames = -(-frames // step.size) if step.same else frames // step.size
            bands = (-(-bands // step.bands) if step.same else bands // step.bands) if image else 1
        elif kind == "Flatten":
            channels *= frames * bands
        elif kind == "Statistics":
            channels *= 3
        elif kind == "Dense":
            shapes += [(channels, step.units), (step.units,)]
            channels = step.units
    shapes += [(channels, classes), (classes,)]
    weights = [rng.uniform(0.2, 1, shape) if len(shape) == 1 else
               rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1])) for shape in shapes]  # fmt: skip
    return [np.float16(weight).astype(np.float32) for weight in weights]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("hop", [220, 1102.5])
def test_the_page_computes_every_layer_as_python_does(page, name, hop):
    frontend = Frontend(n_fft=1024, hop_length=hop, n_mels=24, fmin=50.0, fmax=8000.0, top_db=None, segment_seconds=1.0)
    normal = "segment" if hop == 220 else (np.full(24, -30, np.float32), np.linspace(5, 20, 24, dtype=np.float32))
    weights = untrained(NETWORKS[name], frontend)
    network = replace(listen.load(), steps=NETWORKS[name], weights=weights, frontend=frontend, normalization=normal,
                      labels=("a", "b", "c"), temperature=1.7)  # fmt: skip
    y = noise(1).astype(np.float32)
    levels, p = page.evaluate(
        """([script, y]) => {
            const net = JSON.parse(script.slice(script.indexOf("{"), script.lastIndexOf("}") + 1));
            const {levels, p} = ear(net).hear(Float32Array.from(y));
            return [Array.from(levels), p];
        }""",
        [extension().script(network), y.tolist()],
    )
    x = features.transform(y, frontend)
    np.testing.assert_allclose(np.reshape(levels, x.shape), x, atol=1e-3)
    np.testing.assert_allclose(p, network.probabilities(x)[0], atol=1e-5)


# --- what cannot be heard ---------------------------------------------------------------------------------------------


def wav_bytes(y, sr=SR, *, promised=None, channels=1):
    """A WAV of 16 bit whose header may promise what it likes."""
    data = (np.asarray(y) * 32767).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, channels, sr, 2 * channels * sr % 2**32, 2 * channels, 16)
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data"
    promised = len(data) if promised is None else promised
    return b"RIFF" + struct.pack("<I", 36 + len(data)) + chunks + struct.pack("<I", promised) + data


def nan_bytes(tmp_path):
    y = noise(8)
    y[3 * SR] = np.nan
    soundfile.write(tmp_path / "nan.wav", y, SR, subtype="FLOAT")
    return (tmp_path / "nan.wav").read_bytes()


def flac_of_hours():
    """A FLAC of seconds whose header counts the samples of days."""
    file = io.BytesIO()
    soundfile.write(file, noise(8), SR, format="FLAC")
    content = bytearray(file.getvalue())
    content[21] |= 0x0F  # the upper 4 of 36 bits, behind "fLaC", 4 bytes of a block's header, 13 of other numbers
    return bytes(content)


def png(tmp_path):
    import matplotlib.pyplot as plt

    plt.imsave(tmp_path / "x.png", np.eye(4))
    return (tmp_path / "x.png").read_bytes()


HOSTILE = {
    "empty.wav": (lambda _: b"", "empty file (0 bytes)"),
    "text.wav": (lambda _: b"This is not music.\n" * 500, "it is text, not audio"),
    "cut-header.wav": (lambda _: wav_bytes(noise(8))[:30], "its header ends before any sound"),
    "cut.wav": (lambda _: wav_bytes(noise(20))[:400_000], "truncated, 399956 of 882000 bytes"),
    "short.wav": (lambda _: wav_bytes(noise(1)), "1 s long, but this network hears 5.93 s at a time; too short"),
    "silent.wav": (lambda _: wav_bytes(np.zeros(8 * SR)), "silent"),
    "nan.wav": (nan_bytes, "samples are NaN or infinite, the first at 3 s"),
    "no-samples.wav": (lambda _: wav_bytes([]), "no samples in it"),
    "zip.mp3": (lambda _: b"PK\3\4" + bytes(5000), "it is a zip archive, not audio"),
    "picture.wav": (png, "it is a picture, not audio"),
    "page.ogg": (lambda _: b"<!doctype html><p>404</p>", "it is a web page, not audio"),
    "no-channels.wav": (lambda _: wav_bytes(noise(8), channels=0), "a rate of 22050 Hz and 0 channels"),
    "no-rate.wav": (lambda _: wav_bytes(noise(8), sr=1), "its header claims a rate of 1 Hz"),
    "bytes.mp3": (lambda _: np.random.default_rng(0).bytes(50_000), "it is damaged, or not audio"),
    "hours.flac": (lambda _: flac_of_hours(), "longer than an hour"),
    "hours.wav": (lambda _: wav_bytes(np.zeros(3601 * 1000), sr=1000), "1:00:01 long, longer than an hour"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_heard_gets_its_words(page, tmp_path, name):
    content, words = HOSTILE[name]
    (tmp_path / name).write_bytes(content(tmp_path))
    said = heard(page, tmp_path / name)
    assert set(said) == {"path", "error"} and said["path"] == name
    assert words in said["error"]
    assert page.text_content(".listen [role=status]") == f"{name}: {said['error']}."
    assert not page.is_visible(".listen-heard")


@pytest.mark.parametrize("promised", [0, 2**32 - 1, 1000])
def test_sound_that_a_header_does_not_count_is_heard(page, music, tmp_path, promised):
    for sr in (SR, 2 * SR):
        (tmp_path / "x.wav").write_bytes(wav_bytes(music[: 20 * SR], sr, promised=promised))
        assert_same(page, tmp_path / "x.wav", 1e-3 if sr == SR else 0.05)


def test_a_name_is_text_whatever_it_says(page, tmp_path):
    path = tmp_path / "<img src=x onerror=alert(1)>.wav"
    path.write_bytes(wav_bytes(noise(7)))
    assert heard(page, path)["path"] == path.name
    assert path.name in page.text_content(".listen [role=status]")


# --- the panel --------------------------------------------------------------------------------------------------------


def test_the_answer_is_told_in_words_and_drawn(page, music, tmp_path):
    (tmp_path / "song.wav").write_bytes(wav_bytes(music[: 30 * SR]))
    said = heard(page, tmp_path / "song.wav")
    words = page.text_content(".listen [role=status]")
    assert "song.wav, 0:30 long" in words and said["genre"] in words
    assert ("not sure" in words) != said["sure"]
    best = sorted(said["probabilities"], key=said["probabilities"].get)[::-1][:3]
    shown = page.locator(".listen-best li").all_text_contents()
    assert [line.split()[0] for line in shown] == best
    assert len(page.locator(".listen-legend li").all()) == 10
    drawn = page.evaluate(
        """[...document.querySelectorAll('.listen canvas')].map(
            (canvas) => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size)"""
    )
    assert min(drawn) > 3


@pytest.mark.parametrize(("place", "words"), [
    (0, "about this sure ({p} % or more), it is right on 90 of 100 test tracks"),
    (1, "about this sure ({p} to {next} %), it is right on 60 of 100 test tracks"),
    (2, "about this sure ({p} to {next} %), it is right on 25 of 100 test tracks"),
])  # fmt: skip
def test_it_says_how_often_it_is_right_when_it_is_so_sure(page, tmp_path, place, words):
    (tmp_path / "noise.wav").write_bytes(wav_bytes(noise(7)))
    said = heard(page, tmp_path / "noise.wav")
    p = said["probabilities"][said["genre"]]
    rows = [[p + 0.02 * (place - i) - 1e-4, 20, right] for i, right in enumerate((18, 12, 5))]  # the surest first
    before = page.evaluate("rows => { const before = GENRES.trust; GENRES.trust = rows; return before; }", rows)
    try:
        heard(page, tmp_path / "noise.wav")
        given = words.format(p=round(100 * (p - 1e-4)), next=round(100 * (p + 0.02 - 1e-4)))
        assert given in page.text_content(".listen-trust").replace("\u202f", " ")
    finally:
        page.evaluate("rows => { GENRES.trust = rows; }", before)


def test_the_script_carries_what_the_card_says_of_confidence():
    network = listen.load()
    rows = [[0.7, 10, 9], [0.3, 10, 4]]
    network = replace(network, card=network.card | {"test": network.card["test"] | {"by confidence": rows}})
    line = extension().script(network)
    assert json.loads(line[line.index("{") : line.rindex("}") + 1])["trust"] == rows


def test_below_the_threshold_it_is_not_sure(page, tmp_path):
    (tmp_path / "noise.wav").write_bytes(wav_bytes(noise(7)))
    page.evaluate("GENRES.threshold = 1.1")
    try:
        assert heard(page, tmp_path / "noise.wav")["sure"] is False
        assert "not sure, perhaps " in page.text_content(".listen [role=status]")
    finally:
        page.evaluate(f"GENRES.threshold = {listen.load().threshold}")


def test_the_place_is_moved_by_key_and_click_and_while_the_sound_plays(page, music, tmp_path):
    (tmp_path / "song.wav").write_bytes(wav_bytes(music[: 30 * SR]))
    heard(page, tmp_path / "song.wav")
    slider = page.locator(".listen-time")

    def place():
        return float(slider.get_attribute("aria-valuenow"))

    def at(low, high):
        page.wait_for_function(
            """([low, high]) => {
                const now = Number(document.querySelector('.listen-time').getAttribute('aria-valuenow'));
                return low <= now && now <= high;
            }""",
            arg=[low, high],
        )

    assert place() == 0
    slider.press("ArrowRight")
    at(5, 5)
    slider.press("End")
    at(29.9, 30)
    slider.press("Home")
    at(0, 0)
    box = slider.bounding_box()
    slider.click(position={"x": box["width"] / 2, "y": 20})
    at(14.5, 15.5)
    page.get_by_role("button", name="Play").click()
    at(15.6, 30)
    assert "of 0:30: " in slider.get_attribute("aria-valuetext")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Play").wait_for()


def test_the_page_stays_responsive_and_tells_progress(page, music, tmp_path):
    (tmp_path / "long.wav").write_bytes(wav_bytes(np.tile(music, 3)))
    page.evaluate(
        """() => {
            window.ticks = 0; window.told = []; window.clockwork = setInterval(() => {
                ticks++;
                const {hidden, value} = document.querySelector('.listen progress');
                if (!hidden && value > 0 && value < 1) told.push(value);
            }, 1);
        }"""
    )
    said = heard(page, tmp_path / "long.wav")
    ticks, told = page.evaluate("[ticks, told, clearInterval(clockwork)]")[:2]
    assert ticks > len(said["segments"]) / 4
    assert len(set(told)) > 10 and told == sorted(told)


@pytest.mark.parametrize("name", ["heard.wav", "still-decoded.flac"])
def test_a_second_file_takes_the_place_of_the_first(page, music, tmp_path, name):
    soundfile.write(tmp_path / name, np.tile(music, 3), SR)
    (tmp_path / "second.wav").write_bytes(wav_bytes(noise(7)))
    page.set_input_files("#listen-file", tmp_path / name)
    if name == "heard.wav":
        page.wait_for_function("document.querySelector('.listen progress').value > 0.05")
    said = heard(page, tmp_path / "second.wav")
    assert said["path"] == "second.wav" and len(said["segments"]) == 2
    page.wait_for_timeout(1500)
    assert json.loads(page.text_content("#listen-result"))["path"] == "second.wav"
    assert "second.wav" in page.text_content(".listen [role=status]")


def test_a_file_can_be_dropped(page, tmp_path):
    page.evaluate(
        """(content) => {
            const dataTransfer = new DataTransfer(), bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
            dataTransfer.items.add(new File([bytes], "dropped.wav"));
            document.querySelector(".listen").dispatchEvent(new DragEvent("drop", { dataTransfer }));
        }""",
        base64.b64encode(wav_bytes(noise(7))).decode(),
    )
    page.wait_for_function("document.querySelector('#listen-result').textContent.includes('dropped.wav')")
    assert len(json.loads(page.text_content("#listen-result"))["segments"]) == 2


def test_ten_seconds_are_recorded_and_heard(page):
    page.get_by_role("button", name="record ten seconds").click()
    page.get_by_role("button", name="stop").wait_for()
    page.wait_for_timeout(7000)
    page.get_by_role("button", name="stop").click()
    page.wait_for_function("document.querySelector('#listen-result').textContent.includes('recording')")
    said = json.loads(page.text_content("#listen-result"))
    assert said["path"] == "recording" and 6 < said["seconds"] < 11


def test_without_a_microphone_it_says_so(browser, page):
    context = browser.new_context()
    context.add_init_script("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
    other = context.new_page()
    other.goto(page.url)
    button = other.get_by_role("button", name="no recording")
    assert button.is_disabled()
    context.close()


# --- the chapter ------------------------------------------------------------------------------------------------------

CHAPTER = HTML / "notebooks/14_listen.html"


@pytest.mark.skipif(not CHAPTER.exists(), reason="the book is not rendered: make book")
@pytest.mark.parametrize("width", [1280, 400])
def test_the_chapter_hears_a_file(tab, music, tmp_path, width):
    page = tab(CHAPTER.as_uri(), viewport={"width": width, "height": 900})
    (tmp_path / "song.wav").write_bytes(wav_bytes(music[: 20 * SR]))
    assert page.is_visible("#fig-listen-panel img")
    assert_same(page, tmp_path / "song.wav", 1e-3)
    assert page.is_visible(".listen-heard") and not page.is_visible("#fig-listen-panel img")
    assert page.errors == [] and page.outside == []
    assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth + 1"), "the page scrolls sideways"
    page.emulate_media(media="print")
    assert page.is_visible("#fig-listen-panel img") and not page.is_visible(".listen")


@pytest.mark.skipif(not CHAPTER.exists(), reason="the book is not rendered: make book")
def test_without_scripts_the_chapter_shows_a_picture(tab):
    page = tab(CHAPTER.as_uri(), java_script_enabled=False)
    assert page.is_visible("#fig-listen-panel img") and page.locator(".listen").count() == 0
