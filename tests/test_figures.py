"""The figures that answer the hand: their numbers against Python's, on a small page and on the rendered chapters.

Without a browser these tests are skipped and say so.
"""

import json
import shutil
from dataclasses import replace

import jupytext
import numpy as np
import pytest
import scipy.fft
from conftest import ROOT

from audiolib import page, protocols
from audiolib.features import Features

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
STATIC = ROOT / "book/_static"
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed: no figure is moved")


def chapter(name, *marks, **given):
    """What the cells of a chapter define that hold one of these pieces of text."""
    names = {"np": np, "SR": 22050, **given}
    sources = [cell.source for cell in jupytext.read(ROOT / f"notebooks/{name}.md").cells if cell.cell_type == "code"]
    for mark in marks:
        (source,) = (source for source in sources if mark in source)
        exec(source, names)
    return names


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        yield browser
        browser.close()


@pytest.fixture
def show(browser, tmp_path):
    """A function that puts a figure on a page of its own and opens it without a network."""
    contexts = []

    def show(*shown, script=True, viewport=None):
        scripts = [f'<script src="{(STATIC / name).as_uri()}"></script>' for name in ("fft.js", "figures.js")]
        (tmp_path / "page.html").write_text(
            '<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8"><title>figures</title>'
            f'<link rel="stylesheet" href="{(STATIC / "figures.css").as_uri()}">{"".join(scripts)}<body><main>'
            + "".join(one.data for one in shown), encoding="utf8")
        context = browser.new_context(java_script_enabled=script, viewport=viewport or {"width": 900, "height": 900})
        context.set_offline(True)
        contexts.append(context)
        one = context.new_page()
        one.errors = []
        one.on("console", lambda message: one.errors.append(message.text) if message.type == "error" else None)
        one.on("pageerror", lambda error: one.errors.append(str(error)))
        one.goto((tmp_path / "page.html").as_uri())
        return one

    yield show
    for context in contexts:
        context.close()
