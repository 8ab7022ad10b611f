"""Where a twin behind Modbus TCP is found: a port that it keeps over stop and start."""

from firmware_bridge.modbus import Served, Tables, serve_tcp


class TwinPort:
    """Serves the tables of one unit."""

    def __init__(self, tables: Tables, *, unit: int = 1, host: str = "127.0.0.1", port: int = 0) -> None:
        self.tables = tables
        self._unit, self._host, self._port = unit, host, port
        self._served: Served | None = None

    @property
    def address(self) -> str:
        """What stands in a site file; known after start."""
        return f"tcp://{self._host}:{self._port}"

    async def start(self) -> None:
        """Begins to serve."""
        self._served = await serve_tcp(self.tables, host=self._host, port=self._port, unit=self._unit)
        self._port = self._served.port

    async def stop(self) -> None:
        """Vanishes from the network."""
        served, self._served = self._served, None
        if served is not None:
            await served.stop()
