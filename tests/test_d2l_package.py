"""The book's package, each state of it in a fresh Python."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import d2l_helpers
from d2l_helpers import d2l_package
from nbval_strict.fresh import fresh_python

ROOT = Path(__file__).resolve().parents[1]

# Goes before each snippet: `hide("name")` makes packages as good as not
# installed, wherever the machine has them.
HIDE = '''
import sys


class Without:
    """A finder that doesn't know some packages."""

    def __init__(self, finder, names):
        self.finder, self.names = finder, names

    def find_spec(self, name, *args):
        if name.partition(".")[0] in self.names:
            return None
        return self.finder.find_spec(name, *args)

    def __getattr__(self, name):
        return getattr(self.finder, name)


def hide(*names):
    sys.meta_path[:] = [Without(finder, names) for finder in sys.meta_path]


def catch(function, *args):
    try:
        function(*args)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def torchvision_modules():
    return [name for name in sys.modules if "torchvision" in name.lower()]
'''


def write(root, files):
    """Write a package from paths to sources."""
    for path, source in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)


@pytest.fixture
def variables(tmp_path):
    """With them, the packages in tmp_path come before all others."""
    return {
        "PYTHONPATH": os.pathsep.join(map(str, [tmp_path, ROOT])),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "Agg",
    }


@pytest.fixture
def python(tmp_path, variables):
    """Run a Python that has imported nothing."""

    def run(*args):
        return subprocess.run(
            [sys.executable, *args],
            cwd=tmp_path,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def check(tmp_path, variables):
    """Run a snippet of assertions, where torch has been imported."""

    def run(code):
        done = fresh_python(HIDE + code, env=variables, cwd=tmp_path)
        assert done.returncode == 0, done.stderr

    return run


def test_missing_d2l_says_what_to_run(check):
    check("""
hide("d2l")
import d2l_helpers

assert d2l_helpers.MLP().hidden.in_features == 20

for _ in range(2):
    try:
        from d2l_helpers import d2l
    except ModuleNotFoundError as error:
        assert error.name == "d2l"
        assert error.__suppress_context__
        assert str(error) == (
            "The book's package d2l is not installed. In a checkout, run "
            "`make setup`; elsewhere, run `python -m pip install --no-deps "
            "d2l==1.0.3` (its pinned dependencies don't install on current "
            "Python)."
        )
    else:
        raise AssertionError("d2l was found")
""")


def test_missing_dependency_of_d2l_keeps_its_name(check, tmp_path):
    write(tmp_path / "other" / "d2l", {"__init__.py": "import no_such"})
    check("""
hide("pandas", "torchvision")
import d2l_helpers

sys.path.insert(0, "other")
assert catch(getattr, d2l_helpers, "d2l").name == "no_such"
sys.path.remove("other")

error = catch(getattr, d2l_helpers, "d2l")
assert type(error) is ModuleNotFoundError
assert error.name == "pandas"
assert str(error) == "No module named 'pandas'"
assert not torchvision_modules()
""")


def test_missing_torchvision_stops_only_image_data(check):
    check("""
hide("torchvision")
import importlib.util

import torch
from d2l_helpers import d2l
import d2l_helpers

assert d2l.__name__ == "d2l.torch"
assert d2l_helpers.d2l is d2l is sys.modules["d2l.torch"]
assert d2l.try_gpu().type in ("cpu", "cuda")

# Nobody else takes ours for the real one.
assert not torchvision_modules()
assert importlib.util.find_spec("torchvision") is None
assert type(catch(__import__, "torchvision")) is ModuleNotFoundError

error = catch(d2l.FashionMNIST)
assert type(error) is ImportError
assert str(error) == (
    "This part of d2l needs torchvision, which can't be imported here "
    "(No module named 'torchvision'). Install the torchvision release that "
    f"matches torch {torch.__version__}, and restart Python."
)
assert isinstance(error.__cause__, ModuleNotFoundError)
for use in (
    lambda: d2l.torchvision.datasets.FashionMNIST,
    lambda: d2l.torchvision.transforms.Normalize,
    lambda: d2l.transforms.Compose,
):
    assert type(catch(use)) is ImportError
assert not torchvision_modules()
""")


def test_mismatched_torchvision_stops_only_image_data(check, tmp_path):
    write(
        tmp_path / "torchvision",
        {
            "__init__.py": "import sys\n"
            "sys.num_tries = getattr(sys, 'num_tries', 0) + 1\n"
            "from torchvision import extension, ops",
            "extension.py": "import torchvision.part.inner",
            "part/__init__.py": "",
            "part/inner.py": "",
            "ops.py": "raise RuntimeError("
            "'operator torchvision::nms does not exist')",
        },
    )
    check("""
import torch
import d2l_helpers
from d2l_helpers import d2l

assert d2l.try_gpu().type in ("cpu", "cuda")
assert not torchvision_modules()

error = catch(d2l.FashionMNIST)
assert type(error) is ImportError
assert d2l_helpers.d2l is d2l
assert sys.num_tries == 1
assert "(operator torchvision::nms does not exist)" in str(error)
assert f"matches torch {torch.__version__}," in str(error)
assert isinstance(error.__cause__, RuntimeError)
assert not torchvision_modules()

# Others still get the error of the real one.
assert "nms" in str(catch(__import__, "torchvision"))
""")


def test_good_torchvision_is_the_one_that_d2l_uses(check, tmp_path):
    write(
        tmp_path / "torchvision",
        {
            "__init__.py": "from . import datasets, transforms",
            "datasets.py": "class FashionMNIST:\n"
            "    def __init__(self, **kwargs):\n"
            "        self.kwargs = kwargs\n",
            "transforms.py": "Compose = list\nResize = str\nToTensor = str\n",
        },
    )
    check("""
from d2l_helpers import d2l
import torchvision

assert torchvision.__file__
assert d2l.torchvision is sys.modules["torchvision"] is torchvision
assert d2l.transforms is torchvision.transforms
assert isinstance(d2l.FashionMNIST().train, torchvision.datasets.FashionMNIST)

import d2l_helpers

assert d2l_helpers.d2l is d2l
""")


def test_torchvision_that_was_blocked_stays_blocked(check, tmp_path):
    write(
        tmp_path / "d2l",
        {
            "__init__.py": "",
            "torch.py": "from torchvision import transforms",
        },
    )
    check("""
sys.modules["torchvision"] = None
from d2l_helpers import d2l

assert "needs torchvision" in str(catch(getattr, d2l.transforms, "Compose"))
assert sys.modules["torchvision"] is None
""")


INSTALL = """
import sys
from d2l_helpers import d2l_package

sys.exit(d2l_package.install())
"""


@pytest.mark.parametrize(
    "arguments",
    [("-m", "d2l_helpers.d2l_package"), ("-c", INSTALL)],
    ids=["command", "function"],
)
def test_door_installs_d2l_without_its_pins(python, tmp_path, arguments):
    write(
        tmp_path / "pip",
        {
            "__init__.py": "",
            "__main__.py": "import sys\nprint(*sys.argv[1:])\nsys.exit(3)",
        },
    )
    done = python(*arguments)
    assert done.stdout.split() == [
        "install",
        "--no-deps",
        d2l_package.REQUIREMENT,
    ]
    assert done.returncode == 3


def test_import_loads_nothing_that_torch_has_not_loaded(python):
    code = """
import sys
import torch

before = set(sys.modules)
import d2l_helpers

loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
assert loaded - sys.stdlib_module_names == {"d2l_helpers"}, loaded
assert "d2l_helpers.d2l_package" not in sys.modules
"""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr


def test_requirement_is_the_one_that_was_tested():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line.partition("==")[0] == "d2l"]
    assert pins == [d2l_package.REQUIREMENT]


def test_figures_of_d2l_have_the_style_of_the_chapters():
    assert d2l_helpers.d2l.use_svg_display is d2l_helpers.use_style


def test_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match=r"'d2l_helpers' .* 'nonsense'"):
        _ = d2l_helpers.nonsense
    assert not hasattr(d2l_helpers, "D2L")


def test_stand_in_has_no_special_names():
    # doctest, copy and inspect ask any object for some.
    stand_in = d2l_package._MissingTorchvision(ImportError("reason"))
    assert stand_in.__name__ == "torchvision"
    with pytest.raises(AttributeError, match=r"^__wrapped__$"):
        _ = stand_in.__wrapped__
    with pytest.raises(ImportError, match="needs torchvision"):
        _ = stand_in.datasets
