"""``python -m audiolib``: the library from a terminal; each command is a thin face of one function.

Commands import what they need when they run, so that ``--help`` answers at once. A mistake in the input ends in one
line ("Error: ...") and exit code 1; a wrong option in click's usage message and exit code 2.
"""

import errno
import functools
import json
import os
import signal
import sys
import warnings
from pathlib import Path

import click

from audiolib import AudiolibError, __version__


class _Group(click.Group):
    """Makes of the library's error and warnings one line each, without a traceback."""

    def invoke(self, context):
        os.environ["MPLBACKEND"] = "agg"  # pictures go to files, which need none of the user's windows
        if sys.stdout and sys.stdout.errors in ("strict", "surrogateescape"):  # any name is shown, and JSON stays JSON
            sys.stdout.reconfigure(errors="backslashreplace")
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            tell = functools.cache(lambda text: click.echo(f"Warning: {text}", err=True))  # once
            warnings.showwarning = lambda message, *_: tell(str(message))
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` leaves as little behind as Ctrl-C
            cores = os.environ.get("LOKY_MAX_CPU_COUNT", "1")
            try:
                if not cores.strip().lstrip("+-").isdecimal():  # joblib's ValueError does not name it
                    raise AudiolibError(f"LOKY_MAX_CPU_COUNT={cores!r}: must be a whole number; unset it")
                return super().invoke(context)
            except AudiolibError as error:
                raise click.ClickException(str(error)) from error
            except OSError as error:
                if error.errno == errno.EPIPE:  # who reads has closed; click knows what to do
                    raise
                raise click.ClickException(str(error)) from error
            except KeyboardInterrupt:
                click.echo("\nStopped. Nothing half-made is left behind; start again any time.", err=True)
                sys.exit(130)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="audiolib")
def main():
    """Sound and its features, from a corpus on disk to the array a network sees.

    A CORPUS is a name from `corpora`, or a folder laid out as LABEL/FILE. The folder AUDIOLIB_DATA holds the corpora,
    AUDIOLIB_CACHE what can be made again. Begin with `python -m audiolib check synthetic`.
    """


def _use_data(context, option, folder):
    if folder:
        os.environ["AUDIOLIB_DATA"] = folder  # worker processes inherit it


def _ending(ending):
    """A check of a file to write, whose name needs an ending: one that is something else is not written over."""
    def check(context, option, name):
        if name and not name.endswith(ending):
            raise click.BadParameter(f"{name!r} does not end in {ending}")
        return name

    return check


# What several commands take.
_positive = click.IntRange(1)
_cores = click.IntRange(1, 4096)  # TensorFlow takes no number of any size
_folder = click.Path(exists=True, file_okay=False)
_corpus = click.argument("corpus")
_jobs = click.option("--jobs", type=int, help="Clips worked on at once; by default one a core.")
_quiet = click.option("--quiet", is_flag=True, help="No progress bar.")
_results = click.option("--results", default="results", show_default=True, help="Folder for the records.")
_threads = click.option("--threads", type=_cores, help="Cores for a run; the numbers depend on it slightly.")
_data = click.option("--data", type=_folder, callback=_use_data, expose_value=False, help="Instead of AUDIOLIB_DATA.")


def _number(name, default, about, kind=None):
    """An option that is a number and shows its default."""
    return click.option(f"--{name}", type=kind, default=default, show_default=True, help=about)


@main.command()
def corpora():
    """List the corpora that are known by name: what, where, how large, under which licence."""
    from audiolib.corpora import DESCRIPTIONS, cache_root, data_root

    click.echo(f"AUDIOLIB_DATA   {data_root()}\nAUDIOLIB_CACHE  {cache_root()}\n")
    for name, description in DESCRIPTIONS.items():
        click.echo(f"{name:12}{description.title}\n{'':12}{_whereabouts(name)}\n{'':12}licence: {description.licence}")


def _whereabouts(name):
    """One line on whether a known corpus is on disk; makes and fetches nothing."""
    from audiolib.corpora import load

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            corpus = load(name, make=False)
        except AudiolibError:
            return ("not there yet: made on first use, in a minute or less" if name == "synthetic" else
                    f"not there: python -m audiolib fetch {name}")
    size = sum(clip.path.stat().st_size for clip in corpus.clips)
    skipped = f", {len(corpus.skipped)} skipped" if corpus.skipped else ""
    return f"{len(corpus)} clips, {len(corpus.labels)} labels, {size / 1e6:.0f} MB{skipped} in {corpus.root}"


@main.command()
@click.argument("name")
@_quiet
def fetch(name, quiet):
    """Bring a known corpus, or GTZAN's published lists (gtzan-splits), into AUDIOLIB_DATA.

    The audio is verified clip by clip.

    Example: python -m audiolib fetch fsdd
    """
    from audiolib.corpora import fetch, load

    if name == "gtzan-splits":
        from audiolib.protocols import LISTS, fetch_lists

        click.echo(f"{name}: {len(LISTS)} lists in {fetch_lists()}")
    else:
        folder = fetch(name, progress=not quiet)
        click.echo(f"{name}: {len(load(name, progress=not quiet))} clips in {folder}")


@main.command()
@_corpus
@_quiet
def check(corpus, quiet):
    """Read every clip of a CORPUS and list what is wrong; exit code 1 if anything is.

    Found are clips that cannot be read or hold no sound, and exact duplicates: the same audio under two names.

    Example: python -m audiolib check ~/sounds
    """
    from audiolib.corpora import check, load

    loaded = load(corpus, progress=not quiet)
    report = check(loaded, progress=not quiet)
    click.echo(report)
    for path, reason in loaded.skipped:
        click.echo(f"  left out: {str(path)!r}: {reason}")
    if report.problems or report.duplicates or loaded.skipped:
        sys.exit(1)


@main.command()
@_corpus
@click.option("--kind", type=click.Choice(["mel", "mfcc"]), default="mel", show_default=True)
@_number("sample-rate", 22050, "Hz to resample to.")
@_number("n-fft", 2048, "Window in samples.")
@_number("hop-length", 512, "Samples between frames.")
@_number("n-mels", 128, "Mel bands.")
@_number("n-mfcc", 13, "Coefficients, for mfcc.")
@_number("segment-seconds", 3.0, "What a network sees at once.")
@click.option("--pad-short", is_flag=True, help="Fill up clips shorter than a segment instead of skipping them.")
@click.option("--no-cache", is_flag=True, help="Make them now, whatever is cached.")
@_jobs
@_quiet
def features(corpus, no_cache, jobs, quiet, **numbers):
    """Extract the features of a CORPUS into the cache, and say what they are.

    Example: python -m audiolib features gtzan --kind mfcc
    """
    from audiolib.corpora import load
    from audiolib.features import Frontend, extract

    frontend = Frontend(**numbers)  # first: a wrong number should not wait for a corpus
    made = extract(load(corpus, progress=not quiet), frontend, jobs=jobs, cache=not no_cache, progress=not quiet)
    click.echo(made)
    click.echo(f"float32 [segment, frame, band] = {list(made.x.shape)}, {made.x.nbytes / 1e6:.1f} MB, "
               f"{made.hop_seconds * 1000:.4g} ms a frame, fingerprint {made.fingerprint[:16]}")
    for index, label in enumerate(made.labels):
        click.echo(f"{int((made.y == index).sum()):8d} segments  {label}")


@main.command()
@_corpus
@click.argument("archive", type=click.Path(dir_okay=False), callback=_ending(".npz"))
@click.option("--seconds", type=float, help="Cut every track to this; by default to the shortest.")
@_jobs
@_quiet
def pack(corpus, archive, seconds, jobs, quiet):
    """Write the log-mel spectrograms of a CORPUS into one small file, an ARCHIVE (.npz) to hand on.

    Read it again with audiolib.archive.read_archive.

    Example: python -m audiolib pack synthetic synthetic-logmel.npz
    """
    from audiolib.archive import read_archive, write_archive
    from audiolib.corpora import load

    write_archive(archive, load(corpus, progress=not quiet), seconds=seconds, jobs=jobs, progress=not quiet)
    made = read_archive(archive, segment_seconds=None)
    click.echo(f"{archive}: {Path(archive).stat().st_size / 1e6:.1f} MB, {made}")


@main.command()
@_number("frames", 130, "Frames of a segment.")
@_number("bands", 13, "MFCCs or mel bands of a frame.")
@_number("classes", 10, "What is told apart.")
@_number("hop-length", 512, "Samples between frames.", _positive)
@_number("n-fft", 2048, "Window in samples.", _positive)
@_number("sample-rate", 22050, "Hz.", _positive)
def models(hop_length, n_fft, sample_rate, **size):
    """List the networks: parameters, multiply-adds for one segment, and how much sound one feature hears."""
    from audiolib import cost
    from audiolib.networks import frames_needed

    rows = cost.table(**size, hop_seconds=hop_length / sample_rate, window_seconds=n_fft / sample_rate)
    click.echo(f"{'network':18}{'parameters':>12}{'multiply-adds':>15}   receptive field")
    for name, bill in rows.items():
        if bill is None:
            click.echo(f"{name:18}{'-':>12}{'-':>15}   needs segments of {frames_needed(name)} frames or more")
            continue
        counts = f"{bill.parameters:12,}{bill.multiply_adds:15,}".replace(",", " ")
        click.echo(f"{name:18}{counts}   {bill.field} frames = {bill.field_ms:.0f} ms")


@main.command()
@click.argument("corpus", default="synthetic")
@click.option("--model", default="deep-separable", show_default=True, help="A network; see `models`.")
@click.option("--protocol", default="segment", show_default=True, help="Who may be in train, valid and test.")
@click.option("--fold", type=int, help="For protocols with folds.")
@_number("epochs", 500, "How often all of the training part is seen.")
@_number("seed", 0, "Of all that is drawn at random.")
@click.option("--set", "more", multiple=True, metavar="NAME=JSON", help="Any other part of the recipe; repeatable.")
@click.option("--keep", type=click.Path(dir_okay=False), metavar="FILE.npz", callback=_ending(".npz"),
              help="Keep the network, for `listen --model`.")
@_results
@_data
@_threads
@_quiet
def train(corpus, results, threads, quiet, more, keep, **parts):
    """Train one network on a CORPUS (or an archive .npz, below the data root or here) and record what came of it.

    The paper's recipe, but for what you say. Stopped and started again, it goes on where it was.

    \b
    Examples:
        python -m audiolib train ~/my-sounds --protocol track --epochs 50 --keep mine.npz
        python -m audiolib train gtzan-logmel.npz --protocol fault-filtered --epochs 60 \\
            --set 'frontend={"kind": "mel", "segment_seconds": 6}' --set learning_rate=0.001
    """
    from audiolib import records, study
    from audiolib.recipes import PAPER

    spoken_for = {"corpus", *parts}
    for each in more:
        name, _, value = each.partition("=")
        if name in spoken_for:
            raise AudiolibError(f"--set {each}: {name} has an argument or an option of its own; see train --help")
        try:
            parts[name] = json.loads(value)
        except ValueError:
            parts[name] = value  # a word needs no quotes
    recipe = PAPER.replace(corpus=corpus, **parts)
    path = records.path_of(recipe, results)
    there, weights = path.exists(), path.with_suffix(".npz")
    if keep and there and not weights.exists():
        raise AudiolibError(f"{path} is there, but its weights are not; delete it, and it is trained again and kept")
    options = {"threads": threads, "progress": not quiet, "weights": bool(keep)}
    (record,) = study.run([recipe], folder=results, **options)
    if keep:
        from audiolib import listen

        _tell_card(keep, listen.keep(keep, recipe, listen.read_weights(weights)))
    if there:
        click.echo(f"{path} is there: this run was done; delete it to train again", err=True)
    _tell([record])


@main.command("study")
@click.argument("name")
@click.option("--only", multiple=True, metavar="TEXT", help="Only recipes whose name contains it; repeatable (and).")
@click.option("--list", "listing", is_flag=True, help="Say what would be done, and what is done already.")
@click.option("--jobs", type=int, default=1, show_default=True, help="Runs at a time; -1: one a core.")
@click.option("--address", help="Of a dask scheduler, whose workers then do the runs.")
@click.option("--weights", is_flag=True, help="Keep the final weights beside the records.")
@click.option("--verify", type=_positive, metavar="N", help="Train N recorded runs anew instead, and compare.")
@click.option("--draw", type=int, metavar="SEED", help="Draw those to verify at random; else the shortest are taken.")
@_results
@_data
@_threads
@_quiet
def study_(name, only, listing, jobs, address, weights, verify, draw, results, threads, quiet):
    """Do the runs of a study that have no record yet: paper, leak, fair, mel, others, fast, best, listen, square, axes,
    parts, capacity, raw, esc10.

    Stop it at any time (Ctrl-C): what is finished is recorded, what is not goes on the next time.

    Example: python -m audiolib study fair --only fault-filtered --only seed0
    """
    from audiolib import recipes

    chosen = [recipe for recipe in recipes.study(name) if all(text in recipe.name for text in only)]
    if not chosen:
        raise AudiolibError(f"no recipe of the study {name!r} has {' and '.join(only)} in its name; see --list")
    if listing:
        return _list(chosen, results)
    from audiolib import study

    options = {"folder": results, "threads": threads, "progress": not quiet}
    if verify:
        return _tell_verified(study.verify(chosen, verify, draw=draw, **options))
    options |= {"jobs": jobs, "address": address, "weights": weights}
    _tell(study.run(chosen, choice=recipes.CHOICES.get(name), **options))


def _list(recipes, folder):
    """What is done and what is not; exit code 1 if a record is damaged."""
    from audiolib import records

    damaged = 0
    for recipe in recipes:
        try:
            state = "done" if records.find(recipe, folder) else ""
        except AudiolibError as error:
            state, damaged = "BAD", damaged + 1
            click.echo(f"Error: {error}", err=True)
        click.echo(f"{state:4}  {recipe.name}")
    if damaged:
        sys.exit(1)


def _tell_verified(results):
    """One line each; exit code 1 if one is not within its interval."""
    for each in results:
        word, then, now = "within" if each["within"] else "OUTSIDE", each["recorded"], each["again"]
        click.echo(f"{word}  {each['name']}: recorded {then['value']:.1%} of tracks ({then['low']:.1%} to "
                   f"{then['high']:.1%}), again {now['value']:.1%}")  # fmt: skip
    if not all(each["within"] for each in results):
        sys.exit(1)


@main.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE_OR_FOLDER...")
@click.option("--model", type=click.Path(dir_okay=False), help="A network of your own, from `train --keep`.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--picture", type=click.Path(dir_okay=False), help="Draw the probabilities over time (of one file).")
@_quiet
def listen(paths, model, as_json, picture, quiet):
    """Say the genre of sound files, with its probability, and how it changes over time.

    The network that comes with the package knows the ten genres of GTZAN. What cannot be heard is told in a line of its
    own, and the exit code is 1.

    \b
    Examples:
        python -m audiolib listen song.mp3
        python -m audiolib listen ~/music --json > genres.jsonl
    """
    from tqdm import tqdm

    from audiolib import listen as ear

    network = ear.load(model) if model else ear.load()
    files = ear.files(paths)
    if picture and len(files) != 1:
        raise AudiolibError(f"--picture draws one file, not {len(files)}; give it one")
    heard, failed = [], 0
    bar = tqdm(files, "listen", unit="file", leave=False, disable=quiet or len(files) < 2 or None)
    for path in bar:
        try:
            said = ear.listen(path, network)
        except AudiolibError as error:
            failed += 1
            with tqdm.external_write_mode(sys.stderr):
                click.echo(f"Error: {error}", err=True)
            continue
        heard.append((said.genre, said.sure))
        with tqdm.external_write_mode(sys.stdout):
            click.echo(json.dumps(said.to_dict(), ensure_ascii=False) if as_json else said)
    if picture and heard:
        from audiolib import plots

        fig, _ = plots.genres(said.starts, said.segments, said.labels)
        try:
            fig.savefig(picture)
        except (OSError, ValueError) as error:  # no room, no such folder; an ending that is no format
            raise AudiolibError(f"{picture}: the picture cannot be written ({error})") from error
    if len(files) > 1 and not as_json:
        click.echo(ear.summary(heard, failed))
    if failed:
        sys.exit(1)


def _tell_card(path, network):
    card, test = network.card, network.card["test"]
    click.echo(
        f"{path}: {card['network']}, {card['parameters']} parameters; right on {test['value']:.1%} of {test['n']} test "
        f"clips ({test['low']:.1%} to {test['high']:.1%}); below {network.threshold:.0%} it says \"not sure\""
    )


def _tell(records):
    """One line for each recipe, over its seeds and folds."""
    from audiolib.comparison import accuracy, repeats
    from audiolib.recipes import describe_frontend

    for group in repeats(records):
        recipe, segments, tracks = group[0]["recipe"], accuracy(group, "segment"), accuracy(group)
        click.echo(f"{recipe['model']:18}{recipe['corpus']} {describe_frontend(recipe['frontend'])} "
                   f"{recipe['protocol']} {recipe['epochs']} epochs, seeds {tracks['seeds']}: "
                   f"{segments['value']:.1%} of segments, {tracks['value']:.1%} of tracks "
                   f"({tracks['low']:.1%} to {tracks['high']:.1%}, n = {tracks['n']})")  # fmt: skip


@main.command()
@_corpus
@click.option("--split", type=click.Path(exists=True, dir_okay=False), help="CSV file with columns path, part, group.")
@click.option("--group", metavar="REGEX", help="Of file names: its first (group) belongs together; '' for nothing.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the split that is proposed.")
@click.option("--write", type=click.Path(dir_okay=False), metavar="FILE.csv", callback=_ending(".csv"),
              help="Keep the split that is proposed.")
@click.option("--json", "as_json", is_flag=True, help="All of it as one JSON object.")
@_quiet
def audit(corpus, split, group, seed, write, as_json, quiet):
    """Find copies in a CORPUS and what crosses from training to test; exit code 1 if anything does.

    A CORPUS may also be an archive (.npz) or a folder of train, valid and test with LABEL/FILE in each, which is
    then the split. Of group, the last column of a table, clips of one value belong together; it may be missing.

    \b
    Examples:
        python -m audiolib audit ~/sounds --write split.csv
        python -m audiolib audit ~/sounds --split split.csv
        python -m audiolib audit ~/sounds --group '(.*)-take'
    """
    from audiolib import audit as library

    source, parts = library.find(corpus, progress=not quiet)
    groups = None
    if split:
        parts, groups = library.read_split(split, source)
    found = library.audit(source, parts, groups=groups, pattern=group, seed=seed, progress=not quiet)
    click.echo(json.dumps(found.to_dict(), ensure_ascii=False, default=float) if as_json else found)
    if write:
        if not found.proposed:
            raise AudiolibError(f"{write}: not written, since no split of {corpus} is clean")
        library.write_split(write, source, found.proposed, found.groups)
    if found.crossing:
        sys.exit(1)
