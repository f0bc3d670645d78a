"""The library behind the book *Separable Sound*: it lets a chapter say one thing in one line.

The modules stand in the order in which sound becomes a result, and none imports one further down:

===============  =====================================================================================
``sounds``       small signals for teaching: tones, chords, chirps, plucked strings, drums, noise
``compose``      the embedded corpus and two performances of one piece, out of ``sounds`` and a seed
``corpora``      what is on disk: clips with label, group, fold, licence; fetching and checking them
``features``     from audio to the float32 array ``[segment, frame, band]`` that a network sees, cached
``protocols``    which segments may be in train, valid and test
``models``       the paper's networks and their controlled twins, in plain Keras
``cost``         parameters, multiply-adds, activations, receptive field, latency of a model
``training``     a ``Recipe`` (all that decides a training) to a ``Run`` (all that came of it)
``evaluation``   accuracy with its interval, votes over a track's segments, paired tests
``study``        many recipes on many cores, one small JSON record each
``plots``        one function a figure
===============  =====================================================================================

Signals are ``y``, sample rates ``sr`` in Hz, as in librosa. ``AUDIOLIB_DATA`` names the folder with the corpora,
``AUDIOLIB_CACHE`` the folder for everything that can be made again (both default to the user's cache folder).
"""

__version__ = "0.1.0"


class AudiolibError(ValueError):
    """What the library raises when input cannot be used; the message names the thing, its value and the way out."""
