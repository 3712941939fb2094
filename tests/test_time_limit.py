"""The time limit of the checks, without torch: for any version of Python."""

# ruff: noqa: B012, E722, SIM105  so write those whose answer never ends

import contextlib
import gc
import hashlib
import importlib.util
import queue
import signal
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest

# By its file, since its package imports torch.
FILE = Path(__file__).parents[1] / "d2l_helpers/check/_time_limit.py"
SPEC = importlib.util.spec_from_file_location("_time_limit_alone", FILE)
limits = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(limits)

HAS_ALARMS = hasattr(signal, "setitimer")
ALARMS = pytest.mark.skipif(not HAS_ALARMS, reason="needs alarms")
SECONDS = 0.1
MOST = 20  # seconds, on a busy machine
PACKAGE = """
def work():
    return [n * n for n in range(1000)]

def for_ever():
    while True:
        try:
            work()
        except:
            pass

def deep(depth=20):
    return work() if depth == 0 else deep(depth - 1)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A module that isn't the reader's, in the place of a large library."""
    folder = tmp_path_factory.mktemp("package")
    (folder / "some_package.py").write_text(PACKAGE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            limits, "NOT_OF_READER", (*limits.NOT_OF_READER, str(folder))
        )
        patch.syspath_prepend(folder)
        yield importlib.import_module("some_package")
    del sys.modules["some_package"]


# What never ends, if nobody stops it


def loop(package):
    while True:
        pass


def catches_exceptions(package):
    while True:
        with contextlib.suppress(Exception):
            time.sleep(0.001)


def catches_all(package):
    while True:
        try:
            sum(range(1000))
        except:
            pass


def catches_all_and_sleeps(package):
    while True:
        try:
            time.sleep(0.001)
        except BaseException:
            time.sleep(0.001)


def catches_all_in_four_loops(package):
    while True:
        try:
            while True:
                try:
                    while True:
                        try:
                            while True:
                                try:
                                    time.sleep(0.0001)
                                except:
                                    pass
                        except:
                            pass
                except:
                    pass
        except:
            pass


def busy_in_the_package(package):
    while True:
        try:
            package.work()
        except:
            pass


def busy_deep_in_the_package(package):
    while True:
        try:
            package.deep()
        except:
            pass


def loop_of_the_package(package):
    package.for_ever()


def loop_of_the_package_in_a_loop(package):
    while True:
        try:
            package.for_ever()
        except:
            pass


def finally_again(package):
    while True:
        try:
            package.work()
        finally:
            continue


def loop_in_finally(package):
    try:
        loop(package)
    finally:
        catches_all(package)


def generator_that_catches(package):
    def numbers():
        while True:
            try:
                yield package.work()
            except:
                pass

    for _ in numbers():
        try:
            package.work()
        except:
            pass


def generator_that_never_closes(package):
    def numbers():
        try:
            yield 1
        finally:
            catches_all(package)

    for _ in numbers():
        break
    gc.collect()
    loop(package)


class Endless:
    def __del__(self):
        while True:
            try:
                len([])
            except:
                pass


def endless_when_deleted(package):
    while True:
        try:
            Endless()
        except:
            pass


class Swallows:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return True


def swallowed_in_a_context(package):
    while True:
        with Swallows():
            package.work()


class EndlessExit(Swallows):
    def __exit__(self, *_):
        catches_all(None)


def endless_exit(package):
    while True:
        with EndlessExit():
            package.work()


def suppressed(package):
    while True:
        with contextlib.suppress(BaseException):
            package.work()


@contextlib.contextmanager
def swallowing():
    try:
        yield
    except BaseException:
        pass


def swallowed_by_a_generator(package):
    while True:
        with swallowing():
            package.work()


def recursion(package):
    try:
        package.work()
        recursion(package)
    except BaseException:
        recursion(package)
    finally:
        recursion(package)


def on_one_line(package):
    exec("while True:\n try: package.work()\n except: pass", locals())


