from tests import pretend_cuda

pytest_plugins = ["tests.strict_nbval"]
if pretend_cuda.is_wanted():
    pretend_cuda.install()

# Chapters are tested as notebooks; imported, they would run.
collect_ignore_glob = ["chapters/*.py", "chapters/*/*.py"]
