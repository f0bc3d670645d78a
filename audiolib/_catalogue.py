"""The corpora that are known by name, as data: where from, how verified, licence, citation, classes, groups, folds.

What is verified after a download is the audio inside, clip by clip. The archives themselves have no lasting checksum:
GitHub packs them on request, two published checksums of ESC-50's differ, and a mirror packs differently anyway.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Description:
    """What is known of a corpus before any file of it is there; one row of ``DESCRIPTIONS``."""

    title: str
    layout: str  # how its files lie: "genres" (GTZAN's way), "esc50" or "fsdd"
    folders: tuple[str, ...]  # where it may lie under the data root, first match wins
    licence: str
    clips: int
    classes: int
    citation: str = ""  # key in book/references.bib
    homepage: str = ""
    groups: str = ""  # what a group is; empty if the corpus has none
    folds: int = 0
    urls: tuple[str, ...] = ()  # archives with the same audio, tried in this order; "kaggle:" is a name there
    members: str = ""  # regular expression of the files wanted from the archive, below its topmost folder
    limit: int = 0  # bytes that those files may take, a bound against archives that are bombs
    content: str = ""  # corpora.content_digest of its clips as published
    content_source: str = ""  # how that digest is known
    by_hand: str = ""  # what to do when fetching fails


DESCRIPTIONS = {
    "synthetic": Description(
        title="Ten genres composed and synthesised by this library",
        layout="genres", folders=(),  # it is made, in the cache
        licence="MIT, as the library",
        clips=100, classes=10,
        by_hand="nothing to fetch: the library makes it on first use",
    ),
    "gtzan-mini": Description(
        title="GTZAN, the first ten tracks of each genre (ISMIR 2021 tutorial on tempo, beat and downbeat)",
        layout="genres", folders=("gtzan-mini/genres",),
        licence="none stated: research use, do not redistribute", citation="tzanetakis2002gtzan",
        homepage="https://github.com/TempoBeatDownbeat/gtzan_mini",
        clips=100, classes=10,
        urls=("https://github.com/TempoBeatDownbeat/gtzan_mini/archive/refs/heads/main.zip",),
        members=r"genres/[a-z]+/[a-z]+\.\d{5}\.wav",
        limit=200_000_000,
        content="459bf0326ebb3d88480e6b8f8f3a3ccda4c05b2046b644e803f6a89f7cf10c5d",
        content_source="the md5 of each file in the index of mirdata 0.3.8 (gtzan_genre, version mini)",
        by_hand="download the archive and put its folder genres/ into {root}/gtzan-mini/",
    ),
    "gtzan": Description(
        title="GTZAN, 1000 tracks of 30 s in ten genres",
        layout="genres", folders=tuple(f"{outer}{inner}" for outer in ("gtzan/", "gtzan/Data/", "", "Data/")
                                       for inner in ("genres", "genres_original")),
        licence="none stated: research use, do not redistribute", citation="tzanetakis2002gtzan",
        homepage="https://www.kaggle.com/datasets/andradaolteanu/gtzan-dataset-music-genre-classification",
        clips=1000, classes=10,
        urls=("kaggle:andradaolteanu/gtzan-dataset-music-genre-classification",),
        content_source="nobody states checksums of this copy: verified are Kaggle's own (by kagglehub) and the count",
        by_hand="the official address has been dead since 2022: download the set from Kaggle (with a free account), "
                "unpack it and put its folder Data/genres_original/ into {root}/gtzan/",
    ),
    "esc10": Description(
        title="ESC-10, environmental sounds: the ten classes of ESC-50 under a free licence",
        layout="esc50", folders=("esc10", "ESC-50-master", "ESC-50", "esc50"),
        licence="CC BY 3.0", citation="piczak2015esc",
        homepage="https://github.com/karolpiczak/ESC-50",
        clips=400, classes=10, groups="source recording", folds=5,
        urls=("https://github.com/karolpiczak/ESC-50/archive/master.zip",
              "https://github.com/karoldvl/ESC-50/archive/master.zip"),
        members=r"audio/\d-\d+-[A-Z]-(0|1|10|11|12|20|21|38|40|41)\.wav|meta/esc50\.csv|LICENSE|README\.md",
        limit=400_000_000,
        content="9d77d06f7d26f6ccd1a28a1f8ae7dc333f38bfb3250ed743901c1fa25075513c",
        content_source="the md5 of each file in the index of soundata 0.1.3 (esc50, version 2.0.0)",
        by_hand="download the archive (600 MB) and unpack it as {root}/ESC-50-master/",
    ),
    "fsdd": Description(
        title="Free Spoken Digit Dataset, six speakers say 0 to 9 fifty times",
        layout="fsdd", folders=("fsdd/recordings",),
        licence="CC BY-SA 4.0", citation="jackson2018fsdd",
        homepage="https://github.com/Jakobovski/free-spoken-digit-dataset",
        clips=3000, classes=10, groups="speaker",
        urls=("https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz",
              "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/heads/master.zip"),
        members=r"recordings/\d_[a-z]+_\d+\.wav|README\.md",
        limit=60_000_000,
        content="ca3dd6f522037088a6e9afc0e2e7a531deda5c1512832bbab3096d1abdf785e5",
        content_source="computed from one copy of the 3000 recordings; no publisher states a checksum",
        by_hand="download an archive and put its folder recordings/ into {root}/fsdd/",
    ),
}
