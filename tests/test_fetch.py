"""A fetched corpus is whole and the published one, or the root is as it was before and the message says what to do."""

import dataclasses
import http.server
import io
import sys
import tarfile
import threading
import time
import types
import warnings
import zipfile

import numpy as np
import pytest
import soundfile

from audiolib import AudiolibError, corpora

TRACKS = [(genre, f"{genre}.0000{index}") for genre in ("blues", "rock") for index in range(2)]


def wav(seed):
    file = io.BytesIO()
    soundfile.write(file, 0.1 * np.random.default_rng(seed).standard_normal(800), 8000, format="WAV")
    return file.getvalue()


FILES = {f"top/genres/{genre}/{name}.wav": wav(seed) for seed, (genre, name) in enumerate(TRACKS)}


def zipped(files=FILES):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def tarred(files=FILES, extra=()):
    """A .tar.gz of files and of extra members such as links."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in extra:
            archive.addfile(member)
    return file.getvalue()


def member(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def server():
    """A web server whose pages are ``pages[path] = [bytes or how to fail, ...]``; the last answer is repeated."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            answers = server.pages.get(self.path, [404])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, int):
                return self.send_error(answer)
            cut = isinstance(answer, tuple)  # ("cut", content): promise all, send half, hang up
            content = answer[1] if cut else answer
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if cut else content)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.pages, server.asked = {}, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def mini(server, monkeypatch, tmp_path):
    """gtzan-mini as a corpus of four tracks that the server has at /a.zip and a mirror at /b.tar.gz."""
    for name, content in FILES.items():
        path = tmp_path / "published" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    published = corpora.load(tmp_path / "published/top/genres")
    clips = [dataclasses.replace(clip, name=clip.path.stem) for clip in published.clips]
    description = dataclasses.replace(
        corpora.DESCRIPTIONS["gtzan-mini"], clips=4, content=corpora.content_digest(clips),
        urls=tuple(f"http://127.0.0.1:{server.server_port}/{page}" for page in ("a.zip", "b.tar.gz")), limit=50_000)
    monkeypatch.setitem(corpora.DESCRIPTIONS, "gtzan-mini", description)
    return description


def fetch(name="gtzan-mini", **options):
    return corpora.fetch(name, progress=False, **options)


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


WHOLE = sorted(name.replace("top/", "gtzan-mini/") for name in FILES)


@pytest.mark.parametrize(("page", "content"), [("/a.zip", zipped()), ("/b.tar.gz", tarred())])
def test_archive_becomes_a_corpus_and_nothing_else_is_left(server, mini, data_root, page, content):
    server.pages[page] = [content]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fetch() == data_root / "gtzan-mini/genres"
        assert len(corpora.load("gtzan-mini")) == 4
    assert names(data_root) == WHOLE


def test_what_is_there_is_not_fetched_again(server, mini, data_root):
    server.pages["/a.zip"] = [zipped()]
    assert fetch() == fetch() and server.asked == ["/a.zip"]


def test_root_is_made_if_it_is_not_there(server, mini, tmp_path):
    server.pages["/a.zip"] = [zipped()]
    assert fetch(root=tmp_path / "new/root") == tmp_path / "new/root/gtzan-mini/genres"


def test_only_what_the_corpus_needs_is_unpacked(server, mini, data_root):
    more = {"top/README.md": b"x", "top/genres/.DS_Store": b"x", "top/other/x.wav": b"x", "top/setup.py": b"x"}
    server.pages["/a.zip"] = [zipped(FILES | more)]
    fetch()
    assert names(data_root) == WHOLE


def test_broken_connection_is_tried_again(server, mini, data_root):
    server.pages["/a.zip"] = [("cut", zipped()), zipped()]
    fetch()
    assert names(data_root) == WHOLE and server.asked == ["/a.zip", "/a.zip"]


def test_connection_that_keeps_breaking_leaves_nothing_and_the_next_call_succeeds(server, mini, data_root):
    server.pages["/a.zip"] = [("cut", zipped())]
    with pytest.raises(AudiolibError, match="download failed"):
        fetch()
    assert list(data_root.iterdir()) == []
    server.pages["/a.zip"] = [zipped()]
    fetch()
    assert names(data_root) == WHOLE


def test_mirror_is_asked_when_the_first_address_fails(server, mini, data_root):
    server.pages["/b.tar.gz"] = [tarred()]
    fetch()
    assert names(data_root) == WHOLE and set(server.asked) == {"/a.zip", "/b.tar.gz"}


