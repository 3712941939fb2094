"""The students' repository: what a handout has, a commit for each version.

It is pushed without force, on top of what is there. A file that somebody else
has put there stays; one that somebody has changed there is replaced only if
that is asked for, and git keeps the other version.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tools.course import Course
from tools.environment import ROOT, package_version
from tools.handed_out import NOTES, digest, read_notes
from tools.page import LANGUAGES, START_PAGE, front_page

# Writes a handout: of a course, into an empty folder, in a language.
Write = Callable[[Course, Path, str], None]
EXAMPLE = "https://hub.example.edu"


class RefusedError(Exception):
    """What keeps the repository from being written, with what to do."""


def git(folder: Path, *command: str, needed: bool = True) -> str:
    """Run git in a folder; return what it prints.

    Raises:
        RefusedError: if it is needed, and fails.
    """
    done = subprocess.run(
        ["git", "-c", "core.autocrlf=false", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if done.returncode and needed:
        raise RefusedError(f"git {command[0]}: {done.stderr.strip()}")
    return done.stdout.strip() if not done.returncode else ""


def publish(
    course: Course,
    language: str,
    write: Write,
    to: str = "",
    force: bool = False,
) -> str:
    """Write the handout into the students' repository.

    Args:
        course (Course): says where that is, and what is in it.
        language (str): that of the pages.
        write (callable): writes the handout into a folder.
        to (str): where to push, if not to the address that students clone.
        force (bool): whether to replace what others have changed there, and
            to take files that aren't committed here.

    Returns:
        What was done, in words.

    Raises:
        RefusedError: if something is in the way. Nothing is pushed then.
    """
    branch = require_branch(course, language)
    origin = require_committed(force)
    address = to or course.for_students.clone
    with tempfile.TemporaryDirectory() as place:
        new, clone = Path(place, "new"), Path(place, "clone")
        for folder in (new, clone):
            folder.mkdir()
        git(clone, "init", "--quiet")
        first = not fetch(clone, address, branch)
        write(course, new, language)
        if not first:
            require_language_of(clone, language, branch)
        theirs = bring(new, clone, force)
        git(clone, "add", "--all", "--force")
        if not git(clone, "status", "--porcelain"):
            return f"The branch {branch} of {address} is up to date"
        message = f"{course.title}: version {package_version()}"
        git(clone, "commit", "--quiet", "-m", message, "-m", origin)
        push(clone, address, branch)
    done = "made" if first else "brought up to date"
    lines = [f"The branch {branch} of {address} is {done}"]
    lines += [f"{name} was changed there, and is replaced" for name in theirs]
    return "\n".join(lines)


def require_branch(course: Course, language: str) -> str:
    """The branch of a language.

    Raises:
        RefusedError: if the course names none.
    """
    if branch := course.branch_for(language):
        return branch
    raise RefusedError(
        f"The pages in {language} need a branch of their own. In "
        "site/course.toml, let this line be\n"
        f'students_branches.{language} = "{language}"'
    )


def require_committed(force: bool) -> str:
    """Where the handout comes from, in words, for the message of a commit.

    Raises:
        RefusedError: if there are changes that no commit has.
    """
    commit = git(ROOT, "rev-parse", "--short", "HEAD", needed=False)
    changed = git(ROOT, "status", "--porcelain", needed=False)
    if changed and not force:
        raise RefusedError(
            f"Commit these first, or take them as they are, with FORCE=1:\n"
            f"{changed}"
        )
    if not commit:
        return "From a folder that git doesn't know."
    return f"From commit {commit}{', with changes' * bool(changed)}."


def fetch(clone: Path, address: str, branch: str) -> bool:
    """Get what the branch has now; return whether there is such a branch.

    Raises:
        RefusedError: if there is no such repository, or it can't be read.
    """
    if address.startswith("-"):
        raise RefusedError(f"{address} is no address")
    try:
        ref = f"refs/heads/{branch}"
        found = git(clone, "ls-remote", "--heads", address, ref)
    except RefusedError as error:
        raise RefusedError(
            f"{error}\nMake an empty repository there, or correct `students` "
            "in site/course.toml, or the address after TO="
        ) from None
    git(clone, "symbolic-ref", "HEAD", ref)
    if found:
        git(clone, "fetch", "--quiet", "--depth=1", address, ref)
        git(clone, "reset", "--quiet", "--hard", "FETCH_HEAD")
    return bool(found)


def require_language_of(clone: Path, language: str, branch: str) -> None:
    """Refuse to replace the pages of one language by those of another."""
    names = {name for names in read_notes(clone).values() for name in names}
    there = [one for one in LANGUAGES if front_name(one) in names]
    if there and language not in there:
        raise RefusedError(
            f"The branch {branch} has the pages in {', '.join(there)}: for "
            f"those in {language}, name another one in site/course.toml"
        )


def front_name(language: str) -> str:
    """The front page of a language, from the root of a handout."""
    return front_page(language).relative_to(ROOT).as_posix()


def bring(new: Path, clone: Path, force: bool) -> list[str]:
    """Put a handout into a folder, in the place of the one that is there.

    Args:
        new (Path): the folder of the handout.
        clone (Path): gets its files; those of others stay.
        force (bool): whether to replace those that others have changed.

    Returns:
        The names of these.

    Raises:
        RefusedError: if there are some, and they aren't to be replaced.
    """
    known: dict[str, set[str]] = {}
    for names in read_notes(clone).values():
        for name, value in names.items():
            known.setdefault(name, set()).add(value)
    ours = {
        path.relative_to(new).as_posix(): path
        for path in new.rglob("*")
        if path.is_file()
    }
    theirs = []
    for name in sorted({*known, *ours}):
        there = clone / name
        if not there.exists() or name.startswith(f"{NOTES}/"):
            continue
        values = {*known.get(name, ())}
        if name in ours:
            values.add(digest(ours[name]))
        if not there.is_file() or digest(there) not in values:
            theirs.append(name)
    if theirs and not force:
        raise RefusedError(
            "Somebody has changed these there. Bring the changes into your "
            "course, or replace them with FORCE=1, which leaves them in the "
            "history:\n" + "\n".join(theirs)
        )
    for name in {*known, *(f"{NOTES}/{n}.json" for n in read_notes(clone))}:
        (clone / name).unlink(missing_ok=True)
    for name, path in ours.items():
        target = clone / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        target.chmod(path.stat().st_mode)
    return theirs


def push(clone: Path, address: str, branch: str) -> None:
    """Push a commit on top of what is there.

    Raises:
        RefusedError: if somebody else was faster, or nobody may.
    """
    try:
        git(clone, "push", "--quiet", address, f"HEAD:refs/heads/{branch}")
    except RefusedError as error:
        text = str(error)
        if "fetch first" in text or "non-fast-forward" in text:
            text = "Somebody else has pushed meanwhile: run this again"
        raise RefusedError(text) from None


def link(course: Course, language: str) -> str:
    """The link for students, on the course's hub or on an example."""
    there = (ROOT / START_PAGE).is_file()
    start = START_PAGE if there else front_name(language)
    hub = course.hub or EXAMPLE
    return course.students_link(hub, language, start)
