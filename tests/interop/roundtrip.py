#!/usr/bin/env python3
"""Round trips between Portcullis, PyJWT and the npm library jose, in both directions, for every algorithm.

(a) `portcullis issue` signs; the libraries verify with the public JWK of `portcullis keys jwks` (or the secret).
(b) The libraries sign with keys of their own; `portcullis inspect --json` verifies with --jwks, --public-key or
    --secret-file, reads user and permissions by a preset or by named claims, and refuses each token again after one
    bit of its signature was flipped.

    PORTCULLIS=…/portcullis roundtrip.py [--count 200] [ALG…]

Exits with 1 if a check failed, with 77 if PyJWT is missing.
"""

import argparse
import base64
import json
import pathlib
import random
import time

import kit

kit.require("jwt", "cryptography")

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

tally = kit.Tally()


# (a) Issued here, verified there.


class Issued:
    """A random request for `portcullis issue`, and the claims that its token must hold."""

    def __init__(self, rng: random.Random) -> None:
        self.user = kit.user(rng)
        self.permissions = [kit.text(rng, 1) for _ in range(rng.randint(0, 5))]
        self.extra = kit.extras(rng)
        self.issuer = rng.choice((None, *kit.ISSUERS))
        self.audience = rng.choice((None, *kit.AUDIENCES))
        self.subject = rng.choice((None, kit.user(rng)))
        self.ttl = rng.randint(60, 10**7)

    def arguments(self) -> list[str]:
        """One word per option, because a value may start with a dash."""
        found = [f"--permission={name}" for name in self.permissions]
        found += [f"--claim={name}={json.dumps(value, ensure_ascii=False)}" for name, value in self.extra.items()]
        found += [f"--issuer={self.issuer}"] if self.issuer else []
        found += [f"--audience={self.audience}"] if self.audience else []
        found += [f"--sub={self.subject}"] if self.subject else []
        return [*found, f"--ttl={self.ttl}s", "--", self.user]

    def claims(self) -> dict:
        registered = {"iss": self.issuer, "aud": self.audience, "sub": self.subject}
        given = {name: value for name, value in registered.items() if value is not None}
        return {"user_id": self.user, "permissions": self.permissions} | given | self.extra

    def difference(self, claims: dict, *, doubles: bool = False) -> str:
        """What the verified claims have that they should not, or the reverse; empty if nothing."""
        wanted, rest = self.claims(), {name: value for name, value in claims.items()}
        times = [rest.pop(name, None) for name in ("iat", "exp")]
        if not isinstance(rest.pop("jti", None), str):
            return "no jti"
        if not all(isinstance(time, int) for time in times) or times[1] - times[0] != self.ttl:
            return f"times {times} for a lifetime of {self.ttl} s"
        return "" if kit.same(rest, wanted, doubles=doubles) else f"{rest}\n  not {wanted}"


def issue(algorithm: str, count: int, folder: pathlib.Path) -> None:
    rng = random.Random(f"issue {algorithm}")
    file = folder / f"{algorithm}.key"
    kit.new_key(algorithm, file)
    if algorithm in kit.HMAC:
        secret = kit.secret_of(file)
        option, public, jwk = f"--secret-file={file}", secret, {"kty": "oct", "k": kit.b64(secret)}
    else:
        option = f"--signing-key={file}"
        jwk = json.loads(kit.portcullis("keys", "jwks", "--alg", algorithm, str(file)).stdout)["keys"][0]
        tally.check(algorithm, "(a) JWK", (jwk["alg"], jwk["use"]) == (algorithm, "sig"), jwk)
        tally.check(algorithm, "(a) JWK", not {"d", "p", "q", "k"} & jwk.keys(), "private members")
        public = jwt.PyJWK.from_dict(jwk).key

    requests, tokens = [], []
    for _ in range(count):
        request = Issued(rng)
        try:
            done = kit.portcullis("issue", option, f"--alg={algorithm}", *request.arguments())
        except kit.Failed as fault:
            tally.check(algorithm, "(a) issued", False, fault)
            continue
        tally.check(algorithm, "(a) issued", True)
        requests.append(request)
        tokens.append(done.stdout.strip())

    for request, token in zip(requests, tokens):
        try:
            claims = jwt.decode(token, public, algorithms=[algorithm], issuer=request.issuer, audience=request.audience)
            header = jwt.get_unverified_header(token)
            why = request.difference(claims)
            if header != {"typ": "JWT", "alg": algorithm} | ({"kid": jwk["kid"]} if "kid" in jwk else {}):
                why = f"header {header}"
        except Exception as fault:  # noqa: BLE001 (whatever the library throws is a failed check)
            why = f"{type(fault).__name__}: {fault}; {token}"
        tally.check(algorithm, "(a) PyJWT", not why, why)

    lines = [{"token": t, "issuer": r.issuer, "audience": r.audience} for t, r in zip(tokens, requests)]
    lines = [{name: value for name, value in line.items() if value is not None} for line in lines]
    for request, found, token in zip(requests, kit.jose("verify", algorithm, [jwk, *lines]), tokens, strict=True):
        why = request.difference(found["claims"], doubles=True) if "claims" in found else f"{found}; {token}"
        tally.check(algorithm, "(a) jose", not why, why)


