pytest_plugins = ["tests.strict_nbval"]

# Chapters are tested as notebooks; imported, they would run.
collect_ignore_glob = ["chapters/*.py", "chapters/*/*.py"]
