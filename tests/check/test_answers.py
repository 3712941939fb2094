"""The checks of the exercises, as they judge the answers of tests/answers.

The tests of a chapter's checks have its name in their ids.
"""

import ast
import importlib
import json
import pkgutil
import re
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from d2l_helpers import check
from d2l_helpers.check import _hints
from d2l_helpers.check._language import say
from d2l_helpers.check._phrase import Phrase
from d2l_helpers.check._report import Report, State
from d2l_helpers.check._wrap import CLOSING, columns
from tests import messages
from tests.answers import RIGHT, WRONG
from tests.check.probes import JUNK, fingerprint
from tests.messages import NAMES, topic_of
from tests.problems import require_none
from tests.worked import solutions, worked
from tools import catalogs, checks
from tools.form.blanks import BLANK
from tools.page import chapters

# For the page of solutions has the statements, too; and catalogs.
READS = ["chapters/solutions/*", "d2l_helpers/*"]
STEMS = {chapter.topic: chapter.stem for chapter in chapters()}
TOPICS = [
    module.name
    for module in pkgutil.iter_modules(check.__path__)
    if not module.name.startswith("_")
]


def chapter_of(name):
    """The chapter of a check, as its tests are called."""
    return STEMS.get(topic_of(name), topic_of(name))


CHECKS = pytest.mark.parametrize(
    "name", [pytest.param(n, id=f"{chapter_of(n)}-{n}") for n in NAMES]
)
MODULES = pytest.mark.parametrize(
    "topic", [pytest.param(t, id=STEMS.get(t, t)) for t in TOPICS]
)


LANGUAGES = pytest.mark.parametrize("language", catalogs.languages())


def cases(answers):
    return [
        pytest.param(
            name,
            i,
            id=f"{chapter_of(name)}-{name}-{i}-{answer.name[:40]}",
        )
        for name, tried in answers.items()
        for i, answer in enumerate(tried)
    ]


@cache
def right_report(name, i):
    return getattr(check, name)(*RIGHT[name][i].arguments)


@cache
def wrong_report(name, i):
    """The report about a wrong answer, with all steps of its hint."""
    with patch.object(_hints, "times", lambda title, mistake: 99):
        return getattr(check, name)(*WRONG[name][i].arguments)


def hint_of(report):
    """All that a report helps with, the values aside."""
    return [text for k, text in report.details.items() if k[:4] == "hint"]


def reports(name):
    """What a check has said to all answers that are tried."""
    return [
        *(right_report(name, i) for i in range(len(RIGHT[name]))),
        *(wrong_report(name, i) for i in range(len(WRONG[name]))),
    ]


@pytest.mark.parametrize(("name", "i"), cases(RIGHT))
def test_right_answer_is_accepted(name, i):
    assert right_report(name, i).state is State.SOLVED, right_report(name, i)


@pytest.mark.parametrize(("name", "i"), cases(WRONG))
def test_wrong_answer_gets_the_hint_meant_for_it(name, i):
    hint = WRONG[name][i].hint
    report = wrong_report(name, i)
    assert report.state is State.WRONG
    assert any(hint in step for step in hint_of(report)), report
    assert report.details["expected"]
    assert report.details["got"]


@CHECKS
def test_expected_and_got_differ(name):
    for i in range(len(WRONG[name])):
        details = wrong_report(name, i).details
        assert details["expected"] != details["got"]
        # `equal` tells them apart, where a check gives it the values.
        assert "another, also shown as" not in details["got"], details


@CHECKS
def test_floats_are_rounded(name):
    texts = "\n".join(
        text
        for i in range(len(WRONG[name]))
        for text in wrong_report(name, i).details.values()
    )
    many = [
        number
        for number in re.findall(r"\d+\.\d+", texts)
        if len(number.replace(".", "").lstrip("0")) > 8
    ]
    assert not many


