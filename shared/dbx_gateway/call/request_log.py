"""The logging switch: ``DBX_GATEWAY_LOG=requests`` writes one line per request, ``bodies`` the bodies too."""

from __future__ import annotations

import logging
import os
from typing import Any

from dbx_gateway.call.open_stream import OpenStream
from dbx_gateway.call.transcript import beginning_masked, masked
from dbx_gateway.error_bodies import request_id_of
from dbx_gateway.errors import DbxGatewayError
from dbx_gateway.notices import warn_once
from dbx_gateway.transport.sending import HttpRequest, HttpResponse

__all__ = ["log_exchange"]

logger = logging.getLogger("dbx_gateway.requests")


def log_exchange(
    sent: HttpRequest,
    outcome: HttpResponse | OpenStream[Any] | DbxGatewayError,
    error: DbxGatewayError | None,
    seconds: float,
    attempt: int,
    paced: float = 0.0,
) -> None:
    """Log one request and its outcome, where the environment asks for it.

    Args:
        sent: the request.
        outcome: the answer, or the failure.
        error: what the outcome means, where it is a failure.
        seconds: from the sending to the outcome.
        attempt: which request of its call it is, from 1.
        paced: seconds that it waited for its turn before.
    """
    level = os.environ.get("DBX_GATEWAY_LOG")
    if not level:
        return
    if level not in ("requests", "bodies"):
        warn_once("log switch", f"DBX_GATEWAY_LOG is {level!r} and logs nothing; set it to 'requests' or 'bodies'")
        return
    _show()
    status = outcome.status if error is None else error.status or type(error).__name__
    request_id = None if isinstance(outcome, DbxGatewayError) else request_id_of(outcome.headers)
    waited = f" paced_ms={paced * 1000:.0f}" if paced else ""
    logger.info(
        "%s status=%s ms=%.0f attempt=%d request_id=%s%s",
        sent.label,
        status,
        seconds * 1000,
        attempt,
        request_id or "-",
        waited,
    )
    if level == "bodies":
        warn_once(
            "log bodies", "DBX_GATEWAY_LOG=bodies writes prompts and answers to the log; secrets in them are masked"
        )
        logger.info("sent %s", masked(sent.content or b""))
        if isinstance(outcome, HttpResponse):
            logger.info("got %s", beginning_masked(outcome.body, outcome.mask))
        elif error is not None and not isinstance(outcome, DbxGatewayError) and outcome.transcript is not None:
            outcome.transcript.write()


def _show() -> None:
    """Whoever sets the variable wants to see the lines, also where the application configures no logging."""
    if not logger.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
        logger.addHandler(handler)
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
