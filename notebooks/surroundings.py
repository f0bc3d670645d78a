"""Start Python where none of the user's settings reaches it, so that a build looks the same for everyone.

    python notebooks/surroundings.py _build -m jupyter_book ...

Settings come from variables (``MPLBACKEND``, ``KERAS_BACKEND``, ``JUPYTER_PATH``, ``PYTHONPATH``, ``LC_ALL``, ``TZ``)
and from files at home (matplotlib's, Keras's, IPython's, Jupyter's, docutils'). So the few variables that a build needs
are handed on, every other is left out, and the home is an empty folder below ``_build``. What names a place means it
from where it was typed.
"""

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Where programs, their libraries and temporary files lie, and how many threads they may start.
HANDED_ON = (
    *("PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
    *("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "LOKY_MAX_CPU_COUNT"),
)
# The kernel of this interpreter, as ipykernel writes it.
KERNEL = {
    "argv": [
        *(sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"),
        "--IPKernelApp.log_level=40",  # errors alone: it warns of listeners on this machine each time
    ],
    "display_name": "Python 3",
    "language": "python",
}


def place(path):
    """The path as it holds from any folder; ``~`` in it is the user's home even where a shell left it alone."""
    return os.path.abspath(os.path.expanduser(path))


def corpus(name):
    """A folder by its whole path, a known corpus by its name; what is neither stays as it was typed."""
    sys.path.insert(0, str(ROOT))
    from audiolib import corpora

    return place(name) if name not in corpora.DESCRIPTIONS and os.path.isdir(place(name)) else name


def clean(build):
    """The variables of a process that knows nothing of the user's settings; makes its home below ``build``."""
    home = Path(os.path.abspath(build)) / "home"
    kernel = home / "jupyter/kernels/python3/kernel.json"
    kernel.parent.mkdir(parents=True, exist_ok=True)
    written = kernel.with_suffix(f".{os.getpid()}")  # chapters start side by side: never half a file
    written.write_text(json.dumps(KERNEL))
    written.replace(kernel)
    variables = {name: os.environ[name] for name in HANDED_ON if name in os.environ} | {
        "HOME": str(home),
        "JUPYTER_PATH": str(home / "jupyter"),
        "PYTHONPATH": str(ROOT),  # the library that lies beside the chapters
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",  # its chatter would end up in the pages
    }
    if "CORPUS" in os.environ:  # make's
        variables["CORPUS"] = corpus(os.environ["CORPUS"])
    return variables | places()


def places():
    """The two folders of the library; by default they lie in the cache folder of the user's own home."""
    sys.path.insert(0, str(ROOT))
    from audiolib import corpora

    try:
        return {"AUDIOLIB_DATA": place(corpora.data_root()), "AUDIOLIB_CACHE": place(corpora.cache_root())}
    except RuntimeError:  # nobody knows this user's home: the clean one must do
        return {}


def enter(build, arguments):
    """Go on as Python with these arguments in clean surroundings, if it is not there yet."""
    if os.environ.get("HOME") != str(Path(os.path.abspath(build)) / "home"):
        os.execve(sys.executable, [sys.executable, *arguments], clean(build))


if __name__ == "__main__":
    os.execve(sys.executable, [sys.executable, *sys.argv[2:]], clean(sys.argv[1]))
