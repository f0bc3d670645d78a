"""Downloading an archive and unpacking what is wanted from it, with nothing taken on trust.

An archive may be cut off, may be something else (a page that says "not found"), may hold members that point out of a
folder, links, or a terabyte of zeros. Whatever it is, nothing is written outside the folder or beyond the limit.
"""

import functools
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import pooch

from audiolib import AudiolibError

ATTEMPTS = 2  # of one address, for a connection that breaks
# What zipfile and tarfile raise for broken input, next to OSError; RuntimeError is an encrypted or unknown member.
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, RuntimeError)


def retrieve(url, path, *, progress=True):
    """Download one file; a broken connection is tried again from the start.

    Parameters
    ----------
    url : str
    path : str or Path
        Overwritten.
    progress : bool
        Show a bar.

    Raises
    ------
    AudiolibError
        If the last attempt failed, too.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return pooch.HTTPDownloader(progressbar=progress, chunk_size=2**16)(url, str(path), None)
        except OSError as error:  # of the network (requests' errors are OSErrors) or of the disk
            if attempt == ATTEMPTS:
                raise AudiolibError(f"download failed ({error})") from error


def unpack(archive, folder, *, members, limit):
    """Write the wanted files of a .zip or .tar (plain or compressed) into a folder, without their topmost folder.

    Parameters
    ----------
    archive : str or Path
    folder : str or Path
        Nothing is written outside it.
    members : str
        Regular expression of the files wanted, below the topmost folder; all others are left where they are.
    limit : int
        Bytes that the files may take together.

    Raises
    ------
    AudiolibError
        If it is no archive, is damaged or truncated, holds more than the limit, has a member that points out of the
        folder, or a wanted one that is not a plain file.
    """
    left = limit
    try:
        for name, plain, source in _members(archive):
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
                raise AudiolibError(f"its member {name!r} points out of the folder: do not trust this archive")
            inner = "/".join(path.parts[1:])
            if not re.fullmatch(members, inner):
                continue
            if not plain:
                raise AudiolibError(f"its member {name!r} is a link or a device: do not trust this archive")
            target = Path(folder) / inner
            target.parent.mkdir(parents=True, exist_ok=True)
            with source() as reader, open(target, "xb") as writer:
                while block := reader.read(2**20):
                    left -= len(block)
                    if left < 0:
                        raise AudiolibError(f"more than {limit} bytes in it: do not trust this archive")
                    writer.write(block)
    except (*DAMAGED, OSError) as error:
        raise AudiolibError(f"cannot be unpacked ({error}): no archive, damaged, truncated, or no room") from error


def _members(archive):
    """``(name, whether it is a plain file, function that opens it)`` of each file in an archive, one by one."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for member in file.infolist():
                if not member.is_dir():
                    plain = stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG)  # 0: packed on Windows
                    yield member.filename, plain, functools.partial(file.open, member)
    else:
        with tarfile.open(archive) as file:
            for member in file:
                if not member.isdir():
                    yield member.name, member.isreg(), functools.partial(file.extractfile, member)
