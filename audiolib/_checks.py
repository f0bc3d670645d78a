"""Checks of arguments: a plain Python value comes back, or an error says the name, the value, and what would do."""

import difflib
import math
import operator

from audiolib import AudiolibError

LARGEST = 2**31 - 1  # of any whole number; what is larger is a slip, and no array could hold it


def whole(name, value, least=1, most=LARGEST):
    """A whole number from `least` to `most`, as an int (NumPy's are taken, booleans are not).

    >>> whole("epochs", 0)
    Traceback (most recent call last):
    audiolib.AudiolibError: epochs=0: must be a whole number from 1 to 2147483647
    """
    try:
        given = operator.index(value)
    except TypeError:
        given = None
    if given is None or isinstance(value, bool) or not least <= given <= most:
        raise AudiolibError(f"{name}={value!r:.60}: must be a whole number from {least} to {most}")
    return given


def number(name, value, least=-math.inf, most=math.inf, *, above=-math.inf):
    """A finite number from `least` to `most` and above `above`, as a float (texts and booleans are none).

    >>> number("rate", 0, above=0)
    Traceback (most recent call last):
    audiolib.AudiolibError: rate=0: must be a finite number, above 0
    """
    try:
        given = math.nan if isinstance(value, bool | str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        given = math.nan
    if not (math.isfinite(given) and least <= given <= most and given > above):
        bounds = (("above", above), ("at least", least), ("at most", most))
        words = " and ".join(f"{word} {bound:g}" for word, bound in bounds if math.isfinite(bound))
        raise AudiolibError(f"{name}={value!r:.60}: must be a finite number{', ' * bool(words)}{words}")
    return given


def one_of(name, value, known):
    """A value that is one of those known, or an error with the nearest of them.

    >>> one_of("kind", "mell", ("mel", "mfcc"))
    Traceback (most recent call last):
    audiolib.AudiolibError: kind='mell' is not known; did you mean 'mel'? Choose one of mel, mfcc
    """
    known = tuple(known)
    if not isinstance(value, str) or value not in known:
        meant = guess(value, known)
        raise AudiolibError(f"{name}={value!r:.60} is not known; {meant}{'Choose' if meant else 'choose'} one of "
                            + ", ".join(known))
    return value


def guess(value, known):
    """The question whether the nearest of what is known was meant, or "" if nothing is near."""
    near = difflib.get_close_matches(str(value).lower(), known, 1)
    return f"did you mean {near[0]!r}? " if near else ""
