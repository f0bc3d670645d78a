"""What is on disk: corpora of labelled clips, where they come from, and what is wrong with them.

A *corpus* is a table of clips. A *clip* is one audio file with a name that is unique in the corpus, a label, and, where
the corpus knows it, the group that must not be divided between training and test (speaker, source recording) and the
official fold. ``load`` lists files and reads none of them, so it is fast; ``read`` decodes one clip; ``check`` decodes
all and lists what is wrong; ``fetch`` brings a known corpus from its public address. Signals are float32, rates in Hz.

What cannot be used is never dropped in silence: it is either an ``AudiolibError`` or a warning with a count, and it is
kept in ``Corpus.skipped``.

The table of what is known by name is in ``known``, decoding in ``reading``, downloading in ``download``.

Chapters: 01_dataset, 02_sound, 03_stft, 04_mel, 05_chroma, 06_data, 07_cnn, 09_architectures, 10_experiments, 11_leak
"""

import csv
import difflib
import hashlib
import os
import re
import shutil
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pooch
from tqdm.auto import tqdm

from audiolib import AudiolibError, download
from audiolib._catalogue import DESCRIPTIONS, Description
from audiolib._decode import read

__all__ = ["DESCRIPTIONS", "Clip", "Corpus", "Description", "Report", "cache_root", "check", "content_digest",
           "data_root", "digest", "fetch", "load", "read"]

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
SUFFIXES = (".wav", ".flac", ".au", ".ogg", ".mp3", ".aif", ".aiff")
SHORTEST = 0.1  # s; what check calls too short to be a clip


@dataclass(frozen=True)
class Clip:
    """One recording; ``name`` is unique in its corpus, ``group`` and ``fold`` are None where the corpus has none."""

    path: Path
    name: str
    label: str
    group: str | None = None
    fold: int | None = None


@dataclass(frozen=True)
class Corpus:
    """A table of clips, sorted by label and then by name; ``skipped`` holds ``(path, reason)`` of what is not in it."""

    name: str
    root: Path
    clips: tuple[Clip, ...]
    labels: tuple[str, ...]
    description: Description | None = None
    skipped: tuple[tuple[Path, str], ...] = ()

    def __len__(self):
        return len(self.clips)


def data_root():
    """Folder that holds the corpora: ``AUDIOLIB_DATA``, or the user's cache folder."""
    return Path(os.environ.get("AUDIOLIB_DATA") or pooch.os_cache("audiolib")).expanduser()


def cache_root():
    """Folder for all that can be made again: ``AUDIOLIB_CACHE``, or a folder in the user's cache folder."""
    return Path(os.environ.get("AUDIOLIB_CACHE") or pooch.os_cache("audiolib") / "cache").expanduser()