@CHECKS
def test_answers_of_each_kind_are_tried(name):
    right, wrong = len(RIGHT[name]), len(WRONG[name])
    enough = right >= 1 and wrong >= 4
    assert enough, (
        f"tests/answers/{topic_of(name)}.py has {right} right and {wrong} "
        f"wrong answers for {name}, at least 1 and 4 are needed"
    )


def test_all_answers_are_for_a_check():
    assert set(RIGHT) == set(WRONG) == set(NAMES)


def texts(module):
    """What a module of checks may say about a wrong answer."""
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    elsewhere = set()  # docstrings, and what the check looks at
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
            if ast.get_docstring(node) is not None:
                elsewhere.add(node.body[0].value)
            for decorator in getattr(node, "decorator_list", []):
                elsewhere.update(ast.walk(decorator))
    return {
        part.strip()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and len(node.value) > 25  # a sentence, not a name
        and node not in elsewhere
        for part in re.split(r"\{\w+\}", node.value)  # around its values
    }


@MODULES
def test_module_of_checks_holds_no_tensor(topic):
    """It would be on the device that is the default when it is imported."""
    module = importlib.import_module(f"d2l_helpers.check.{topic}")
    values = vars(module).items()
    assert [k for k, v in values if isinstance(v, torch.Tensor)] == []


@MODULES
def test_each_hint_is_for_some_wrong_answer(topic):
    module = importlib.import_module(f"d2l_helpers.check.{topic}")
    said = [
        text
        for function in WRONG
        if topic_of(function) == topic
        for report in reports(function)
        for text in report.details.values()
    ]
    assert {t for t in texts(module) if t not in "\n".join(said)} == set()


