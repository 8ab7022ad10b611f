"""The registry process: TLS that a courier's client trusts, keys that nodes pin, clear errors."""

import asyncio
import socket
from pathlib import Path

import httpx
import pytest
import trustme
from fastapi import FastAPI
from typer.testing import CliRunner

from central_sync.seal import is_public_key
from edge.__main__ import app
from edge.agent import bind, serve
from edge.centre import CentreError, tls_of
from edge.roads import client_of
from edge.settings import Registry, SettingsError


def authority(folder: Path, name: str = "127.0.0.1") -> tuple[Path, Path, Path]:
    """Authority's file, a certificate for ``name``, and its key."""
    ca = trustme.CA()
    issued = ca.issue_cert(name)
    paths = (folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    ca.cert_pem.write_to_path(str(paths[0]))
    issued.cert_chain_pems[0].write_to_path(str(paths[1]))
    issued.private_key_pem.write_to_path(str(paths[2]))
    return paths


def test_a_client_with_the_sites_authority_reaches_an_https_registry_and_no_other_does(
    tmp_path: Path,
) -> None:
    ca, cert, key = authority(tmp_path)
    app = FastAPI()

    @app.get("/healthz")
    def healthz() -> dict[str, bool]:
        return {"ok": True}

    async def main() -> tuple[int, str]:
        stop, listener = asyncio.Event(), bind("127.0.0.1", 0)
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        serving = asyncio.create_task(serve(app, listener, stop, tls=tls_of(cert, key)))
        try:
            async with client_of(Registry(url=url, ca_file=ca)) as trusted:
                for _ in range(100):
                    try:
                        status = (await trusted.get("/healthz")).status_code
                        break
                    except httpx.ConnectError:
                        await asyncio.sleep(0.05)
            async with client_of(Registry(url=url)) as stranger:
                with pytest.raises(httpx.ConnectError) as refused:
                    await stranger.get("/healthz")
            return status, str(refused.value)
        finally:
            stop.set()
            await serving

    status, refused = asyncio.run(main())
    assert status == 200
    assert "CERTIFICATE_VERIFY_FAILED" in refused


def test_answers_do_not_wait_for_the_clients_delayed_acknowledgement() -> None:
    """Head and body of an answer are two segments; with Nagle's delay the second waits for the peer's ACK."""

    async def main() -> int:
        heard: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def met(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted = writer.get_extra_info("socket")
            heard.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with bind("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(met, sock=listener):
                _, writer = await asyncio.open_connection(*listener.getsockname())
                try:
                    return await heard
                finally:
                    writer.close()
                    await writer.wait_closed()

    assert asyncio.run(main()) == 1


def test_half_a_tls_setting_and_files_that_are_none_are_named(tmp_path: Path) -> None:
    _, cert, key = authority(tmp_path)
    with pytest.raises(CentreError, match="go together"):
        tls_of(cert, None)
    with pytest.raises(CentreError, match=r"nowhere\.pem"):
        tls_of(tmp_path / "nowhere.pem", key)
    with pytest.raises(CentreError, match="cannot be used"):
        tls_of(key, cert)
    assert tls_of(None, None) is None


def test_an_authority_that_is_none_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("no certificate", "ascii")
    with pytest.raises(SettingsError, match="centre: ca_file"):
        client_of(Registry(url="https://127.0.0.1:1", ca_file=wrong))
    with pytest.raises(SettingsError, match=r"missing\.pem"):
        client_of(Registry(url="https://127.0.0.1:1", ca_file=tmp_path / "missing.pem"))


def test_the_registrys_key_is_made_once_and_printed(tmp_path: Path) -> None:
    command = ["registry-key", "--photos", str(tmp_path / "photos")]
    first, again = (CliRunner().invoke(app, command) for _ in range(2))
    assert first.exit_code == again.exit_code == 0
    assert first.output == again.output
    assert is_public_key(first.output.strip())


def test_a_folder_that_cannot_hold_the_registrys_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "ascii")
    result = CliRunner().invoke(app, ["registry-key", "--photos", str(tmp_path / "file")])
    assert result.exit_code == 1
    assert str(tmp_path / "file") in result.output
