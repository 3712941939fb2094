import os

pytest_plugins = ["tests.after_cells", "tests.passed", "tests.variables"]
if os.environ.get("DEVICE") == "pretend":
    pytest_plugins.append("nbval_strict.on_pretended_gpu")

# Chapters are tested as notebooks; imported, they would run.
collect_ignore_glob = ["chapters/*.py", "chapters/*/*.py"]