def digest(path):
    """SHA-256 of a file's content, as hexadecimal text."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AudiolibError(f"{path}: cannot be read ({error.strerror}); is it there, and may you read it?") from error


def load(name_or_path, *, root=None):
    """The corpus of that name, or the folder of ``<label>/<file>`` at that path.

    Files are listed, not decoded. What is not in the corpus is counted in one warning and kept in ``Corpus.skipped``.

    Parameters
    ----------
    name_or_path : str or Path
        A key of ``DESCRIPTIONS`` ("synthetic" is made on first use), or a folder.
    root : str or Path, optional
        Where known corpora lie; by default ``data_root()``.

    Returns
    -------
    Corpus

    Raises
    ------
    AudiolibError
        If it is not there, or holds no clip.
    """
    name_or_path = str(name_or_path)  # papermill makes a number of a folder named 2021
    description = DESCRIPTIONS.get(name_or_path)
    if description is None:
        name, folder = Path(os.path.abspath(name_or_path)).name, Path(name_or_path)
        if not folder.is_dir():
            raise AudiolibError(_no_folder(name_or_path))
    else:
        name = str(name_or_path)
        folder = _synthetic() if name == "synthetic" else _find(name, Path(root) if root is not None else data_root())
    skipped = []
    layouts = {"genres": _list_genres, "esc50": _list_esc50, "fsdd": _list_fsdd}
    lister = layouts[description.layout] if description else _list_labels
    clips = _unique(lister(folder, skipped), skipped)
    if not clips:
        raise AudiolibError(_no_clips(folder, skipped))
    if skipped:
        reasons = "; ".join(f"{count} x {reason}" for reason, count in Counter(r for _, r in skipped).most_common())
        warnings.warn(f"{name}: {len(skipped)} skipped in {folder}: {reasons} (first: {skipped[0][0]}); "
                      "see Corpus.skipped for the list", stacklevel=2)
    if description and name != "synthetic" and len(clips) != description.clips:
        warnings.warn(f"{name}: {len(clips)} clips in {folder}, but the whole corpus has {description.clips}; "
                      "results on a part of it are not comparable", stacklevel=2)
    labels = tuple(sorted({clip.label for clip in clips}))
    return Corpus(name, folder, tuple(clips), labels, description, tuple(skipped))


def _synthetic():
    from audiolib import compose

    folder = cache_root() / f"synthetic-{compose.VERSION}"
    compose.write_corpus(folder)  # does nothing if it is there and whole
    return folder / "genres"


def _find(name, root):
    """The folder under the root where a known corpus lies."""
    if not root.is_dir():
        raise AudiolibError(f"{root}: the data root is not there; set AUDIOLIB_DATA to the folder that holds your "
                            f"corpora, or bring one with: python -m audiolib fetch {name}")
    description = DESCRIPTIONS[name]
    for folder in (root / place for place in description.folders):
        if (folder / "meta/esc50.csv").is_file() if description.layout == "esc50" else folder.is_dir():
            return folder
    raise AudiolibError(f"{name}: not under {root} (looked for {', '.join(description.folders)}); bring it with "
                        f"python -m audiolib fetch {name}, or set AUDIOLIB_DATA to the folder that holds it")


def _no_folder(name):
    close = difflib.get_close_matches(str(name), DESCRIPTIONS, 1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    return f"{name}: neither a folder nor a known corpus; {guess}Known are {', '.join(DESCRIPTIONS)}"


def _no_clips(folder, skipped):
    first = f" (first of {len(skipped)} skipped: {skipped[0][0]}: {skipped[0][1]})" if skipped else ""
    inner = next((p.parent for p in sorted(folder.glob("*/*/*")) if p.suffix.lower() in SUFFIXES), None)
    guess = f"did you mean {inner.parent}? " if inner else ""
    return (f"{folder}: no audio in it{first}; {guess}A corpus is a folder of <label>/<file> with files that end in "
            + " ".join(SUFFIXES))


def _visible(folder, skipped):
    """What lies in a folder, sorted, without hidden entries and the twins that macOS puts into archives."""
    try:
        return [p for p in sorted(folder.iterdir()) if not p.name.startswith(".") and p.name != "__MACOSX"]
    except OSError as error:
        skipped.append((folder, f"folder cannot be read ({error.strerror})"))
        return []


def _audio_files(folder, skipped):
    """The paths of audio files right in a folder; all else in it is skipped with its reason."""
    for path in _visible(folder, skipped):
        if path.is_symlink() and not path.exists():
            skipped.append((path, "link that leads nowhere or in a circle"))
        elif path.is_dir():
            skipped.append((path, "folder inside a label (audio is looked for in <label>/<file>)"))
        elif path.suffix.lower() not in SUFFIXES:
            skipped.append((path, f"not a known audio file ({path.suffix or 'no ending'})"))
        elif not path.name.isprintable():  # bytes that are not UTF-8, line breaks: would break every list and record
            skipped.append((path, "name that cannot be printed; rename the file"))
        elif not path.is_file():
            skipped.append((path, "not a regular file"))
        else:
            yield path


def _list_labels(folder, skipped, allowed=None):
    """Clips of ``<label>/<file>``, named ``label/file`` since a file name alone may occur under two labels."""
    for place in _visible(folder, skipped):
        if place.is_symlink() and not place.exists():
            skipped.append((place, "link that leads nowhere or in a circle"))
        elif not place.is_dir():
            if place.suffix.lower() in SUFFIXES:
                skipped.append((place, "audio outside a label folder"))
        elif not place.name.isprintable():
            skipped.append((place, "name that cannot be printed; rename the folder"))
        elif allowed and place.name not in allowed:
            skipped.append((place, "label that is not one of GTZAN's ten"))
        else:
            before = len(skipped)
            paths = list(_audio_files(place, skipped))
            if not paths and len(skipped) == before:
                skipped.append((place, "empty label"))
            for path in paths:
                yield Clip(path, f"{place.name}/{path.stem}", place.name)


def _list_genres(folder, skipped):
    """Clips of GTZAN's layout, where the file name alone is the track's name: ``blues.00000``."""
    for clip in _list_labels(folder, skipped, GENRES):
        yield Clip(clip.path, clip.path.stem, clip.label)


def _list_fsdd(folder, skipped):
    """Clips named ``<digit>_<speaker>_<take>``; the group is the speaker."""
    for path in _audio_files(folder, skipped):
        parts = path.stem.split("_")
        if len(parts) == 3 and re.fullmatch(r"\d", parts[0]):
            yield Clip(path, path.stem, parts[0], group=parts[1])
        else:
            skipped.append((path, "name is not <digit>_<speaker>_<take>"))


def _list_esc50(folder, skipped):
    """Clips that ``meta/esc50.csv`` marks as ESC-10; the group is the source recording."""
    table = folder / "meta/esc50.csv"
    try:
        with open(table, newline="", encoding="utf-8") as file:
            rows = [(row["filename"], int(row["fold"]), row["category"], row["src_file"], row["esc10"])
                    for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError, OSError, csv.Error) as error:
        raise AudiolibError(f"{table}: not the table of ESC-50 ({error!r}), which has the columns filename, fold, "
                            "category, esc10, src_file; move the folder away and bring the corpus again with "
                            "python -m audiolib fetch esc10") from error
    files = {path.stem: path for path in _audio_files(folder / "audio", skipped)}
    for filename, fold, category, source, esc10 in rows:
        if esc10 == "True":  # the table names .wav or .ogg, whichever the copy once had
            if (path := files.get(Path(filename).stem)) is not None:
                yield Clip(path, path.stem, category, group=source, fold=fold)
            else:
                skipped.append((folder / "audio" / filename, "in the table but not on disk"))


def _unique(clips, skipped):
    """The clips sorted by label and name; of those with one name (a track as .wav and as .au) the first by path."""
    kept = {}
    for clip in clips:
        if kept.setdefault(clip.name, clip) is not clip:
            skipped.append((clip.path, "second file of the same clip name"))
    return sorted(kept.values(), key=lambda clip: (clip.label, clip.name))


@dataclass(frozen=True)
class Report:
    """What ``check`` found: ``problems`` as ``(name, reason)``, ``duplicates`` as the names of clips of equal audio."""

    corpus: str
    ok: int  # clips without a problem
    problems: tuple[tuple[str, str], ...]
    duplicates: tuple[tuple[str, ...], ...]

    def __str__(self):
        lines = [f"{self.corpus}: {self.ok} clips are fine, {len(self.problems)} are not, "
                 f"{len(self.duplicates)} sets of exact duplicates"]
        lines += [f"  {name}: {reason}" for name, reason in self.problems]
        lines += [f"  the same audio: {', '.join(names)}" for names in self.duplicates]
        return "\n".join(lines)


def check(corpus, *, progress=True):
    """Decode every clip and list what is wrong: unreadable, silent, constant, shorter than 0.1 s; and exact duplicates.

    Duplicates are found by the decoded samples, so a track counts as the same in .wav and in .flac.

    Parameters
    ----------
    corpus : Corpus
    progress : bool
        Show a bar.

    Returns
    -------
    Report
    """
    # Threads are enough: decoding and hashing leave Python's lock alone.
    results = joblib.Parallel(n_jobs=-1, prefer="threads", return_as="generator")(
        joblib.delayed(_examine)(clip) for clip in corpus.clips)
    results = list(tqdm(results, total=len(corpus), desc=f"check {corpus.name}", unit="clip", disable=not progress))
    problems, same = [], {}
    for clip, (reason, samples) in zip(corpus.clips, results, strict=True):
        if reason:
            problems.append((clip.name, reason))
        if samples:
            same.setdefault(samples, []).append(clip.name)
    duplicates = tuple(tuple(names) for names in same.values() if len(names) > 1)
    return Report(corpus.name, len(corpus) - len(problems), tuple(problems), duplicates)


def _examine(clip):
    """What is wrong with a clip ("" if nothing) and the digest of its samples (None if it cannot be read)."""
    try:
        y, sr = read(clip, mono=False)
    except AudiolibError as error:
        return str(error), None
    samples = hashlib.sha256(f"{sr} {y.shape}".encode() + y.tobytes()).digest()
    if not y.any():
        return "silent: every sample is 0", samples
    if np.all(y == y[:, :1]):
        return f"constant: every sample is {y[0, 0]:g}", samples
    if y.shape[1] < SHORTEST * sr:
        return f"only {y.shape[1] / sr:.3g} s long", samples
    return "", samples


def content_digest(clips):
    """SHA-256 over the lines ``<name> <MD5 of the file>`` of clips, sorted by name: one checksum for a corpus's audio.

    MD5 since that is what public indexes state for single files. Archive, layout and file endings do not matter.
    """
    lines = []
    for clip in sorted(clips, key=lambda clip: clip.name):
        with open(clip.path, "rb") as file:
            lines.append(f"{clip.name} {hashlib.file_digest(file, 'md5').hexdigest()}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def fetch(name, *, root=None, progress=True):
    """Bring a known corpus from its public address, unless it is there already.

    All is made in a hidden folder beside the corpus's place and moved there when it is verified, so that a run that
    fails or is killed leaves no half corpus behind; the next one starts again.

    Parameters
    ----------
    name : str
        A key of ``DESCRIPTIONS``.
    root : str or Path, optional
        By default ``data_root()``; made if it is not there.
    progress : bool
        Show bars.

    Returns
    -------
    Path
        The folder that ``load`` reads.

    Raises
    ------
    AudiolibError
        If it cannot be had; the message says what was tried and what to do by hand.
    """
    if (description := DESCRIPTIONS.get(name)) is None:
        raise AudiolibError(_no_folder(name))
    if name == "synthetic":
        return _synthetic()
    root = Path(root) if root is not None else data_root()
    place = root / description.folders[0].split("/")[0]
    if any((root / folder).exists() for folder in description.folders) or (place.is_dir() and any(place.iterdir())):
        return _already_there(name, root, place)
    try:
        root.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(name, root)
        work = Path(tempfile.mkdtemp(prefix=f".{name}-", suffix=".part", dir=root))
    except OSError as error:
        raise AudiolibError(f"{root}: cannot be written ({error.strerror}); set AUDIOLIB_DATA to a folder where you "
                            "may write") from error
    tried = []
    try:
        for url in description.urls:
            folder = work / place.name
            shutil.rmtree(folder, ignore_errors=True)
            try:
                folder.mkdir()
                if url.startswith("kaggle:"):
                    _from_kaggle(url.removeprefix("kaggle:"), folder)
                else:
                    download.retrieve(url, work / "archive", progress=progress)
                    download.unpack(work / "archive", folder, members=description.members, limit=description.limit)
                _verify(name, work)
                os.replace(folder, place)
                return _find(name, root)
            except (AudiolibError, OSError) as error:
                tried.append(f"{url}: {error}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    raise AudiolibError(f"{name}: could not be fetched. {'; '.join(tried)}. By hand: "
                        f"{description.by_hand.format(root=root)} ({description.homepage})")


def _already_there(name, root, place):
    """The folder of a corpus that need not be fetched; raises if what lies there is not, or not all of, the corpus."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            corpus = load(name, root=root)
        except AudiolibError as error:
            raise AudiolibError(f"{place}: is there, but is not {name} ({error}); move it away, fetch again") from error
    if len(corpus) != corpus.description.clips:
        raise AudiolibError(f"{corpus.root}: is there, but holds {len(corpus)} of the {corpus.description.clips} clips "
                            f"of {name}; move it away, fetch again")
    return corpus.root


