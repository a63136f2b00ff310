"""Spoils small model files at random and opens them: run as a process of its own, with little memory to take.

python -m tests.fuzz.mutate FOLDER SECONDS SEED [MEGABYTES]

Prints one line for each file that did anything but open or say in one line what is wrong, then `tried N refused M`.
"""

from __future__ import annotations

import random
import resource
import shutil
import struct
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from engine.model import library
from engine.model.loaders.formats import fingerprint, format_of
from engine.model.loaders.header import ModelFileError

SLOW_S = 5.0
NUMBERS = (0, 1, 2, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 10**12, 2**63 - 1, 2**64 - 1)
WORDS = (
    b"NaN",
    b"-1",
    b"1e999",
    b"null",
    b"[]",
    b"{}",
    b'"x"',
    b"999999999999",
    b"true",
    b"../../etc/passwd",
    b"\xff\xfe",
)

Change = Callable[[bytearray, random.Random], None]


def flip(content: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 8)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def flip_early(content: bytearray, chance: random.Random) -> None:
    """Headers stand first, and what is wrong there does the most harm."""
    for _ in range(chance.randint(1, 4)):
        content[chance.randrange(min(len(content), 4096))] = chance.randrange(256)


def overwrite_number(content: bytearray, chance: random.Random) -> None:
    at, form = chance.randrange(min(len(content), 8192)), chance.choice("<I <Q <H".split())
    value = chance.choice(NUMBERS) & (2 ** (8 * struct.calcsize(form)) - 1)
    content[at : at + struct.calcsize(form)] = struct.pack(form, value)


def cut(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def drop(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content))
    del content[at : at + chance.randint(1, 64)]


def repeat(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content))
    content[at:at] = content[at : at + chance.randint(1, 256)]


def put_word(content: bytearray, chance: random.Random) -> None:
    """Over a value of a JSON text, or anywhere."""
    places = [at for at, byte in enumerate(content[:20_000]) if byte in b":,[{"] or [0]
    at = chance.choice(places) + 1
    word = chance.choice(WORDS)
    content[at : at + chance.choice((0, 1, len(word)))] = word


CHANGES: tuple[Change, ...] = (flip, flip_early, overwrite_number, cut, drop, repeat, put_word)


def spoil(folder: Path, chance: random.Random) -> None:
    """Change one of the files of a model, sometimes more than once."""
    file = chance.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    content = bytearray(file.read_bytes())
    for _ in range(chance.randint(1, 3)):
        if content:
            chance.choice(CHANGES)(content, chance)
    file.write_bytes(content)


def opened(folder: Path) -> bool:
    """Whether what lies in the folder opens. Raises anything but ModelFileError."""
    files = [path for path in folder.iterdir() if path.suffix in (".gguf", ".whl")]
    try:
        path = library.resolve(str(files[0] if files else folder))
        library.describe(path)
        format_of(path).load(path)
        fingerprint(path)
    except ModelFileError as error:
        if "\n" in str(error) or not str(error).strip() or len(str(error)) > 1000:
            raise AssertionError(f"not one clear line: {str(error)[:300]!r}") from None
        return False
    return True


def main(models: Path, seconds: float, seed: int, megabytes: int) -> int:
    import torch  # noqa: F401  (before memory is limited: its libraries are mapped whole)

    for model in sorted(models.iterdir()):
        assert opened(model), f"{model} should open before it is spoilt"
    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20,) * 2)
    chance, scratch = random.Random(seed), models.parent / "scratch"
    tried = refused = bad = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = chance.getstate()
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(chance.choice(sorted(models.iterdir())), scratch)
        spoil(scratch, chance)
        start = time.monotonic()
        try:
            refused += not opened(scratch)
        except BaseException:
            bad += 1
            kept = models.parent / f"bad-{seed}-{tried}"
            shutil.copytree(scratch, kept)
            print(f"{kept}: {traceback.format_exc(limit=-3)}", flush=True)
        if time.monotonic() - start > SLOW_S:
            bad += 1
            print(f"slow: {time.monotonic() - start:.1f} s, state {hash(state)}", flush=True)
        tried += 1
    print(f"tried {tried} refused {refused}", flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    folder, seconds, seed, *megabytes = sys.argv[1:]
    sys.exit(main(Path(folder), float(seconds), int(seed), int(megabytes[0]) if megabytes else 256))
