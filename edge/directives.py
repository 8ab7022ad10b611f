"""Directives at the node, taken or refused one after the other; the record of each is its acknowledgement."""

import asyncio
import contextlib
import hashlib
import random
from pathlib import Path

import msgspec
import structlog

from central_sync.centre import Trouble
from central_sync.directives import Directive, Pull, UnpinnedTrouble
from central_sync.journal import RetiredError
from central_sync.ledger import lay_down
from central_sync.volumes import JournalError
from edge import blacklist, rulebook, settings
from edge.desk import Desk
from edge.orders import OrderPost, place
from edge.permits import ActError
from edge.reference import KEPT
from edge.rulebook import RulesError
from edge.settings import SettingsError
from lanes.record import Directed
from models.catalog import WeightsError, overridden

PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
NEXT_FILE = "site.next.toml"

log = structlog.get_logger("chayan.directives")
_random = random.SystemRandom()


class RefusedError(Exception):
    """A directive cannot be taken; the text is the acknowledgement's reason."""


class Directing:
    """Pulls directives for ever and acts on each. ``site_file``: the file this node runs with."""

    def __init__(self, desk: Desk, pull: Pull, destination: str, site_file: Path) -> None:
        self._desk, self._pull, self._destination = desk, pull, destination
        self._site_file = site_file
        self._source = f"{desk.prefix}agent"

    async def run(self) -> None:
        """Until cancelled."""
        self._tell_forgotten()
        failed = 0
        while True:
            try:
                await self._mend()
                for directive in await self._pull.after(self._desk.reference.through):
                    await self.take(directive)
            except Trouble as trouble:
                if self._pull.pinned or isinstance(trouble, UnpinnedTrouble):
                    self._desk.alarm("directives", f"中心指令：{trouble.zh}", f"directives: {trouble.en}")
                await asyncio.sleep(max(trouble.wait, _pause(failed)))
                failed += 1
            except (OSError, JournalError) as error:  # a full disk: the directive comes again
                self._desk.alarm(
                    "directives", f"中心指令暂不能保存：{error}", f"directives cannot be kept now: {error}"
                )
                await asyncio.sleep(_pause(failed))
                failed += 1
            else:
                self._desk.calm("directives")
                failed = 0

    async def take(self, directive: Directive) -> None:
        """Acts, then records it. Killed in between it is done again, to the same effect."""
        outcome, why = "taken", ""
        try:
            await self._act(directive.subject, directive.content())
        except RefusedError as error:
            outcome, why = "refused", str(error)
        body = Directed(
            number=directive.number,
            subject=directive.subject,
            version=directive.version,
            sha256=directive.sha256,
            outcome=outcome,  # type: ignore[arg-type]
            why=why[:2000],
        )
        async with self._desk.turn:  # no order slips in between the record and what it brings into force
            await self._desk.append(self._source, f"directive/{directive.number}", body)
            if outcome == "taken" and directive.subject in KEPT:
                self._desk.renew()
        await asyncio.to_thread(self._desk.reference.save)
        if outcome == "taken" and directive.subject == "configuration":
            tell_configuration(self._desk, self._site_file)
        self._desk.ring()
        log.info("directive", number=directive.number, subject=directive.subject, outcome=outcome, why=why)

    async def _act(self, subject: str, content: bytes) -> None:
        """Places an order; checks and keeps anything else, which its record brings into force."""
        if subject == "order":
            await self._order(content)
            return
        try:
            await asyncio.to_thread(self._check, subject, content)
        except (
            msgspec.MsgspecError, UnicodeDecodeError, RecursionError, RulesError, SettingsError, WeightsError
        ) as error:  # fmt: skip
            raise RefusedError(f"无法使用 · cannot be used as {subject}: {error}") from error
        await asyncio.to_thread(self._desk.reference.keep, content)
        if subject == "configuration":
            await asyncio.to_thread(lay_down, self._desk.reference.folder / NEXT_FILE, content)

    def _check(self, subject: str, content: bytes) -> None:
        match subject:
            case "blacklist":
                blacklist.parse(content)
            case "rules":
                rulebook.unpack(content)
            case "models":
                overridden(content)
            case "configuration":
                _must_be_ours(self._desk.site, settings.read(content, self._site_file))
            case _:
                raise RefusedError(f"本版本节点不接受 {subject} · this version of a node takes no {subject}")

    async def _order(self, content: bytes) -> None:
        """A work order takes the same road as a clerk's."""
        try:
            post = msgspec.json.decode(content, type=OrderPost)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RefusedError(f"无法解析的工单 · no order: {error}") from error
        source = f"{self._desk.prefix}{self._destination}/{post.ordered_by}"
        try:
            await place(self._desk, post, source)
        except ActError as error:
            raise RefusedError(f"{error.zh} · {error.en}") from error
        except RetiredError as error:
            raise RefusedError(f"该键值的工单早已完成 · its key stands for an old order: {error}") from error

    async def _mend(self) -> None:
        """What is in force and damaged here is asked for again; only the same bytes will do."""
        damaged = self._desk.reference.damaged() if "reference" in self._desk.alarms else []
        for each in damaged:
            found = await self._pull.after(each.number - 1, 0)
            if found and found[0].sha256 == each.sha256:
                await asyncio.to_thread(self._desk.reference.keep, found[0].content())
        if damaged:
            self._desk.renew()

    def _tell_forgotten(self) -> None:
        count = self._desk.reference.forgotten
        if count:
            self._desk.alarm(
                "forgotten",
                f"指令索引已丢失，{count} 条更早的指令无从查证：请中心重新下发名单与规则",
                f"the index of directives was lost and {count} are older than this journal: have the centre "
                "give its lists and rules again",
            )


def _pause(failed: int) -> float:
    pause = PAUSES_S[min(failed, len(PAUSES_S) - 1)]
    return _random.uniform(pause / 2, pause)


# ---- a configuration lies ready; the operator restarts with it -----------------------------------


def _must_be_ours(mine: settings.SiteFile, other: settings.SiteFile) -> None:
    """Raises RefusedError for the configuration of another node, or one that would begin another journal."""
    pairs = {
        "site.id": (mine.site.id, other.site.id),
        "site.simulated": (mine.site.simulated, other.site.simulated),
        "node.name": (mine.node.name, other.node.name),
        "node.folder": (mine.node.folder, other.node.folder),
        "node.signature": (mine.node.signature, other.node.signature),
    }
    for key, (ours, theirs) in pairs.items():
        if ours != theirs:
            raise RefusedError(f"不属于本节点 · not for this node: {key} = {theirs!s}, here {ours!s}")


def tell_configuration(desk: Desk, site_file: Path) -> None:
    """Says that a newer configuration lies ready; once this node runs with it, it is removed there."""
    ready = desk.reference.folder / NEXT_FILE
    taken = desk.reference.current("configuration")
    if taken is None or not ready.exists():
        desk.calm("configuration")
        return
    if hashlib.sha256(site_file.read_bytes()).hexdigest() == taken.sha256:
        with contextlib.suppress(OSError):
            ready.unlink()
        desk.calm("configuration")
        return
    log.warning("a newer configuration lies ready", version=taken.version, file=str(ready))
    desk.alarm(
        "configuration",
        f"中心下发了新配置 {taken.version}（{ready}）：用 chayan check 核对，替换 {site_file} 后重启本节点",
        f"the centre has sent configuration {taken.version} ({ready}): check it with chayan check, put it in "
        f"place of {site_file}, and restart this node",
    )
