"""A pytest plugin that gives this process, and each kernel, a pretended GPU.

Without one, ``pytest -p nbval_strict.on_pretended_gpu --nbval`` shows whether
pages give their stored outputs where `device` is `cuda`.
"""

from nbval_strict import pretend_cuda

pytest_plugins = ["nbval_strict"]

# By its path, since the kernel starts in the folder of its page.
_INSTALL = f"""
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("pretend_cuda", {pretend_cuda.__file__!r})
module = sys.modules["pretend_cuda"] = module_from_spec(spec)
spec.loader.exec_module(module)
module.install()
"""


def pytest_configure() -> None:
    """Give this process a GPU, for tests without a kernel."""
    pretend_cuda.install()


def pytest_nbval_strict_prepare() -> str:
    """Give a kernel one."""
    return f"exec({_INSTALL!r}, {{}})"
