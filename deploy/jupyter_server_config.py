"""What each student's server does, on a hub, in the image and on Binder.

deploy/install.py puts this file where Jupyter finds it: in etc/jupyter of the
environment. It reads nothing of the checkout.
"""

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

# 20 kernels that start at once on two cores took up to 63 s.
c.MappingKernelManager.kernel_info_timeout = 180

print(warm_kernels.use(), flush=True)
warm_kernels.preload()
