"""The table of known corpora: each row says where the corpus is from, under which licence, and how it is verified."""

import re

import pytest
from conftest import ROOT

from audiolib._catalogue import DESCRIPTIONS

FETCHED = [name for name in DESCRIPTIONS if name != "synthetic"]


@pytest.mark.parametrize("name", FETCHED)
def test_a_corpus_that_is_fetched_is_verified_bounded_and_cited(name):
    row = DESCRIPTIONS[name]
    assert row.urls and row.folders and row.licence and row.homepage.startswith("https://")
    assert row.content_source, "how is it known what was published?"
    if not all(url.startswith("kaggle:") for url in row.urls):  # without a bound and a digest it would be trusted
        assert re.fullmatch(r"[0-9a-f]{64}", row.content) and row.limit > 0
        re.compile(row.members)
    assert f"{{{row.citation}," in (ROOT / "book/references.bib").read_text(encoding="utf8")
    assert "{root}" in row.by_hand


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_corpus_is_described(name):
    row = DESCRIPTIONS[name]
    assert row.title and row.licence and row.clips and row.classes and row.by_hand


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_no_two_corpora_lie_in_one_place(name):
    others = {folder for other, row in DESCRIPTIONS.items() if other != name for folder in row.folders}
    assert not others & set(DESCRIPTIONS[name].folders)
