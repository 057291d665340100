import hashlib
import io
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sori.core.errors import SoriError
from sori.learn.data import fetch as fetching
from sori.learn.data.corpora import read_corpus
from sori.learn.data.fetch import Archive, PublicCorpus, fetch
from tests.unit.learn.data import layouts


class Home:
    """A server that a corpus is fetched from, and what it was asked for."""

    def __init__(self):
        self.files = {}
        self.tag = '"one"'
        self.cuts = []  # bytes after which the next connections are cut
        self.status = 200
        self.knows_ranges = True
        self.asked = []

    def answer(self, request):
        content = self.files[request.path]
        start = self.start(request)
        self.asked.append(start)
        if self.status != 200:
            request.send_error(self.status)
            return
        if start > 0 and start >= len(content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(content)}")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        request.send_header("ETag", self.tag)
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        rest = content[start:]
        request.wfile.write(rest[: self.cuts.pop(0)] if self.cuts else rest)

    def start(self, request):
        wanted = request.headers.get("Range")
        if not wanted or not self.knows_ranges or request.headers.get("If-Range") != self.tag:
            return 0
        return int(wanted.removeprefix("bytes=").rstrip("-"))


@pytest.fixture
def home():
    found = Home()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802 - the name that the library calls
            found.answer(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tiny(home, tmp_path, monkeypatch):
    """A corpus of one archive, which its server holds."""
    folder = tmp_path / "made/Tiny-1.0"
    layouts.ljspeech(folder)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:bz2") as archive:
        archive.add(folder, "Tiny-1.0")
    offer(home, monkeypatch, "tiny.tar.bz2", content.getvalue())
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.0)
    return content.getvalue()


def offer(home, monkeypatch, name, content, digest=None):
    """Put one archive on the server, and a corpus of it into the list."""
    home.files[f"/{name}"] = content
    published = f"sha256:{hashlib.sha256(content).hexdigest()}" if digest is None else digest
    archive = Archive(f"{home.address}/{name}", published)
    public = PublicCorpus("one tone", "CC0", "here", (archive,))
    monkeypatch.setitem(fetching.PUBLIC, "tiny", public)


def test_a_corpus_is_fetched_and_can_be_read(home, tiny, tmp_path):
    reports = []

    folder, sums = fetch("tiny", tmp_path, lambda *report: reports.append(report))

    assert folder == tmp_path / "tiny"
    assert [u.name for u in read_corpus(folder)] == ["LJ001-0001", "LJ001-0002"]
    assert list(sums.values()) == [hashlib.sha256(tiny).hexdigest()]
    assert (len(tiny), len(tiny)) in reports
    assert not list(tmp_path.glob(".*"))


def test_what_is_there_already_is_not_fetched(home, tiny, tmp_path):
    fetch("tiny", tmp_path)

    assert fetch("tiny", tmp_path) == (tmp_path / "tiny", {})
    assert home.asked == [0]


def test_a_cut_connection_is_taken_up_where_it_was_cut(home, tiny, tmp_path):
    home.cuts = [1000, 500]

    fetch("tiny", tmp_path)

    assert home.asked == [0, 1000, 1500]
    assert read_corpus(tmp_path / "tiny")


def test_a_later_run_goes_on_where_one_was_stopped(home, tiny, tmp_path):
    home.cuts = [1000] + [0] * fetching.TRIES
    with pytest.raises(SoriError, match="the connection was cut; what came is kept"):
        fetch("tiny", tmp_path)
    home.asked.clear()

    fetch("tiny", tmp_path)

    assert home.asked == [1000]
    assert read_corpus(tmp_path / "tiny")


def test_a_run_stopped_before_the_last_step_asks_for_nothing_more(home, tiny, tmp_path):
    work = tmp_path / ".tiny.part"
    work.mkdir()
    (work / "tiny.tar.bz2.part").write_bytes(tiny)
    (work / "tiny.tar.bz2.part.tag").write_text(home.tag)

    fetch("tiny", tmp_path)

    assert home.asked == [len(tiny)]
    assert read_corpus(tmp_path / "tiny")


def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(home, tiny, tmp_path):
    home.cuts = [1000] + [0] * fetching.TRIES
    with pytest.raises(SoriError):
        fetch("tiny", tmp_path)
    home.tag = '"two"'
    home.asked.clear()

    fetch("tiny", tmp_path)

    assert home.asked == [0]
    assert read_corpus(tmp_path / "tiny")


def test_a_server_without_ranges_sends_all_anew(home, tiny, tmp_path):
    home.knows_ranges = False
    home.cuts = [1000]

    fetch("tiny", tmp_path)

    assert home.asked == [0, 0]
    assert read_corpus(tmp_path / "tiny")


