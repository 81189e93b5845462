"""What the interoperability checks share: the program under test, random claims, comparison, and the count of results.

Nothing here is random from run to run: every check seeds its own generator, so a failure can be repeated.
"""

from __future__ import annotations

import atexit
import base64
import collections
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = os.environ.get("PORTCULLIS", "portcullis")
NODE = os.environ.get("NODE", "node")

HMAC = ("HS256", "HS384", "HS512")
ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
ALGORITHMS = HMAC + ASYMMETRIC
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


# The program under test.


def environment() -> dict[str, str]:
    """The environment without a secret, a token or a configuration that would change a result."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PORTCULLIS_")}
    return ours | {"XDG_CONFIG_HOME": "/nonexistent", "NO_COLOR": "1"}


def portcullis(*arguments: str, stdin: str | bytes = b"", ok: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    """Runs the program; any exit code but the expected ones is an error."""
    # A test claim may hold what is not UTF-8 as text: surrogates are written as they are and refused by the program.
    stdin = stdin if isinstance(stdin, bytes) else stdin.encode("utf-8", "surrogatepass")
    done = subprocess.run([PROGRAM, *arguments], input=stdin, capture_output=True, env=environment(), timeout=120)
    result = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    if done.returncode not in ok:
        raise Failed(f"exit {done.returncode} of {' '.join(arguments)[:300]}\n{result.stderr.strip()[:600]}")
    return result


def inspect(tokens: list[str], *options: str) -> list[dict]:
    """What `inspect --json -` says of each token."""
    done = portcullis("inspect", "--json", *options, "-", stdin="\n".join(tokens) + "\n", ok=(0, 3))
    found = [json.loads(line) for line in done.stdout.splitlines()]
    if len(found) != len(tokens):
        raise Failed(f"{len(tokens)} tokens in, {len(found)} results out: {done.stderr[:300]}")
    return found


def new_key(algorithm: str, path: pathlib.Path) -> None:
    """Makes a key with the program, or replaces the one in the file as an operator would: in one step."""
    fresh = path.with_name(path.name + ".new")
    portcullis("keys", "new", "--alg", algorithm, "--out", str(fresh))
    fresh.rename(path)


# Values.


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def secret_of(path: pathlib.Path) -> bytes:
    """The bytes of a secret file written by `keys new --alg HS…`."""
    text = path.read_text().strip()
    return base64.b64decode(text.removeprefix("b64:")) if text.startswith("b64:") else text.encode()


def private_file(path: pathlib.Path, text: str) -> str:
    """A file that only its owner can read, as secrets must be."""
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def flipped(token: str, rng: random.Random) -> str:
    """The token with one bit of its signature flipped."""
    signed, signature = token.rsplit(".", 1)
    data = bytearray(unb64(signature))
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return f"{signed}.{b64(bytes(data))}"


def same(left: object, right: object, *, doubles: bool = False) -> bool:
    """Deep equality of JSON values. `1` and `1.0` are the same number, `1` and `true` are not.

    With `doubles`, numbers are compared as JavaScript has them.
    """
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return float(left) == float(right) if doubles else left == right
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name], doubles=doubles) for name in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(same(a, b, doubles=doubles) for a, b in zip(left, right))
    return left == right


LETTERS = "aZ09 _-./:+@'\"\\$%&\t\n\u00e9\u00df\u0130\u65e5\u672c\u0434\u05d0\u0915\u00a0\u200d\u202e\ufeff\u2028\ue000\U0001f600\U00020000"
INTEGERS = (0, 1, -1, 2**31, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1)
FRACTIONS = (0.1, -0.5, 1e-7, 5e-324, 2.2250738585072014e-308, 1.0000000000000002, 1234567.890625, 1e15 + 0.125)


def text(rng: random.Random, least: int = 0, most: int = 12) -> str:
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(least, most)))


def value(rng: random.Random, depth: int) -> object:
    """A random JSON value."""
    match rng.randrange(6 if depth == 0 else 8):
        case 0:
            return rng.choice((None, True, False))
        case 1:
            return rng.choice(INTEGERS)
        case 2:
            return rng.randint(-(2**63), 2**64 - 1)
        case 3:
            return rng.choice(FRACTIONS)
        case 4:
            return rng.uniform(-1, 1) * 10.0 ** rng.randint(-300, 18)
        case 5:
            return text(rng)
        case 6:
            return [value(rng, depth - 1) for _ in range(rng.randint(0, 4))]
        case _:
            return {text(rng, 0, 6): value(rng, depth - 1) for _ in range(rng.randint(0, 4))}


def user(rng: random.Random) -> str:
    """A name that is not blank."""
    return rng.choice("uéж日\U0001f600") + text(rng)


def extras(rng: random.Random) -> dict[str, object]:
    """Claims of the applications: none is registered, and `=` ends the name in `--claim NAME=JSON`."""
    return {f"x{text(rng, 0, 6)}": value(rng, 3) for _ in range(rng.randint(0, 4))}


ISSUERS = ("https://issuer.example", "https://issuer.example/", "https://\u00efss.example/r\u00e9alm", "urn:x:1")
AUDIENCES = ("api", "https://mcp.example/mcp", "aud with spaces", "\u5bfe\u8c61", "API")


# The other libraries.


def jose(mode: str, algorithm: str, lines: list[object]) -> list[dict]:
    """Runs `jose_bridge.mjs`: JSON lines in, JSON lines out."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run(
        [NODE, str(HERE / "jose_bridge.mjs"), mode, algorithm], input=text, capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise Failed(f"jose {mode} {algorithm}: {done.stderr[:600]}")
    # Not `splitlines`: U+2028 ends a line for Python, but not in JSON.
    return [json.loads(line) for line in done.stdout.split("\n") if line]