def loop_on_one_line(package):
    exec("while True: pass")


def for_on_one_line(package):
    exec("for _ in iter(int, 1): pass")


def long_calls_of_c(package):
    # Where alarms come, one must come after the watcher has lost patience.
    main = threading.current_thread() is threading.main_thread()
    rounds = 8_000_000 if main else 1_000_000
    while True:
        hashlib.pbkdf2_hmac("sha256", b"", b"", rounds)


def in_a_comprehension(package):
    def one():
        try:
            return package.work()
        except:
            return 0

    while True:
        try:
            [one() for _ in range(1000)]
        except:
            pass


def called_from_c(package):
    def key(value):
        try:
            return package.work()[value]
        except:
            return 0

    while True:
        try:
            sorted(range(100), key=key)
        except:
            pass


class EndlessAttribute:
    def __getattr__(self, name):
        catches_all(None)


def endless_attribute(package):
    while True:
        try:
            hasattr(EndlessAttribute(), "name")
        except:
            pass


def takes_the_alarm_away(package):
    signal.setitimer(signal.ITIMER_REAL, 0)
    catches_all(package)


def handles_the_alarm(package):
    signal.signal(signal.SIGALRM, lambda *_: None)
    catches_all(package)


def another_error_each_time(package):
    while True:
        try:
            try:
                package.work()
            except BaseException as error:
                raise ValueError from error
        except ValueError:
            pass


NEVER_END = [
    loop,
    catches_exceptions,
    catches_all,
    catches_all_and_sleeps,
    catches_all_in_four_loops,
    busy_in_the_package,
    busy_deep_in_the_package,
    loop_of_the_package,
    loop_of_the_package_in_a_loop,
    finally_again,
    loop_in_finally,
    generator_that_catches,
    generator_that_never_closes,
    endless_when_deleted,
    swallowed_in_a_context,
    endless_exit,
    suppressed,
    swallowed_by_a_generator,
    recursion,
    on_one_line,
    long_calls_of_c,
    loop_on_one_line,
    for_on_one_line,
    in_a_comprehension,
    called_from_c,
    endless_attribute,
    takes_the_alarm_away,
    handles_the_alarm,
    another_error_each_time,
]

if sys.version_info < (3, 12):
    NEVER_END.remove(recursion)  # nothing of ours can be called so deep
if not HAS_ALARMS:
    NEVER_END = [f for f in NEVER_END if "the_alarm" not in f.__name__]


def left_behind():
    return (
        sys.gettrace(),
        threading.active_count(),
        # pytest-timeout may have set an alarm.
        HAS_ALARMS and signal.getsignal(signal.SIGALRM),
        HAS_ALARMS and signal.getitimer(signal.ITIMER_REAL)[0] > 0,
        [sys.monitoring.get_tool(i) for i in range(6)]
        if hasattr(sys, "monitoring")
        else [],
        set(limits._limited),
    )


def stopped_after(function, *arguments):
    """Run a function with a limit; the seconds until it was stopped."""
    before, start = left_behind(), time.monotonic()
    with pytest.raises(limits.TimeUp), limits.time_limit(SECONDS):
        function(*arguments)
    seconds = time.monotonic() - start
    # Nothing strikes any more.
    while time.monotonic() - start < seconds + 3 * limits.TICK:
        time.sleep(limits.TICK / 50)
    assert left_behind() == before
    return seconds


def in_a_thread(function, *arguments):
    """Run a function in another thread; what it returns or raises."""
    results = []

    def target():
        try:
            results.append(function(*arguments))
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    thread.join(10 * MOST)
    assert results, "it hangs"
    if isinstance(results[0], BaseException):
        raise results[0]
    return results[0]


@pytest.fixture(autouse=True)
def _no_noise(monkeypatch):
    """An error in a `__del__` can only be printed, which a check hides."""
    monkeypatch.setattr(sys, "unraisablehook", lambda error: None)


