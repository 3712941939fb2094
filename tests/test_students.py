"""The students' repository: made and updated, and nobody's work is lost."""

import shutil
import subprocess
import tomllib
from dataclasses import replace

import pytest

from tools import handed_out, handout, students
from tools.course import Course

COURSE = Course(
    "A course",
    students="https://git.a.edu/course.git",
    hub="https://hub.a.edu",
)


def git(folder, *command):
    return subprocess.run(
        ["git", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.fixture(autouse=True)
def person(monkeypatch, tmp_path):
    """Somebody whose git says who commits, and nothing else."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A Teacher")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "teacher@a.edu")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def course(monkeypatch, tmp_path):
    """The files that the next handout has, and a clean clone of a course."""
    files = {"README.md": "One.", "chapters/index.md": "Front.", "a.py": "a"}

    def write(_, folder, __):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        handed_out.note(folder)

    monkeypatch.setattr(handout, "write_handout", write)
    monkeypatch.setattr(students, "require_committed", lambda _: "From a1.")
    return files


@pytest.fixture
def remote(tmp_path):
    """An empty repository, as a host makes it."""
    folder = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", "-b", "main", str(folder))
    return folder


def publish(remote, language="en", force=False, course=COURSE):
    write = handout.write_handout
    return students.publish(course, language, write, str(remote), force)


def there(remote):
    """The files of the branch, and what they hold."""
    names = git(remote, "ls-tree", "-r", "--name-only", "main").splitlines()
    return {
        name: git(remote, "show", f"main:{name}")
        for name in names
        if not name.startswith(handed_out.NOTES)
    }


def commits(remote):
    return git(remote, "log", "--format=%s", "main").splitlines()


def edit(remote, tmp_path, **files):
    """Somebody else clones, changes files and pushes; None removes one."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(remote), str(clone))
    for name, text in files.items():
        name = name.replace("__", ".")
        if text is None:
            (clone / name).unlink()
        else:
            (clone / name).write_text(text)
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "-m", "Mine")
    git(clone, "push", "--quiet")
    shutil.rmtree(clone)


def test_first_time_and_updates_are_a_commit_each(course, remote):
    assert "is made" in publish(remote)
    assert there(remote) == course
    course["README.md"] = "Two."
    del course["a.py"]
    course["b.py"] = "b"
    assert "is brought up to date" in publish(remote)
    assert there(remote) == course
    assert len(commits(remote)) == 2
    assert git(remote, "show", "main~1:README.md") == "One."
    assert "From a1." in git(remote, "log", "-1", "--format=%B", "main")
    notes = git(remote, "ls-tree", "--name-only", "main", ".handout/")
    assert len(notes.splitlines()) == 2  # the newest one, and its name


def test_nothing_is_pushed_where_nothing_has_changed(course, remote):
    publish(remote)
    before = git(remote, "rev-parse", "main")
    assert "is up to date" in publish(remote)
    assert git(remote, "rev-parse", "main") == before


def test_files_of_others_stay(course, remote, tmp_path):
    publish(remote)
    edit(remote, tmp_path, syllabus__md="Mondays.")
    course["README.md"] = "Two."
    publish(remote)
    assert there(remote) == {**course, "syllabus.md": "Mondays."}
    assert commits(remote)[1] == "Mine"


def test_file_that_somebody_has_changed_is_named(course, remote, tmp_path):
    publish(remote)
    edit(remote, tmp_path, README__md="Better.", a__py="better")
    course["README.md"] = "Two."
    del course["a.py"]
    before = git(remote, "rev-parse", "main")
    with pytest.raises(
        students.RefusedError, match=r"README\.md\na\.py"
    ) as told:
        publish(remote)
    assert "FORCE=1" in str(told.value)
    assert git(remote, "rev-parse", "main") == before
    assert "a.py was changed there, and is replaced" in publish(
        remote, force=True
    )
    assert there(remote) == course
    assert git(remote, "show", "main~1:README.md") == "Better."


def test_file_that_somebody_has_removed_comes_back(course, remote, tmp_path):
    publish(remote)
    edit(remote, tmp_path, a__py=None)
    publish(remote)
    assert there(remote) == course


def test_repository_of_something_else_is_left_alone(course, remote, tmp_path):
    edit(remote, tmp_path, README__md="Something else.", other__py="x")
    before = git(remote, "rev-parse", "main")
    with pytest.raises(
        students.RefusedError, match=r"FORCE=1[^:]*:\nREADME\.md"
    ):
        publish(remote)
    assert git(remote, "rev-parse", "main") == before


def test_push_meanwhile_is_not_overwritten(
    course, remote, tmp_path, monkeypatch
):
    publish(remote)
    course["README.md"] = "Two."
    push = students.push

    def slow(*arguments):
        edit(remote, tmp_path, syllabus__md="Mondays.")
        push(*arguments)

    monkeypatch.setattr(students, "push", slow)
    with pytest.raises(students.RefusedError, match="pushed meanwhile: run"):
        publish(remote)
    assert there(remote) == {
        **course,
        "README.md": "One.",
        "syllabus.md": "Mondays.",
    }
    monkeypatch.setattr(students, "push", push)
    publish(remote)
    assert there(remote) == {**course, "syllabus.md": "Mondays."}


@pytest.mark.usefixtures("course")
@pytest.mark.parametrize("address", ["no/such/place", "-x", "https://[/x"])
def test_wrong_address_says_what_to_do(tmp_path, address):
    with pytest.raises(students.RefusedError) as told:
        publish(address)
    assert address in str(told.value)


def test_other_language_needs_a_branch_of_its_own(course, remote):
    publish(remote)
    course["chapters/zh/index.md"] = course.pop("chapters/index.md")
    with pytest.raises(students.RefusedError) as told:
        publish(remote, "zh")
    *_, line = str(told.value).splitlines()
    assert "chapters/index.md" in there(remote)
    # As it says.
    other = replace(COURSE, **tomllib.loads(line))
    assert "The branch zh" in publish(remote, "zh", course=other)
    # A branch that somebody has given to the other language by mistake.
    wrong = replace(COURSE, languages=["zh"])
    with pytest.raises(students.RefusedError, match="has the pages in en"):
        publish(remote, "zh", course=wrong)


def test_uncommitted_changes_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(students, "ROOT", tmp_path)
    assert "doesn't know" in students.require_committed(False)
    git(tmp_path, "init", "--quiet")
    (tmp_path / "a.md").write_text("a")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "A")
    commit = git(tmp_path, "rev-parse", "--short", "HEAD")
    assert students.require_committed(False) == f"From commit {commit}."
    (tmp_path / "a.md").write_text("b")
    with pytest.raises(students.RefusedError, match=r"FORCE=1:\n.*a\.md"):
        students.require_committed(False)
    said = students.require_committed(True)
    assert said == f"From commit {commit}, with changes."


