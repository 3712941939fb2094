"""Begin a chapter.

    python -m tools.chapter new 11 "Verb something"

writes all of it that can be written before its author: both of its pages, with
four exercises, the module of its checks, right and wrong answers, a link from
each chapter that it needs, its row on the front page. Then it runs the pages.
What is left is marked TODO, and `make test CH=11` lists it.
"""

from __future__ import annotations

import argparse
import sys

from tools.page import chapters
from tools.skeletons import carry_out, chapter
from tools.transaction import REFUSED, Transaction, why


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    options = _parser().parse_args(arguments)
    transaction = Transaction()
    try:
        needs = tuple(
            page for which in options.needs for page in chapters(which)
        )
        new = chapter.Skeleton(
            options.number, options.title, needs, options.topic
        )
        chapter.add(transaction, new)
        return carry_out(transaction, new.page, needs)
    except REFUSED as error:
        print(why(error), file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.chapter",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["new"])
    parser.add_argument("number", type=int, help="the next one, such as 08")
    parser.add_argument("title", help='a verb first: "Verb something"')
    parser.add_argument(
        "--topic",
        default="",
        help="the rest of its files' names; else from the title, but its verb",
    )
    parser.add_argument(
        "--needs",
        nargs="+",
        default=["01"],
        metavar="NN",
        help="the chapters that it builds on; 01 if there are none here",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
