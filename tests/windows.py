"""This Python without what Windows lacks, to see what would miss it there.

    python -m pytest -p tests.windows -p no:xdist tests/test_exercises.py

It takes away the functions and signals that only Unix has, and leaves
multiprocessing one way to start a process. It can't show what Windows does
otherwise: its paths, its locks on open files, its consoles.
"""

import importlib
import multiprocessing
import multiprocessing.context
import os
import signal

# Libraries ask, some on import, which system this is: it stays what it is.
LIBRARIES = "asyncio ipykernel.kernelapp jupytext matplotlib.pyplot nbclient \
    sphinx.application subprocess torch torch.distributed.tensor torch._dynamo"
for library in LIBRARIES.split():
    importlib.import_module(library)
ONLY_UNIX = {
    os: "chown fork forkpty getegid geteuid getgid getpgid killpg mkfifo "
    "setpgid setsid uname",
    signal: "alarm getitimer ITIMER_REAL pthread_kill pthread_sigmask "
    "setitimer SIGALRM SIGHUP SIGKILL SIGUSR1 SIGUSR2",
}
for module, names in ONLY_UNIX.items():
    for name in names.split():
        delattr(module, name)
for method in ("fork", "forkserver"):
    del multiprocessing.context._concrete_contexts[method]
multiprocessing.set_start_method("spawn", force=True)
multiprocessing.get_all_start_methods = lambda: ["spawn"]
