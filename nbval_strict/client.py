"""What executes a notebook, to store its outputs as they are compared."""

from __future__ import annotations

import os
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal
from nbclient.util import ensure_async, run_sync
from nbformat import NotebookNode

from nbval_strict.outputs import (
    KERNEL_ARGUMENTS,
    LAST_LOOK,
    PREPARE_KERNEL,
    Outputs,
    kernel_environment,
)


def client_of(notebook: NotebookNode, folder: Path, timeout: float) -> Client:
    """What executes a notebook's cells, as JupyterLab would.

    Args:
        notebook (NotebookNode): it gets the outputs.
        folder (Path): where its kernel runs.
        timeout (float): how many seconds a cell has.
    """
    return Client(
        notebook,
        timeout=timeout,
        # Nothing is stored without a cell's last outputs.
        iopub_timeout=timeout,
        raise_on_iopub_timeout=True,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=[*KERNEL_ARGUMENTS],
        resources={"metadata": {"path": str(folder)}},
    )


class UnfitOutputError(CellControlSignal):
    """A cell shows what a page can't show."""


class Client(NotebookClient):
    """Executes a notebook, and keeps of its outputs what a reader sees.

    Raises:
        UnfitOutputError: if a cell shows what a page can't show.
    """

    def execute(self, **options) -> NotebookNode:
        """Execute the notebook, and return it.

        Args:
            options: what a kernel manager's ``start_kernel`` takes.
        """
        try:
            return super().execute(**options)
        except BaseException:
            # On Ctrl-C, nbclient ends the kernel, and then finds it dead.
            if self._interrupted:
                raise KeyboardInterrupt from None
            raise

    @property
    def _interrupted(self) -> bool:
        return hasattr(self, "_async_cleanup_kernel_future")

    def reset_execution_trackers(self) -> None:
        super().reset_execution_trackers()
        self._outputs = Outputs()

    async def async_start_new_kernel(self, **options) -> None:
        environment = options.get("env") or os.environ
        options["env"] = kernel_environment(environment)
        # What an interrupted kernel complains of helps nobody.
        with open(os.devnull, "w") as nowhere:
            await super().async_start_new_kernel(stderr=nowhere, **options)

    async def _async_cleanup_kernel(self) -> None:
        if self.km is None:
            return
        if self._interrupted and self.km.has_kernel:
            # Else it complains that it has to end while the cell runs.
            await ensure_async(self.km.interrupt_kernel())
        await super()._async_cleanup_kernel()

    async def async_start_new_kernel_client(self):
        channels = await super().async_start_new_kernel_client()
        reply = await channels.execute_interactive(
            PREPARE_KERNEL, silent=True, timeout=self.startup_timeout
        )
        assert reply["content"]["status"] == "ok", reply["content"]
        return channels

    async def async_execute_cell(self, cell, cell_index, **options):
        cell = await super().async_execute_cell(cell, cell_index, **options)
        if cell.cell_type == "code" and cell.source.strip():
            self._refuse(self._request, f"In [{cell.execution_count}]: ")
        if cell_index == len(self.nb.cells) - 1:
            request = self.kc.execute(LAST_LOOK, store_history=False)
            self._outputs.begin_last_look(request)
            await self._take_all(request)
            self._refuse(request)
        return cell

    async def _async_poll_output_msg(self, parent_msg_id, cell, cell_index):
        self._request = parent_msg_id
        name = f"In [{self.code_cells_executed}]"
        self._outputs.begin(parent_msg_id, name, cell.outputs)
        await self._take_all(parent_msg_id)

    async def _take_all(self, request: str) -> None:
        while not self._outputs.idle(request):
            channel = self.kc.iopub_channel
            self._outputs.take(await ensure_async(channel.get_msg()))

    # nbclient has made those that aren't coroutines of its own.
    start_new_kernel = run_sync(async_start_new_kernel)
    start_new_kernel_client = run_sync(async_start_new_kernel_client)
    execute_cell = run_sync(async_execute_cell)

    def _refuse(self, request: str, cell: str = "") -> None:
        if problem := self._outputs.problem(request):
            raise UnfitOutputError(f"{cell}{problem.what}: {problem.remedy}.")
