"""A value comes back plain, or an error names it and what would do."""

import numpy as np
import pytest

from audiolib import AudiolibError, _checks


def test_numpys_numbers_come_back_as_pythons():
    assert [type(value) for value in (_checks.whole("n", np.int64(3)), _checks.number("x", np.float32(3)))] == [
        int, float]
    assert _checks.number("x", 2) == 2.0 and _checks.one_of("kind", "b", ["a", "b"]) == "b"


@pytest.mark.parametrize("value", [0, -1, 11, 1.0, "3", True, None, np.nan, 10**400, [3]])
def test_what_is_no_whole_number_in_range_is_refused_by_name_and_value(value):
    with pytest.raises(AudiolibError, match=r"^n=.{1,60}: must be a whole number from 1 to 10$"):
        _checks.whole("n", value, most=10)


@pytest.mark.parametrize("value", ["3", True, None, np.nan, np.inf, 10**400, [3], 1j, np.ones(2)])
def test_what_is_no_finite_number_is_refused(value):
    with pytest.raises(AudiolibError, match=r"^x=.{1,60}: must be a finite number$"):
        _checks.number("x", value)


@pytest.mark.parametrize(("value", "bounds", "said"), [
    (-1, {"least": 0}, "x=-1: must be a finite number, at least 0$"),
    (2, {"least": 0, "most": 1}, "x=2: must be a finite number, at least 0 and at most 1$"),
    (2, {"most": 1}, "x=2: must be a finite number, at most 1$"),
    (0, {"above": 0, "most": 9}, "x=0: must be a finite number, above 0 and at most 9$"),
])
def test_a_number_out_of_bounds_is_refused_with_them(value, bounds, said):
    with pytest.raises(AudiolibError, match=said):
        _checks.number("x", value, **bounds)


@pytest.mark.parametrize(("value", "said"), [
    ("gtzam", r"corpus='gtzam' is not known; did you mean 'gtzan'\? Choose one of gtzan, esc10$"),
    ("zzz", "corpus='zzz' is not known; choose one of gtzan, esc10$"),
    (3, "corpus=3 is not known"),
    (["gtzan"], "is not known"),
])
def test_what_is_not_known_is_refused_with_the_nearest_that_is(value, said):
    with pytest.raises(AudiolibError, match=said):
        _checks.one_of("corpus", value, ("gtzan", "esc10"))