@pytest.mark.parametrize("function", NEVER_END)
def test_what_never_ends_is_stopped(function, package):
    assert SECONDS < stopped_after(function, package) < MOST


@pytest.mark.parametrize(
    "function", [f for f in NEVER_END if "the_alarm" not in f.__name__]
)
def test_what_never_ends_is_stopped_in_a_thread(function, package):
    assert SECONDS < in_a_thread(stopped_after, function, package) < MOST


@ALARMS
@pytest.mark.parametrize(
    "wait",
    [
        lambda: time.sleep(60),
        lambda: threading.Event().wait(),
        lambda: queue.Queue().get(),
    ],
)
def test_wait_is_stopped(wait):
    assert SECONDS < stopped_after(wait) < MOST


class Always:
    """A limit, as a clock sees it."""

    def state(self, frame):
        return "answer"


@pytest.mark.parametrize(
    ("share", "seconds"),
    [(1, 5), (1 / 3, 10), (0, 20)],
    ids=["computes", "on a busy machine", "waits"],
)
def test_seconds_in_which_nothing_is_computed_count_less(
    share, seconds, monkeypatch
):
    now = 0
    monkeypatch.setattr(limits, "monotonic", lambda: now)
    monkeypatch.setattr(limits, "process_time", lambda: now * share)
    clock = limits._Clock(Always(), 5)
    while not clock.is_up(None):
        now += 0.25
    assert now == pytest.approx(seconds, abs=0.5)


def test_what_ends_in_time_is_not_touched(package):
    before = left_behind()
    with limits.time_limit(SECONDS):
        assert package.work()
    assert left_behind() == before
    assert in_a_thread(left_behind)[2:] == before[2:]


def test_what_an_answer_has_left_is_not_kept():
    def answer():
        mine = threading.Event()
        time.sleep(3 * limits.TICK)  # the watcher looks at this frame
        return weakref.ref(mine)

    with limits.time_limit(MOST):
        gone = [answer()() is None for _ in range(3)]
    assert any(gone)  # it may look just then


def test_other_threads_go_on(package):
    counts, done = [0], threading.Event()

    def count():
        while not done.wait(0.001):
            counts[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    try:
        stopped_after(catches_all, package)
        before = counts[0]
        time.sleep(0.1)
        assert counts[0] > before
    finally:
        done.set()
        thread.join()


def test_limit_in_a_limit_is_the_outer_one(package):
    def inside():
        while True:
            try:
                with limits.time_limit(60):
                    package.work()
            except:
                pass

    stopped_after(inside)


@ALARMS
def test_alarm_of_others_keeps_its_time():
    before = signal.setitimer(signal.ITIMER_REAL, 50, 7)
    try:
        with limits.time_limit(SECONDS):
            time.sleep(0.1)
        left, interval = signal.getitimer(signal.ITIMER_REAL)
        assert 40 < left < 49.91
        assert interval == 7
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)


@pytest.mark.parametrize("run", [stopped_after, in_a_thread])
def test_import_of_a_library_is_not_cut(run, tmp_path, monkeypatch):
    monkeypatch.setattr(
        limits, "NOT_OF_READER", (*limits.NOT_OF_READER, str(tmp_path))
    )
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "slow_library.py").write_text(
        "import time\nstart = time.monotonic()\n"
        f"while time.monotonic() < start + {3 * SECONDS}: len([])\n"
        "whole = True\n"
    )

    def imports():
        import slow_library

        assert slow_library.whole
        loop(None)

    if run is in_a_thread:
        in_a_thread(stopped_after, imports)
    else:
        stopped_after(imports)
    assert sys.modules.pop("slow_library").whole


def test_module_of_the_reader_is_stopped(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "endless_module.py").write_text("while True: len([])\n")

    def imports():
        import endless_module

        return endless_module

    assert stopped_after(imports) < MOST
    assert "endless_module" not in sys.modules
