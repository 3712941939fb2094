"""What is a sign of a cheat, and that no honest answer is one."""

import pytest
from nbformat.v4 import new_notebook

from tests.grading.hostile import HOSTILE
from tests.test_assignment import CHEATS
from tools import assignment
from tools.grading.course import usual_in
from tools.grading.reach import reaches
from tools.page import chapters

# Ways to deceive a check: many of them gave a wrong answer full points.
DECEIVED = {
    "path": "import sys; sys.path.insert(0, 'mine'); sys.modules.clear()",
    "package": "import d2l_helpers; d2l_helpers.__path__.insert(0, 'mine')",
    "finder": "import sys; sys.meta_path.insert(0, Finder())",
    "loader": """
import importlib.machinery as m
m.SourceFileLoader.get_data = lambda self, path: b""
""",
    "import": "import builtins; builtins.__import__ = print",
    "thread": "from threading import Thread; Thread(target=print).start()",
    "trace": "import sys; sys.settrace(print)",
    "profile": "import sys; sys.setprofile(print)",
    "wraps": "import functools; functools.wraps = print",
    "report": "import dataclasses; dataclasses.dataclass = print",
    "frames": """
import sys
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        sys._getframe(1).f_globals["holds"] = print
""",
    "while-checked": """
from sys import modules
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        modules["d2l_helpers.check._exercise"]._details = print
""",
    "forged": "display({'application/vnd.d2l.report+json': {}}, raw=True)",
    "magic": "%run mine.py",
    "timed": "%time exec('1')",
    "timed-cell": "%%time\nexec('1')",
    "beside-help": "torch.allclose?\nget_ipython().ast_transformers.append(T)",
    "equal-to-all": """
class Yes(float):
    def __eq__(self, other): return True
""",
    "equal-by-a-name": "class Yes(float): __eq__ = lambda self, x: True",
    "equal-by-a-text": "Yes = type('Yes', (float,), {'__eq__': f})",
    "pickled": "import pickle; pickle.loads(b'cbuiltins\\nexec\\n.')",
    "timed-text": "from timeit import timeit; timeit('exec(x)', number=1)",
    "doctest": "import doctest; doctest.run_docstring_examples(f, {})",
    "builtins": "vars(nn)['__builtins__']['exec']('1')",
    "names-of-a-module": "vars(d2l_helpers.check.layers)['holds'] = print",
    "set": "setattr(torch.Tensor, 'sum', print)",
    "set-by-its-method": "type.__setattr__(nn.Linear, 'forward', print)",
    "set-by-its-own": "torch.__setattr__('allclose', print)",
    "collector": "import gc; gc.get_referrers(1)",
    "collector-renamed": "import gc as g; g.get_referrers(1)",
    "collector-passed": "f = getattr(gc, 'get_' + 'objects')",
    "too-deep": "-" * 10**5 + "1",
}


@pytest.mark.parametrize("name", DECEIVED)
def test_way_to_deceive_a_check_is_a_sign(name):
    assert reaches(DECEIVED[name])


@pytest.mark.parametrize("name", CHEATS)
def test_older_cheats_are_signs(name):
    assert reaches(CHEATS[name])


@pytest.mark.parametrize(
    "code",
    [
        "import sys; print(sys.version, sys.getsizeof(1))",
        "%timeit torch.ones(3)",
        "!ls",
        "%matplotlib inline",
        "torch.allclose?",
        "for name, child in net.named_modules(): display(child)",
        "list(net.modules())",
        "def f(self, i): setattr(self, f'layer{i}', nn.Linear(2, 2))",
        "setattr(net, name, nn.Identity()); delattr(net.head, 'bias')",
        "from dataclasses import dataclass\nfrom enum import Enum",
        "from types import SimpleNamespace; config = SimpleNamespace(a=1)",
        "from IPython.display import Markdown, display; display(X)",
        "from IPython import display; display.clear_output(wait=True)",
        "import gc; del net; gc.collect()",
        "import inspect; print(inspect.signature(nn.Linear.forward))",
        "torch.backends.cudnn.deterministic = True",
        "isinstance(m, nn.modules.batchnorm._BatchNorm)",
        "class Net(nn.Module):\n    def eval(self): return self.train(False)",
        "class V:\n    def __add__(self, other): return V()",
        "class M:\n    def __setattr__(self, k, v): self.__dict__[k] = v\n"
        "    def f(self): object.__setattr__(self, 'n', 1)",
        "act = globals()['nn'].ReLU(); print(type(net).__module__)",
        "from torch.profiler import profile",
        "timeit.timeit(lambda: net(X), number=3)",
        "%who\n%precision 3\n!ls",
        "if __name__ == '__main__': print(__file__)",
        "this isn't Python",
        "net.weight = nn.Parameter(torch.ones(2)); net.bias.data[0] = 1",
        HOSTILE["loop"][0],
    ],
)
def test_honest_code_is_none(code):
    assert reaches(code) == set()


@pytest.mark.parametrize("chapter", chapters(), ids=lambda page: page.stem)
def test_no_solution_is_a_sign(chapter):
    notebook = assignment.notebook_of(chapter)
    handed_out = [c for c in notebook.cells if c.id.startswith("imports-")]
    usual = usual_in(new_notebook(cells=handed_out))
    assert usual_in(notebook) == usual
