#!/usr/bin/env python3
"""`portcullis serve` as the issuer that other servers trust, while its signing key is replaced.

Verifiers: PyJWT's PyJWKClient, jose's createRemoteJWKSet (by address and by discovery), a FastMCP server with JWTVerifier
that a client calls over HTTP, and the gate of `portcullis serve` itself. Each must accept the tokens of the first key,
refuse bad ones, and after each rotation accept old and new tokens. Verifiers that ask the issuer at every unknown `kid`
must do so at once; for those with their default settings the time is measured.

    PORTCULLIS=…/portcullis rotation.py [--count 10] [FROM:TO…]

Exits with 1 if a check failed, with 77 if a module is missing.
"""

import argparse
import asyncio
import contextlib
import pathlib
import queue
import random
import socket
import subprocess
import sys
import threading
import time

import kit

kit.require("jwt", "cryptography", "fastmcp")

import fastmcp
import jwt
from fastmcp.client.transports import StreamableHttpTransport

AUDIENCE = "https://api.example/mcp"
tally = kit.Tally()
delays: list[tuple[str, str, float]] = []


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A process whose output is read line by line as it comes."""

    def __init__(self, *command: str, log: str = "stderr", stdin: int = subprocess.DEVNULL) -> None:
        pipe, rest = subprocess.PIPE, subprocess.DEVNULL
        streams = {"stdout": rest, "stderr": rest} | {log: pipe}
        self.child = subprocess.Popen(command, stdin=stdin, text=True, bufsize=1, env=kit.environment(), **streams)
        self.lines: list[str] = []
        self.waiting: queue.Queue[str] = queue.Queue()
        self.reader = threading.Thread(target=self._read, args=(getattr(self.child, log),), daemon=True)
        self.reader.start()

    def _read(self, stream) -> None:
        for line in stream:
            self.lines.append(line.rstrip("\n"))
            self.waiting.put(self.lines[-1])

    def says(self, words: str, times: int = 1, seconds: float = 10) -> str:
        """Waits until that many lines contain the words; returns the last one."""
        found = kit.eventually(
            seconds,
            lambda: [line for line in self.lines if words in line][times - 1 :],
            f"the line {words!r}",
            self.lines,
        )
        return found[0]

    def stop(self) -> None:
        self.child.terminate()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()


# Verifiers: each has a name and `verify`, which returns the user or raises.


class PyJWT:
    def __init__(self, issuer: str, **options) -> None:
        self.issuer = issuer
        self.client = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", **options)

    def verify(self, token: str) -> str:
        key = self.client.get_signing_key_from_jwt(token)
        algorithms = ["RS256", "ES256", "ES384", "EdDSA"]
        return jwt.decode(token, key.key, algorithms=algorithms, issuer=self.issuer, audience=AUDIENCE)["user_id"]


class Jose:
    def __init__(self, issuer: str, how: str, cooldown: str) -> None:
        script = str(kit.HERE / "jose_remote.mjs")
        command = (kit.NODE, script, how, issuer, AUDIENCE, cooldown)
        self.process = Process(*command, log="stdout", stdin=subprocess.PIPE)

    def verify(self, token: str) -> str:
        self.process.child.stdin.write(f"{token}\n")
        self.process.child.stdin.flush()
        verdict, said = self.process.waiting.get(timeout=10).split(" ", 1)
        if verdict != "ok":
            raise ValueError(said)
        return said

    def stop(self) -> None:
        self.process.stop()


class McpTool:
    """A tool of an MCP server, called by the FastMCP client: a new session for each call."""

    def __init__(self, url: str, tool: str, arguments: dict) -> None:
        self.url, self.tool, self.arguments = url, tool, arguments

    async def _call(self, token: str) -> str:
        transport = StreamableHttpTransport(self.url, headers={"Authorization": f"Bearer {token}"})
        async with fastmcp.Client(transport, timeout=10) as client:
            result = await client.call_tool(self.tool, self.arguments)
            return result.content[0].text

    def verify(self, token: str) -> str:
        return asyncio.run(self._call(token))


class FastMcp(McpTool):
    def __init__(self, issuer: str, refresh: float, algorithms: list[str]) -> None:
        port = free_port()
        script = str(kit.HERE / "fastmcp_server.py")
        command = (sys.executable, script, str(port), issuer, AUDIENCE, str(refresh), *algorithms)
        self.process = Process(*command)
        super().__init__(f"http://127.0.0.1:{port}/mcp", "who", {})
        kit.eventually(30, lambda: self._listens(port), "FastMCP listens", self.process.lines)

    @staticmethod
    def _listens(port: int) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    def verify(self, token: str) -> str:
        return super().verify(token).split(" ")[0]

    def stop(self) -> None:
        self.process.stop()


class Gate(McpTool):
    """The server that publishes the keys also verifies with them."""

    def __init__(self, issuer: str) -> None:
        super().__init__(f"{issuer}/mcp", "read_data", {"id": 1})

    def verify(self, token: str) -> str:
        if '"success":true' not in super().verify(token):
            raise ValueError("no success")
        return jwt.decode(token, options={"verify_signature": False})["user_id"]


def status(url: str, token: str) -> int:
    """The HTTP status that a bare request with the token gets."""
    import httpx2

    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    accept = "application/json, text/event-stream"
    headers = {"Authorization": f"Bearer {token}", "Accept": accept, "MCP-Protocol-Version": "2025-06-18"}
    return httpx2.post(url, json=body, headers=headers).status_code


class Issuer:
    """`portcullis serve`, its key file, and the tokens that `portcullis issue` signs with it."""

    def __init__(self, algorithm: str) -> None:
        self.folder = kit.scratch()
        self.key = self.folder / "key.pem"
        kit.new_key(algorithm, self.key)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        listen = f"--listen=127.0.0.1:{port}"
        own = f"--audience={self.url}/mcp"
        self.process = Process(
            kit.PROGRAM, "serve", listen, f"--signing-key={self.key}", f"--audience={AUDIENCE}", own, "--rate=off"
        )
        kit.eventually(10, lambda: FastMcp._listens(port), "portcullis serve listens", self.process.lines)
        self.rotations = 0

    def issue(self, user: str, *options: str) -> str:
        given = {"--issuer": self.url, "--audience": AUDIENCE, "--permission": "user"}
        words = [f"{name}={value}" for name, value in given.items() if not any(o.startswith(name) for o in options)]
        return kit.portcullis("issue", f"--signing-key={self.key}", *words, *options, "--", user).stdout.strip()

    def rotate(self, algorithm: str) -> str:
        """Replaces the key file and waits until the server says so; returns what it said."""
        self.rotations += 1
        kit.new_key(algorithm, self.key)
        return self.process.says("signing key reloaded", self.rotations)

    def stop(self) -> None:
        self.process.stop()


def bad_tokens(issuer: Issuer, good: str, stranger: pathlib.Path, rng: random.Random) -> dict[str, str]:
    return {
        "flipped": kit.flipped(good, rng),
        "expired": issuer.issue("u", "--ttl=-1s"),
        "audience": issuer.issue("u", "--audience=https://other.example/mcp"),
        "stranger": kit.portcullis(
            "issue", f"--signing-key={stranger}", f"--issuer={issuer.url}", f"--audience={AUDIENCE}", "u"
        ).stdout.strip(),
    }


def refused(verifier, token: str) -> str:
    """How the verifier refused the token; empty if it did not."""
    try:
        verifier.verify(token)
    except BaseExceptionGroup as group:  # noqa: F821
        return repr(group.exceptions[0])
    except Exception as fault:  # noqa: BLE001
        return f"{type(fault).__name__}: {fault}" or "refused"
    return ""


def accepts(row: str, column: str, verifier, tokens: list[tuple[str, str]]) -> None:
    for user, token in tokens:
        try:
            found = verifier.verify(token)
        except BaseException as fault:  # noqa: BLE001 (a group of exceptions is one as well)
            found = f"{type(fault).__name__}: {fault}"
        tally.check(row, column, found == user, f"{found}, not {user}; {token}")


def rotate(source: str, targets: list[str], count: int, slow: bool) -> None:
    row = "→".join((source, *targets))
    rng = random.Random(row)
    issuer = Issuer(source)
    algorithms = list(dict.fromkeys((source, *targets)))
    eager = {
        "PyJWKClient": PyJWT(issuer.url, cooldown_duration=0),
        "jose": Jose(issuer.url, "direct", "0"),
        "jose, discovery": Jose(issuer.url, "discovery", "0"),
        "FastMCP": FastMcp(issuer.url, 0, algorithms),
        "own gate": Gate(issuer.url),
    }
    # As they come; the clock for `delays` starts when the new key is published.
    patient = {
        "PyJWKClient": PyJWT(issuer.url),
        "jose": Jose(issuer.url, "direct", "default"),
        "FastMCP": FastMcp(issuer.url, 30, algorithms),
    }
    try:
        stranger = issuer.folder / "stranger.pem"
        kit.new_key(source, stranger)
        tokens = [(f"first{n}", issuer.issue(f"first{n}")) for n in range(count)]
        for name, verifier in eager.items():
            accepts(row, f"{name} before", verifier, tokens)
            for kind, token in bad_tokens(issuer, tokens[0][1], stranger, rng).items():
                why = refused(verifier, token)
                tally.check(row, f"{name} bad", bool(why), f"{kind} accepted")
        for name in ("FastMCP", "own gate"):
            for kind, token in bad_tokens(issuer, tokens[0][1], stranger, rng).items():
                found = status(eager[name].url, token)
                tally.check(row, f"{name} 401", found == 401, f"{kind}: {found}")
        for verifier in patient.values():
            accepts(row, "defaults before", verifier, tokens[:1])

        for number, target in enumerate(targets, 1):
            said = issuer.rotate(target)
            published = time.monotonic()
            tally.check(row, "reloaded", True, said)
            fresh = [(f"new{number}{n}", issuer.issue(f"new{number}{n}")) for n in range(count)]
            for name, verifier in eager.items():
                accepts(row, f"{name} new", verifier, fresh)
                accepts(row, f"{name} old", verifier, tokens)
            if slow and number == 1:
                for name, verifier in patient.items():
                    accepts(row, "defaults old", verifier, tokens[:1])
                waiting = dict(patient)
                while waiting and time.monotonic() - published < 400:
                    for name, verifier in list(waiting.items()):
                        if not refused(verifier, fresh[0][1]):
                            delays.append((row, name, time.monotonic() - published))
                            del waiting[name]
                    time.sleep(1)
                for name in patient:
                    tally.check(row, "defaults new", name not in waiting, f"{name} never accepted the new key")
            tokens += fresh
        print(f"{row}: {said}", flush=True)
    finally:
        for part in (*eager.values(), *patient.values(), issuer):
            if hasattr(part, "stop"):
                part.stop()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=10)
    options.add_argument("--fast", action="store_true", help="leave out the verifiers with default settings")
    options.add_argument("chains", nargs="*", metavar="FROM:TO[:TO]")
    given = options.parse_args()
    chains = given.chains or ["ES256:ES256:ES256", "RS256:RS256:RS256", "ES256:RS256:ES256", "EdDSA:EdDSA"]
    for chain in chains:
        source, *targets = chain.split(":")
        try:
            rotate(source, targets, given.count, not given.fast)
        except kit.Failed as fault:
            tally.check(chain, "steps", False, fault)
    code = tally.report()
    for row, name, seconds in delays:
        print(f"{row}: {name} with its defaults accepts the new key after {seconds:.1f} s")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
