"""The first chapters on a reader's own folder: they do with less, and name what they leave out."""

import warnings

import jupytext
import matplotlib.pyplot as plt
import numpy as np
import pytest
import soundfile
from conftest import ROOT

SR = 8000


def clip(path, seconds, number, sr=SR):
    t = np.arange(round(seconds * sr)) / sr
    y = 0.4 * np.sin(2 * np.pi * ((200 + 37 * number) * t + 60 * t**2)) + (np.arange(len(t)) % sr == 0) * 0.4
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, y + 0.01 * np.random.default_rng(number).standard_normal(len(y)), sr)


def short(folder):
    """Two labels, clips of 3.5 s: a copy that begins later is shorter than a segment."""
    for number in range(6):
        clip(folder / "ab"[number % 2] / f"{number}.wav", 3.5, number)


def broken(folder):
    """The first clip of one label and the last of the other are no audio, one is silent, two are alike."""
    for number in range(8):
        clip(folder / "ab"[number % 2] / f"{number}.wav", 5, number // 2)
    for name in ("a/0", "b/7"):
        (folder / f"{name}.wav").write_bytes(bytes(20000))
    soundfile.write(folder / "b" / "3.wav", np.zeros(5 * SR), SR)


def single(folder):
    """One clip a label, and labels that a typesetter would take for something else."""
    for number, label in enumerate(("Ke$ha & Ca$h", "_x", "a b")):
        clip(folder / label / "0.wav", 4, number)


def one_label(folder):
    for number in range(2):
        clip(folder / "only" / f"{number}.wav", 4, number)


def unlike(folder):
    """Clips of very different length and rate, down to half a second."""
    for number, (seconds, sr) in enumerate([(0.5, 8000), (2.5, 44100), (3.1, 22050), (9, 16000)] * 2):
        clip(folder / "ab"[number // 4] / f"{number}.wav", seconds, number, sr)


def run(chapter, **parameters):
    """Execute the code of a chapter, cell after cell, with parameters as papermill would set them."""
    names = {"__name__": "chapter"}
    for cell in jupytext.read(ROOT / f"notebooks/{chapter}.md").cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, f"{chapter}: {cell.source[:60]}", "exec"), names)
            plt.close("all")
            if "parameters" in cell.metadata.get("tags", ()):
                names.update(parameters)
    return names


@pytest.mark.parametrize("make", [short, broken, single, one_label, unlike])
def test_chapter_1_does_with_any_folder_of_sound(make, tmp_path, capsys):
    make(tmp_path / "own")
    with plt.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run("01_dataset", corpus=str(tmp_path / "own"))
    said = capsys.readouterr().out
    assert "is labelled" in said and "planted fault" in said
    assert ("left out: a/0" in said) == (make is broken)


@pytest.mark.parametrize("chapter", ["02_sound", "03_stft", "04_mel", "06_data"])
@pytest.mark.parametrize("make", [broken, unlike])
def test_the_chapters_after_it_do_too(chapter, make, tmp_path, capsys):
    make(tmp_path / "own")
    with plt.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(chapter, corpus=str(tmp_path / "own"), number=0)
    assert make is not broken or "left out: a/0" in capsys.readouterr().out
