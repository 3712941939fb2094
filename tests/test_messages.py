"""The catalogs: what the checks say in other languages, and what is wrong."""

import re

import pytest

from d2l_helpers import check
from d2l_helpers.check import _language
from d2l_helpers.check._language import say
from d2l_helpers.check._report import Report, State
from tests import messages
from tools import catalogs
from tools.catalogs import Wanted
from tools.folders import shown
from tools.page import CHAPTERS

READS = ["chapters/*", "d2l_helpers/*", "d2l_reader/*"]
EACH = pytest.mark.parametrize("language", catalogs.languages())


@EACH
@pytest.mark.parametrize("folder", catalogs.FOLDERS)
def test_catalogs_have_no_fault(language, folder):
    assert "\n".join(catalogs.faults(language, folder)) == ""


@EACH
def test_catalogs_have_each_sentence_and_no_other(language):
    """Change a sentence: this names it, and `make messages` marks it."""
    catalog_of = catalogs.texts(language)
    assert messages.sentences() - {*catalog_of} == set(), "make messages"
    assert {*catalog_of} - {*messages.strings()} == set(), "make messages"
    for text, catalog in catalog_of.items():
        assert messages.catalog_of(text) == catalog, "make messages"


@EACH
def test_catalog_of_the_workbook_has_each_sentence_and_no_other(language):
    texts = catalogs.texts(language, catalogs.READER)
    wanted = {wanted.text for wanted in messages.of_workbook()}
    assert texts.keys() == wanted, "make messages"


@EACH
def test_title_of_an_exercise_is_its_heading(language):
    files = (CHAPTERS / language).glob("??_*.py")
    pages = "".join(file.read_text("utf-8") for file in files)
    headings = dict(re.findall(r"^# ### (\d+\.\d+) (.+)$", pages, re.M))
    for name in messages.NAMES:
        number, _, title = getattr(check, name).title.partition(" ")
        said = say(title, language)
        if number in headings and said != title:
            assert said == headings[number]


# What is no fault, and what is


def catalog(folder, *entries, name="layers", obsolete=(), compiled=True):
    """A catalog of Chinese in a folder, of pairs."""
    file = folder / "zh/LC_MESSAGES" / f"{name}.po"
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = ['msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8"']
    lines += [f'msgid "{text}"\nmsgstr "{said}"' for text, said in entries]
    lines += [f'#~ msgid "{text}"\n#~ msgstr "x"' for text in obsolete]
    file.write_text("\n\n".join(lines), "utf-8")
    if compiled:
        catalogs.compile_all("zh", folder)
    return file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It is 1.", "结果是1。"),
        ("Is it 1?", "结果是1吗？"),
        ("two of them", "其中2个"),
        ("`a b`, not `c`", "不是`c`，而是`a b`"),
        ("{a} and {b}", "{b}和{a}"),
        ("X = [1, 2], frozen", "X = [1, 2]，冻结"),
        ("68% of them", "其中68%"),
        ("your 'a b', Linear(2, 3)", "你的'a b'，Linear(2, 3)"),
        ("t.grad is None for nn.ReLU", "t.grad is None for nn.ReLU"),
        ("W", ""),
    ],
)
def test_translation_is_accepted(tmp_path, text, said):
    catalog(tmp_path, (text, said))
    assert [*catalogs.faults("zh", tmp_path)] == []


@pytest.mark.parametrize(
    ("text", "said", "fault"),
    [
        ("{a} and {b}", "{a}和b", "other placeholders"),
        ("use `a b`", "使用a b", "other code"),
        ("use `a`", "使用`b`", "other code"),
        ("{a} in `{b}`", "`{a}`里的{b}", "other code"),
        ("0.01 or 2", "0.01", "other numbers"),
        ("a, b", "甲,乙", "half-width punctuation, in '甲,乙'"),
        ("It is so.", "是这样.", "half-width punctuation, in '是这样.'"),
        ("(a b)", "(甲)", "half-width brackets, in '(甲)'"),
        (
            "a GPU",
            "一块 GPU",
            "a space beside a Chinese letter, in '一块 GPU'",
        ),
        (
            "a layer",
            "层 (layer) 的自动求导",
            "'自动求导', for which the glossary has '自动微分'",
        ),
        ("It is so.", "是这样", "another end of the sentence"),
        ("so", "是这样。", "another end of the sentence"),
    ],
)
def test_fault_of_a_translation_is_named(tmp_path, text, said, fault):
    catalog(tmp_path, (text, said))
    assert f"layers.po: {fault}: {text}" in catalogs.faults("zh", tmp_path)


def test_fault_of_a_catalog_is_named(tmp_path):
    catalog(tmp_path, ("a", "甲"), obsolete=["old"])
    catalog(tmp_path, ("a", "乙"), name="other")
    assert [*catalogs.faults("zh", tmp_path)] == [
        "layers.po: nothing says any more: old",
        "other.po: also in layers.po: a",
    ]


def test_catalog_that_is_not_compiled_is_named(tmp_path):
    fault = ["layers.po: to be compiled: python -m tools.catalogs"]
    catalog(tmp_path, ("a", "甲"), compiled=False)
    assert [*catalogs.faults("zh", tmp_path)] == fault
    catalogs.compile_all("zh", tmp_path)
    assert [*catalogs.faults("zh", tmp_path)] == []
    catalog(tmp_path, ("a", "乙"), compiled=False)
    assert [*catalogs.faults("zh", tmp_path)] == fault


