"""What each student's server does, on a hub, in the image and on Binder.

deploy/install.py puts this file where Jupyter finds it: in etc/jupyter of the
environment. It reads nothing of the checkout.
"""

import atexit
import os
import shutil
import tempfile

from nbval_strict import warm_kernels

c = get_config()  # noqa: F821

c.ServerApp.jpserver_extensions = {
    # Never: where a notebook has a .py file of its name, jupytext shows what
    # that file holds. A new version of it would hide a student's answers.
    "jupyterlab_jupytext": False,
    "jupytext": False,
    # They cost each student's server memory and time, and nothing here asks
    # them anything.
    "jupyter_lsp": False,
    "nbdime": False,
}

# What is installed is the same for all.
c.LabApp.extension_manager = "readonly"

# A kernel whose page is closed ends after an hour.
c.MappingKernelManager.cull_idle_timeout = 3600
c.MappingKernelManager.cull_interval = 300

# Of 20 kernels that started at once on two busy cores, some took 63 s.
c.MappingKernelManager.kernel_info_timeout = 180

# A kernel has five sockets. Of 20 servers on one machine that looked for free
# ports at once, two found the same, and a kernel died. Files are a server's
# own; but the path of a socket has 107 bytes, of which its name takes 54.
folder = tempfile.mkdtemp(prefix="jupyter-")
atexit.register(shutil.rmtree, folder, ignore_errors=True)
if os.name == "posix" and len(os.fsencode(folder)) <= 107 - 54:
    os.environ["JUPYTER_RUNTIME_DIR"] = folder
    c.KernelManager.transport = "ipc"

print(warm_kernels.use(), flush=True)
warm_kernels.preload()
