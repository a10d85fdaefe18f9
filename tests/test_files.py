import os
import stat

import pytest

from cae_compress import files


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_only_when_the_new_one_is_complete(tmp_path):
    path = tmp_path / "a.cae"
    path.write_text("old")
    with files.replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old" and partial.suffix == ".cae" and partial.parent == tmp_path
    assert path.read_text() == "new" and names(tmp_path) == ["a.cae"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("no"), KeyboardInterrupt()])
def test_after_an_error_there_is_what_was_there_before(error, tmp_path):
    path = tmp_path / "a.cae"
    path.write_text("old")
    for target in (path, tmp_path / "b.cae"):
        with pytest.raises(type(error)), files.replacing(target) as partial:
            partial.write_text("half")
            raise error
    assert path.read_text() == "old" and names(tmp_path) == ["a.cae"]


def test_errors_name_the_file_and_not_its_partial_one(tmp_path):
    for path in (tmp_path / "nowhere" / "a.cae", tmp_path):
        with pytest.raises(OSError) as error:
            files.write(path, b"new")
        assert error.value.filename == str(path) and "part" not in str(error.value)
        assert str(error.value).endswith(f"'{path}'")  # and no second name, such as None


def test_two_that_write_one_file_at_once_do_not_mix(tmp_path):
    path = tmp_path / "a.cae"
    with files.replacing(path) as first, files.replacing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first" and names(tmp_path) == ["a.cae"]


def test_a_link_stays_a_link_and_permissions_stay(tmp_path):
    (tmp_path / "deep").mkdir()
    path, link = tmp_path / "deep" / "a.cae", tmp_path / "link.cae"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    files.write(link, b"new")
    assert link.is_symlink() and path.read_text() == "new" and stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_longest_names_can_be_written(tmp_path):
    for name in ("y" * 251 + ".cae", "ü" * 125 + ".cae"):
        files.write(tmp_path / name, b"new")
        assert (tmp_path / name).read_bytes() == b"new"


def test_devices_are_written_to_and_not_replaced():
    files.write(os.devnull, b"new")
    assert not os.path.isfile(os.devnull)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="to root nothing is write-protected")
def test_write_protected_files_are_not_replaced(tmp_path):
    path = tmp_path / "a.cae"
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(PermissionError):
        files.write(path, b"new")
    assert path.read_text() == "old" and names(tmp_path) == ["a.cae"]