@cache
def literals():
    """All strings in the checks."""
    return {
        node.value
        for file in Path(check.__path__[0]).glob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def prose(text):
    """A text without code, and without what an error says."""
    code = r"`+[^`]*`+|'[^']*'|\b\w\.\w+ is .*"
    return re.sub(rf"{code}|\w+(Error|File|Interrupt): .*", "", text)


def unsayable(text):
    """Parts of a text that no catalog of sentences can have."""
    if isinstance(text, Phrase):
        for value in text.values.values():
            if isinstance(value, str):
                yield from unsayable(value)
        text = "" if text.template in literals() else text.template
    words = re.search("[a-z]+ [a-z]+ [a-z]+", prose(text))
    if text not in literals() and words:
        yield text


@CHECKS
def test_what_a_report_says_can_be_said_in_another_language(name):
    found = {
        part
        for report in reports(name)
        for detail, text in report.details.items()
        if detail != "solution"
        for part in unsayable(text)
    }
    assert found == set()


@cache
def known(language):
    return {*catalogs.texts(language)}


def unknown(name, language):
    """What a check says and no catalog has; a blank is filled in first."""
    said = {text for r in reports(name) for text, _ in messages.said(r)}
    if any(BLANK in text for text in said):
        pytest.skip("isn't written yet")
    return said - known(language)


@LANGUAGES
@CHECKS
def test_catalogs_have_all_that_a_report_says(name, language):
    require_none(
        f"d2l_helpers/locale/{language} lacks {text!r}: run `make messages`"
        for text in unknown(name, language)
    )


@LANGUAGES
@CHECKS
def test_report_in_another_language_fits_and_has_no_english(name, language):
    """But for code, what an error says, and what a reader typed."""
    if unknown(name, language):
        pytest.skip("isn't in the catalogs yet")
    for file in catalogs.files(language):
        concerned = file.stem in (topic_of(name), messages.SHARED)
        if concerned and catalogs.left(catalogs.read(file)):
            pytest.skip("isn't translated yet")
    for report in reports(name):
        for line in report.as_text(language).splitlines():
            assert columns(line) <= 79, report.as_text(language)
            assert line.strip()[0] not in CLOSING, report.as_text(language)
        for detail, text in report.details.items():
            text = prose(say(text, language))
            if detail != "solution":
                assert not re.search("[a-z]+ [a-z]+ [a-z]+", text), text


@pytest.mark.parametrize(
    "text",
    [
        "the nets are 3",
        Phrase("the nets are {number}", number=3),
        Phrase("{first}, {second}", first="the nets are 3", second=""),
    ],
)
def test_text_that_no_catalog_has_is_found(text):
    assert [*unsayable(text)] != []


def told_at_first(name):
    """Code of the worked solution in the first steps of a check's hints.

    A name isn't, nor is what the statement says.
    """
    _, solution = solutions()[name]

    def plain(text):
        return re.sub(r"\s", "", text)

    known = plain(solution.statement)
    found = set()
    for i in range(len(WRONG[name])):
        hint, *_ = (
            wrong_report(name, i).details["hint"].split(" The error was")
        )
        found.update(m[2] for m in re.finditer(r"(`+)(.+?)\1", hint))
    return {
        code
        for code in found
        if len(plain(code)) > 4
        and not re.fullmatch(r"\*?[\w.]+(\(\))?", code)
        and plain(code) in plain(solution.answer)
        and plain(code) not in known
    }


@CHECKS
def test_first_step_has_no_code_of_the_solution(name):
    assert told_at_first(name) == set()


@CHECKS
def test_number_has_a_name(name):
    bare = [
        (report.details["given"], report.details["expected"])
        for i in range(len(WRONG[name]))
        if re.fullmatch(
            r"-?[\d.]+(e-?\d+)?",
            (report := wrong_report(name, i)).details["expected"],
        )
    ]
    assert not bare


@CHECKS
def test_case_says_all_of_itself(name):
    others = {
        given
        for i in range(len(WRONG[name]))
        if (given := wrong_report(name, i).details.get("given"))
        and re.search(
            r"^the same|\b(after|of|with) th(at|is)\b|^that\b|, it ", given
        )
    }
    assert not others


@CHECKS
def test_junk_is_answered(name):
    function = getattr(check, name)
    number = len(worked(name))
    for i, junk in enumerate(JUNK):
        answers = [junk, *[JUNK[i - 1]] * (number - 1)]
        report = function(*answers)
        assert not report
        assert report.state is State.WRONG, (junk, report)
        assert report.details["hint"], (junk, report)


@CHECKS
def test_each_argument_may_be_junk(name):
    function = getattr(check, name)
    answers = tuple(worked(name).values())
    for i in range(len(answers)):
        for junk in JUNK[i::3]:
            report = function(*answers[:i], junk, *answers[i + 1 :])
            assert report.state is State.WRONG, (junk, report)


@CHECKS
def test_missing_or_unknown_argument_is_answered(name):
    for arguments, named in ((), {}), ((0,) * 9, {}), ((), {"nothing": 0}):
        report = getattr(check, name)(*arguments, **named)
        assert f"Call it as `check.{name}(" in report.details["hint"]


@CHECKS
def test_report_is_the_same_each_time(name, monkeypatch):
    function = getattr(check, name)
    tried = [a.arguments for a in [*RIGHT[name], *WRONG[name]]]
    monkeypatch.setattr(_hints, "times", lambda title, mistake: 99)
    for i in (0, -2, -1):
        assert repr(function(*tried[i])) == repr(reports(name)[i])


@CHECKS
def test_check_leaves_all_as_it_was(name, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for answer in [*RIGHT[name], *WRONG[name][:5]]:
        before = fingerprint(answer.arguments)
        with torch.no_grad():
            getattr(check, name)(*answer.arguments)
        assert fingerprint(answer.arguments) == before
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@CHECKS
def test_reports_fit_a_terminal(name):
    for report in reports(name):
        assert max(map(len, repr(report).splitlines())) <= 79, report


def test_checks_are_found_by_their_files_too():
    found = {check.name: check.title for check in checks.written()}
    assert found == {name: getattr(check, name).title for name in NAMES}


@CHECKS
def test_report_is_the_same_after_it_was_stored(name):
    for report in reports(name):
        stored = json.loads(json.dumps(report.to_json()))
        assert Report.from_json(stored) == report
        assert repr(Report.from_json(stored)) == repr(report)
