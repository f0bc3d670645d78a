"""The state of a training on disk: written whole or not at all, without pickles, and never mistaken for another's.

Chapters: 10_experiments
"""

import contextlib
import json
import os
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from audiolib import AudiolibError
from audiolib._files import parts, written_whole

FORMAT = 1
HISTORY = ("loss", "accuracy", "penalty", "val_loss", "val_accuracy", "seconds")  # what a training keeps of an epoch
STALE_SECONDS = 600  # writing takes seconds; what is older than this is nobody's any more


def check_writable(folder):
    """Make a folder and see that files can be written to it, before hours are spent."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise AudiolibError(f"results cannot be written to {folder} ({error}); choose another folder (--results; for "
                            "unfinished runs AUDIOLIB_CACHE)") from error  # fmt: skip


@contextlib.contextmanager
def kept(path):
    """As ``_files.written_whole``, in a folder that is made; an AudiolibError if the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as part:
            yield part
    except OSError as error:
        raise AudiolibError(f"{path} cannot be written ({error}); choose another folder or make room") from error


def write_npz(path, arrays, **named):
    """Write arrays under their numbers, and others by name, to an ``.npz`` file that is there whole or not at all."""
    named |= {f"{number:04d}": np.asarray(each) for number, each in enumerate(arrays)}
    with kept(path) as part, open(part, "wb") as file:
        np.savez(file, **named)
        file.flush()
        os.fsync(file.fileno())


def save(path, model, history, identity):
    """Keep the weights, optimizer state and history of a training of this identity (recipe, data, versions)."""
    header = json.dumps({"format": FORMAT, "identity": identity, "history": history})
    write_npz(path, _state(model), header=np.array(header))


def resume(path, model, identity):
    """Put a model where its training was, and give the history up to there; an empty one if there is nothing to resume.

    A checkpoint that is damaged, or of another identity, is not used, and a warning says why.
    """
    for left in parts(path):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE_SECONDS:
                left.unlink()
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            if header["format"] != FORMAT:
                raise ValueError(f"format {header['format']!s:.20}, this is {FORMAT}")
            history = header["history"]
            numbers = [value for name in HISTORY for value in history[name]]
            if not all(isinstance(each, int | float) for each in numbers) or len(set(map(len, history.values()))) > 1:
                raise ValueError("its history is not a number an epoch")
            arrays = [file[f"{number:04d}"] for number in range(len(file.files) - 1)]
        differs = [name for name in identity if header["identity"].get(name) != identity[name]]
        if differs:
            raise ValueError(f"it was made with other {' and '.join(differs)}")
        state = _state(model)
        if [(each.shape, each.dtype) for each in arrays] != [(tuple(each.shape), str(each.dtype)) for each in state]:
            raise ValueError("its weights have other shapes or types")
    except Exception as error:  # whatever the bytes are, the run can start over
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        warnings.warn(f"{path}: this checkpoint is not used, the run starts over ({told:.200})", stacklevel=3)
        return {}
    for variable, value in zip(state, arrays, strict=True):
        variable.assign(value)
    return history


def remove(path):
    """Take away the checkpoint of a run that is recorded, and what killed workers left half-written of it."""
    for each in (path, *parts(path)):
        each.unlink(missing_ok=True)


def _state(model):
    return [*model.weights, *model.optimizer.variables]
