"""Execute notebooks and store their outputs, as they will be compared.

    python -m nbval_strict NOTEBOOK...

The outputs are those of the CPU: a GPU is hidden. A notebook whose execution
fails stays as it was.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient.exceptions import CellControlSignal, DeadKernelError

from nbval_strict import warm_kernels
from nbval_strict.client import client_of

TIMEOUT = 2000  # seconds for one cell, as nbval has it


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    pages = [Path(argument) for argument in arguments]
    missing = [page for page in pages if not page.is_file()]
    if missing or not pages:
        for page in missing:
            print(f"there is no file {page}", file=sys.stderr)
        print(__doc__, file=sys.stderr)
        return 2
    print(warm_kernels.use(), flush=True)
    warm_kernels.preload()
    stored = [_store(page) for page in pages]
    return 0 if all(stored) else 1


def _store(page: Path) -> bool:
    """Execute and store a notebook; tell whether it ran through."""
    print(f"{page} ... ", end="", flush=True)
    notebook = nbformat.read(page, as_version=4)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    try:
        client = client_of(notebook, page.parent, TIMEOUT)
        client.execute(env=environment)
    except (CellControlSignal, DeadKernelError) as error:
        print(f"failed, and is as it was\n{error}")
        return False
    new = page.with_name(f".{page.name}.new")
    nbformat.write(notebook, new)
    os.replace(new, page)
    print("stored")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