# Results.


class Failed(Exception):
    """A step without which the rest of a check makes no sense."""


class Tally:
    """Counts checks by row and column, and keeps the first failures of each."""

    def __init__(self, kept: int = 3) -> None:
        self.passed: collections.Counter[tuple[str, str]] = collections.Counter()
        self.made: collections.Counter[tuple[str, str]] = collections.Counter()
        self.failures: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
        self.kept = kept

    def check(self, row: str, column: str, passed: bool, why: object = "") -> bool:
        self.made[row, column] += 1
        if passed:
            self.passed[row, column] += 1
        elif len(self.failures[row, column]) < self.kept:
            self.failures[row, column].append(str(why))
        return passed

    def report(self) -> int:
        """Prints a Markdown table and the failures; returns the exit code."""
        rows = list(dict.fromkeys(row for row, _ in self.made))
        columns = list(dict.fromkeys(column for _, column in self.made))
        print("| | " + " | ".join(columns) + " |")
        print("|---" * (len(columns) + 1) + "|")
        for row in rows:
            cells = (f"{self.passed[row, c]}/{self.made[row, c]}" if self.made[row, c] else "–" for c in columns)
            print(f"| {row} | " + " | ".join(cells) + " |")
        for (row, column), reasons in self.failures.items():
            missing = self.made[row, column] - self.passed[row, column]
            print(f"\n{row}, {column}: {missing} failed, of which:")
            for reason in reasons:
                print(f"  {reason[:500]}")
        print(f"\n{sum(self.passed.values())} of {sum(self.made.values())} checks passed")
        return 0 if self.passed == self.made else 1


def scratch() -> pathlib.Path:
    """A directory that only we can read, removed at the end."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="interop-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def eventually(seconds: float, happened, what: str, lines: list[str] | tuple = ()):
    """Waits until something is true, and returns it; the failure shows the last lines of a process."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := happened():
            return found
        time.sleep(0.02)
    raise Failed(f"not within {seconds} s: {what}; {lines[-5:]}")


def require(*modules: str) -> None:
    """Exits with 77, which test runners take as left out, if a module is missing."""
    for module in modules:
        try:
            __import__(module)
        except ImportError:
            print(f"left out: python has no module {module}")
            sys.exit(77)
