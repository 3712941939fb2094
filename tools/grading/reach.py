"""What an answer has no use for, unless it is to deceive its check.

Answer and check run in one process, where whoever sets out to can change all.
So an answer that passes, and uses what stands here, is left to a teacher. It
is a list, and can be got round: no proof that an answer is honest.
"""

from __future__ import annotations

import ast
import re
import warnings

from IPython.core.inputtransformer2 import TransformerManager

# By which Python, IPython or the check itself can be changed, or by which
# code runs that isn't in sight.
MODULES = {
    "IPython", "_thread", "ast", "atexit", "builtins", "cProfile",
    "ctypes", "dill", "dis", "doctest", "gc", "importlib", "inspect",
    "ipykernel", "linecache", "marshal", "multiprocessing", "pickle",
    "pkgutil", "runpy", "signal", "site", "subprocess", "threading",
    "traceback", "unittest", "zmq",
}  # fmt: skip
# What of them does no more than it says.
HARMLESS_OF = {
    "IPython": {"display"},
    "IPython.display": {
        "HTML", "Image", "Markdown", "clear_output", "display",
    },
    "gc": {"collect", "disable", "enable", "get_count"},
    "inspect": {"getsource", "isclass", "isfunction", "signature"},
}  # fmt: skip
NAMES = {
    "__builtins__", "__import__", "compile", "delattr", "display", "eval",
    "exec", "get_ipython", "setattr",
}  # fmt: skip
# Of sys.
ATTRIBUTES = {
    "_current_frames", "_getframe", "meta_path", "modules", "monitoring",
    "path_hooks", "path_importer_cache", "setprofile", "settrace",
}  # fmt: skip
IMPORTED = {
    "F", "check", "contextlib", "d2l_helpers", "dataclasses", "enum",
    "functools", "gc", "inspect", "math", "nn", "np", "random", "sys",
    "torch", "types", "typing",
}  # fmt: skip
SETTINGS = "torch.backends."  # of torch, for all to set
# What an answer's own classes may define, and may ask for.
SPECIAL = {
    "__add__", "__all__", "__call__", "__class__", "__contains__",
    "__delattr__", "__dict__", "__doc__", "__enter__", "__exit__", "__file__",
    "__getattr__", "__getitem__", "__hash__", "__init__", "__iter__",
    "__len__", "__main__", "__matmul__", "__module__", "__mro__", "__mul__",
    "__name__", "__neg__", "__next__", "__post_init__", "__pow__",
    "__qualname__", "__radd__", "__repr__", "__rmul__", "__setattr__",
    "__setitem__", "__slots__", "__str__", "__sub__", "__truediv__",
    "__version__",
}  # fmt: skip
# Magics that run Python, and those that change nothing here.
TIMED = {"capture", "prun", "time", "timeit"}
HARMLESS = {
    "HTML", "bash", "cat", "cd", "conda", "html", "latex", "ls", "markdown",
    "matplotlib", "mkdir", "pinfo", "pinfo2", "pip", "precision", "pwd", "tb",
    "who", "who_ls", "whos", "xmode",
}  # fmt: skip
RUN_TEXT = {"Timer", "repeat", "timeit"}  # of the module timeit
REPORT = "vnd.d2l.report"


def reaches(source: str) -> set[str]:
    """The names in the code of a cell by which a check can be deceived."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = TransformerManager().transform_cell(source)
            tree = ast.parse(text)
        found = _Reach()
        found.imported = IMPORTED | {
            (alias.asname or alias.name).partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        }
        found.visit(tree)
    except SyntaxError:  # nor can it run
        return set()
    except Exception as error:  # nested too deep, a null byte, ...
        return {type(error).__name__}
    return found.names


class _Reach(ast.NodeVisitor):
    imported: set[str]

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            known = alias.name in HARMLESS_OF and alias.asname is None
            if alias.name.partition(".")[0] in MODULES and not known:
                self.names.add(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        names = {alias.name for alias in node.names}
        if names <= HARMLESS_OF.get(module, set()):
            return
        if module.partition(".")[0] in MODULES:
            self.names.add(module)
        self.names |= names & (MODULES | NAMES | ATTRIBUTES)
        self.names |= {"*"} & names if module == "sys" else set()

    def visit_Call(self, node: ast.Call) -> None:
        magic = _magic(node)
        if magic is not None:
            kind, *arguments = magic
            if kind in TIMED:
                self.names |= reaches(arguments[-1]) if arguments else set()
            elif kind not in HARMLESS:
                self.names.add(f"%{kind}")
            return
        function, name = node.func, _name_of(node.func)
        if name == "modules":  # of a network, not of sys
            function.attr = "children"
        elif name in ("setattr", "delattr", "vars") and node.args:
            if name != "vars" and not self._is_imported(node.args[0]):
                function.id = "getattr"
            elif self._is_imported(node.args[0]):
                self.names.add(name)
        elif name in ("__setattr__", "__delattr__"):
            targets = [function.value, *node.args[:1]]
            if any(map(self._is_imported, targets)):
                self.names.add(name)
        elif name in RUN_TEXT:
            for argument in node.args:
                if isinstance(argument, ast.Constant):
                    self.names |= reaches(str(argument.value))
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        loaded = isinstance(node.ctx, ast.Load)
        if node.id != "display" or not loaded:
            self.names |= {node.id} & NAMES
        self.names |= _special(node.id)  # `__eq__ = ...`, in a class
        if loaded:  # not to do what it is harmless for
            self.names |= {node.id} & HARMLESS_OF.keys()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.names |= _special(node.name) | ({node.name} & NAMES)
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.names |= {node.name} & NAMES
        for part in node.body:
            if isinstance(part, ast.FunctionDef):
                # A method: `net.eval()` hides nothing of Python's.
                self.names |= _special(part.name)
                part.name = "method"
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        whole = ast.unparse(node)
        if whole not in ("nn.modules", "torch.nn.modules"):
            self.names |= {node.attr} & ATTRIBUTES
        self.names |= _special(node.attr)
        if (
            not isinstance(node.ctx, ast.Load)  # `torch.allclose = ...`
            and self._is_imported(node)
            and not whole.startswith(SETTINGS)
        ):
            self.names.add(whole)
        base = node.value
        if isinstance(base, ast.Name) and base.id in HARMLESS_OF:
            if node.attr not in HARMLESS_OF[base.id]:
                self.names.add(whole)
            return
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if REPORT in str(node.value):
            self.names.add(REPORT)
        if isinstance(node.value, str):  # `vars(nn)["__builtins__"]`
            self.names |= _special(node.value)

    def _is_imported(self, node: ast.expr) -> bool:
        """Whether it is a module that was imported, or a part of one."""
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and node.id in self.imported


def _name_of(function: ast.expr) -> str:
    """The last part of the name by which a function is called."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _magic(node: ast.Call) -> list[str] | None:
    """A line or cell of IPython's, as it is called: its name, and the rest."""
    function = node.func
    if not isinstance(function, ast.Attribute) or not (
        isinstance(function.value, ast.Call)
        and isinstance(function.value.func, ast.Name)
        and function.value.func.id == "get_ipython"
    ):
        return None
    values = [a.value for a in node.args if isinstance(a, ast.Constant)]
    if function.attr in ("system", "getoutput"):
        return ["bash"]
    if function.attr in ("run_line_magic", "run_cell_magic") and values:
        return [str(value) for value in values]
    return None


def _special(name: str) -> set[str]:
    """A name such as ``__eq__``, by which others are compared."""
    if re.fullmatch(r"__[a-z_]+__", name):
        return {name} - SPECIAL
    return set()
