"""The rooms of the house: no circles, and imports go only where they may."""

import pytest

from tests import house
from tools.environment import ROOT

# By room, the rooms from which it may import. Nothing imports tests.
MAY = {
    "d2l_helpers": set(),
    "d2l_reader": set(),
    "nbval_strict": set(),
    "tools": {"d2l_helpers", "nbval_strict"},
    "site": {"d2l_helpers", "tools"},
    "make": {"tools"},
    "noxfile": set(),
    "benchmarks": {"d2l_helpers", "nbval_strict", "tools"},
    "deploy": {"nbval_strict"},
    "conftest": {"tools"},
    "tests": {"d2l_helpers", "d2l_reader", "nbval_strict", "tools", "make"},
}


@pytest.fixture(scope="module")
def ours():
    """Which modules of this project each of them imports."""
    return house.imports(house.modules(ROOT, MAY))


def test_every_room_is_known():
    found = {file.stem for file in ROOT.glob("*.py")}
    found |= {file.parent.name for file in ROOT.glob("*/__init__.py")}
    assert found | {"benchmarks", "deploy", "site"} == set(MAY)


def test_no_modules_import_each_other(ours):
    assert house.circle(ours) == []


def test_rooms_import_only_what_they_may(ours):
    assert house.circle(MAY) == []
    for room, others in house.between(ours).items():
        assert others <= MAY[room], room


def test_a_command_is_imported_by_no_other_tool(ours):
    tools = house.modules(ROOT, ["tools"])
    commands = {
        name
        for name, file in tools.items()
        if '__name__ == "__main__"' in file.read_text("utf-8")
    }
    assert {"tools.book", "tools.site", "tools.exercises"} <= commands
    for name in tools:
        assert not ours[name] & commands, name


# The measure itself


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"a/x.py": "import a.y", "a/y.py": ""}, {"a.x": {"a.y"}}),
        ({"a/x.py": "from a import y", "a/y.py": ""}, {"a.x": {"a.y"}}),
        ({"a/x.py": "from a.y import f", "a/y.py": ""}, {"a.x": {"a.y"}}),
        ({"a/x.py": "from .y import f", "a/y.py": ""}, {"a.x": {"a.y"}}),
        ({"a/x.py": "from . import y", "a/y.py": ""}, {"a.x": {"a.y"}}),
        (
            {"a/__init__.py": "from .b import f", "a/b.py": ""},
            {"a": {"a.b"}},
        ),
        (
            {"a/b/x.py": "from ..y import f", "a/y.py": ""},
            {"a.b.x": {"a.y"}},
        ),
        (
            {"a/x.py": "def f():\n    from b import y", "b/y.py": ""},
            {"a.x": {"b.y"}},
        ),
        ({"a/x.py": "import os.path, torch", "a/y.py": ""}, {}),
        ({"b.py": "import a.x", "a/x.py": ""}, {"b": {"a.x"}}),
    ],
)
def test_import_is_found(tmp_path, files, found):
    write(tmp_path, files)
    read = house.imports(house.modules(tmp_path, ["a", "b"]))
    assert {name: others for name, others in read.items() if others} == found


def test_circle_is_found(tmp_path):
    files = {
        "a/x.py": "import b.y",
        "b/y.py": "def f():\n    from a import z",
        "a/z.py": "from a.x import f",
    }
    write(tmp_path, files)
    read = house.imports(house.modules(tmp_path, ["a", "b"]))
    assert set(house.circle(read)) == {"a.x", "b.y", "a.z"}
    assert house.between(read) == {"a": {"b"}, "b": {"a"}}
