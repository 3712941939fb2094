"""A class on a hub of this machine: all students at once.

Run from the root of the checkout, with the extras `class` and `hub` installed:

    python -m benchmarks.hub [N] [KERNELS ...]

It starts a hub in a temporary folder, with N students (2), once for each kind
of kernels (`ordinary`, `own`, `shared`; all of them). Each student does what a
browser does, through the hub's proxy: log in, start a server, follow the link
of nbgitpuller, open JupyterLab, open a chapter, run its first cell, then all
cells of chapters 03 and 07, whose kernels stay. All students begin each step
together. It measures the time of each step, and the memory of each student's
processes, with pages that processes share divided among them (PSS).

It ends by itself, after MOST_MINUTES for each kind or when memory runs low,
and ends all that it has started.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

import aiohttp
import nbformat
import psutil
from yarl import URL

from tools import hub
from tools.page import chapters

MOST_MINUTES = 15
LEAST_MEMORY = 2**30  # bytes that stay free on this machine
CHAPTERS = ("03", "07")
KINDS = {
    "ordinary": {"WARM": "0"},
    "own": {"WARM": "own"},
    "shared": {"WARM": "shared"},
}
PASSWORD = "0123456789"
STEPS = ("start", "link", "page", "first cell", "done")
MIB = 2**20


class Steps:
    """Where students wait until all of them have come.

    Args:
        number (int): of students.
    """

    def __init__(self, number: int) -> None:
        self.barriers = {step: asyncio.Barrier(number) for step in STEPS}

    async def __call__(self, step: str) -> float:
        """Wait for the others; return the time at which a step begins."""
        await self.barriers[step].wait()
        return time.monotonic()


@dataclass
class Student:
    """Somebody with a browser.

    Args:
        name (str): the name on the hub.
        home (str): the address of the hub.
        http (aiohttp.ClientSession): a browser's cookies, of this student.
    """

    name: str
    home: str
    http: aiohttp.ClientSession
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def server(self) -> str:
        """The address of the student's server."""
        return f"{self.home}/user/{self.name}/"

    async def text(self, method: str, address: str, **options) -> str:
        """Ask, and return what is answered, or raise if it's an error."""
        address = urljoin(self.server, address)
        async with self.http.request(method, address, **options) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise RuntimeError(
                    f"{method} {address}: {answer.status} {text}"
                )
            return text

    def xsrf(self, address: str) -> dict[str, str]:
        """What a page adds to what it sends."""
        cookies = self.http.cookie_jar.filter_cookies(URL(address))
        return {"X-XSRFToken": cookies["_xsrf"].value}

    async def events(self, address: str):
        """What an address tells, one event after another."""
        address = urljoin(self.server, address)
        async with self.http.get(address) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    async def log_in(self) -> None:
        """Fill in the form."""
        await self.text("GET", "/hub/login")
        form = {"username": self.name, "password": PASSWORD}
        form["_xsrf"] = self.xsrf(f"{self.home}/hub/")["X-XSRFToken"]
        await self.text("POST", "/hub/login?next=%2Fhub%2Fhome", data=form)

    async def start(self) -> None:
        """Start the server, and wait for it."""
        path = f"/hub/api/users/{self.name}/server"
        headers = self.xsrf(f"{self.home}/hub/")
        await self.text("POST", path, json={}, headers=headers)
        async for event in self.events(f"{path}/progress"):
            if event.get("failed"):
                raise RuntimeError(f"no server: {event}")
            if event.get("ready"):
                break

    async def follow_link(self, query: str) -> None:
        """Let nbgitpuller bring the chapters."""
        await self.text("GET", f"git-pull?{query}")  # logs in there, too
        said = []
        async for event in self.events(f"git-pull/api?{query}"):
            said.append(event)
            if event.get("phase") in ("finished", "error"):
                break
        if said[-1].get("phase") != "finished":
            raise RuntimeError(f"no chapters: {said}")

    async def open_page(self) -> None:
        """Load JupyterLab, with the scripts that its page names."""
        page = await self.text("GET", "lab")
        for part in page.split('src="')[1:]:
            await self.text("GET", part.split('"')[0])

    async def open_chapter(self, path: str) -> aiohttp.ClientWebSocketResponse:
        """Start a kernel for a notebook, and connect to it."""
        session = {
            "path": path,
            "name": Path(path).name,
            "type": "notebook",
            "kernel": {"name": "python3"},
        }
        answer = await self.text(
            "POST",
            "api/sessions",
            json=session,
            headers=self.xsrf(self.server),
        )
        kernel = json.loads(answer)["kernel"]["id"]
        return await self.http.ws_connect(
            urljoin(self.server, f"api/kernels/{kernel}/channels"),
            max_msg_size=0,
        )

    async def run(self, socket, source: str, heard: list | None = None) -> str:
        """Run a cell; return its status, such as ``"ok"``.

        Args:
            socket (aiohttp.ClientWebSocketResponse): to its kernel.
            source (str): the code of the cell.
            heard (list): if given, gets what the kernel tells of it.
        """
        asked = uuid.uuid4().hex
        await socket.send_json(
            {
                "channel": "shell",
                "header": {
                    "msg_id": asked,
                    "msg_type": "execute_request",
                    "session": self.name,
                    "username": self.name,
                    "version": "5.3",
                },
                "parent_header": {},
                "metadata": {},
                "content": {
                    "code": source,
                    "silent": False,
                    "store_history": True,
                    "user_expressions": {},
                    "allow_stdin": False,
                    "stop_on_error": False,
                },
            }
        )
        status, idle = "", False
        while not (status and idle):
            message = json.loads((await socket.receive()).data)
            if message["parent_header"].get("msg_id") != asked:
                continue
            if heard is not None:
                heard.append(message)
            content = message["content"]
            if message["msg_type"] == "execute_reply":
                status = content["status"]
            idle |= content.get("execution_state") == "idle"
        return status

    async def work(self, steps: Steps, query: str, folder: str) -> None:
        """All that a student does; it fills ``seconds``."""
        await self.log_in()
        began = await steps("start")

        def took(step: str, since: float) -> None:
            self.seconds[step] = time.monotonic() - since

        await self.start()
        took("start", began)
        since = await steps("link")
        await self.follow_link(query)
        took("link", since)
        since = await steps("page")
        await self.open_page()
        took("page", since)
        since = await steps("first cell")
        for path, cells in notebooks():
            socket = await self.open_chapter(f"{folder}/{path}")
            for source, may_raise in cells:
                status = await self.run(socket, source)
                if status != "ok" and not may_raise:
                    raise RuntimeError(f"{self.name}: {path}: {source}")
                if "first cell" not in self.seconds:
                    took("first cell", since)
                    since = await steps("done")
        took("done", since)


