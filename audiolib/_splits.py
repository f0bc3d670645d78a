"""Splits as people have them: tables of files, and folders of train, valid and test; read, and written."""

import csv
import warnings
from dataclasses import replace
from pathlib import Path

from audiolib import AudiolibError, archive, corpora
from audiolib._files import written_whole

PART_NAMES = {"train": "train", "training": "train", "valid": "valid", "validation": "valid", "val": "valid",
              "dev": "valid", "test": "test", "testing": "test", "eval": "test", "evaluation": "test"}  # fmt: skip
PARTS = ("train", "valid", "test")


def find(name, *, progress=True):
    """What a name stands for: a corpus, an archive, or a folder of train/valid/test with <label>/<file> in each.

    Parameters
    ----------
    name : str or Path
        As `corpora.load` takes it, or an archive's file, which ends in ``.npz``.
    progress : bool

    Returns
    -------
    source : corpora.Corpus or features.Features
    parts : dict of name to part, or None
        Where the folders say it. They may also be called training, validation, val, dev, testing, eval, evaluation.
    """
    if str(name).endswith(".npz"):
        return archive.read_archive(name, segment_seconds=None), None
    folders = {}
    if str(name) not in corpora.DESCRIPTIONS and Path(name).is_dir():
        folders = {folder: PART_NAMES[folder.name.lower()] for folder in sorted(Path(name).iterdir())
                   if folder.name.lower() in PART_NAMES
                   and any(path.suffix.lower() in corpora.SUFFIXES for path in folder.glob("*/*"))}
    if len(set(folders.values())) < 2:
        return corpora.load(name, progress=progress), None
    clips, parts, skipped = [], {}, []
    for folder, part in folders.items():
        loaded = corpora.load(folder)
        clips += [replace(clip, name=f"{folder.name}/{clip.name}") for clip in loaded.clips]
        parts |= {f"{folder.name}/{clip.name}": part for clip in loaded.clips}
        skipped += loaded.skipped
    if others := [path.name for path in sorted(Path(name).iterdir())
                  if path.is_dir() and path not in folders and not path.name.startswith(".")]:
        warnings.warn(f"{name}: taken for a split of {', '.join(folder.name for folder in folders)}; not looked at: "
                      f"{', '.join(others)}", stacklevel=2)
    labels = tuple(sorted({clip.label for clip in clips}))
    return corpora.Corpus(Path(name).resolve().name, Path(name), tuple(clips), labels, None, tuple(skipped)), parts


def _places(source):
    """For each clip its path below the corpus's folder; its name, where there are no files."""
    if isinstance(source, corpora.Corpus):
        return {clip.name: (clip.path.relative_to(source.root) if clip.path.is_relative_to(source.root)
                            else clip.path).as_posix() for clip in source.clips}
    return {name: name for name in source.names}


def _finder(source):
    """A function from a path as somebody's table writes it to the clip's name, or None."""
    whole, tails = {}, {}
    for name, place in _places(source).items():
        for path in {place, _without_ending(place), name}:
            whole[path] = name
            for start in range(path.count("/") + 1):
                tail = path.split("/", start)[-1]
                tails[tail] = name if tails.get(tail, name) == name else None  # two clips: neither is meant

    def named(asked):
        asked = asked.replace("\\", "/").removeprefix("./")
        for path in (asked, _without_ending(asked)):
            if found := tails.get(path):
                return found
            for start in range(path.count("/") + 1):  # the same folder may lie elsewhere
                if found := whole.get(path.split("/", start)[-1]):
                    return found
        return None

    return named


def _without_ending(path):
    ending = Path(path).suffix
    return path.removesuffix(ending) if ending.lower() in corpora.SUFFIXES else path


def read_split(path, source):
    """The split of a table, and its groups if it has them.

    Parameters
    ----------
    path : str or Path
        A CSV file (also with semicolons or tabs) with the columns path, part and perhaps group. A path is a clip's
        name, or a file's path as far as it is needed to know the clip; parts are named as for `find`.
    source : corpora.Corpus or features.Features

    Returns
    -------
    parts : dict of name to part
    groups : dict of name to group

    Raises
    ------
    AudiolibError
        If the file is not such a table, puts a clip into two parts, or names no clip of the corpus.

    Warns
    -----
    UserWarning
        If some of its files are not in the corpus.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        header = text.partition("\n")[0]
        rows = csv.reader(text.splitlines(), delimiter=max(",;\t", key=header.count), strict=True)
        rows = [[cell.strip() for cell in row] for row in rows if any(row)]
    except (OSError, ValueError, csv.Error) as error:
        raise AudiolibError(f"{path}: cannot be read as a table ({error}); a CSV file in UTF-8 with the columns "
                            "path,part is needed") from error
    columns = [cell.lower() for cell in rows[0]] if rows else []
    if not {"path", "part"} <= set(columns) or len(rows) < 2:
        what = f"its first line is {','.join(columns)[:80]!r}" if columns else "it is empty"
        raise AudiolibError(f"{path}: a table with the columns path,part (and perhaps group) and a line a file is "
                            f"needed; {what}" + (" and the only one" if len(rows) == 1 else ""))
    named, parts, groups, unknown = _finder(source), {}, {}, []
    for number, cells in enumerate(rows[1:], start=2):
        row = dict(zip(columns, [*cells, *[""] * len(columns)], strict=False))
        part = PART_NAMES.get(row["part"].lower())
        if part is None:
            raise AudiolibError(f"{path}, row {number}: part {row['part']!r} is none of {', '.join(PARTS)}")
        name = named(row["path"])
        if name is None:
            unknown.append(row["path"])
        elif parts.setdefault(name, part) != part:
            raise AudiolibError(f"{path}, row {number}: {row['path']} is in two parts, {parts[name]} and {part}")
        elif row.get("group"):
            groups[name] = row["group"]
    if not parts:
        raise AudiolibError(f"{path}: none of its {len(unknown)} files is in the corpus; the first is {unknown[0]!r}, "
                            f"the corpus begins with {next(iter(_places(source).values()))!r}")
    if unknown:
        warnings.warn(f"{path}: {len(unknown)} of its files are not in the corpus (or more than one clip could be "
                      f"meant), the first: {unknown[0]!r}", stacklevel=2)
    return parts, groups


def write_split(path, source, parts, groups):
    """Write a split as `read_split` reads it, whole or not at all."""
    places = _places(source)
    try:
        with written_whole(Path(path)) as part, part.open("x", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["path", "part", "group"])
            writer.writerows([places[name], each, groups.get(name, "")] for name, each in sorted(parts.items()))
    except OSError as error:
        raise AudiolibError(f"{path}: cannot be written ({error.strerror or error}); choose another place") from error
