"""States of a store whose disk can be full, read-only or damaged; and the ballast, its last reserve."""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

State: TypeAlias = Literal["ok", "low", "full", "read_only", "damaged"]

_BY_SQLITE: dict[int, State] = {  # primary result codes, sqlite.org/rescode.html
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_PERM: "read_only",
    sqlite3.SQLITE_CANTOPEN: "read_only",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
    sqlite3.SQLITE_IOERR: "damaged",
}
_BY_ERRNO: dict[int | None, State] = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EFBIG: "full",
    errno.EROFS: "read_only",
    errno.EACCES: "read_only",
    errno.EPERM: "read_only",
    errno.EIO: "damaged",
}
_WORDS: dict[State, tuple[str, str]] = {
    "ok": ("", ""),
    "low": (
        "{what}空间即将耗尽：{why}。请立即清理磁盘，之后自动恢复",
        "{what} is about to run out of space: {why}. Make room now; it goes on by itself",
    ),
    "full": (
        "{what}已满，新数据暂不接收（未确认的数据会重新提交）：{why}。请清理磁盘，之后自动恢复",
        "{what} is full and takes nothing (what is not acknowledged is offered again): {why}. "
        "Make room on the disk; it goes on by itself",
    ),
    "read_only": (
        "{what}不可写：{why}。请检查磁盘挂载与权限，之后自动恢复",
        "{what} cannot be written: {why}. Check mount and permissions; it goes on by itself",
    ),
    "damaged": (
        "{what}读写出错：{why}。请停止节点，运行 chayan journal status，再按提示 chayan journal mend",
        "{what} is damaged or its disk fails: {why}. Stop the node, run chayan journal status, "
        "then chayan journal mend",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """How a store stands, with words for the operator."""

    state: State = "ok"
    zh: str = ""
    en: str = ""


def stands(state: State, zh_what: str, en_what: str, why: str) -> Storage:
    """The state of a store, in words."""
    zh, en = _WORDS[state]
    return Storage(state=state, zh=zh.format(what=zh_what, why=why), en=en.format(what=en_what, why=why))


def state_of(error: BaseException) -> State | None:
    """What a failure says of the store; None when it is not the store's."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_IOERR_WRITE:  # a limit on the file's size shows so
            return "full"
        return None if code is None else _BY_SQLITE.get(code & 0xFF)
    return _BY_ERRNO.get(cause.errno) if isinstance(cause, OSError) else None


class Ballast:
    """A file of real blocks, given up when the disk is full so that what has begun can be kept."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path, self._size = path, size_bytes

    def load(self) -> bool:
        """Takes the space, unless there is hardly more than that; whether it is held now."""
        with contextlib.suppress(OSError):
            free = os.statvfs(self._path.parent)
            if self._stands():
                return True
            if free.f_bavail * free.f_frsize < 4 * self._size:
                return False
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
        return self._stands()

    def drop(self) -> bool:
        """Gives the space up; whether there was any to give."""
        try:
            had = self._stands() and self._size > 0
            if had:
                os.truncate(self._path, 0)
        except OSError:
            return False
        return had

    def _stands(self) -> bool:
        return not self._size or (self._path.exists() and self._path.stat().st_size >= self._size)


class Disk:
    """How a journal's disk stands, told on every change; the ballast is taken again when there is room."""

    def __init__(self, journal: Path, ballast: Ballast) -> None:
        self._journal, self.ballast = journal, ballast
        self.ballast.load()
        self.storage = Storage()
        self.watchers: list[Callable[[Storage], None]] = []

    def works(self) -> None:
        """A commit has worked."""
        if self.storage.state == "ok" or self.ballast.load():
            self._stands(Storage())
        else:
            self._stands(stands("low", "日志账", "the journal", f"{self._journal.parent}"))

    def fails(self, error: Exception, file: str) -> None:
        """A commit has failed; what is not the disk's says nothing."""
        state = state_of(error)
        if state is not None:
            self._stands(stands(state, "日志账", "the journal", f"{file}: {_said(error)}"))

    def fails_to_go_on(self, error: Exception) -> None:
        """No further volume could be made."""
        state = state_of(error) or "full"
        self._stands(stands(state, "日志账新卷", "a further volume of the journal", _said(error)))

    def _stands(self, storage: Storage) -> None:
        if storage != self.storage:
            self.storage = storage
            for watcher in self.watchers:
                watcher(storage)


def _said(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error)
