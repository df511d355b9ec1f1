"""A calibrator or a policy as a service over HTTP: rows in, calibrated probabilities out.

`temperance serve` runs it; `application` is the same as an ASGI application for a server of your
own.
"""

try:
    from temperance.serving.app import application
    from temperance.serving.limits import Limits
    from temperance.serving.server import serve
except ImportError as error:
    from temperance.errors import MissingDependencyError

    _PACKAGE = (error.name or "starlette").partition(".")[0]
    raise MissingDependencyError(_PACKAGE, extra="serve", purpose="Serving") from error

__all__ = ["Limits", "application", "serve"]
