"""The I/O module facing the other way: a Modbus TCP server whose inputs the virtual site sets."""

from collections.abc import Sequence

from firmware_bridge.devices.io_module import Input, Output
from firmware_bridge.modbus import Served, Tables, serve_tcp

CHANNELS = 64


class IoTwin:
    """A module with the wiring of an IoModule's config."""

    def __init__(
        self, inputs: Sequence[Input], outputs: Sequence[Output], *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._inputs = {(wired.station, wired.sensor): wired for wired in inputs}
        self._outputs = {(wired.station, wired.actuator): wired.coil for wired in outputs}
        highest = max([CHANNELS - 1, *(wired.input for wired in inputs), *self._outputs.values()])
        self.tables = Tables(coils=highest + 1, inputs=highest + 1)
        self._host, self._port = host, port
        self._served: Served | None = None
        for place in self._inputs:
            self.set(*place, False)

    @property
    def address(self) -> str:
        """What stands in a site file; known after start."""
        return f"tcp://{self._host}:{self._port}"

    async def start(self) -> None:
        """Begins to serve; a port once chosen is kept over stop and start."""
        self._served = await serve_tcp(self.tables, host=self._host, port=self._port)
        self._port = self._served.port

    async def stop(self) -> None:
        """Vanishes from the network."""
        served, self._served = self._served, None
        if served is not None:
            await served.stop()

    def set(self, station: str, sensor: str, on: bool) -> None:
        """Puts a sensor at a level."""
        wired = self._inputs[station, sensor]
        self.tables.inputs[wired.input] = on != wired.invert

    def output(self, station: str, actuator: str) -> bool:
        """Level of a light or barrier as the agent last switched it."""
        return self.tables.coils[self._outputs[station, actuator]]
