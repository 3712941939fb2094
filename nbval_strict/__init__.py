"""Strict nbval: stored notebooks are compared as a reader sees them.

``pytest -p nbval_strict --nbval`` enables it; README.md says what it adds.
"""

import sys

pytest_plugins = ["nbval_strict.plugin"]

# nbformat imports jsonschema, and that, for the format of internationalized
# addresses, builds a grammar during 1.6 s. A notebook has no such field.
sys.modules.setdefault("rfc3987_syntax", None)
