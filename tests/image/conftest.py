"""What tests/image runs in a JupyterHub is no test."""

collect_ignore = ["hub_config.py"]
