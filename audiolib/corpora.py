"""What is on disk: corpora of labelled clips, where they come from, and what is wrong with them.

A *corpus* is a table of clips. A *clip* is one audio file with a name that is unique in the corpus, a label, and, where
the corpus knows it, the group that must not be divided between training and test (speaker, source recording) and the
official fold. ``load`` lists files and reads none of them, so it is fast; ``read`` decodes one clip (``stream`` block
by block, ``mix`` as features hear it); ``check`` decodes all and lists what is wrong; ``fetch`` brings a known corpus
from its public address. Signals are float32, rates in Hz.

What cannot be used is never dropped in silence: it is either an ``AudiolibError`` or a warning with a count, and it is
kept in ``Corpus.skipped``. Shared arguments: ``root``, the folder in which known corpora lie (by default `data_root`),
and ``progress``, whether to show a bar.

Chapters: 01_dataset, 02_sound, 03_stft, 04_mel, 05_chroma, 06_data, 07_cnn, 09_architectures, 10_experiments, 11_leak,
12_fair, 14_listen
"""

import csv
import hashlib
import os
import re
import shutil
import sys
import tarfile
import tempfile
import time
import unicodedata
import warnings
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import joblib
import numpy as np
import pooch
from tqdm.auto import tqdm

from audiolib import AudiolibError, _checks, _files
from audiolib._catalogue import DESCRIPTIONS, Description
from audiolib._decode import mixed, read, resample, stream, within_memory

__all__ = ["DESCRIPTIONS", "Clip", "Corpus", "Description", "Report", "cache_root", "check", "content_digest",
           "data_root", "digest", "fetch", "flaw", "load", "mix", "read", "stream"]

_files.lend_cache()

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".au", ".aif", ".aiff", ".aac", ".opus", ".wma", ".webm", ".mp4",
            ".oga", ".mka", ".m4b", ".mp2", ".ac3", ".wv", ".ape", ".tta", ".amr", ".spx", ".caf", ".w64", ".aifc",
            ".wave", ".bwf", ".rf64", ".snd", ".3gp", ".mkv", ".mov", ".mpga")
SHORTEST = 0.1  # s; what is too short to be a clip
# Bytes that are not UTF-8 or line breaks would break every list and record.
UNPRINTABLE = ("name that cannot be printed; rename it" if sys.getfilesystemencoding() == "utf-8" else
               "name that this Python cannot decode in its locale; start it with PYTHONUTF8=1, or rename it")
# Letters that look like Latin ones, small or capital.
LATIN = str.maketrans(*(letters + letters.upper() for letters in (
    "авекмнорстухіјѕαβεζηικμνορτυχ", "abekmhopctyxijsabezhikmnoptyx")))
CANCELLED = 0.01  # of the channels' level; what is left of less in the mono mix is rounding and coding noise


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
    return _files.chosen_folder("AUDIOLIB_DATA")


def cache_root():
    """Folder for all that can be made again: ``AUDIOLIB_CACHE``, or a folder in the user's cache folder."""
    return _files.chosen_folder("AUDIOLIB_CACHE", "cache")


