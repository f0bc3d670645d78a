"""What took time to compute is kept, and only what is whole and still true is used again.

Two things lie under ``AUDIOLIB_CACHE``:

- ``digests/``: the SHA-256 of files, by path and `_signature` (size, times, inode), as git's index does it: a file is
  read again only if one of these changed, or if it is so young that a change could hide behind the clock's tick;
- ``features/``: for each key a data file ``<key>-<random>.npy`` and a manifest ``<key>.json`` that names it. The data
  come first, under a name nobody knows; the manifest moves in with one atomic rename. So a killed writer leaves no more
  than a file without a manifest (swept away later), and of two writers at once the last one's result stands,
  whole.

The manifest holds the SHA-256 of the array. It is checked again whenever the data file's signature is another than when
it was last right, so a damaged file is found, and a load that nothing happened to takes milliseconds.

Chapters: 06_data
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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from audiolib import AudiolibError, corpora
from audiolib._files import written_whole

# A file that changed less than this ago may change again without a new time stamp (two seconds is FAT's step).
YOUNG_NS = 2_000_000_000
# Nobody writes one file for an hour: an unfinished one that old was left by a killed process.
STALE_SECONDS = 3600


def digests(paths):
    """SHA-256 of each file's content, or None where it cannot be read.

    Parameters
    ----------
    paths : list of Path
        Files of one corpus.

    Returns
    -------
    list of (str or None)
    """
    if not paths:
        return []
    start = time.time_ns()
    paths = [os.path.abspath(path) for path in paths]
    index = _folder("digests") / f"{_sha256(os.path.commonpath(paths))[:16]}.json"
    try:
        known = json.loads(index.read_text())
    except (OSError, ValueError):
        known = {}
    known = known if isinstance(known, dict) else {}
    now = {path: _known(path, known.get(path)) for path in paths}
    unknown = [path for path, entry in now.items() if entry is None]
    with ThreadPoolExecutor() as pool:
        now.update(zip(unknown, pool.map(_digest, unknown), strict=True))
    if unknown:
        kept = {path: entry for path, entry in known.items() if path not in now}
        kept |= {path: entry for path, entry in now.items() if entry and _old(entry["signature"], start)}
        with contextlib.suppress(OSError):  # without an index the files are read again, that is all
            index.parent.mkdir(parents=True, exist_ok=True)
            _write(index, kept)
    return [now[path] and now[path]["sha256"] for path in paths]


def key(**facts):
    """Name for a result: SHA-256 over what decides it, the libraries' versions and this library's own code."""
    return _sha256(json.dumps([facts, _versions()], sort_keys=True))


def load(key):
    """Array and facts that were saved under a key, or None.

    Returns
    -------
    (array, dict) or None
        The array is mapped from the file: read-only, and in memory as far as it is used.

    Warns
    -----
    UserWarning
        If what lies there is damaged.
    """
    manifest = _folder("features") / f"{key}.json"
    try:
        text = manifest.read_bytes()
    except OSError:
        return None
    try:
        entry = json.loads(text)
        data = manifest.with_name(entry["data"])
        x = np.asarray(np.load(data, mmap_mode="r", allow_pickle=False))
        facts, signature = entry["facts"], _signature(data)
        if signature != entry["signature"]:
            if hashlib.sha256(x).hexdigest() != facts["sha256"]:
                raise ValueError("its content is not what was written")
            with contextlib.suppress(OSError):
                _write(manifest, entry | {"signature": signature})
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        warnings.warn(f"{manifest}: the cached features are damaged ({error}); they are made again", stacklevel=3)
        return None
    return x, facts


def save(key, x, facts):
    """Keep an array and facts (JSON, with the array's SHA-256 as ``sha256``) under a key.

    Warns
    -----
    UserWarning
        If they cannot be written; the caller goes on with what it has.
    """
    folder = _folder("features")
    data = folder / f"{key}-{secrets.token_hex(4)}.npy"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        with _removed_on_failure(data):
            with data.open("xb") as file:
                np.save(file, x, allow_pickle=False)
            _write(folder / f"{key}.json", {"data": data.name, "signature": _signature(data), "facts": facts})
    except OSError as error:
        warnings.warn(
            f"{folder}: the features cannot be kept ({error}); they are used now and made again next time. Set "
            "AUDIOLIB_CACHE to a folder with room",
            stacklevel=3,
        )


def _sweep(folder):
    """Remove what killed writers left behind: old files that no manifest names."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            if path.suffix not in (".npy", ".part") or time.time() - path.stat().st_mtime < STALE_SECONDS:
                continue
            manifest = folder / f"{path.name.split('-')[0]}.json"
            if path.suffix == ".part" or not manifest.exists() or json.loads(manifest.read_text())["data"] != path.name:
                path.unlink()


def _write(path, content):
    """JSON, whole or not at all."""
    with written_whole(path) as part:
        part.write_text(json.dumps(content))


@contextlib.contextmanager
def _removed_on_failure(path):
    try:
        yield
    except BaseException:  # Ctrl-C too
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def _known(path, entry):
    """The index's entry of a file, if it still holds; otherwise None."""
    try:
        return entry if entry["signature"] == _signature(path) and entry["sha256"] else None
    except (OSError, KeyError, TypeError):
        return None


def _digest(path):
    """A new entry for a file, or None if it cannot be read."""
    try:
        signature = _signature(path)  # before the content: should that change meanwhile, the entry will not hold
        return {"signature": signature, "sha256": corpora.digest(path)}
    except (OSError, AudiolibError):
        return None


def _old(signature, now):
    return now - max(signature[1:3]) > YOUNG_NS


def _signature(path):
    """What a change of a file's content cannot leave as it is: size, times of change in ns, inode."""
    stat = os.stat(path)
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _folder(name):
    return Path(corpora.cache_root()) / name


def _sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def _versions():
    """Everything outside the corpus and the frontend that the numbers could depend on."""
    import soundfile

    packages = {name: importlib.metadata.version(name) for name in ("librosa", "numpy", "scipy", "soxr", "soundfile")}
    sources = {str(Path(__file__).with_name(f"{module}.py")) for module in ("_decode", "features")}
    code = "".join(Path(source).read_text(encoding="utf-8") for source in sorted(sources))
    return packages | {"libsndfile": soundfile.__libsndfile_version__, "code": _sha256(code)}