def test_failure_says_every_address_its_reason_and_what_to_do_by_hand(server, mini, data_root):
    server.pages["/a.zip"] = [503]
    with pytest.raises(AudiolibError) as caught:
        fetch()
    said = str(caught.value)
    assert "503" in said and "404" in said and all(url in said for url in mini.urls)
    assert f"put its folder genres/ into {data_root}/gtzan-mini/" in said and mini.homepage in said


def bomb():
    return zipped(FILES | {"top/genres/rock/rock.00009.wav": bytes(1_000_000)})


def lying_bomb():
    """A member of 1 MB that its archive calls 10 bytes long, in both places."""
    content, size = bomb(), (1_000_000).to_bytes(4, "little")
    assert content.count(size) == 2
    return content.replace(size, (10).to_bytes(4, "little"))


def zip_with_a_link():
    file = io.BytesIO(zipped())
    with zipfile.ZipFile(file, "a") as archive:
        link = zipfile.ZipInfo("top/genres/rock/rock.00009.wav")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return file.getvalue()


LINK = "top/genres/rock/rock.00009.wav"
BAD_ARCHIVES = {
    "a member above the folder": (zipped(FILES | {"top/../../x.wav": b"x"}), "points out of the folder"),
    "a member above the folder, tar": (tarred(FILES | {"../x.wav": b"x"}), "points out of the folder"),
    "an absolute member": (zipped(FILES | {"/tmp/audiolib-x.wav": b"x"}), "points out of the folder"),
    "an absolute member, tar": (tarred(FILES | {"/tmp/audiolib-x.wav": b"x"}), "points out of the folder"),
    "a member for another system": (zipped(FILES | {"C:..\\x.wav": b"x"}), "points out of the folder"),
    "a symbolic link": (tarred(extra=[member(LINK, tarfile.SYMTYPE, "/etc/passwd")]), "cannot be unpacked"),
    "a symbolic link to what lies outside": (
        tarred(extra=[member(LINK, tarfile.SYMTYPE, "../../../../x")]), "cannot be unpacked"),
    "a symbolic link, zip": (zip_with_a_link(), "holds 5 of the 4 clips"),
    "a hard link": (tarred(extra=[member(LINK, tarfile.LNKTYPE, "/etc/passwd")]), "cannot be unpacked"),
    "a pipe": (tarred(extra=[member(LINK, tarfile.FIFOTYPE)]), "cannot be unpacked"),
    "a device": (tarred(extra=[member(LINK, tarfile.CHRTYPE)]), "cannot be unpacked"),
    "more than it may": (bomb(), "more than 50000 bytes"),
    "more than it may and says": (lying_bomb(), "cannot be unpacked"),
    "the same member twice": (
        tarred(extra=[member("top/genres/rock/rock.00000.wav", tarfile.REGTYPE)]), "not the published one"),
    "its end cut off": (zipped()[:-200], "cannot be unpacked"),
    "its end cut off, tar": (tarred()[:2000], "cannot be unpacked"),
    "a flipped byte": (zipped()[:300] + bytes([zipped()[300] ^ 255]) + zipped()[301:], "cannot be unpacked"),
    "no archive in it": (b"<html>moved</html>" * 99, "cannot be unpacked"),
    "nothing in it": (b"", "cannot be unpacked"),
    "no audio in it": (zipped({"top/README.md": b"x"}), "gtzan-mini: not under"),
    "a track missing": (zipped(dict(list(FILES.items())[1:])), "holds 3 of the 4 clips"),
    "a track too many": (zipped(FILES | {LINK: wav(9)}), "holds 5 of the 4 clips"),
    "another recording": (zipped(FILES | {next(iter(FILES)): wav(9)}), "not the published one"),
}


@pytest.mark.parametrize("case", BAD_ARCHIVES)
def test_archive_is_refused_that_has(case, server, mini, data_root):
    content, reason = BAD_ARCHIVES[case]
    server.pages["/a.zip"] = [content]
    before = names(data_root.parent)
    with pytest.raises(AudiolibError) as caught:
        fetch()
    said = str(caught.value)
    assert f"{mini.urls[0]}: " in said and reason in said and "By hand: " in said
    assert names(data_root.parent) == before and list(data_root.iterdir()) == []


def test_refused_archive_does_not_spoil_the_mirror(server, mini, data_root):
    server.pages |= {"/a.zip": [bomb()], "/b.tar.gz": [tarred()]}
    fetch()
    assert names(data_root) == WHOLE


