"""What a teacher says in site/course.toml, and what it must be."""

import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from tools import course as settings
from tools.course import Course, Edition, hand_over, handed_over, read_course
from tools.page import chapters


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('title = ""', "title is '', not some text"),
        ("title = 3", "title is 3, not some text"),
        ("", "title"),
        ('title = "A"\nadress = ""', "nothing is called adress"),
        ('title = "A"\naddress = "https://a.edu/dl"', "not https://host/fol"),
        ('title = "A"\naddress = "a.edu/dl/"', "not https://host/folder/"),
        (
            'title = "A"\nrepository = "owner/name"',
            "repository is 'owner/name', not https://host/owner/name, which",
        ),
        ('title = "A"\nrepository = 3', "repository is 3, not some text"),
        ('title = "A"\nhub = "https://hub.edu/"', "no slash after, or empty"),
        ('title = "A"\nbranch = ""', "branch is '', not the name of a"),
        ('title = "A"\nlogo = "no.svg"', "no logo site/static/no.svg"),
        ('title = "A"\nlogo = 3', "logo is 3, not the name of a file"),
        ('title = "A"\nlogo = "a/b.svg"', "'a/b.svg', not the name of a"),
        ('title = "A"\nhub = "https://hub.edu"', "hub needs repository, or"),
        ('title = "A"\nleave_out = [""]', "there is no chapter"),
        (
            f'title = "A"\nleave_out = {[c.number for c in chapters()]}',
            "leaves no chapter",
        ),
        ('title = "A"\nleave_out = "05"', "leave_out is '05', not a list"),
        ('title = "A"\nleave_out = ["12"]', "there is no chapter '12'"),
        ('title = "A"\nlanguages = "zh"', "languages is 'zh', not a list"),
        ('title = "A"\nlanguages = ["xx"]', "'xx' is no language; there are"),
        ('title = "A"\nlanguages = ["zh", "zh"]', "has one twice"),
        ('title = "A"\ntitles = "B"', "titles is 'B', not a table"),
        ('title = "A"\ntitles.xx = "B"', "'xx' is no language; there are en"),
        ('title = "A"\ntitles.zh = ""', "titles.zh is '', not some text"),
        ('title = "A"\nsolutions = "no"', "solutions is 'no', not a boole"),
        ('title = "A', "course.toml: "),
        ('title = "A\\u0000"', "title is 'A\\x00', not some text"),
        ('title = "A\\nB"', "title is 'A\\nB', not some text"),
        ('title = "A"\nbranch = "a b"', "' ' can't stand there"),
        ('title = "A"\nbranch = "a..b"', "branch is 'a..b', not the name"),
        ('title = "A"\nbranch = "-b"', "branch is '-b', not the name of a"),
        ('title = "A"\nbranch = "main/"', "branch is 'main/', not the"),
        ('title = "A"\nlogo = ".."', "logo is '..', not the name of a file"),
        ('title = "A"\naddress = "https://u:p@a.edu/"', "not https://host/f"),
        (
            'title = "A"\nrepository = "https://github.com/a/.."',
            "not https://host/owner/name",
        ),
        (
            'title = "A"\nstudents_branches = "zh"',
            "students_branches is 'zh', not a table",
        ),
        (
            'title = "A"\nstudents_branches.xx = "b"',
            "'xx' is no language",
        ),
        (
            'title = "A"\nstudents_branches.zh = "a..b"',
            "students_branches.zh is 'a..b', not the name of a branch",
        ),
        (
            'title = "A"\nstudents_branches.zh = "main"',
            "students_branches.zh is 'main', which has the pages of another",
        ),
        (
            'title = "A"\nstudents_branches.en = "b"',
            'first language: write students_branch = "b"',
        ),
    ],
)
def test_course_that_makes_no_sense_is_refused(tmp_path, text, complaint):
    file = tmp_path / "course.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=re.escape(complaint)):
        read_course(file)


