"""Every test has a data root and a cache of its own; real data is used only where it lies."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

# Before NumPy or TensorFlow load: tests that start processes of their own must not fight over the cores.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Under `make test` a make that a test starts is not this one's child: no jobs to share, no line about that.
for variable in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
    os.environ.pop(variable, None)
# Nor must the user's own settings reach them.
os.environ |= {"MPLBACKEND": "agg", "KERAS_BACKEND": "tensorflow", "KERAS_HOME": tempfile.mkdtemp(prefix="keras-")}
for variable in ("MATPLOTLIBRC", "PYTHONWARNINGS"):
    os.environ.pop(variable, None)

# A shell's background job ignores Ctrl-C and hands that on; tests that press it must not depend on who started them.
signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
# The rendered book, and the browser in which its pages are looked at (None if there is none).
HTML = Path(os.environ.get("AUDIOLIB_BOOK", ROOT / "_build/html"))
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",  # a microphone that beeps
    "--use-fake-ui-for-media-stream",
]


@pytest.fixture(autouse=True)
def data_root(tmp_path, monkeypatch):
    """An empty data root, in force for every test."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("AUDIOLIB_DATA", str(folder))
    return folder


@pytest.fixture(autouse=True)
def cache_root(tmp_path, monkeypatch):
    """An empty cache, in force for every test."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv("AUDIOLIB_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")  # not longer: while Playwright's loop stands, nothing else in the process may run one
def browser():
    """Chromium or Chrome; without one the tests that need it are skipped."""
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome is installed: nothing is looked at")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()


def opened(browser, address, **settings):
    """An offline page, with what its scripts throw, that and what the browser calls an error, and what it asks for
    (``thrown``, ``errors``, ``loaded`` from disk, ``outside``).
    """
    context = browser.new_context(**settings)
    context.set_offline(True)
    context.set_default_timeout(120_000)  # a busy machine is no failure
    page = context.new_page()
    page.thrown, page.errors, page.outside, page.loaded = [], [], [], []
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: (page.thrown.append(str(error)), page.errors.append(str(error))))
    page.on("request", lambda request: page.loaded.append(request.url) if request.url.startswith("file") else None)
    page.on("request", lambda request: page.outside.append(request.url) if request.url.startswith("http") else None)
    page.goto(address)
    return page


@pytest.fixture
def tab(browser):
    """A function like `opened`, whose pages are closed after the test."""
    pages = []

    def tab(address, **settings):
        pages.append(opened(browser, address, **settings))
        return pages[-1]

    yield tab
    for page in pages:
        page.context.close()


@pytest.fixture(scope="session")
def real_data():
    """The folder with real corpora, named by AUDIOLIB_REAL_DATA; tests that need it are skipped without it."""
    folder = os.environ.get("AUDIOLIB_REAL_DATA")
    if not folder:
        pytest.skip("no real data: set AUDIOLIB_REAL_DATA to a data root")
    return Path(folder)