def digest(path):
    """SHA-256 of a file's content, as hexadecimal text."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AudiolibError(f"{path}: cannot be read ({error.strerror}); is it there, and may you read it?") from error


def load(name_or_path, *, root=None, make=True, progress=True):
    """The `Corpus` of that name, or the folder of ``<label>/<file>`` at that path; an error if it holds no clip.

    A known corpus is a key of ``DESCRIPTIONS``; "synthetic" is made on first use or, without `make`, an error. Files
    are listed, not decoded. What is not in the corpus is counted in one warning and kept in ``Corpus.skipped``; labels
    that look alike are told in another.
    """
    name = str(name_or_path)  # papermill makes a number of a folder named 2021
    folder = Path(name)
    if (description := DESCRIPTIONS.get(name)) is not None:
        folder = _synthetic(make, progress) if name == "synthetic" else _find(name, Path(root or data_root()))
    elif name and folder.is_dir():
        name = Path(os.path.abspath(folder)).name
    else:
        raise AudiolibError(_unknown(name))
    skipped = []
    layouts = {"genres": _list_genres, "esc50": _list_esc50, "fsdd": _list_fsdd}
    lister = layouts[description.layout] if description else _list_labels
    kept = {}  # of files of one name (a track as .wav and as .au) the first by path
    for clip in lister(folder, skipped):
        if kept.setdefault(clip.name, clip) is not clip:
            skipped.append((clip.path, "second file of the same clip name"))
    clips = sorted(kept.values(), key=lambda clip: (clip.label, clip.name))
    if not clips:
        raise AudiolibError(_no_clips(folder, skipped))
    if skipped:
        reasons = "; ".join(f"{count} x {reason}" for reason, count in Counter(r for _, r in skipped).most_common())
        warnings.warn(f"{name}: {len(skipped)} skipped in {folder}: {reasons} (first: {skipped[0][0]}); "
                      "`check` lists them, and so does Corpus.skipped", stacklevel=2)
    if description and name != "synthetic" and len(clips) != description.clips:
        warnings.warn(f"{name}: {len(clips)} clips in {folder}, but the whole corpus has {description.clips}; "
                      "results on a part of it are not comparable", stacklevel=2)
    labels = tuple(sorted({clip.label for clip in clips}))
    if alike := _look_alike(labels):
        warnings.warn(f"{name}: labels that look alike, but are classes of their own: {alike}; if they are one class, "
                      f"move the clips into one folder of {folder}", stacklevel=2)
    return Corpus(name, folder, tuple(clips), labels, description, tuple(skipped))


def _look_alike(labels):
    """Labels that differ in case, spaces, hyphens, the Unicode form or look-alike letters only, in words."""
    kin = {}
    for label in labels:
        plain = " ".join(unicodedata.normalize("NFKC", label).casefold().translate(LATIN).split())
        kin.setdefault(re.sub(r"(?<=[^\W\d_])[\s_-]+(?=[^\W\d_])", "", plain), []).append(label)
    # Some look the same in quotation marks, too.
    return "; ".join(" and ".join(map(repr if len({unicodedata.normalize("NFC", label).translate(LATIN)
                                                   for label in group}) == len(group) else ascii, group))
                     for group in kin.values() if len(group) > 1)


def _synthetic(make=True, progress=True):
    from audiolib import compose

    folder = cache_root() / f"synthetic-{compose.VERSION}"
    if make:
        compose.write_corpus(folder, progress=progress)  # does nothing if it is there and whole
    elif not (folder / "manifest.json").is_file():
        raise AudiolibError(f"{folder}: not there, or not whole; load it, and it is made")
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


def _unknown(name):
    return (f"{name}: neither a folder nor a known corpus; {_checks.guess(name, DESCRIPTIONS)}"
            f"Known are {', '.join(DESCRIPTIONS)}")


def _no_clips(folder, skipped):
    first = f" (first of {len(skipped)} skipped: {skipped[0][0]}: {skipped[0][1]})" if skipped else ""
    inner = next((f"did you mean {path.parent.parent}? " for path in sorted(folder.glob("*/*/*"))
                  if path.suffix.lower() in SUFFIXES), "")
    return (f"{folder}: no audio in it{first}; {inner}A corpus is a folder of <label>/<file> with files that end in "
            + " ".join(SUFFIXES))


def _entries(folder, skipped):
    """What lies in a folder, sorted, without hidden entries, the twins that macOS puts into archives and dead links."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        skipped.append((folder, f"folder cannot be read ({error.strerror})"))
        return
    for path in paths:
        if path.name.startswith(".") or path.name == "__MACOSX":
            continue
        if path.is_symlink() and not path.exists():
            skipped.append((path, "link that leads nowhere or in a circle"))
        else:
            yield path


def _audio_files(folder, skipped):
    """The paths of audio files right in a folder; all else in it is skipped with its reason."""
    for path in _entries(folder, skipped):
        if path.is_dir():
            skipped.append((path, "folder inside a label (audio is looked for in <label>/<file>)"))
        elif path.suffix.lower() not in SUFFIXES:
            skipped.append((path, f"not a known audio file ({path.suffix or 'no ending'})"))
        elif not path.name.isprintable():
            skipped.append((path, UNPRINTABLE))
        elif not path.is_file():
            skipped.append((path, "not a regular file"))
        else:
            yield path


def _list_labels(folder, skipped, allowed=None):
    """Clips of ``<label>/<file>``, named ``label/file`` since a file name alone may occur under two labels."""
    for place in _entries(folder, skipped):
        if not place.is_dir():
            if place.suffix.lower() in SUFFIXES:
                skipped.append((place, "audio outside a label folder"))
        elif not place.name.isprintable():
            skipped.append((place, UNPRINTABLE))
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
    return (Clip(clip.path, clip.path.stem, clip.label) for clip in _list_labels(folder, skipped, GENRES))


def _list_fsdd(folder, skipped):
    """Clips named ``<digit>_<speaker>_<take>``; the group is the speaker."""
    for path in _audio_files(folder, skipped):
        if named := re.fullmatch(r"(\d)_([^_]*)_[^_]*", path.stem):
            yield Clip(path, path.stem, named[1], group=named[2])
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
        path = files.get(Path(filename).stem)  # the table names .wav or .ogg, whichever the copy once had
        if esc10 == "True" and path is not None:
            yield Clip(path, path.stem, category, group=source, fold=fold)
        elif esc10 == "True":
            skipped.append((folder / "audio" / filename, "in the table but not on disk"))


