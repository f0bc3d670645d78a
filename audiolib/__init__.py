"""The library behind the book *Separable Sound*: it lets a chapter say one thing in one line.

The modules stand in the order in which sound becomes a result, and none imports one further down. Each is there as an
attribute (``audiolib.corpora``) and loaded when it is first asked for:

===============  =====================================================================================
``sounds``       small signals for teaching: tones, chords, chirps, plucked strings, drums, noise
``compose``      the embedded corpus and two pieces to perform, out of ``sounds``, tables and a seed
``corpora``      what is on disk: clips with label, group, fold; loading, reading, checking, fetching them
``features``     from a signal, or a whole corpus, to log-mel or MFCC segments ``[segment, frame, band]``
``archive``      features to hand on where the audio may not be: the log-mel archive
``protocols``    which segments may be in train, valid and test
``networks``     the paper's networks and their controlled twins as data
``models``       the same in plain Keras
``cost``         parameters, multiply-adds, activations, receptive field, latency of a model
``recipes``      all that decides a training, as data; the studies of the book as lists of such
``training``     from a ``Recipe`` to a ``Run``: all that came of it; augmentation, checkpoints
``evaluation``   accuracy with its interval, votes over a track's segments, paired tests
``records``      one small JSON file a run: read, write, find, compare
``study``        many recipes on many cores or a dask cluster; some of them trained anew, to verify
``comparison``   pairs of runs, leads with intervals, and the rule of verdicts
``audit``        what crosses from training to test in any data set: copies, siblings, groups; a clean split
``listen``       a kept network on somebody's own sounds, with NumPy alone
``page``         players, numbers for the prose, tables
``plots``        one function a figure
``cli``          the same from a terminal: ``python -m audiolib``
===============  =====================================================================================

Signals are ``y``, sample rates ``sr`` in Hz, as in librosa. ``AUDIOLIB_DATA`` names the folder with the corpora,
``AUDIOLIB_CACHE`` the folder for everything that can be made again (both default to the user's cache folder).
"""

import importlib
import pkgutil

__version__ = "0.1.0"


class AudiolibError(ValueError):
    """What the library raises when input cannot be used; the message names the thing, its value and the way out."""


def __getattr__(name):
    """The modules, when they are first asked for: ``import audiolib`` loads none of them."""
    if name in __dir__() and not name.startswith("_"):
        return importlib.import_module(f"audiolib.{name}")
    raise AttributeError(f"module 'audiolib' has no attribute {name!r}")


def __dir__():
    public = (each.name for each in pkgutil.iter_modules(__path__) if not each.name.startswith("_"))
    return sorted({*globals(), *public})