def test_a_wrong_checksum_is_refused_and_the_next_run_starts_anew(
    home, tiny, tmp_path, monkeypatch
):
    offer(home, monkeypatch, "tiny.tar.bz2", tiny, f"sha256:{'0' * 64}")
    with pytest.raises(SoriError, match="published is 000.*fetch it again"):
        fetch("tiny", tmp_path)
    assert not (tmp_path / "tiny").exists()

    offer(home, monkeypatch, "tiny.tar.bz2", tiny, f"md5:{hashlib.md5(tiny).hexdigest()}")
    fetch("tiny", tmp_path)

    assert home.asked == [0, 0]


@pytest.mark.parametrize(("status", "times"), [(404, 1), (503, fetching.TRIES)])
def test_a_server_that_refuses_is_quoted(home, tiny, tmp_path, status, times):
    home.status = status

    with pytest.raises(SoriError, match=f"tiny.tar.bz2: the server answers {status}"):
        fetch("tiny", tmp_path)

    assert len(home.asked) == times


def test_without_a_network_it_says_so(home, tiny, tmp_path, monkeypatch):
    nobody = Archive("http://127.0.0.1:1/tiny.tar.bz2")
    monkeypatch.setitem(fetching.PUBLIC, "tiny", PublicCorpus("", "", "", (nobody,)))

    with pytest.raises(SoriError, match=r"cannot fetch http://127.0.0.1:1/tiny.tar.bz2: .*refused"):
        fetch("tiny", tmp_path)


def test_a_full_disk_is_said_and_what_came_is_kept(home, tiny, tmp_path):
    work = tmp_path / ".tiny.part"
    work.mkdir()
    (work / "tiny.tar.bz2.part").symlink_to("/dev/full")

    with pytest.raises(SoriError, match="cannot write .*tiny: No space left on device; mend that"):
        fetch("tiny", tmp_path)

    assert work.is_dir()


def test_what_the_disk_cannot_hold_is_refused_at_once(tmp_path):
    with pytest.raises(SoriError, match="GB free and 1000000.0 GB are to come"):
        fetching.require_space(tmp_path / "part", 10**15)


def test_a_place_that_cannot_be_written_is_named(home, tiny, tmp_path):
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(SoriError, match="cannot write .*file/tiny: Not a directory"):
        fetch("tiny", tmp_path / "file")


def tar_of(*members):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for member, text in members:
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return content.getvalue()


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt", "C:\\evil.txt"]
)
@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_an_archive_that_would_write_elsewhere_is_refused(home, tmp_path, monkeypatch, name, kind):
    if kind == "zip":
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr(name, "evil")
        packed = content.getvalue()
    else:
        packed = tar_of((tarfile.TarInfo(name), b"evil"))
    offer(home, monkeypatch, f"tiny.{kind}", packed)

    with pytest.raises(SoriError, match="outside of its folder; do not trust it"):
        fetch("tiny", tmp_path / "corpora")

    assert not list(tmp_path.rglob("evil*"))
    assert not (tmp_path / "corpora/tiny").exists()


def test_links_are_left_out_so_that_nothing_is_written_through_them(home, tmp_path, monkeypatch):
    link = tarfile.TarInfo("one/way")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
    inside = tarfile.TarInfo("one/way/evil.txt")
    offer(home, monkeypatch, "tiny.tar.gz", tar_of((link, b""), (inside, b"evil")))

    folder, _ = fetch("tiny", tmp_path / "corpora")

    assert not (tmp_path / "evil.txt").exists()
    assert (folder / "evil.txt").read_bytes() == b"evil"


def test_a_zip_is_unpacked(home, tmp_path, monkeypatch):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.mkdir("top")
        archive.writestr("top/a.txt", "Good day.")
        archive.writestr("top/b/c.txt", "Good night.")
    offer(home, monkeypatch, "tiny.zip", content.getvalue())

    folder, _ = fetch("tiny", tmp_path)

    assert (folder / "b/c.txt").read_text() == "Good night."


@pytest.mark.parametrize("content", [b"no archive at all", None])
def test_a_damaged_archive_is_removed(home, tiny, tmp_path, monkeypatch, content):
    offer(home, monkeypatch, "tiny.tar.bz2", content or tiny[:-200], digest="")

    with pytest.raises(SoriError, match=r"is damaged: .*; it was removed"):
        fetch("tiny", tmp_path)

    assert not (tmp_path / "tiny").exists()
    assert not (tmp_path / ".tiny.part/tiny.tar.bz2").exists()


def test_an_unknown_name_lists_what_can_be_fetched(tmp_path):
    with pytest.raises(SoriError, match="no public corpus 'vctk'; known are: ljspeech, cmu-arctic"):
        fetch("vctk", tmp_path)


@pytest.mark.parametrize("name", fetching.PUBLIC)
def test_published_checksums_are_whole(name):
    sizes = {"sha256": 64, "md5": 32, "": 0}

    for archive in fetching.PUBLIC[name].archives:
        algorithm, _, digest = archive.digest.partition(":")
        assert len(digest) == sizes[algorithm]
        assert archive.name.endswith((".tar.gz", ".tar.bz2"))