@dataclass(frozen=True)
class Report:
    """What ``check`` found: ``problems`` as ``(name, reason)``, ``duplicates`` as the names of clips of equal audio."""

    corpus: str
    ok: int  # clips without a problem
    problems: tuple[tuple[str, str], ...]
    duplicates: tuple[tuple[str, ...], ...]

    def __str__(self):
        return "\n".join([f"{self.corpus}: {self.ok} clips are fine, {len(self.problems)} are not, "
                          f"{len(self.duplicates)} sets of exact duplicates",
                          *(f"  {name}: {reason}" for name, reason in self.problems),
                          *(f"  the same audio: {', '.join(names)}" for names in self.duplicates)])


def check(corpus, *, progress=True):
    """Decode every clip and list what is wrong: what cannot be read or has a `flaw`, and exact duplicates.

    Returns a `Report`. Duplicates are found by the decoded samples: a track counts as the same in .wav and in .flac.
    """
    # Threads are enough: decoding and hashing leave Python's lock alone.
    results = joblib.Parallel(n_jobs=-1, prefer="threads", return_as="generator")(
        joblib.delayed(_examine)(clip) for clip in corpus.clips)
    results = list(tqdm(results, total=len(corpus), desc=f"check {corpus.name}", unit="clip", disable=not progress))
    problems, same = [], {}
    for clip, (reason, samples) in zip(corpus.clips, results, strict=True):
        if isinstance(getattr(reason, "__cause__", None), MemoryError):  # perhaps a neighbour's fault
            reason, samples = _examine(clip)
        if reason:
            problems.append((clip.name, str(reason)))
        if samples:
            same.setdefault(samples, []).append(clip.name)
    duplicates = tuple(tuple(names) for names in same.values() if len(names) > 1)
    return Report(corpus.name, len(corpus) - len(problems), tuple(problems), duplicates)


def _examine(clip):
    """What is wrong with a clip ("" if nothing) and the digest of its samples (None if it cannot be read)."""
    try:
        with within_memory(clip.path):
            y, sr = read(clip, mono=False)
            samples = hashlib.sha256(f"{sr} {y.shape}".encode())
            samples.update(y)
            return flaw(y, sr), samples.digest()
    except AudiolibError as error:
        return error, None


