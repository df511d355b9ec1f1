"""Requests must carry the token, where one is asked for."""

from __future__ import annotations

import hmac
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Guard"]


class Guard:
    """An application whose requests must carry a token, as a bearer or also as a password.

    Parameters
    ----------
    app : ASGI application
    token : str
    is_open : callable
        Whether a scope needs none.
    refuse : callable
        Coroutine that answers a request without it.
    password : bool
        Whether browsers may send it as the password of any name (HTTP Basic).
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str,
        is_open: Callable[[Scope], bool],
        refuse: Callable[[Request], Any],
        password: bool = False,
    ) -> None:
        self._app = app
        self._token = token.encode()
        self._is_open, self._refuse, self._password = is_open, refuse, password

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or refuse it."""
        if scope["type"] != "http" or self._is_open(scope) or self._is_known(scope):
            await self._app(scope, receive, send)
            return
        response = await self._refuse(Request(scope, receive))
        await response(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        """Whether a request has the token; how long that takes does not tell how near it is."""
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, token = values[0].partition(b" ") if len(values) == 1 else (b"", b"", b"")
        known = scheme.lower() == b"bearer"
        if self._password and scheme.lower() == b"basic":
            try:
                token, known = b64decode(token.strip(), validate=True).partition(b":")[2], True
            except ValueError:
                known = False
        return hmac.compare_digest(token.strip(), self._token) and known