@pytest.fixture
def command(course, monkeypatch):
    """The command, in a course whose pages are all right."""
    monkeypatch.setattr(handout.gate, "all_problems", lambda _: [])
    monkeypatch.setattr(handout, "read_course", lambda: COURSE)
    return lambda arguments: handout.main(["students", *arguments])


def test_command_tells_the_link(command, remote, capsys):
    assert command(["", f"--to={remote}"]) == 0
    said = capsys.readouterr().out
    assert (
        "https://hub.a.edu/hub/user-redirect/git-pull"
        "?repo=https%3A%2F%2Fgit.a.edu%2Fcourse.git&branch=main"
        "&targetpath=course&urlpath=lab%2Ftree%2Fcourse%2F"
    ) in said


def test_command_without_a_repository_says_what_to_write(
    command, monkeypatch, capsys
):
    monkeypatch.setattr(handout, "read_course", lambda: Course("A"))
    assert command([]) == 2
    assert 'students = "https://github.com/' in capsys.readouterr().err
    assert command(["xx"]) == 2
    assert command(["--what"]) == 2


def test_missing_branch_is_told_before_pages_are_read(
    command, monkeypatch, capsys
):
    monkeypatch.setattr(handout.gate, "all_problems", lambda _: ["01: run"])
    assert command(["zh"]) == 2
    assert "students_branches.zh =" in capsys.readouterr().err


def test_pages_that_were_not_run_are_not_published(
    command, remote, monkeypatch, capsys
):
    monkeypatch.setattr(handout.gate, "all_problems", lambda _: ["01: run"])
    assert command([f"--to={remote}"]) == 2
    assert capsys.readouterr().err == "01: run\n"
    assert git(remote, "branch") == ""


def test_students_never_get_the_branch_with_the_solutions():
    address = "https://github.com/owner/name"
    for branch in ("main", "gh-pages"):
        with pytest.raises(ValueError, match="another students_branch"):
            Course(
                "A",
                repository=f"{address}.git",
                students=f"{address}/",
                students_branch=branch,
            )
    ours = Course(
        "A", repository=address, students=address, students_branch="s"
    )
    with pytest.raises(ValueError, match="another students_branch"):
        replace(ours, students_branches={"zh": "main"})
