"""The state folder: where it is, who may reach it, and the secrets and keys in it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pwd
import secrets
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from migration_plan.local.errors import FolderRefused

MARK = ".fig-stack"  # Says that the folder is ours and may be wiped.
_LONGEST = 70  # Unix sockets live in the folder, and their whole path must stay under 108 bytes.


def choose(wanted: Path) -> tuple[Path, str]:
    """The folder to use, and why it is another one than the wanted one ('' when it is that one).

    Servers run unprivileged, and a folder below somebody's home is often closed to them.
    """
    wanted = wanted.absolute()
    reason = ""
    if len(str(wanted)) > _LONGEST:
        reason = "its path is too long for unix sockets"
    elif not reachable(wanted):
        reason = "the users that servers run as cannot reach it"
    if not reason:
        return wanted, ""
    key = hashlib.sha256(str(wanted).encode()).hexdigest()[:12]
    instead = Path("/var/tmp") / f"fig-{os.geteuid()}-{key}"  # noqa: S108 (checked by `prepare`)
    return instead, f"{wanted} cannot be used: {reason}; the state is in {instead}"


def reachable(folder: Path) -> bool:
    """Can `nobody`, the least of the server users, walk to this folder?"""
    if os.geteuid() != 0:
        return True
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    nobody = pwd.getpwnam("nobody")
    walk = subprocess.run(
        ["test", "-x", existing],
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return walk.returncode == 0


def prepare(folder: Path) -> None:
    """Make the folder, or make sure that it is ours: nobody else may have put it there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderRefused(folder, f"cannot be made: {error.strerror}") from error
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise FolderRefused(folder, "belongs to another user")
    if not (folder / MARK).exists():
        if any(folder.iterdir()):
            raise FolderRefused(folder, "is not empty and holds no stack")
        (folder / MARK).write_text("The state of a local stack. `fig down --wipe` removes it.\n", encoding="utf-8")
    folder.chmod(0o755)
    for name in ("logs", "keys", "run", "done"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One `fig up` or `fig down` at a time in a folder; a second one waits for the first."""
    if not (folder / MARK).exists():
        yield
        return
    with (folder / MARK).open(encoding="utf-8") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)  # Ends with the process, however that ends.
        yield


@contextmanager
def claimed(file: Path) -> Iterator[bool]:
    """Whether nobody else holds this lock file; ours until the block ends, or the process, however that ends."""
    try:
        number = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise FolderRefused(file, f"cannot be opened: {error.strerror}") from error
    with os.fdopen(number, "r+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = True
        except BlockingIOError:
            is_ours = False
        yield is_ours


def write_private(path: Path, text: str) -> None:
    """Replace the file at once; only we may read it."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def secrets_for(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The stack's secrets; what is missing is generated now and kept until the folder is wiped."""
    path = folder / "secrets.json"
    known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    missing = [name for name in names if name not in known]
    if missing:
        known |= {name: secrets.token_urlsafe(24) for name in missing}
        write_private(path, json.dumps(known, indent=1))
    return known


def keys_for(folder: Path, names: Iterable[str]) -> None:
    """Ed25519 pairs as keys/NAME.pem and keys/NAME.pub.pem; what is missing is generated now."""
    for name in names:
        private = folder / "keys" / f"{name}.pem"
        public = folder / "keys" / f"{name}.pub.pem"
        if private.exists() and public.exists():
            continue
        key = Ed25519PrivateKey.generate()
        encoding, format_ = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        write_private(private, key.private_bytes(encoding, format_, serialization.NoEncryption()).decode())
        public_bytes = key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        write_private(public, public_bytes.decode())
