import os

from tools.page import LANGUAGES, pages

# Tests know what is said in English, whatever a developer reads.
os.environ.pop("D2L_LANGUAGE", None)
pytest_plugins = ["tests.after_cells", "tests.passed", "tests.variables"]
if os.environ.get("DEVICE") == "pretend":
    pytest_plugins.append("nbval_strict.on_pretended_gpu")

# Chapters are tested as notebooks; imported, they would run. Translations show
# the outputs of the originals, which tests have compared; a handout may have
# them alone.
collect_ignore_glob = [
    "chapters/*.py",
    *(
        f"chapters/{language}/*.ipynb"
        for language in LANGUAGES[1:]
        if pages()[0].is_original
    ),
]
