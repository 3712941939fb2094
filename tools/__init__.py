"""The commands behind ``make``."""

import sys

# nbformat imports jsonschema, and that, for the format of internationalized
# addresses, builds a grammar during 1.6 s. A notebook has no such field.
sys.modules.setdefault("rfc3987_syntax", None)
