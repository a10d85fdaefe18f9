import hashlib
import http.server
import io
import tarfile
import threading

import numpy as np
import pytest
from PIL import Image

from cae_compress import DownloadError, datasets

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256, MD5 = hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` on loopback, byte ranges included; `cut_after` breaks the next answer off."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.cut_after, self.ranges = {}, [], None, True
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append((self.path, wanted))
        if self.path not in server.files:
            return self.send_error(404)
        data = server.files[self.path]
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges else 0
        if first >= len(data):
            return self.send_error(416)
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        cut, server.cut_after = server.cut_after, None
        self.wfile.write(data[first:][:cut])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = Server()
    server.files["/file.bin"] = CONTENT
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("checksum", [SHA256, MD5, None])
def test_a_download_arrives_whole(server, tmp_path, checksum):
    path = datasets.download(server.url + "file.bin", tmp_path / "sub" / "file.bin", checksum)
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


def test_a_file_already_here_is_not_fetched_again(server, tmp_path):
    for _ in range(2):
        datasets.download(server.url + "file.bin", tmp_path / "file.bin", SHA256)
    assert len(server.asked) == 1


@pytest.mark.parametrize("ranges", [True, False], ids=["a server with ranges", "a server without"])
def test_a_broken_download_is_continued(server, tmp_path, ranges):
    server.cut_after, server.ranges = 100_000, ranges
    with pytest.raises(DownloadError, match="continue where it stopped"):
        datasets.download(server.url + "file.bin", tmp_path / "file.bin", SHA256)
    assert not (tmp_path / "file.bin").exists()
    kept = (tmp_path / "file.bin.part").stat().st_size
    assert 0 < kept <= 100_000
    assert datasets.download(server.url + "file.bin", tmp_path / "file.bin", SHA256).read_bytes() == CONTENT
    assert server.asked[-1][1] == f"bytes={kept}-"


def test_a_finished_partial_file_is_recognised(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert datasets.download(server.url + "file.bin", tmp_path / "file.bin", SHA256).read_bytes() == CONTENT


def test_a_corrupt_download_is_deleted_and_reported(server, tmp_path):
    server.files["/file.bin"] = CONTENT[:-1] + b"?"
    with pytest.raises(DownloadError, match="checksum"):
        datasets.download(server.url + "file.bin", tmp_path / "file.bin", SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_page_or_a_dead_server_is_one_clear_error(server, tmp_path):
    with pytest.raises(DownloadError, match="404"):
        datasets.download(server.url + "nothing", tmp_path / "x")
    with pytest.raises(DownloadError, match="could not download"):
        datasets.download("http://127.0.0.1:9/nothing", tmp_path / "x")


@pytest.fixture
def empty_data(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "DATA", tmp_path / "data")
    monkeypatch.delenv("CAE_COMPRESS_DATA", raising=False)
    return tmp_path / "data"


def png(value):
    file = io.BytesIO()
    Image.new("RGB", (20, 10), (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


def test_kodak_is_downloaded_checked_and_then_found(server, empty_data, monkeypatch):
    server.files |= {f"/kodim0{k}.png": png(k) for k in (1, 2)}
    hashes = {name[1:]: hashlib.sha256(data).hexdigest() for name, data in server.files.items() if "kodim" in name}
    monkeypatch.setattr(datasets, "KODAK_URL", server.url)
    monkeypatch.setattr(datasets, "KODAK_SHA256", hashes)
    first = datasets.load_pictures("kodak")
    assert list(first) == ["kodim01", "kodim02"] and first["kodim02"][0, 0, 0] == 2
    asked = len(server.asked)
    assert datasets.load_pictures("kodak").keys() == first.keys() and len(server.asked) == asked


def test_kodak_with_a_wrong_checksum_is_not_taken(server, empty_data, monkeypatch):
    server.files["/kodim01.png"] = png(1)
    monkeypatch.setattr(datasets, "KODAK_URL", server.url)
    with pytest.raises(DownloadError, match="checksum"):
        datasets.load_pictures("kodak")
    assert not (empty_data / "kodak").exists()


def test_all_24_kodak_checksums_are_known():
    assert sorted(datasets.KODAK_SHA256) == [f"kodim{k:02}.png" for k in range(1, 25)]


def imagenette_archive(per_class):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for split, n in per_class.items():
            for c in range(2):
                for k in range(n):
                    entry = tarfile.TarInfo(f"imagenette2-320/{split}/n{c}/{k:03}.JPEG")
                    data = png(10 * c + k)
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def test_imagenette_is_downloaded_unpacked_and_cut_to_the_replications_split(server, empty_data, monkeypatch):
    archive = imagenette_archive({"train": 4, "val": 2})
    server.files["/imagenette2-320.tgz"] = archive
    monkeypatch.setattr(datasets, "IMAGENETTE_URL", server.url + "imagenette2-320.tgz")
    monkeypatch.setattr(datasets, "IMAGENETTE_MD5", hashlib.md5(archive).hexdigest())
    monkeypatch.setattr(datasets, "IMAGENETTE_PER_CLASS", {"train": 3, "val": 1})
    assert datasets.load_imagenette("train", 8).shape == (6, 8, 8, 3)
    assert datasets.load_imagenette("val", 8).shape == (2, 8, 8, 3)
    assert len(server.asked) == 1


def test_a_damaged_archive_is_deleted_and_reported(server, empty_data, monkeypatch):
    server.files["/imagenette2-320.tgz"] = damaged = imagenette_archive({"train": 4, "val": 2})[:200]
    monkeypatch.setattr(datasets, "IMAGENETTE_URL", server.url + "imagenette2-320.tgz")
    monkeypatch.setattr(datasets, "IMAGENETTE_MD5", hashlib.md5(damaged).hexdigest())
    with pytest.raises(DownloadError, match="damaged"):
        datasets.load_imagenette("train", 8)


def test_the_named_folder_comes_first(tmp_path, monkeypatch, empty_data):
    (tmp_path / "mine" / "kodak").mkdir(parents=True)
    (tmp_path / "mine" / "kodak" / "kodim07.png").write_bytes(png(7))
    monkeypatch.setenv("CAE_COMPRESS_DATA", str(tmp_path / "mine"))
    assert list(datasets.load_pictures("kodak")) == ["kodim07"]


def test_bundled_photographs_need_no_network(photographs):
    assert list(photographs) == ["astronaut", "chelsea", "coffee", "rocket", "china", "flower"]
    assert all(
        image.dtype == np.uint8 and image.ndim == 3 and min(image.shape[:2]) >= 300 for image in photographs.values()
    )


def test_an_unknown_set_is_refused():
    with pytest.raises(ValueError, match="'kodak', 'bundled' and 'synthetic'"):
        datasets.load_pictures("imagenet")


def test_synthetic_pictures_are_always_the_same_and_no_two_alike():
    pictures, again = datasets.load_pictures("synthetic"), datasets.load_pictures("synthetic")
    assert list(pictures) == ["text", "gradient", "noise"]
    for name, picture in pictures.items():
        assert picture.shape == (256, 384, 3) and picture.dtype == np.uint8
        assert np.array_equal(picture, again[name])
    assert len(np.unique(pictures["gradient"])) == 256 and pictures["text"].min() < 100
