"""A FastMCP server whose tokens come from another issuer, for rotation.py.

    fastmcp_server.py PORT ISSUER AUDIENCE REFRESH ALG…

With several algorithms there is a verifier for each, because a JWTVerifier accepts exactly one.
"""

import sys

from fastmcp import FastMCP
from fastmcp.server.auth import JWTVerifier, MultiAuth
from fastmcp.server.dependencies import get_access_token

port, issuer, audience, refresh, *algorithms = sys.argv[1:]
# The names matter to MultiAuth alone: it wants one for each source.
verifiers = {
    algorithm: JWTVerifier(
        jwks_uri=f"{issuer}/.well-known/jwks.json",
        issuer=issuer,
        audience=audience,
        algorithm=algorithm,
        jwks_refresh_interval=float(refresh),
    )
    for algorithm in algorithms
}
auth = verifiers[algorithms[0]] if len(verifiers) == 1 else MultiAuth(verifiers=verifiers)
server = FastMCP("interop", auth=auth)


@server.tool
def who() -> str:
    """Says whose token called, as the server understood it."""
    token = get_access_token()
    return f"{token.claims['user_id']} {token.claims['permissions']}"


server.run(transport="http", host="127.0.0.1", port=int(port), show_banner=False, log_level="warning")
