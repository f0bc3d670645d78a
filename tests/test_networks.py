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
     ("square-wide", "square-separable-wide"), ("standard-square", "separable-square")],
)  # fmt: skip
def test_twins_differ_in_the_kind_of_convolution_after_the_first(ordinary, separable):
    def kinds(chain):  # tuples of equal numbers are equal, whatever their kind
        return [(type(step), step) for step in chain]

    chain, twin = networks.steps(separable), networks.steps(ordinary)
    assert kinds(map(standard, chain)) == kinds(twin) != kinds(chain)
    assert kinds(chain[:1]) == kinds(twin[:1])


@pytest.mark.parametrize(
    ("name", "frames"), [("standard", 55), ("deep-separable", 30), ("statistics", 3), ("square", 46), ("lachmish", 1),
                        ("standard-square", 55), ("dense", 1)]
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


def test_options_change_the_layers_and_nothing_else():
    plain, fewer = networks.steps("standard-small"), networks.steps("standard-small", filters=0.25)
    assert [step[0] for step in fewer if isinstance(step, Conv)] == [64, 64, 128]
    assert [step for step in fewer if not isinstance(step, Conv)] == [s for s in plain if not isinstance(s, Conv)]
    assert networks.steps("dense", filters=0.001)[1].units == 1
    strided = networks.steps("deep-separable", pools="strides", stride=3)
    assert [s.stride for s in strided if isinstance(s, Conv | Separable)] == [3, 2, 1, 2, 1, 2]
    assert not any(isinstance(step, Pool) for step in strided)
    bare = networks.steps("deep-separable", pools="none")
    assert bare == tuple(s for s in networks.steps("deep-separable") if not isinstance(s, Pool))
    assert all(s.same for s in networks.steps("standard", padding="same") if isinstance(s, Conv | Pool))
    assert networks.steps("standard-small", filters=1, pools="max", stride=1, padding="valid") == plain


@pytest.mark.parametrize(
    ("options", "frames"),
    [({"pools": "none"}, 13), ({"pools": "strides"}, 23), ({"stride": 2}, 56), ({"padding": "same"}, 1)],
)
def test_the_shortest_segment_knows_the_options(options, frames):
    assert networks.frames_needed("deep-separable", **options) == frames


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [("square", {"pools": "strides"}, "square: square kernels have no strides here; use pools 'max' or 'none'"),
     ("square", {"stride": 2}, "square kernels have no strides"), ("standard", {"pools": "mean"}, "pools='mean'"),
     ("standard", {"filters": 0}, "filters=0: .*above 0"), ("standard", {"stride": 0}, "stride=0"),
     ("standard", {"padding": "full"}, "padding='full'")],
)  # fmt: skip
def test_an_option_that_cannot_be_is_refused(name, options, words):
    with pytest.raises(AudiolibError, match=words):
        networks.steps(name, **options)


def test_an_unknown_network_is_refused_with_the_choices():
    with pytest.raises(AudiolibError, match="no network is called 'resnet'; choose one of standard, separable"):
        networks.frames_needed("resnet")


def test_every_network_stands_in_the_table_of_the_modules_page():
    assert all(f"``{name}``" in networks.__doc__ for name in networks.NAMES)