def notebooks():
    """The paths and the cells of the chapters; which cells may raise."""
    for number in CHAPTERS:
        (page,) = chapters(number)
        cells = nbformat.read(page.notebook, as_version=4).cells
        yield (
            page.shown(".ipynb"),
            [
                (
                    cell.source,
                    "raises-exception" in cell.metadata.get("tags", []),
                )
                for cell in cells
                if cell.cell_type == "code"
            ],
        )


def pss(processes) -> float:
    """The memory of processes, in MiB; shared pages are divided."""
    total = 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / MIB


def memory(jupyterhub: psutil.Process) -> tuple[list[float], float]:
    """What each student's processes hold, and those for all; in MiB.

    A student's server is a child of the hub, or of the warm process that the
    hub forks servers from.
    """
    trees, common = [], [jupyterhub]
    for child in jupyterhub.children():
        command = " ".join(child.cmdline())
        if "forkserver" in command:  # it names what it has imported, too
            common.append(child)
            trees += child.children()
        elif "jupyterhub.singleuser" in command:
            trees.append(child)
        else:
            common += [child, *child.children(recursive=True)]
    by_student = [
        pss([tree, *tree.children(recursive=True)]) for tree in trees
    ]
    return by_student, pss(common)


async def watch_memory() -> None:
    """Raise when this machine has little memory left."""
    while psutil.virtual_memory().available > LEAST_MEMORY:
        await asyncio.sleep(1)
    raise MemoryError("less than 1 GiB of memory is left")


async def class_of(number: int, port: int) -> list[Student]:
    """Let students work at once; return them."""
    address = f"http://{hub.HOST}:{port}"
    link = hub.link(port, hub.own_repository(), hub.own_branch(), "en")
    query = link.partition("?")[2]
    steps = Steps(number)
    students = []
    patience = aiohttp.ClientTimeout(total=60 * MOST_MINUTES)
    for i in range(number):
        http = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=patience
        )
        students.append(Student(f"student{i:02}", address, http))
    try:
        async with asyncio.timeout(60 * MOST_MINUTES):
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(watch_memory())
                work = [
                    group.create_task(s.work(steps, query, hub.NAME))
                    for s in students
                ]
                await asyncio.wait(work, return_when=asyncio.FIRST_EXCEPTION)
                watch.cancel()
    finally:
        for student in students:
            await student.http.close()
    return students


def measure(kind: str, number: int) -> dict:
    """Let a class work on a hub with one kind of kernels."""
    os.environ.update(KINDS[kind])
    port = hub.free_port()
    with (
        tempfile.TemporaryDirectory(
            prefix="hub-load-", ignore_cleanup_errors=True
        ) as folder,
        hub.running(Path(folder), port, PASSWORD) as process,
    ):
        try:
            students = asyncio.run(class_of(number, port))
        except BaseException:
            log = Path(folder, hub.LOG).read_text("utf-8").splitlines()
            print(*log[-40:], sep="\n", file=sys.stderr)
            raise
        by_student, common = memory(psutil.Process(process.pid))
    assert len(by_student) == number
    return {
        "kernels": kind,
        **{
            step: [student.seconds[step] for student in students]
            for step in STEPS
        },
        "MiB by student": by_student,
        "MiB for all": [common],
    }


def table(results: list[dict], number: int) -> str:
    """The results in Markdown: the median, and the worst after it."""
    columns = list(results[0])
    lines = [columns, ["---"] * len(columns)]
    for result in results:
        row = [result["kernels"]]
        for values in list(result.values())[1:]:
            digits = 0 if min(values) >= 100 else 1
            middle, worst = statistics.median(values), max(values)
            row.append(f"{middle:.{digits}f}, {worst:.{digits}f}")
        lines.append(row)
    head = (
        f"{number} students at once on {os.cpu_count()} cores, chapters "
        f"{' and '.join(CHAPTERS)}; seconds and MiB: median, worst\n\n"
    )
    return head + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    numbers = [a for a in arguments if a.isdecimal()]
    kinds = [a for a in arguments if a and a not in numbers]
    if len(numbers) > 1 or not {*kinds} <= {*KINDS} or "0" in numbers:
        print(__doc__, file=sys.stderr)
        return 2
    number = int("".join(numbers) or 2)
    results = []
    try:
        for kind in kinds or KINDS:
            results.append(measure(kind, number))
            print(f"{kind}: done", file=sys.stderr)
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped, with all that it had started", file=sys.stderr)
    except TimeoutError:
        print(f"Stopped after {MOST_MINUTES} minutes", file=sys.stderr)
    except ExceptionGroup as group:
        for error in group.exceptions:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        if results:
            print(table(results, number))
    return 0 if len(results) == len(kinds or KINDS) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
