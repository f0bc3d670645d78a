"""Keras, imported without the start-up chatter of its backend: ``from audiolib.backend import keras``.

On import TensorFlow writes notes on processors and CUDA to the standard error of the process before any setting of its
own can silence it (tried with 2.21: TF_CPP_MIN_LOG_LEVEL, ABSL_MIN_LOG_LEVEL). In a chapter they would become part of
the page, and in a terminal they hide the one line that matters. So file descriptor 2 leads nowhere during this one
import; what goes wrong in it is raised as an exception and still seen.

Chapters: 07_cnn, 08_separable, 10_experiments
"""

import contextlib
import os
import sys


@contextlib.contextmanager
def _no_stderr():
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


# On a machine without a GPU even level 2 reports a failed search for one; what matters is raised, not logged.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _no_stderr():
    import keras

__all__ = ["keras"]
