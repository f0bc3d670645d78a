"""The claims page: a card for each claim, in the paper's own words, with a verdict and a place where it is tested."""

import os
import re
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "book/_ext"))
import claims

HTML = Path(os.environ.get("AUDIOLIB_BOOK", ROOT / "_build/html"))
TEXT = (ROOT / "book/claims.md").read_text(encoding="utf8")
CARDS = dict(re.findall(r"^\(claim-(\d+)\)=\n::::\{div\} claim\n(.*?)\n::::$", TEXT, flags=re.MULTILINE | re.DOTALL))


def test_the_page_says_at_its_top_which_paper_it_quotes():
    assert "{cite}`trukhan2021`" in TEXT.split("(claim-01)=")[0]


def test_every_claim_is_a_card_and_has_one_number():
    anchors = re.findall(r"\(claim-(\d+)\)=", TEXT)
    assert sorted(anchors) == sorted(CARDS) == [f"{number:02d}" for number in range(1, 34)]


@pytest.mark.parametrize("number", sorted(CARDS))
def test_a_card_quotes_the_paper_and_answers(number):
    card = CARDS[number]
    translation, quotation = re.search(r"\"([^\"]+)\" «([^»]+)»$", card, flags=re.MULTILINE).groups()
    assert re.search("[а-я]{3}", quotation) and not re.search("[а-я]", translation)
    assert len(quotation) < 170, "a short quotation"
    verdict, sentence = re.search(r"^\[(.+?)\]\{\.claim-verdict\} (.+)$", card, flags=re.MULTILINE).groups()
    assert verdict in claims.CLASSES or verdict.startswith("{glue:text}")
    assert sentence.endswith(".")
    assert "{doc}`" in card or verdict == "Open", "a link to where it is tested"
    folded = card.count(":::{dropdown}")
    assert folded <= 1 and card.replace("::::", "").count("\n:::\n") + card.endswith("\n:::") == folded


def quotations(text):
    """Its Russian quotations, cut where they leave something out."""
    found = re.findall(r"«([^»]+)»", text)
    return [piece.strip() for quotation in found for piece in quotation.split("…") if re.search("[а-я]{3}", piece)]


@pytest.mark.parametrize("number", sorted(CARDS))
def test_the_chapters_behind_a_card_quote_the_same_words_and_link_back(number):
    quoted = CARDS[number].split(":::{dropdown}")[0]
    chapters = [(ROOT / f"notebooks/{name}.md").read_text(encoding="utf8")
                for name in re.findall(r"\{doc}`../notebooks/(\w+)`", quoted)]  # fmt: skip
    assert all(f"{{ref}}`claim-{number} <claim-{number}>`" in text for text in chapters)
    assert all(any(piece in text for text in chapters) for piece in quotations(quoted) if chapters)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.md")), ids=lambda path: path.stem)
def test_a_chapter_quotes_the_paper_in_short_and_says_that_it_does(path):
    text = path.read_text(encoding="utf8")
    assert not re.search("[а-яё]{3}", re.sub(r"«[^»]+»", "", text)), "Russian stands in «»"
    assert all(len(quotation) < 170 for quotation in re.findall(r"«([^»]+)»", text))
    boxes = re.findall(r"^```\{admonition\} The paper says\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert all("{cite}`trukhan2021`" in box for box in boxes)


def test_the_line_that_the_paper_prints_for_the_whole_stretch_takes_one_frame_at_its_beginning():
    data = np.random.default_rng(0).normal(size=20_000)
    printed = librosa.stft(data, hop_length=len(data) + 1)
    assert printed.shape == (1 + 2048 // 2, 1)
    np.testing.assert_array_equal(printed, librosa.stft(np.append(data[:1024], np.zeros(18_976)))[:, :1])


def test_a_paragraph_of_the_conclusion_has_few_numbers():
    conclusion = (ROOT / "book/conclusion.md").read_text(encoding="utf8")
    sentences = re.findall(r"^\d\. (.+?)(?=^\d\. |\n\n)", conclusion, flags=re.MULTILINE | re.DOTALL)
    assert len(sentences) == 5
    assert all(one.count("{glue:text}") <= 4 for one in sentences)
    assert "{glue} 11-fig-headline" in conclusion


@pytest.mark.skipif(not (HTML / "book/claims.html").exists(), reason="the book is not rendered: make book")
def test_each_rendered_card_has_the_colour_of_its_word():
    page = (HTML / "book/claims.html").read_text(encoding="utf8")
    cards = re.findall(
        r'<div class="claim (claim-\w+) docutils"(.*?)(?=<div class="claim |</article>)', page, flags=re.DOTALL
    )
    assert len(cards) == len(CARDS)
    for color, card in cards:
        word = re.search(r'claim-verdict">(?:<span class="pasted-text">)?(.*?)</span>', card)[1]
        assert claims.CLASSES[word.strip()] == color, word
