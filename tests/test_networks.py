"""The networks as data: who is whose twin, and how long a segment must be."""

import pytest

from audiolib import AudiolibError, networks
from audiolib.networks import Conv, Pool, Separable, Square


def standard(step):
    """A step with a standard convolution in place of a separable one."""
    if isinstance(step, Separable):
        return Conv(*step)
    return step._replace(separable=False) if isinstance(step, Square) else step


@pytest.mark.parametrize(
    ("ordinary", "separable"),
    [("standard", "separable"), ("deep-standard", "deep-separable"), ("standard-norm", "separable-norm"),
     ("standard-small", "separable-small"), ("square", "square-separable"),
     ("square-wide", "square-separable-wide")],
)  # fmt: skip
def test_twins_differ_in_the_kind_of_convolution_after_the_first(ordinary, separable):
    def kinds(chain):  # tuples of equal numbers are equal, whatever their kind
        return [(type(step), step) for step in chain]

    chain, twin = networks.steps(separable), networks.steps(ordinary)
    assert kinds(map(standard, chain)) == kinds(twin) != kinds(chain)
    assert kinds(chain[:1]) == kinds(twin[:1])


@pytest.mark.parametrize(
    ("name", "frames"), [("standard", 55), ("deep-separable", 30), ("statistics", 3), ("square", 46), ("lachmish", 1)]
)
def test_the_shortest_segment_leaves_one_frame(name, frames):
    assert networks.frames_needed(name) == frames
    left = frames
    for step in networks.steps(name):
        if isinstance(step, Pool):
            left = -(-left // step.size) if step.same else left // step.size
        elif isinstance(step, Conv | Separable | Square) and not getattr(step, "same", False):
            left -= step.width - 1
    assert left == 1


def test_an_unknown_network_is_refused_with_the_choices():
    with pytest.raises(AudiolibError, match="no network is called 'resnet'; choose one of standard, separable"):
        networks.frames_needed("resnet")


def test_every_network_stands_in_the_table_of_the_modules_page():
    assert all(f"``{name}``" in networks.__doc__ for name in networks.NAMES)
