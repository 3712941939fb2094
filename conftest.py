import os

pytest_plugins = ["tests.strict_nbval", "tests.passed"]
if os.environ.get("DEVICE") == "pretend":
    from tests.pretend_cuda import install

    install()

# Chapters are tested as notebooks; imported, they would run.
collect_ignore_glob = ["chapters/*.py", "chapters/*/*.py"]
