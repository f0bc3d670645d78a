"""Features that took time to compute are kept, and only what is whole and still true is used again.

Under ``AUDIOLIB_CACHE/features`` lies for each key an array ``<key>-<random>.npy`` and ``<key>.json``, which names it
and comes last. So a killed writer leaves nothing that is used, and of two writers the last one's result stands, whole.
The JSON holds the array's SHA-256, which is compared again whenever the array's file is not as it was left.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import secrets
import time
import warnings
from pathlib import Path

import av
import numpy as np
import soundfile

from audiolib import corpora
from audiolib._files import written_whole

STALE_SECONDS = 3600  # nobody writes one file for so long: an unfinished one that old was left by a killed process


def key(paths, **facts):
    """Name of a result: SHA-256 over the files' states, what else decides it, the libraries' versions and our code."""
    states = [_state(path) for path in paths]
    # Within one tick of its clock a file could change and look the same: wait, should one have changed just now. Where
    # stamps are coarse (FAT) a tick is two seconds, elsewhere some milliseconds.
    latest = max((max(state[1:3]) for state in states if state), default=0)
    tick = 20_000_000 if latest % 10**7 else 2_000_000_000
    if 0 <= (age := time.time_ns() - latest) < tick:
        time.sleep((tick - age) / 1e9)
    return hashlib.sha256(json.dumps([facts, states, _versions()], sort_keys=True).encode()).hexdigest()


def load(key):
    """What was saved under a key, (array, facts), or None (with a warning if it is damaged); the array is mapped."""
    about = _folder() / f"{key}.json"
    try:
        entry = json.loads(about.read_bytes())
        data = about.with_name(entry["data"])
        x = np.asarray(np.load(data, mmap_mode="r", allow_pickle=False))
        if _state(data) != entry["state"]:
            if hashlib.sha256(x).hexdigest() != entry["facts"]["sha256"]:
                raise ValueError("its content is not what was written")
            with contextlib.suppress(OSError):  # next time it need not be read
                _write(about, entry | {"state": _state(data)})
        return x, entry["facts"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        warnings.warn(f"{about}: the cached features are damaged ({error}); they are made again", stacklevel=3)
        return None


def save(key, x, facts):
    """Keep an array and facts (JSON, with the array's SHA-256 as ``sha256``); a warning if that cannot be."""
    folder = _folder()
    data = folder / f"{key}-{secrets.token_hex(4)}.npy"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        with written_whole(data) as part, part.open("xb") as file:
            np.save(file, x, allow_pickle=False)
        _write(folder / f"{key}.json", {"data": data.name, "state": _state(data), "facts": facts})
    except OSError as error:
        warnings.warn(f"{folder}: the features cannot be kept ({error}); they are used now and made again next time. "
                      "Set AUDIOLIB_CACHE to a folder with room", stacklevel=3)


def _sweep(folder):
    """Remove what killed writers left: old files that are not named by the JSON of their key."""
    for path in [*folder.glob("*.npy"), *folder.glob(".*.part")]:
        with contextlib.suppress(OSError, ValueError):
            about = folder / f"{path.name.split('-')[0]}.json"
            if time.time() - path.stat().st_mtime > STALE_SECONDS and not (
                    about.is_file() and path.name in about.read_text()):
                path.unlink()


def _write(path, content):
    with written_whole(path) as part:
        part.write_text(json.dumps(content))


def _folder():
    return corpora.cache_root() / "features"


def _state(path):
    """What a change of a file's content does not leave as it is: size, times of change in ns, inode."""
    try:
        stat = os.stat(path)
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


@functools.cache
def _versions():
    """Everything outside the corpus and the frontend that the numbers could depend on."""
    sources = (Path(__file__).with_name(f"{name}.py").read_bytes() for name in ("_decode", "corpora", "features"))
    names = ("av", "librosa", "numpy", "scipy", "soundfile", "soxr")
    return {name: importlib.metadata.version(name) for name in names} | {
        "ffmpeg": av.library_versions, "libsndfile": soundfile.__libsndfile_version__,
        "code": hashlib.sha256(b"".join(sources)).hexdigest()}
