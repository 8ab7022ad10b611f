"""Secrets of devices and brokers: they stand in files of their own, never in the site file."""

from pathlib import Path


class SecretError(ValueError):
    """A password file that cannot be read; the text names it."""


def password(path: Path) -> str:
    """What stands in the file, without blanks around it; raises SecretError."""
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"password_file: {path} cannot be read: {error}") from error
    if not text:
        raise SecretError(f"password_file: {path} is empty")
    return text
