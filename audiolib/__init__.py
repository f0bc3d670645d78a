"""The library behind the book *Separable Sound*: it lets a chapter say one thing in one line.

The modules stand in the order in which sound becomes a result, and none imports one further down:

===============  =====================================================================================
``sounds``       small signals for teaching: tones, chords, chirps, plucked strings, drums, noise
``scores``       the music of the embedded corpus, as tables
``compose``      the embedded corpus and two pieces to perform, out of ``sounds``, ``scores`` and a seed
``corpora``      what is on disk: clips with label, group, fold; loading, checking and fetching them
                 (``known`` is the table of those known by name, ``reading`` and ``download`` its hands;
                 here and below, what is written is whole or not there: ``files``)
``frontend``     from a signal to log-mel or MFCC segments ``[segment, frame, band]``
``features``     the same for a whole corpus, on all cores, kept in the ``cache``
``archive``      features to hand on where the audio may not be: the log-mel archive
``protocols``    which segments may be in train, valid and test
``models``       the paper's networks and their controlled twins, in plain Keras (see ``backend``)
``cost``         parameters, multiply-adds, activations, receptive field, latency of a model
``recipe``       all that decides a training, as data
``training``     from a ``Recipe`` to a ``Run``: all that came of it (with ``augmentation``, ``checkpoint``)
``evaluation``   accuracy with its interval, votes over a track's segments, paired tests
``study``        many recipes on many cores, one small JSON record each (``records``, ``studies``)
``plots``        one function a figure
``cli``          the same from a terminal: ``python -m audiolib``
===============  =====================================================================================

Signals are ``y``, sample rates ``sr`` in Hz, as in librosa. ``AUDIOLIB_DATA`` names the folder with the corpora,
``AUDIOLIB_CACHE`` the folder for everything that can be made again (both default to the user's cache folder).
"""

__version__ = "0.1.0"


class AudiolibError(ValueError):
    """What the library raises when input cannot be used; the message names the thing, its value and the way out."""
