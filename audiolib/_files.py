"""Files that are there whole or not at all, whatever happens while they are written."""

import contextlib
import os
import secrets


@contextlib.contextmanager
def written_whole(path):
    """A path to write to, whose file takes its place in one step when the block ends well, and goes when it does not.

    Only a process that is killed leaves it behind: a hidden ``.NAME.<random>.part`` beside the file (see `parts`).

    Parameters
    ----------
    path : Path
        What is there is replaced.

    Yields
    ------
    Path

    Raises
    ------
    OSError
        If the file cannot be written.
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