def _remove_leftovers(name, root):
    """Remove what killed runs left: a run that lives writes all the time, so after ten minutes of rest it is dead."""
    for old in root.glob(f".{name}-*.part"):
        if time.time() - max(path.stat().st_mtime for path in (old, *old.rglob("*"))) > 600:
            shutil.rmtree(old, ignore_errors=True)


def _from_kaggle(handle, folder):
    try:
        import kagglehub
    except ImportError as error:
        raise AudiolibError("needs kagglehub: install it with pip install kagglehub") from error
    try:
        source = Path(kagglehub.dataset_download(handle))
        shutil.copytree(next(source.glob("**/genres_original")), folder / "genres_original")
    except Exception as error:  # whatever kagglehub raises: no network, no account; the way out is the same
        raise AudiolibError(f"kagglehub failed ({type(error).__name__}: {error})") from error


def _verify(name, root):
    """Raise unless the corpus under this root is the published one, by its digest or, without one, by its count."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        corpus = load(name, root=root)
    description = corpus.description
    found = content_digest(corpus.clips) if description.content else ""
    if found != description.content or len(corpus) != description.clips:
        raise AudiolibError(f"the audio in it is not the published one ({len(corpus)} of {description.clips} clips, "
                            f"digest {found or 'not known'} instead of {description.content or 'none'})")
