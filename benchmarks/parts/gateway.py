"""Runs in the peers' own environment: puts numbered messages into a storage of thingsboard-gateway.

``python gateway.py sqlite|file FOLDER``: a line for each message that ``put`` has taken, until it is killed.
Settings are those of the gateway's own configuration file, as it is delivered.
"""

import itertools
import logging
import os
import sys
from importlib import import_module
from threading import Event
from typing import Any

MESSAGE = '{{"deviceName":"brake-1","telemetry":[{{"ts":1790000000000,"values":{{"number":{n}}}}}]}}'


class Log(logging.Logger):
    """The gateway's loggers have one level more."""

    def trace(self, *said: Any, **more: Any) -> None:
        """Says nothing."""


def storage(sort: str, folder: str) -> Any:
    """The storage of a sort."""
    log = Log("storage", logging.ERROR)
    if sort == "sqlite":
        room = import_module("thingsboard_gateway.storage.sqlite.sqlite_event_storage")
        settings = {
            "data_file_path": f"{folder}/",
            "messages_ttl_check_in_hours": 1,
            "messages_ttl_in_days": 7,
        }
        return room.SQLiteEventStorage(settings, log, Event())
    room = import_module("thingsboard_gateway.storage.file.file_event_storage")
    settings = {"data_folder_path": f"{folder}/", "max_file_count": 10, "max_records_per_file": 10000}
    return room.FileEventStorage(settings, log, Event())


def main() -> None:
    """Puts until it is killed."""
    kept = storage(sys.argv[1], sys.argv[2])
    for n in itertools.count(1):
        if not kept.put(MESSAGE.format(n=n)):
            break
        os.write(1, b"%d\n" % n)


if __name__ == "__main__":
    main()
