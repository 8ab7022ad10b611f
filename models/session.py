"""Verified weights -> run(tensor). The only file that imports onnxruntime."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.catalog import WeightsError, verified

Tensor = NDArray[np.float32]
QUIET = 3  # onnxruntime log severity: errors only


class Session:
    """One model on the CPU with ``threads`` intra-op threads; raises WeightsError when it cannot be had."""

    def __init__(self, name: str, *, threads: int = 2) -> None:
        self.name = name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = QUIET
        options.enable_cpu_mem_arena = False  # an arena keeps the memory of the largest photo for ever
        options.enable_mem_pattern = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                verified(name), options, providers=["CPUExecutionProvider"]
            )
        except RuntimeError as error:
            raise WeightsError(f"weight {name}: onnxruntime cannot load it: {error}") from error
        # It keeps the file's bytes to begin anew with other providers: as large again, and never asked for.
        self._session._model_bytes = None
        self._input = self._session.get_inputs()[0].name

    def run(self, tensor: Tensor) -> list[Tensor]:
        """All outputs for one float32 input of the shape that the catalog states."""
        return cast("list[Tensor]", self._session.run(None, {self._input: tensor}))

    def metadata(self, key: str) -> str:
        """A text that the model file carries, such as its character list; raises WeightsError without it."""
        found: dict[str, Any] = self._session.get_modelmeta().custom_metadata_map
        if key not in found:
            raise WeightsError(f"weight {self.name}: the model file carries no {key!r}")
        return str(found[key])


def sessions(names: Sequence[str], *, threads: int = 2) -> list[Session]:
    """Several models, loaded two at a time."""
    with ThreadPoolExecutor(2) as both:
        loading = [both.submit(copy_context().run, Session, name, threads=threads) for name in names]
        return [each.result() for each in loading]
