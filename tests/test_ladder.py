"""The published results that chapter 13 sets beside ours: each is complete, and its source is cited there."""

import json
import re

import pytest
from conftest import ROOT

from audiolib import cost, models

PUBLISHED = json.loads((ROOT / "results/ladder/published.json").read_text(encoding="utf8"))
ids = [f"{row['network']}, {row['protocol']}" for row in PUBLISHED]


def test_no_result_stands_twice():
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("row", PUBLISHED, ids=ids)
def test_a_result_says_what_was_measured_and_where_it_stands(row):
    assert row["protocol"] in ("segment", "track", "fault-filtered", "artist-folds")
    right = row["right"] if isinstance(row["right"], list) else [row["right"]]
    assert all(0.1 < share < 1 for share in right) and right == sorted(right)
    assert (row["units"] is None) == (len(right) == 2), "a range has no interval, and a value has one"
    assert row["units"] is None or row["test"].startswith(f"{row['units']} tracks")
    assert row["parameters"] is None or row["parameters"] > 1000
    assert row["before"] and len(row["seen"]) > 5


@pytest.mark.parametrize("row", PUBLISHED, ids=ids)
def test_the_source_of_a_result_is_cited_in_the_chapter(row):
    chapter = (ROOT / "notebooks/13_elsewhere.md").read_text(encoding="utf8").split("have others reached")[1]
    cited = ",".join(re.findall(r"\{cite\}`([^`]+)`", chapter)).split(",")
    assert row["source"] in cited


def test_the_papers_networks_have_as_many_parameters_as_we_count():
    theirs = {row["network"].split(": ")[1]: row["parameters"] for row in PUBLISHED if row["source"] == "trukhan2021"}
    names = {"standard": "standard", "separable": "separable", "third": "deep-separable"}
    counted = {name: cost.summary(models.build(ours, frames=130, bands=13)).parameters for name, ours in names.items()}
    assert theirs == counted
