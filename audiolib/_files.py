"""Files that are there whole or not at all, whatever happens while they are written; and the folders for them."""

import contextlib
import os
import secrets
from pathlib import Path

import pooch

from audiolib import AudiolibError


@contextlib.contextmanager
def written_whole(path):
    """A Path to write to, whose file takes the place of `path` in one step, and goes if the block fails (OSError).

    Only a process that is killed leaves it behind: a hidden ``.NAME.<random>.part`` beside the file (see `parts`).
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
        os.replace(part, path)
    except BaseException:  # Ctrl-C too
        with contextlib.suppress(OSError):  # where nothing could be written nothing is left
            part.unlink()
        raise


def parts(path):
    """What killed writers of a file have left: list of Path."""
    return [each for each in path.parent.glob(".*.part") if each.name.startswith(f".{path.name}.")]


def chosen_folder(variable, *inside):
    """The folder (Path) that an environment variable names, or else (one inside) audiolib's in the user's cache folder.

    An error if neither is there: a user without a home.
    """
    try:
        return Path(os.environ.get(variable) or pooch.os_cache("audiolib").joinpath(*inside)).expanduser()
    except RuntimeError as error:
        raise AudiolibError(f"{variable} is not set and you have no home folder; let {variable} name a folder that you "
                            "may write to") from error


def lend_cache():
    """Let ``AUDIOLIB_CACHE`` serve those whose own place cannot be written, before librosa and numba look for theirs.

    A user without a home (``docker run -u 12345``) has no cache folder, and a read-only environment none beside it.
    """
    given = os.environ.get("AUDIOLIB_CACHE")
    with contextlib.suppress(RuntimeError):  # no home
        place = pooch.os_cache("audiolib")
        if os.access(next(path for path in (place, *place.parents) if os.path.exists(path)), os.W_OK):
            return
    if given:
        os.environ["XDG_CACHE_HOME"] = os.path.abspath(given)