ODD = "\"'`()[]{}<>;\\|^ \t\n\0\x7f\u2028\u3000"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("address", "https://a.edu/d{}l/"),
        ("address", "https://a{}b.edu/dl/"),
        ("repository", "https://github.com/own{}er/name"),
        ("repository", "https://github.com/owner/na{}me"),
        ("branch", "ma{}in"),
        ("hub", "https://hub.edu/d{}l"),
        ("logo", "ic{}on.svg"),
    ],
)
def test_address_holds_nothing_that_could_end_it(key, value):
    for character in ODD:
        with pytest.raises(ValueError, match=f"{key} is ") as refused:
            Course(**{"title": "A", key: value.format(character)})
        assert f"{character!r} can't stand there" in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("address", "http://localhost:8000/"),
        ("address", "https://owner.github.io/my-course/~a/2026%20b/"),
        ("address", "https://大学.edu/深度/"),
        ("repository", "https://github.com/own-er/.na_me.js"),
        ("repository", "https://github.com/owner/name.git/"),
        ("repository", "https://gitlab.com/group/part/name"),
        ("repository", "https://gitee.com/owner/name.git"),
        ("repository", "http://git.a.edu:8080/~teacher/name.git"),
        ("branch", "feature/2026.1_a-b+c"),
        ("hub", "https://hub.edu:8000/user-hub"),
        ("logo", "icon.svg"),
    ],
)
def test_address_of_every_day_is_taken(key, value):
    course = Course("A", repository="https://github.com/owner/name")
    assert getattr(replace(course, **{key: value}), key) == value


@pytest.mark.parametrize(
    ("address", "write"),
    [
        ("git@github.com:owner/name.git", "https://github.com/owner/name"),
        ("ssh://git@a.edu:2222/deep/name", "https://a.edu/deep/name"),
        ("ssh://gitlab.com/owner/name.git", "https://gitlab.com/owner/name"),
        ("https://me:secret@a.edu/name.git", "https://a.edu/name.git"),
        ("https://github.com/owner", "https://github.com/owner/name"),
        ("https://gitee.com/owner/", "https://gitee.com/owner/name"),
        (
            "https://github.com/owner/name/tree/main/chapters",
            "https://github.com/owner/name",
        ),
        ("https://gitlab.com/a/b/c/-/tree/main", "https://gitlab.com/a/b/c"),
    ],
)
def test_address_that_readers_cannot_clone_has_a_remedy(address, write):
    with pytest.raises(ValueError, match="repository is ") as refused:
        Course("A", repository=address)
    assert str(refused.value).endswith(f": write {write}")
    Course("A", repository=write)


@pytest.mark.parametrize(
    ("address", "binder"),
    [
        ("https://github.com/o/name", "gh/o/name/main?"),
        ("https://github.com/o/name.git", "gh/o/name/main?"),
        ("https://gitlab.com/g/o/name/", "gl/g%2Fo%2Fname/main?"),
        (
            "https://gitee.com/o/name",
            "git/https%3A%2F%2Fgitee.com%2Fo%2Fname/main?",
        ),
        (
            "https://git.a.edu/name.git/",
            "git/https%3A%2F%2Fgit.a.edu%2Fname.git/main?",
        ),
    ],
)
def test_places_are_those_of_the_host(address, binder):
    first, *_ = chapters()
    course = Course("A", repository=address, hub="https://hub.a.edu")
    places = course.places(first)
    assert ("Colab" in places) == ("github.com" in address)
    assert places["Binder"].startswith(f"https://mybinder.org/v2/{binder}")
    asked = parse_qs(urlsplit(places["JupyterHub"]).query)
    # As nbgitpuller does: what it isn't told, the address ends in.
    folder = asked.get("targetpath", [asked["repo"][0].split("/")[-1]])
    assert folder == ["name"]
    # Where a student's own copy is made; there, the original stays as it is.
    assert asked["urlpath"] == ["lab/tree/name/start.ipynb"]
    (page,) = first.translations
    link = course.places(page)["JupyterHub"]
    assert link.endswith("name%2Fstart.zh.ipynb")
    known = "a.edu" not in address
    assert asked["repo"][0].endswith("/name" if known else "/name.git")


