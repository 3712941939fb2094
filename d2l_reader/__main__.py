"""The workbook, from a terminal: python -m d2l_reader COMMAND [LANGUAGE]

start           make it, or bring it up to date, and show the progress
update          make it, or bring it up to date
open            the same; the front page shows the progress, and is named
progress        which exercises are solved (with a FOLDER, in its notebooks)
restore 03      the original of a page again, or, as 3.2, of an exercise
"""

import sys
from pathlib import Path

import d2l_reader


def main(arguments: list) -> int:
    """Run the command line of this module; return its exit status."""
    command, *rest = arguments or ["start"]
    rest = [part for part in rest if part]
    try:
        if command in ("start", "update") and len(rest) < 2:
            print(getattr(d2l_reader, command)(*rest))
        elif command == "open" and len(rest) < 2:
            lines, page = d2l_reader.open_at(*rest)
            print(*lines, page, sep="\n")
        elif command == "progress" and len(rest) < 2:
            if rest and Path(rest[0]).is_dir() and len(rest[0]) > 2:
                print(d2l_reader.progress(rest[0]))
            else:
                print(d2l_reader.progress(language="".join(rest)))
        elif command == "restore" and rest and len(rest) < 3:
            print(d2l_reader.restore(*rest))
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except (LookupError, d2l_reader.UnreadableError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # In a pipe on Windows, some letters have no place.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main(sys.argv[1:]))