def test_report_tells_what_is_left(tmp_path, capsys):
    file = catalog(tmp_path, ("a", "甲"), ("b c", ""), compiled=False)
    assert not catalogs.report("zh", tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        f"{shown(file)}: 'b c' isn't translated",
        f"{shown(file)}: 1 of 2 translated",
    ]
    catalog(tmp_path, ("a", "甲"), ("b c", "`a`"))
    assert not catalogs.report("zh", tmp_path)
    assert "layers.po: other code: b c" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("entries", "status"),
    [([("a", "甲")], 0), ([("a", "")], 1), ([("a", "`甲`")], 1)],
)
def test_command_fails_if_something_is_left(
    tmp_path, monkeypatch, entries, status
):
    catalog(tmp_path, *entries)
    monkeypatch.setattr(catalogs, "languages", lambda: ["zh"])
    monkeypatch.setattr(catalogs, "FOLDERS", (tmp_path,))
    assert catalogs.main([]) == status
    assert catalogs.main(["zh"]) == status
    assert catalogs.main(["xx"]) == 2


# What becomes of translations


def entries(folder, name="layers"):
    """What a catalog says, with a mark where it is fuzzy."""
    file = folder / "zh/LC_MESSAGES" / f"{name}.po"
    return {
        m.id: f"{m.string}{'?' * m.fuzzy}" for m in catalogs.read(file) if m.id
    }


def update(folder, **wanted):
    by_name = {k: [Wanted(text) for text in v] for k, v in wanted.items()}
    catalogs.update("zh", by_name, folder)


LONG = "The layer is in training, and its memory moves."
OTHER = "The layer is in training, and its memories move."


def test_translation_stays_where_the_sentence_does(tmp_path):
    catalog(tmp_path, ("a", "甲"), ("b", ""))
    update(tmp_path, layers=["c", "a", "b"])
    assert entries(tmp_path) == {"c": "", "a": "甲", "b": ""}


def test_translation_of_a_changed_sentence_is_fuzzy_until_it_is_looked_at(
    tmp_path,
):
    file = catalog(tmp_path, (LONG, "这一层在训练。"))
    for _ in range(2):  # it stays so
        update(tmp_path, layers=[OTHER])
        assert entries(tmp_path) == {OTHER: "这一层在训练。?"}
        (line,) = catalogs.to_do("zh", tmp_path)
        assert line == f"{shown(file)}: {OTHER!r} is translated from {LONG!r}"
    catalogs.compile_all("zh", tmp_path)
    assert catalogs.translated(catalogs.read(file.with_suffix(".mo"))) == {}
    text = file.read_text("utf-8")
    file.write_text(text.replace("#, fuzzy\n", ""), "utf-8")
    update(tmp_path, layers=[OTHER])
    assert LONG not in file.read_text("utf-8")
    assert catalogs.report("zh", tmp_path)


def test_sentence_that_is_still_said_lends_nothing(tmp_path):
    catalog(tmp_path, (LONG, "这一层在训练。"))
    update(tmp_path, layers=[LONG, OTHER])
    assert entries(tmp_path) == {LONG: "这一层在训练。", OTHER: ""}


def test_translation_follows_its_sentence_to_another_catalog(tmp_path):
    catalog(tmp_path, ("a", "甲"))
    update(tmp_path, layers=[], shared=["a"])
    assert entries(tmp_path) == {}
    assert entries(tmp_path, "shared") == {"a": "甲"}


def test_translation_that_is_not_needed_is_kept_and_found_again(tmp_path):
    file = catalog(tmp_path, ("a", "甲"))
    for _ in range(2):
        update(tmp_path, layers=["quite another"])
        assert '#~ msgid "a"\n#~ msgstr "甲"' in file.read_text("utf-8")
    update(tmp_path, layers=["a"])
    assert entries(tmp_path) == {"a": "甲"}
    assert "#~" not in file.read_text("utf-8")


def test_update_changes_nothing_the_second_time(tmp_path):
    file = catalog(tmp_path, ("a", "甲"))
    text = file.read_text("utf-8")
    file.write_text(f"# By a translator.\n{text}\n\n# Sure?\n", "utf-8")
    wanted = [Wanted("68% of it", ("1.1 A: hint",)), Wanted("a")]
    texts = []
    for _ in range(2):
        catalogs.update("zh", {"layers": wanted}, tmp_path)
        texts.append(file.read_text("utf-8"))
    assert texts[0] == texts[1]
    assert texts[0].startswith("# By a translator.\n")
    assert '#. 1.1 A: hint\nmsgid "68% of it"\nmsgstr ""\n' in texts[0]


def test_third_language_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(_language, "LOCALE", tmp_path)
    words = {
        "solved": "solvita",
        "It was verified that": "Pruvite",
        "{number} {title}: {state}": "{number}, {title} - {state}",
    }
    catalogs.update("eo", {"shared": [*map(Wanted, words)]}, tmp_path)
    (file,) = catalogs.files("eo", tmp_path)
    text = file.read_text("utf-8")
    for sentence, said in words.items():
        empty = f'msgid "{sentence}"\nmsgstr ""'
        text = text.replace(empty, empty.replace('""', f'"{said}"'))
    file.write_text(text, "utf-8")
    assert catalogs.report("eo", tmp_path)
    report = Report("1.1 A", State.SOLVED, ("one",))
    monkeypatch.setenv("D2L_LANGUAGE", "eo")
    _language._catalog.cache_clear()
    _language._languages.cache_clear()
    try:
        assert repr(report) == "✓ 1.1, A - solvita\n  Pruvite\n  - one"
    finally:
        _language._catalog.cache_clear()
        _language._languages.cache_clear()
