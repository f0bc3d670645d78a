"""``python -m audiolib``: the library from a terminal; each command is a thin face of one function.

Commands import what they need when they run, so that ``--help`` answers at once. A mistake in the input ends in one
line ("Error: ...") and exit code 1; a wrong option in click's usage message and exit code 2.
"""

import errno
import signal
import sys
import warnings

import click

from audiolib import AudiolibError, __version__


class _Group(click.Group):
    """Makes of the library's error and warnings one line each, without a traceback."""

    def invoke(self, context):
        if sys.stdout.errors == "strict":  # names that the terminal cannot show must not end the command
            sys.stdout.reconfigure(errors="backslashreplace")
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = lambda message, *_: click.echo(f"Warning: {message}", err=True)
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` leaves as little behind as Ctrl-C
            try:
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

    \b
    A first walk, without a network or an account:
        python -m audiolib corpora                  what is known, and what is there
        python -m audiolib check synthetic          read every clip of the built-in corpus
        python -m audiolib features synthetic       its log-mel features, cached
        python -m audiolib pack synthetic out.npz   the same as one small file

    \b
    Two folders, both yours to choose:
        AUDIOLIB_DATA    holds the corpora
        AUDIOLIB_CACHE   holds what can be made again

    A CORPUS is a name from `corpora`, or a folder laid out as LABEL/FILE.
    """


_corpus = click.argument("corpus")
_positive = click.IntRange(1)
_jobs = click.option("--jobs", type=int, help="Clips worked on at once; by default one a core.")
_quiet = click.option("--quiet", is_flag=True, help="No progress bar.")


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

    The audio is verified clip by clip. If that fails, the message says how to do it by hand.

    \b
    Examples:
        python -m audiolib fetch fsdd
        python -m audiolib fetch gtzan-splits
    """
    from audiolib.corpora import fetch, load

    if name == "gtzan-splits":
        from audiolib.protocols import LISTS, fetch_lists

        click.echo(f"{name}: {len(LISTS)} lists in {fetch_lists()}")
        return
    folder = fetch(name, progress=not quiet)
    click.echo(f"{name}: {len(load(name, progress=not quiet))} clips in {folder}")


@main.command()
@_corpus
@_quiet
def check(corpus, quiet):
    """Read every clip of a CORPUS and list what is wrong; exit code 1 if anything is.

    Found are clips that cannot be read or hold no sound, and exact duplicates: the same audio under two names.

    \b
    Examples:
        python -m audiolib check gtzan
        python -m audiolib check ~/sounds
    """
    from audiolib.corpora import check, load

    loaded = load(corpus, progress=not quiet)
    report = check(loaded, progress=not quiet)
    click.echo(report)
    if report.problems or report.duplicates or loaded.skipped:
        sys.exit(1)


@main.command()
@_corpus
@click.option("--kind", type=click.Choice(["mel", "mfcc"]), default="mel", show_default=True)
@click.option("--sample-rate", type=int, default=22050, show_default=True, help="Hz to resample to.")
@click.option("--n-fft", type=int, default=2048, show_default=True, help="Window in samples.")
@click.option("--hop-length", type=int, default=512, show_default=True, help="Samples between frames.")
@click.option("--n-mels", type=int, default=128, show_default=True, help="Mel bands.")
@click.option("--n-mfcc", type=int, default=13, show_default=True, help="Coefficients, for mfcc.")
@click.option("--segment-seconds", type=float, default=3.0, show_default=True, help="What a network sees at once.")
@click.option("--pad-short", is_flag=True, help="Fill up clips shorter than a segment instead of skipping them.")
@click.option("--no-cache", is_flag=True, help="Make them now, whatever is cached.")
@_jobs
@_quiet
def features(corpus, no_cache, jobs, quiet, **numbers):
    """Extract the features of a CORPUS into the cache, and say what they are.

    \b
    Examples:
        python -m audiolib features synthetic
        python -m audiolib features gtzan --kind mfcc
        python -m audiolib features fsdd --sample-rate 8000 --n-fft 512 --hop-length 128 \\
            --n-mels 40 --segment-seconds 0.5 --pad-short
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
@click.argument("archive", type=click.Path(dir_okay=False))
@click.option("--seconds", type=float, help="Cut every track to this; by default to the shortest.")
@_jobs
@_quiet
def pack(corpus, archive, seconds, jobs, quiet):
    """Write the log-mel spectrograms of a CORPUS into one small file, an ARCHIVE (.npz) to hand on.

    \b
    Read it again with audiolib.archive.read_archive. Example:
        python -m audiolib pack synthetic synthetic-logmel.npz
    """
    from pathlib import Path

    from audiolib.archive import read_archive, write_archive
    from audiolib.corpora import load

    write_archive(archive, load(corpus, progress=not quiet), seconds=seconds, jobs=jobs, progress=not quiet)
    click.echo(f"{archive}: {Path(archive).stat().st_size / 1e6:.1f} MB, {read_archive(archive, segment_seconds=1.0)}")


@main.command()
@click.option("--frames", type=int, default=130, show_default=True, help="Frames of a segment.")
@click.option("--bands", type=int, default=13, show_default=True, help="MFCCs or mel bands of a frame.")
@click.option("--classes", type=int, default=10, show_default=True)
@click.option("--hop-length", type=_positive, default=512, show_default=True, help="Samples between frames.")
@click.option("--n-fft", type=_positive, default=2048, show_default=True, help="Window in samples.")
@click.option("--sample-rate", type=_positive, default=22050, show_default=True, help="Hz.")
def models(frames, bands, classes, hop_length, n_fft, sample_rate):
    """List the networks: parameters, multiply-adds for one segment, and how much sound one feature hears.

    \b
    Examples:
        python -m audiolib models --frames 130 --bands 13
        python -m audiolib models --frames 77 --bands 128
    """
    from audiolib import cost
    from audiolib.networks import frames_needed

    rows = cost.table(
        frames=frames, bands=bands, classes=classes,
        hop_seconds=hop_length / sample_rate, window_seconds=n_fft / sample_rate,
    )  # fmt: skip
    click.echo(f"{'network':18}{'parameters':>12}{'multiply-adds':>15}   receptive field")
    for name, bill in rows.items():
        if bill is None:
            click.echo(f"{name:18}{'-':>12}{'-':>15}   needs segments of {frames_needed(name)} frames or more")
            continue
        counts = f"{bill.parameters:12,}{bill.multiply_adds:15,}".replace(",", " ")
        click.echo(f"{name:18}{counts}   {bill.field} frames = {bill.field_ms:.0f} ms")


_data = click.option("--data", type=click.Path(exists=True, file_okay=False), help="Instead of AUDIOLIB_DATA.")
_results = click.option("--results", default="results", show_default=True, help="Folder for the records.")
_cores = click.IntRange(1, 4096)  # TensorFlow takes no number of any size
_threads = click.option("--threads", type=_cores, help="Cores for a run; the numbers depend on it slightly.")


@main.command()
@click.argument("corpus", default="synthetic")
@click.option("--model", default="deep-separable", show_default=True, help="A network; see `models`.")
@click.option("--protocol", default="segment", show_default=True, help="Who may be in train, valid and test.")
@click.option("--fold", type=int, help="For protocols with folds.")
@click.option("--epochs", type=int, default=500, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--set", "more", multiple=True, metavar="NAME=JSON", help="Any other part of the recipe; repeatable.")
@click.option("--keep", type=click.Path(dir_okay=False), metavar="FILE", help="Keep the network, for `listen --model`.")
@_results
@_data
@_threads
@_quiet
def train(corpus, results, data, threads, quiet, more, keep, **parts):
    """Train one network on a CORPUS (or an archive .npz, below the data root or here) and record what came of it.

    The paper's recipe, but for what you say. Stopped and started again, it goes on where it was.

    \b
    Examples:
        python -m audiolib train --epochs 5
        python -m audiolib train ~/my-sounds --protocol track --epochs 50 --keep mine.npz
        python -m audiolib train gtzan-logmel.npz --protocol fault-filtered --epochs 60 \\
            --set 'frontend={"kind": "mel", "segment_seconds": 6}' --set learning_rate=0.001
    """
    import json

    from audiolib import records, study
    from audiolib.recipes import PAPER

    _use_data(data)
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
    options = {"threads": threads, "command": _command(), "progress": not quiet, "weights": bool(keep)}
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
def study_(name, only, listing, jobs, address, weights, verify, draw, results, data, threads, quiet):
    """Do the runs of a study that have no record yet: paper, leak, fair, mel, others, fast, best.

    Stop it at any time (Ctrl-C): what is finished is recorded, what is not goes on the next time.

    \b
    Examples:
        python -m audiolib study paper --list
        python -m audiolib study paper --jobs 2
        python -m audiolib study fair --only fault-filtered --only seed0
        python -m audiolib study fast --verify 1
    """
    from audiolib import recipes

    _use_data(data)
    chosen = [recipe for recipe in recipes.study(name) if all(text in recipe.name for text in only)]
    if not chosen:
        raise AudiolibError(f"no recipe of the study {name!r} has {' and '.join(only)} in its name; see --list")
    if listing:
        _list(chosen, results)
        return
    from audiolib import study

    options = {"folder": results, "threads": threads, "progress": not quiet}
    if verify:
        _tell_verified(study.verify(chosen, verify, draw=draw, **options))
        return
    options |= {"jobs": jobs, "address": address, "weights": weights}
    _tell(study.run(chosen, choice=recipes.CHOICES.get(name), command=_command(), **options))


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


def _command():
    """What was typed (nothing, where another program calls this one)."""
    from pathlib import Path

    return ["python", "-m", "audiolib", *sys.argv[1:]] if Path(sys.argv[0]).parent.name == "audiolib" else None


def _tell_verified(results):
    """One line each; exit code 1 if one is not within its interval."""
    for each in results:
        then, now = each["recorded"], each["again"]
        click.echo(
            f"{'within' if each['within'] else 'OUTSIDE'}  {each['name']}: recorded {then['value']:.1%} of tracks "
            f"({then['low']:.1%} to {then['high']:.1%}), again {now['value']:.1%}"
        )
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
    import json

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


def _use_data(folder):
    import os

    if folder:
        os.environ["AUDIOLIB_DATA"] = folder  # worker processes inherit it


def _tell(records):
    from audiolib.records import table

    for row in table(records):
        where = f"{row['corpus']} {row['frontend']} {row['protocol']} {row['epochs']} epochs, seeds {row['seeds']}"
        low, high = row["over_tracks"]
        click.echo(
            f"{row['model']:18}{where}: {row['segment_accuracy']['value']:.1%} of segments, "
            f"{row['track_accuracy']['value']:.1%} of tracks ({low:.1%} to {high:.1%}, n = {row['n']})"
        )


@main.command()
@_corpus
@click.option("--split", type=click.Path(exists=True, dir_okay=False), help="CSV file with columns path, part, group.")
@click.option("--group", metavar="REGEX", help="Of file names: its first (group) belongs together; '' for nothing.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the split that is proposed.")
@click.option("--write", type=click.Path(dir_okay=False), metavar="FILE.csv", help="Keep the split that is proposed.")
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
    import json

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