def flaw(y, sr):
    """Why a recording that can be read is nothing to listen to or learn from, or "": one rule for check and features.

    Judged is the mono mix of a signal ([sample] or [channel, sample] as decoded, of a rate in Hz), which is what
    features hear, at the file's own rate: resampling would round the edges. Only with its channels can one that cancels
    the other nearly, but not to the last bit, be told.
    """
    y = np.atleast_2d(y)
    if y.shape[1] < SHORTEST * sr:
        return f"only {y.shape[1] / sr:.3g} s long ({y.shape[1]} samples); a clip has {SHORTEST:g} s or more"
    if not y.any():
        return "silent: every sample is 0"
    mix = mixed(y)
    if len(y) > 1:
        second = min(round(sr), len(mix))
        by_second = y[:, : len(mix) // second * second].reshape(len(y), -1, second)
        loud, left = by_second.std(axis=2).max(axis=0), mixed(by_second).std(axis=1)
        if (left < CANCELLED * loud).sum() > np.count_nonzero(loud) / 2:  # else it is a moment of the recording
            return "antiphase: its channels cancel each other in the mono mix; invert one of them, or use one only"
    if np.all(mix == mix[0]):
        return f"constant: every sample is {mix[0]:g}"
    return ""


def mix(clip, sr):
    """The mono mix [sample] of a clip at a rate in Hz, as features hear it; its `flaw` is an error like any other."""
    with within_memory(clip.path):
        y, rate = read(clip, mono=False)
        if reason := flaw(y, rate):
            raise AudiolibError(f"{clip.path}: {reason}")
        return resample(mixed(y), rate, sr)


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
    """Bring a known corpus from its public address, unless it is there already; the folder (Path) that `load` reads.

    All is made in a hidden folder beside the corpus's place and moved there when the audio in it is found to be the
    published one, so that a run that fails or is killed leaves no half corpus behind; the next one starts again.
    Nothing is taken on trust: an archive may be cut off, be a page that says "not found", or hold links, members that
    point out of the folder, or a terabyte of zeros. If it cannot be had, an error says what was tried and what to do by
    hand.
    """
    if (description := DESCRIPTIONS.get(name)) is None:
        raise AudiolibError(_unknown(name))
    if name == "synthetic":
        return _synthetic()
    root = Path(root or data_root())
    place = root / description.folders[0].split("/")[0]
    if any((root / folder).exists() for folder in description.folders) or (place.is_dir() and any(place.iterdir())):
        try:
            return _all_of(name, root).root
        except AudiolibError as error:
            raise AudiolibError(f"{place}: is there, but is not all of {name} ({error}); move it away, fetch again"
                                ) from error
    try:
        root.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(name, root)
        tempfile.TemporaryFile(dir=root).close()
    except OSError as error:
        raise AudiolibError(f"{root}: cannot be written ({error.strerror}); set AUDIOLIB_DATA to a folder where you "
                            "may write") from error
    tried = []
    for url in description.urls:
        try:
            with tempfile.TemporaryDirectory(prefix=f".{name}-", suffix=".part", dir=root) as work:
                folder = Path(work) / place.name
                if url.startswith("kaggle:"):
                    _from_kaggle(url.removeprefix("kaggle:"), folder)
                else:
                    _download(url, folder.with_name("archive"), progress)
                    _unpack(folder.with_name("archive"), folder, description)
                clips = _all_of(name, Path(work)).clips
                if description.content and (found := content_digest(clips)) != description.content:
                    raise AudiolibError(f"the audio in it is not the published one (digest {found} instead of "
                                        f"{description.content})")
                os.replace(folder, place)
                return _find(name, root)
        except (AudiolibError, OSError) as error:
            tried.append(f"{url}: {error}")
    raise AudiolibError(f"{name}: could not be fetched. {'; '.join(tried)}. By hand: "
                        f"{description.by_hand.format(root=root)} ({description.homepage})")


def _all_of(name, root):
    """A known corpus with as many clips as were published, or an error that counts them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        corpus = load(name, root=root)
    if len(corpus) != corpus.description.clips:
        raise AudiolibError(f"{corpus.root}: holds {len(corpus)} of the {corpus.description.clips} clips of {name}")
    return corpus


def _remove_leftovers(name, root):
    """Remove what killed runs left: a run that lives writes all the time, so after ten minutes of rest it is dead."""
    for old in root.glob(f".{name}-*.part"):
        if time.time() - max(path.stat().st_mtime for path in (old, *old.rglob("*"))) > 600:
            shutil.rmtree(old, ignore_errors=True)


def _download(url, path, progress):
    """One file; a connection that breaks is tried again from the start."""
    for last in (False, True):
        try:
            return pooch.HTTPDownloader(progressbar=progress, chunk_size=2**16)(url, str(path), None)
        except OSError as error:  # of the network (requests' errors are OSErrors) or of the disk
            if last:
                raise AudiolibError(f"download failed ({error})") from error


def _unpack(archive, folder, description):
    """Write the wanted files of a .zip or .tar (plain or compressed), without their topmost folder, as a folder.

    pooch's own processors would ask for the members' names first, look through all of them for each one, and write, in
    Python 3.11, where a .tar tells them to.
    """
    unpacked = folder.with_name("unpacked")
    try:
        zipped = zipfile.is_zipfile(archive)
        with zipfile.ZipFile(archive) if zipped else tarfile.open(archive) as file:
            wanted, left = [], description.limit
            for member in file.infolist() if zipped else file:
                name, size = (member.filename, member.file_size) if zipped else (member.name, member.size)
                path = PurePosixPath(name)
                if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
                    raise AudiolibError(f"its member {name!r} points out of the folder: do not trust this archive")
                if re.fullmatch(description.members, "/".join(path.parts[1:])):
                    wanted.append(member)
                    left -= size
            if left < 0:
                raise AudiolibError(f"more than {description.limit} bytes in it: do not trust this archive")
            unpacked.mkdir()
            file.extractall(unpacked, wanted, **({} if zipped else {"filter": "data"}))
        os.replace(next(unpacked.iterdir(), unpacked), folder)
    except AudiolibError:
        raise
    except Exception as error:  # of a damaged archive zipfile, tarfile and the decompressors raise nearly everything
        raise AudiolibError(f"cannot be unpacked ({error}): no archive, damaged, truncated, or no room") from error


def _from_kaggle(handle, folder):
    try:
        import kagglehub

        source = Path(kagglehub.dataset_download(handle))
        shutil.copytree(next(source.glob("**/genres_original")), folder / "genres_original")
    except ImportError as error:
        raise AudiolibError("needs kagglehub: install it with pip install kagglehub") from error
    except Exception as error:  # whatever kagglehub raises: no network, no account; the way out is the same
        raise AudiolibError(f"kagglehub failed ({type(error).__name__}: {error})") from error
