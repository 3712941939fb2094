"""What an answer has no use for, unless it is to deceive its check.

Answer and check run in one process, where whoever sets out to can change all.
So an answer that passes, and uses what stands here, is left to a teacher. It
is a list, and can be got round: no proof that an answer is honest.
"""

from __future__ import annotations

import ast
import warnings

from IPython.core.inputtransformer2 import TransformerManager

# By which Python, IPython or the check itself can be changed.
MODULES = {
    "IPython", "_thread", "ast", "atexit", "builtins", "ctypes",
    "dataclasses", "dis", "enum", "gc", "importlib", "inspect", "ipykernel",
    "linecache", "marshal", "multiprocessing", "pkgutil", "runpy", "signal",
    "site", "subprocess", "threading", "traceback", "types", "unittest",
    "zmq",
}  # fmt: skip
NAMES = {
    "__builtins__", "__import__", "compile", "delattr", "display", "eval",
    "exec", "get_ipython", "globals", "locals", "setattr",
}  # fmt: skip
# Of sys.
ATTRIBUTES = {
    "_current_frames", "_getframe", "meta_path", "modules", "monitoring",
    "path_hooks", "path_importer_cache", "setprofile", "settrace",
}  # fmt: skip
IMPORTED = {"F", "check", "d2l_helpers", "functools", "math", "nn", "torch"}
# What an answer's own classes may define, and may ask for.
SPECIAL = {
    "__call__", "__class__", "__contains__", "__doc__", "__enter__",
    "__exit__", "__getitem__", "__init__", "__iter__", "__len__", "__name__",
    "__next__", "__post_init__", "__repr__", "__setitem__", "__version__",
}  # fmt: skip
# Magics that run Python, and those that change nothing here.
TIMED = {"capture", "prun", "time", "timeit"}
HARMLESS = {"bash", "cd", "ls", "matplotlib", "pinfo", "pinfo2", "pip", "pwd"}
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
        names = {alias.name for alias in node.names}
        self.names |= {n for n in names if n.partition(".")[0] in MODULES}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        names = {alias.name for alias in node.names}
        if module.partition(".")[0] in MODULES:
            self.names.add(module)
        self.names |= names & (MODULES | NAMES | ATTRIBUTES)
        self.names |= {"*"} & names if module == "sys" else set()

    def visit_Call(self, node: ast.Call) -> None:
        magic = _magic(node)
        if magic is None:
            function = node.func
            if isinstance(function, ast.Attribute) and (
                function.attr == "modules"  # of a network, not of sys
            ):
                function.attr = "children"
            if _sets_own(node):
                node.func.id = "getattr"
            return self.generic_visit(node)
        kind, *arguments = magic
        if kind in TIMED:
            self.names |= reaches(arguments[-1]) if arguments else set()
        elif kind not in HARMLESS:
            self.names.add(f"%{kind}")
        return None

    def visit_Name(self, node: ast.Name) -> None:
        if node.id != "display" or not isinstance(node.ctx, ast.Load):
            self.names |= {node.id} & NAMES

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.names |= _special(node.name) | ({node.name} & NAMES)
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.names |= {node.name} & NAMES
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.names |= _special(node.attr) | ({node.attr} & ATTRIBUTES)
        if not isinstance(node.ctx, ast.Load):  # `torch.allclose = ...`
            root = node.value
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and root.id in self.imported:
                self.names.add(ast.unparse(node))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if REPORT in str(node.value):
            self.names.add(REPORT)


def _sets_own(node: ast.Call) -> bool:
    """Whether it is ``setattr(self, ...)``, as modules are registered."""
    return (
        isinstance(node.func, ast.Name)
        and node.func.id == "setattr"
        and bool(node.args)
        and isinstance(node.args[0], ast.Name)
        and node.args[0].id == "self"
    )


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
    if name.startswith("__") and name.endswith("__"):
        return {name} - SPECIAL
    return set()
