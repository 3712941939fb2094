"""A folder is swapped in whole, or the old one stays."""

import pytest

from tools.folders import replacing


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def test_new_folder_takes_the_place_of_the_old_one(tmp_path):
    target = tmp_path / "a" / "site"
    with replacing(target) as new:
        (new / "first").touch()
    with replacing(target) as new:
        (new / "second").touch()
        assert names(target) == ["first"]
    assert names(tmp_path) == ["a", "a/site", "a/site/second"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_old_folder_stays_if_the_new_one_fails(tmp_path, error):
    target = tmp_path / "site"
    target.mkdir()
    (target / "old").touch()

    def fail(new):
        (new / "half").touch()
        raise error

    with pytest.raises(error), replacing(target) as new:
        fail(new)
    assert names(tmp_path) == ["site", "site/old"]


def test_old_folder_comes_back_if_the_swap_fails(tmp_path, monkeypatch):
    target = tmp_path / "site"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(OSError, match="new"), replacing(target) as new:
        new.rmdir()  # so that it can't be moved
    assert names(tmp_path) == ["site", "site/old"]


@pytest.mark.parametrize("kind", ["a link", "a dangling link", "a file"])
def test_what_is_no_folder_is_refused(tmp_path, kind):
    target = tmp_path / "site"
    (tmp_path / "foreign").mkdir()
    if kind == "a file":
        target.touch()
    else:
        target.symlink_to("foreign" if kind == "a link" else "nowhere")
    before = names(tmp_path)
    with pytest.raises(LookupError, match=r"site is a (link|file)"):
        replacing(target).__enter__()
    assert names(tmp_path) == before
