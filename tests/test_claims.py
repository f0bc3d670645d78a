"""The claims page: a card for each claim, in the paper's own words, with a verdict and a place where it is tested."""

import os
import re
import sys
from pathlib import Path

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
    assert sorted(anchors) == sorted(CARDS) == [f"{number:02d}" for number in range(1, 32)]


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
