"""Checks of arguments that every module shares: each returns a plain Python value, or says what is wrong with it.

Messages name the argument, its value, and what would do.
"""

import difflib
import math
import operator

from audiolib import AudiolibError

LARGEST = 2**31 - 1  # of any whole number; what is larger is a slip, and no array could hold it


def whole(name, value, least=1, most=LARGEST):
    """A whole number from `least` to `most`, as an int (NumPy's are taken, booleans are not).

    >>> whole("epochs", 3)
    3
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

    >>> number("rate", 2)
    2.0
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
        close = difflib.get_close_matches(str(value), known, 1)
        guess = f"did you mean {close[0]!r}? Choose" if close else "choose"
        raise AudiolibError(f"{name}={value!r:.60} is not known; {guess} one of {', '.join(known)}")
    return value
