"""Alter each stored output in many ways, and see that the tests notice.

A pytest plugin: `pytest -p nbval_strict.sabotage --nbval NOTEBOOK...`, with
`-n` in several processes. Each cell runs once, in a real kernel, and what it
shows is kept. Then the same test judges that again and again, each time with
one stored output altered. The exit status is 1 if it passes one time.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_output
from nbval.plugin import NbCellError

from nbval_strict.comparison import ROUNDED, significant_digits, text_of
from nbval_strict.page import StrictCell

pytest_plugins = ["nbval_strict"]

NUMBER = re.compile(r"(?P<digits>\d+(?P<point>\.\d*)?)(e[+-]?\d+)?")
DTYPE = re.compile(r"torch\.(bool|b?(float|u?int|complex)\d+)")
TENSOR = re.compile(r"tensor\((?P<value>\[[^()]*\]|[^][(),]+)[^()]*\)")
SHAPE = re.compile(r"torch\.Size\(\[|\((?=\d+,)")


NAME = "sabotage"


class Alteration(NamedTuple):
    """The stored outputs of a cell, one of them altered."""

    kind: str
    before: str
    after: str
    outputs: list[NotebookNode]


def altered_texts(text: str) -> Iterator[tuple[str, str]]:
    """What a text may become: the kind of each alteration, and its result.

    A float's last digit may differ by one between machines, if it has many.
    Then it stays here; else it differs by one, and by five where it is also
    the leading one.
    """

    def replaced(start: int, end: int, new: str) -> str:
        return text[:start] + new + text[end:]

    numbers = list(NUMBER.finditer(text))
    for number in numbers:
        start, end = number.span()
        for i in sorted(_places(number)):
            yield "digit", replaced(i, i + 1, _other(text[i]))
        last = number.end("digits") - 1
        few = significant_digits(number["digits"]) < ROUNDED
        if number["point"] and few and text[last] != ".":
            up = str((int(text[last]) + 1) % 10)
            yield "last place", replaced(last, last + 1, up)
        if number[3]:
            yield "exponent", replaced(end - 1, end, _other(text[end - 1]))
        before = text[start - 1 : start]
        if not float(number[0]):
            continue  # two zeros are equal, whatever their signs
        if before == "-":
            yield "sign", replaced(start - 1, start, "")
        elif not re.match(r"[\w.]", before):
            yield "sign", replaced(start, start, "-")
    for shape in SHAPE.finditer(text):
        yield "shape", replaced(shape.end(), shape.end(), "1, ")
    for tensor in TENSOR.finditer(text):
        yield "shape", replaced(*tensor.span("value"), f"[{tensor['value']}]")
        if "dtype" not in tensor[0]:
            end = tensor.end() - 1
            yield "dtype", replaced(end, end, ", dtype=torch.int8")
    for dtype in DTYPE.finditer(text):
        other = "int8" if dtype[1] != "int8" else "bool"
        yield "dtype", replaced(*dtype.span(1), other)
    exponents = {i for n in numbers for i in range(*n.span())}
    for word in re.finditer(r"[^\W\d_]+", text):
        if word.start() not in exponents:
            yield "word", replaced(word.start(), word.start(), word[0][0])
    lines = text.splitlines(keepends=True)
    for i, line in enumerate(lines):
        if line.strip() and len(lines) > 1:
            yield "dropped line", "".join(lines[:i] + lines[i + 1 :])
        # Not with an empty one: how many there are in a row may differ.
        following = "".join(lines[i + 1 : i + 2])
        if "" != line.strip() != following.strip() != "":
            swapped = [*lines[:i], *lines[i + 1 : i + 2], line]
            yield "swapped lines", "".join(swapped + lines[i + 2 :])
    yield "added line", text.rstrip("\n") + "\nOne line more\n"


def _other(digit: str) -> str:
    """A digit that is further from this one than by one, also from 9 to 0."""
    return str((int(digit) + 5) % 10)


def _places(number: re.Match) -> set[int]:
    """Where the digits of a number are that are to be altered."""
    start = number.start()
    digits = [i for i, c in enumerate(number["digits"], start) if c != "."]
    text = number.string
    while len(digits) > 1 and text[digits[0]] == "0":
        # The leading digit of 0.0012 is the 1, and that of 0.00 is a 0.
        digits = digits[1:]
    places = {digits[0]}
    if len(digits) > 2:
        # The sixth digit of a float may differ, as far as the tolerance goes.
        most = len(digits) if number["point"] is None else 4
        places.add(digits[min(len(digits) // 2, most)])
    if number["point"] is None and not number[3]:
        places.add(digits[-1])
    return places


def alterations(outputs: list[NotebookNode]) -> Iterator[Alteration]:
    """The stored outputs of a cell, altered one at a time."""
    for i, output in enumerate(outputs):
        for kind, before, after, instead in _altered(output):
            altered = [*outputs[:i], *instead, *outputs[i + 1 :]]
            yield Alteration(kind, before, after, altered)
        if outputs[i + 1 : i + 2] not in ([], [output]):
            order = [outputs[i + 1], output]
            altered = [*outputs[:i], *order, *outputs[i + 2 :]]
            names = [o.output_type for o in order]
            yield Alteration("swapped outputs", *names, altered)
    more = new_output("stream", name="stdout", text="More\n")
    yield Alteration("added output", "", "More", [*outputs, more])


def _altered(output: NotebookNode) -> Iterator[tuple[str, str, str, list]]:
    """What may stand in place of an output, after its kind and two texts."""
    name = output.output_type
    yield "removed output", name, "", []
    yield "repeated output", name, f"{name}, twice", [output, output]
    for other in _other_kinds(output):
        yield "kind of output", name, other.output_type, [other]
    if name == "error":
        said = f"{output.ename}: {output.evalue}"
        for kind, ename, evalue in _altered_errors(output):
            new = f"{ename}: {evalue}"
            changes = {"ename": ename, "evalue": evalue, "traceback": [new]}
            yield kind, said, new, [from_dict({**output, **changes})]
        new = "Other: error"
        altered = from_dict({**output, "traceback": [new]})
        yield "traceback", said, new, [altered]
    elif name == "stream":
        for kind, text in altered_texts(output.text):
            altered = from_dict({**output, "text": text})
            yield kind, output.text, text, [altered]
    for key, value in output.get("data", {}).items():
        if key.startswith("image/"):
            others = {k: v for k, v in output.data.items() if k != key}
            altered = from_dict({**output, "data": others})
            yield "removed figure", key, "", [altered]
            data = {**output.data, key: ""}
            altered = from_dict({**output, "data": data})
            yield "empty figure", key, "", [altered]
        else:
            value = text_of(key, value)
            for kind, text in altered_texts(value):
                data = {**output.data, key: text}
                altered = from_dict({**output, "data": data})
                yield kind, value, text, [altered]


def _altered_errors(output: NotebookNode) -> Iterator[tuple[str, str, str]]:
    """Kind, type and message of other errors."""
    yield "error type", "Other" + output.ename, output.evalue
    yield "error message", output.ename, ""
    for _, evalue in altered_texts(output.evalue):
        yield "error message", output.ename, evalue


def _other_kinds(output: NotebookNode) -> Iterator[NotebookNode]:
    """The same text, shown in another way."""
    if output.output_type == "stream":
        yield new_output("display_data", {"text/plain": output.text})
        yield from_dict({**output, "name": "stderr"})
        return
    if output.output_type == "error":
        text = f"{output.ename}: {output.evalue}\n"
    else:
        text = output.data.get("text/plain", "")
        kinds = {"display_data", "execute_result"} - {output.output_type}
        yield from_dict({**output, "output_type": kinds.pop()})
    yield new_output("stream", name="stdout", text=text)


class Sabotage:
    """Runs the cells, and counts."""

    def __init__(self) -> None:
        self.cells: Counter[str] = Counter()
        self.tried: Counter[tuple[str, str]] = Counter()
        self.unnoticed: list[tuple[str, str, Alteration]] = []
        self.not_compared: list[tuple[str, str]] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        if not isinstance(item, StrictCell):
            return (yield)
        result = yield
        page = item.path.stem
        self.cells[page] += 1
        if not item.options["check"]:
            self.not_compared.append((page, item.name))
            return result
        if not passes(item, item.cell.outputs):
            raise AssertionError("judged again, the cell fails")
        for alteration in alterations(item.cell.outputs):
            self.tried[page, alteration.kind] += 1
            if passes(item, alteration.outputs):
                self.unnoticed.append((page, item.name, alteration))
        return result

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Take what a worker has counted."""
        found = getattr(node, "workeroutput", {}).get(NAME)
        if not found:  # it has died, and pytest-xdist says so
            return
        self.cells.update(found["cells"])
        self.tried.update({tuple(key): n for key, n in found["tried"]})
        self.not_compared += map(tuple, found["not compared"])
        self.unnoticed += [
            (page, cell, Alteration(*texts, []))
            for page, cell, texts in found["unnoticed"]
        ]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workerinput"):
            session.config.workeroutput[NAME] = {
                "cells": dict(self.cells),
                "tried": list(self.tried.items()),
                "not compared": self.not_compared,
                "unnoticed": [
                    (page, cell, altered[:3])
                    for page, cell, altered in self.unnoticed
                ],
            }
        if self.unnoticed:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        write = terminalreporter.write_line
        terminalreporter.section("sabotage of stored outputs")
        for line in self.table():
            write(line)
        total = self.cells.total()
        write(f"\nnot compared: {len(self.not_compared)} of {total} cells")
        for page, cell in sorted(self.not_compared, key=_page):
            write(f"  {page}, {cell}")
        write(f"unnoticed: {len(self.unnoticed)} of {self.tried.total()}")
        for page, cell, altered in sorted(self.unnoticed, key=_page):
            kind, before, after, _ = altered
            write(f"  {page}, {cell}, {kind}: {before!r} -> {after!r}")

    def table(self) -> Iterator[str]:
        """A line for each kind of alteration, a column for each page."""
        unnoticed = Counter((c, a.kind) for c, _, a in self.unnoticed)
        pages = sorted(self.cells)
        rows = {"code cells": [self.cells[c] for c in pages]}
        for kind in dict.fromkeys(kind for _, kind in self.tried):
            rows[kind] = [self.tried[c, kind] for c in pages]
        for name, counter in (
            ("alterations", self.tried),
            ("unnoticed", unnoticed),
        ):
            sums = Counter()
            for (page, _), count in counter.items():
                sums[page] += count
            rows[name] = [sums[c] for c in pages]
        skipped = Counter(c for c, _ in self.not_compared)
        rows["cells not compared"] = [skipped[c] for c in pages]
        names = [c.split("_")[0] for c in pages]
        yield f"| |{'|'.join(names)}|all|"
        yield "|---" * (len(names) + 2) + "|"
        for name, counts in rows.items():
            yield f"|{name}|{'|'.join(map(str, [*counts, sum(counts)]))}|"


def _page(found: tuple) -> str:
    """By what workers' findings are put in order, which else stay so."""
    return found[0]


def passes(item: StrictCell, outputs: list[NotebookNode]) -> bool:
    """Whether a cell that has run passes with other stored outputs.

    Args:
        item (StrictCell): the test of the cell.
        outputs (list): what is to be stored in place of its outputs.
    """
    cell = item.cell
    item.cell = NotebookNode({**cell, "outputs": copy.deepcopy(outputs)})
    try:
        item.runtest()
    except NbCellError:
        return False
    finally:
        item.cell = cell
        item.parent.failed = None
    return True


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Sabotage(), NAME)