# (b) Signed there, verified here.


def key_of(algorithm: str):
    match algorithm[:2]:
        case "RS" | "PS":
            return rsa.generate_private_key(65537, 2048)
        case "ES":
            return ec.generate_private_key({"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}[kit.CURVES[algorithm]]())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


# How claims hold user and permissions: the options that say so, a maker of claims, and what must be found in them.


def words(rng: random.Random, least: int = 0) -> list[str]:
    """Scopes: without white space of any kind."""
    return ["".join(kit.text(rng, 1).split()) or "_" for _ in range(rng.randint(least, 4))]


def of_standard(rng: random.Random):
    scope, roles = words(rng, 1), [kit.text(rng, 1) for _ in range(rng.randint(0, 4))]
    claims = {"sub": kit.user(rng), "scope": " ".join(scope), "roles": roles}
    if rng.random() < 0.5:
        claims["groups"] = [f"/{kit.text(rng)}" for _ in range(rng.randint(1, 3))]
    return claims, (claims["sub"], "sub"), {"scope": scope, "roles": roles, "groups": claims.get("groups", [])}


def of_lab(rng: random.Random):
    claims = {"user_id": kit.user(rng), "permissions": [kit.text(rng, 1) for _ in range(rng.randint(0, 5))]}
    return claims, (claims["user_id"], "user_id"), {"permissions": claims["permissions"]}


def of_named(rng: random.Random):
    """Two claims that may name the user, a list two levels down, and an object whose member names count."""
    nested = [kit.text(rng, 1) for _ in range(rng.randint(0, 4))]
    flags = {kit.text(rng, 1): rng.choice((True, None, {"1": "x"})) for _ in range(rng.randint(0, 3))}
    claims = {"app": {"access": {"rights": nested}}, "https://x.example/flags": flags}
    claims["who"] = kit.user(rng)
    who = "who"
    if rng.random() < 0.5:
        claims["nick"], who = kit.user(rng), "nick"
    return claims, (claims[who], who), {"app.access.rights": nested, "https://x.example/flags": list(flags)}


SHAPES = {
    of_standard: ["--preset=standard"],
    of_lab: ["--preset=lab"],
    of_named: [
        "--user-claim=nick",
        "--user-claim=who",
        "--permissions-claim=app.access.rights",
        "--permissions-claim=https://x.example/flags",
    ],
}


class Signed:
    """Random claims in one of the shapes, and what `inspect` must say of them."""

    def __init__(self, rng: random.Random, shape) -> None:
        own, self.user, permissions = shape(rng)
        now = int(time.time())
        self.issuer = rng.choice(kit.ISSUERS)
        audiences = rng.sample(kit.AUDIENCES, rng.randint(1, 3))
        self.audiences = audiences
        aud = audiences[0] if len(audiences) == 1 and rng.random() < 0.7 else audiences
        times = {"exp": now + 3600 + rng.choice((0, 0.25, 1e6)), "iat": now - rng.choice((0, 0.5, 60))}
        if rng.random() < 0.3:
            times["nbf"] = now - 60
        self.claims = kit.extras(rng) | own | times | {"iss": self.issuer, "aud": aud, "jti": kit.text(rng, 4)}
        every = [(name, claim) for claim, names in permissions.items() for name in names]
        if shape is not of_lab:
            # Each permission counts once, for the first claim that holds it; tokens issued here are shown as they are.
            every = [(name, claim) for at, (name, claim) in enumerate(every) if name not in dict(every[:at])]
        self.permissions: list[tuple[str, str]] = every
        self.header = rng.choice(({"typ": "JWT"}, {"typ": "at+jwt"}, {}))

    def difference(self, found: dict, claims: dict) -> str:
        """What is wrong with the result for a token that must be valid; empty if nothing."""
        if not found["valid"] or found["verdict"] != "valid":
            return f"{found['verdict']} {found['reason']}: {found['sentence']}; {claims}"
        user = found["user"] and (found["user"]["name"], found["user"]["claim"])
        if user != self.user:
            return f"user {user}, not {self.user}"
        permissions = [(one["name"], one["claim"]) for one in found["permissions"]]
        # JavaScript moves the members of an object whose names are integers to the front.
        # Each is listed once, with the first claim that has it.
        wanted = {name: (name, claim) for name, claim in reversed(self.permissions)}
        if sorted(permissions) != sorted(wanted.values()):
            return f"permissions {found['permissions']}\n  not {self.permissions}"
        return "" if kit.same(found["claims"], claims) else f"claims {found['claims']}\n  not {claims}"

    def passes(self, issuer: str, audience: str) -> bool:
        return self.issuer == issuer and audience in self.audiences


def sign_by_pyjwt(algorithm: str, kid: str, wanted: list[Signed]):
    """Returns the public JWK, its PEM, the tokens and their claims."""
    if algorithm in kit.HMAC:
        key = random.Random(kid).randbytes(int(algorithm[2:]) // 8)
        jwk, pem = {"kty": "oct", "k": kit.b64(key)}, None
    else:
        key = key_of(algorithm)
        public = key.public_key()
        jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(public, as_dict=True)
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        pem = public.public_bytes(serialization.Encoding.PEM, form).decode()
    jwk |= {"kid": kid, "alg": algorithm, "use": "sig"}
    tokens = [jwt.encode(one.claims, key, algorithm=algorithm, headers=one.header | {"kid": kid}) for one in wanted]
    return jwk, pem, tokens, [one.claims for one in wanted]


def sign_by_jose(algorithm: str, kid: str, wanted: list[Signed]):
    lines = [{"header": one.header | {"kid": kid}, "claims": one.claims} for one in wanted]
    first, *rest = kit.jose("sign", algorithm, [{"kid": kid}, *lines])
    return first["jwk"], first.get("spki"), [one["token"] for one in rest], [one["claims"] for one in rest]


def verify(library: str, sign, algorithm: str, count: int, folder: pathlib.Path) -> None:
    rng = random.Random(f"{library} {algorithm}")
    decoy = jwt.get_algorithm_by_name("ES256").to_jwk(key_of("ES256").public_key(), as_dict=True) | {"kid": "decoy"}
    for number, (shape, options) in enumerate(SHAPES.items()):
        share = count // len(SHAPES) + (number < count % len(SHAPES))
        wanted = [Signed(rng, shape) for _ in range(share)]
        jwk, pem, tokens, claims = sign(algorithm, kit.text(rng, 1), wanted)
        # A set with a shared secret must not hold public keys.
        keys = [jwk] if algorithm in kit.HMAC else [decoy, jwk]
        sources = {"jwks": f"--jwks={kit.private_file(folder / 'set.json', json.dumps({'keys': keys}))}"}
        if pem:
            (folder / "public.pem").write_text(pem)
            sources["pem"] = f"--public-key={folder / 'public.pem'}"
        for name, source in sources.items():
            given = [source, *options, f"--algorithms={algorithm}"]
            column = f"(b) {library} {name}"
            for one, found, held in zip(wanted, kit.inspect(tokens, *given), claims, strict=True):
                why = one.difference(found, held)
                tally.check(algorithm, column, not why, why)
            damaged = [kit.flipped(token, rng) for token in tokens]
            for found in kit.inspect(damaged, *given):
                tally.check(algorithm, f"(b) {library} flipped", found["reason"] == "bad_signature", found)
        # One issuer and one audience for all: only those that name both pass.
        issuer, audience = rng.choice(kit.ISSUERS), rng.choice(kit.AUDIENCES)
        bound = [sources["jwks"], *options, f"--issuer={issuer}", f"--audience={audience}"]
        for one, found in zip(wanted, kit.inspect(tokens, *bound), strict=True):
            reason = None if one.passes(issuer, audience) else found["reason"]
            right = found["valid"] == one.passes(issuer, audience) and found["reason"] == reason
            expected = ("audience_mismatch",) if one.issuer == issuer else ("unknown_issuer", "issuer_mismatch")
            right &= found["valid"] or found["reason"] in expected
            tally.check(algorithm, f"(b) {library} iss/aud", right, (one.issuer, one.audiences, issuer, audience, found))
        if algorithm in kit.HMAC and shape is of_lab:
            secret = base64.b64encode(kit.unb64(jwk["k"])).decode()
            file = kit.private_file(folder / "secret", f"b64:{secret}\n")
            for one, found, held in zip(wanted, kit.inspect(tokens, f"--secret-file={file}", f"--algorithms={algorithm}"), claims, strict=True):
                why = one.difference(found, held)
                tally.check(algorithm, f"(b) {library} secret-file", not why, why)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=200)
    options.add_argument("algorithms", nargs="*", metavar="ALG", default=[])
    given = options.parse_args()
    for algorithm in given.algorithms or kit.ALGORITHMS:
        folder = kit.scratch()
        try:
            issue(algorithm, given.count, folder)
            verify("PyJWT", sign_by_pyjwt, algorithm, given.count, folder)
            verify("jose", sign_by_jose, algorithm, given.count, folder)
        except kit.Failed as fault:
            tally.check(algorithm, "steps", False, fault)
    return tally.report()


if __name__ == "__main__":
    raise SystemExit(main())