def test_hub_has_what_students_get():
    first, *_ = chapters()
    course = Course("A", students="https://a.edu/s", hub="https://hub.a.edu")
    assert (
        "repo=https%3A%2F%2Fa.edu%2Fs&branch=main"
        in course.places(first)["JupyterHub"]
    )
    public = replace(course, repository="https://github.com/o/n")
    for page in (first, first.solutions, *first.translations):
        names = public.places(page).keys()
        assert names >= {"Colab", "Binder"}
        assert ("JupyterHub" in names) == (page == first)
    # In each language that has a branch.
    both = replace(public, students_branches={"zh": "chinese"})
    (page,) = first.translations
    asked = parse_qs(urlsplit(both.places(page)["JupyterHub"]).query)
    assert asked["repo"] == ["https://a.edu/s"]
    assert asked["branch"] == ["chinese"]
    # One folder can't hold two branches.
    assert asked["targetpath"] == ["s-zh"]
    assert asked["urlpath"] == ["lab/tree/s-zh/start.ipynb"]
    assert both.places(first) == public.places(first)
    assert "JupyterHub" not in both.places(page.solutions)
    chinese = replace(public, languages=["zh", "en"])
    assert "JupyterHub" not in chinese.places(first)
    (page,) = first.translations
    assert "JupyterHub" in chinese.places(page)


def test_package_is_installed_from_any_host():
    plain = Course("A", repository="https://github.com/o/n.git/").source
    assert plain.requirement("a1") == "git+https://github.com/o/n@a1"
    other = Course("A", repository="https://git.a.edu/n.git").source
    assert other.requirement("a1") == "git+https://git.a.edu/n.git@a1"


def test_branch_with_a_slash_is_one_part_of_an_address():
    first, *_ = chapters()
    course = Course("A", repository="https://github.com/o/n", branch="a/b")
    assert "/o/n/a%2Fb?" in course.places(first)["Binder"]


def test_course_of_the_repository_is_read():
    assert set(read_course().chapters) <= set(chapters())


def test_course_that_is_handed_over_is_the_same(monkeypatch):
    monkeypatch.setenv(settings.HANDED_OVER, "")  # and undone afterwards
    course = Course("深度 *d*", leave_out=["05", 7], solutions=False)
    hand_over(Edition(course, "zh"))
    assert handed_over() == Edition(course, "zh")


def test_site_that_nobody_has_handed_a_course_is_told_how(monkeypatch):
    monkeypatch.delenv(settings.HANDED_OVER, raising=False)
    with pytest.raises(LookupError, match="`make html`"):
        handed_over()


def test_course_knows_what_it_leaves_out():
    course = Course("A", leave_out=["05", "03_custom_layers"])
    assert course.left_out == ["03_custom_layers", "05_autograd"]
    assert not {*course.left_out} & {page.stem for page in course.pages}
    kinds = [page.is_solutions for page in course.pages]
    assert kinds == sorted(kinds)
    alone = replace(course, solutions=False)
    assert alone.pages == course.chapters


def test_course_has_an_edition_in_each_of_its_languages():
    course = Course("A", titles={"zh": "B"}, address="https://a.edu/dl/")
    english, chinese = course.editions
    assert (english.title, english.folder) == ("A", "")
    assert (chinese.title, chinese.folder) == ("B", "zh/")
    assert english.address == "https://a.edu/dl/"
    assert chinese.address == "https://a.edu/dl/zh/"
    assert english.pages == course.pages
    assert [p.original for p in chinese.pages] == course.pages
    assert english.names == chinese.names


def test_first_language_of_a_course_is_at_its_address():
    course = Course("A", languages=["zh", "en"])
    assert [edition.folder for edition in course.editions] == ["", "en/"]
    (alone,) = replace(course, languages=["zh"]).editions
    assert (alone.folder, alone.address) == ("", "")
    assert {page.language for page in alone.pages} == {"zh"}


def test_language_without_pages_has_no_edition(monkeypatch):
    monkeypatch.setattr("tools.page.LANGUAGES", ("en", "eo"))
    assert [str(edition) for edition in Course("A").editions] == ["en"]