def test_half_a_corpus_of_the_user_is_not_touched(server, mini, data_root):
    server.pages["/a.zip"] = [zipped()]
    own = data_root / "gtzan-mini/genres/blues/blues.00000.wav"
    own.parent.mkdir(parents=True)
    own.write_bytes(wav(5))
    with pytest.raises(AudiolibError, match=r"holds 1 of the 4 clips of gtzan-mini\); move it away"):
        fetch()
    assert own.read_bytes() == wav(5) and server.asked == []


def test_other_folder_in_the_place_is_not_touched(server, mini, data_root):
    (data_root / "gtzan-mini").mkdir()
    (data_root / "gtzan-mini/notes.txt").write_text("mine")
    with pytest.raises(AudiolibError, match=r"is not all of gtzan-mini .* move it away"):
        fetch()
    assert (data_root / "gtzan-mini/notes.txt").read_text() == "mine" and server.asked == []


def test_leftovers_of_a_killed_run_are_removed_but_not_those_of_a_running_one(server, mini, data_root, monkeypatch):
    server.pages["/a.zip"] = [zipped()]
    (data_root / ".gtzan-mini-dead.part").mkdir()
    (data_root / ".gtzan-mini-dead.part/archive").write_bytes(b"half")
    now = time.time()
    monkeypatch.setattr(corpora.time, "time", lambda: now + 60)
    fetch(root=data_root)
    assert (data_root / ".gtzan-mini-dead.part").exists()
    (data_root / "gtzan-mini").rename(data_root / "old")
    monkeypatch.setattr(corpora.time, "time", lambda: now + 3600)
    fetch()
    assert not (data_root / ".gtzan-mini-dead.part").exists()


def test_root_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(AudiolibError, match=r"file/root: cannot be written .*AUDIOLIB_DATA"):
        fetch(root=tmp_path / "file/root")


@pytest.mark.parametrize("step", ["download", "unpack"])
def test_full_disk_leaves_nothing_behind(server, mini, data_root, monkeypatch, step):
    server.pages["/a.zip"] = [zipped()]

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    if step == "unpack":
        monkeypatch.setattr(zipfile.ZipFile, "extractall", full)
    else:
        monkeypatch.setattr(corpora.pooch, "HTTPDownloader", lambda **options: full)
    with pytest.raises(AudiolibError, match=r"No space left on device.*By hand"):
        fetch()
    assert list(data_root.iterdir()) == []


def test_unknown_corpus_is_guessed():
    with pytest.raises(AudiolibError, match=r"did you mean 'fsdd'\?"):
        fetch("fssd")


# --- Kaggle -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def kaggle(monkeypatch, tmp_path):
    """A kagglehub that has the set in its cache, in small."""
    for name, content in FILES.items():
        path = tmp_path / "kagglehub" / name.replace("top/genres", "Data/genres_original")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    module = types.ModuleType("kagglehub")
    module.dataset_download = lambda handle: str(tmp_path / "kagglehub")
    monkeypatch.setitem(sys.modules, "kagglehub", module)
    monkeypatch.setitem(corpora.DESCRIPTIONS, "gtzan", dataclasses.replace(corpora.DESCRIPTIONS["gtzan"], clips=4))
    return module


def test_full_gtzan_comes_through_kagglehub(kaggle, data_root):
    assert fetch("gtzan") == data_root / "gtzan/genres_original"
    assert len(corpora.load("gtzan")) == 4


def test_missing_kagglehub_says_how_to_install_it(kaggle, data_root, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(AudiolibError, match=r"pip install kagglehub.*By hand: .*genres_original/ into"):
        fetch("gtzan")
    assert list(data_root.iterdir()) == []


def test_kagglehub_that_fails_is_said_with_the_way_by_hand(kaggle, data_root):
    def fail(handle):
        raise ConnectionError("no route to kaggle.com")

    kaggle.dataset_download = fail
    with pytest.raises(AudiolibError, match=r"no route to kaggle.com.*By hand"):
        fetch("gtzan")
    assert list(data_root.iterdir()) == []


def test_incomplete_kaggle_copy_is_refused(kaggle, data_root, tmp_path):
    (tmp_path / "kagglehub/Data/genres_original/rock/rock.00001.wav").unlink()
    with pytest.raises(AudiolibError, match="3 of the 4 clips"):
        fetch("gtzan")
    assert list(data_root.iterdir()) == []
