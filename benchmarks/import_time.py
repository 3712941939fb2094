"""How long `import d2l_helpers` takes where torch is imported already.

Run from the root of the checkout: python -m benchmarks.import_time
"""

import statistics
import subprocess
import sys

LIMIT_MS = 10
NUM_RUNS = 11
CODE = """
from time import perf_counter

start = perf_counter()
import torch

middle = perf_counter()
import d2l_helpers

print(middle - start, perf_counter() - middle)
"""


def measure() -> tuple[float, float]:
    """Import torch, then d2l_helpers, in a fresh process.

    Returns:
        The milliseconds that each of the two took.
    """
    command = [sys.executable, "-c", CODE]
    output = subprocess.check_output(command, text=True)
    torch_s, helpers_s = map(float, output.split())
    return 1000 * torch_s, 1000 * helpers_s


def main() -> int:
    """Print the medians; return 1 if that of d2l_helpers is too long."""
    measure()  # compiles the modules and fills the disk cache
    runs = [measure() for _ in range(NUM_RUNS)]
    torch_ms, helpers_ms = map(statistics.median, zip(*runs, strict=True))
    print(f"import torch: {torch_ms:.0f} ms")
    print(f"import d2l_helpers: {helpers_ms:.1f} ms (at most {LIMIT_MS} ms)")
    return int(helpers_ms > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
