"""Sends a message by a channel, within seconds. What a server or a library says of a failure isn't shown, as the
address of a webhook may be in it.
"""

from __future__ import annotations

import ssl
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from lakehouse_assets.engine.alerts.channels import Channel, Mail
from lakehouse_assets.engine.alerts.messages import Notice, mail, payload
from lakehouse_assets.engine.errors import NotSent

if TYPE_CHECKING:
    from smtplib import SMTP

SECONDS = 5.0
# Answers that are about this message and no other.
_OF_MESSAGE = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)
# A webhook of Teams says so, and answers 200, where Teams itself took nothing.
_FAILED = b"Webhook message delivery failed"


def send(notice: Notice, channel: Channel) -> None:
    """Send a notice by a channel; by that of the log nothing, as whoever runs tells it.

    Raises:
        NotSent: the channel didn't take it, and may do so later.
    """
    if channel.mail:
        _mail(notice, channel, channel.mail)
    elif channel.kind != "log":
        _post(notice, channel)


def _post(notice: Notice, channel: Channel) -> None:
    import requests

    from lakehouse_assets.engine.sources.arrivals.http_session import Patience, session_with

    told, wait = payload(notice, channel), (SECONDS, SECONDS)
    try:
        with (
            session_with(Patience(SECONDS)) as session,
            session.post(channel.url, json=told, stream=True, allow_redirects=False, timeout=wait) as answer,
        ):
            status, said = answer.status_code, next(answer.iter_content(4096), b"")
    except (requests.RequestException, OSError) as error:
        raise _not_sent(channel, f"it can't be reached ({type(error).__name__})") from None
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        known = {it.value: it.phrase for it in HTTPStatus}
        why = f"it answered {status} {known.get(status, '')}".strip()
        raise _not_sent(channel, why, down=status not in _OF_MESSAGE)
    if channel.kind == "teams" and _FAILED in said:
        raise _not_sent(channel, "it answered that Teams didn't take it")


def _mail(notice: Notice, channel: Channel, by: Mail) -> None:
    from smtplib import SMTP, SMTP_SSL, SMTPException, SMTPResponseException

    trust = ssl.create_default_context()
    try:
        kind = partial(SMTP_SSL, context=trust) if by.encrypted else SMTP
        with kind(by.host, by.port, timeout=SECONDS) as server:
            _log_in(server, by, trust)
            server.send_message(mail(notice, by))
    except SMTPResponseException as error:
        raise _not_sent(channel, f"it answered {error.smtp_code} ({type(error).__name__})") from None
    except (SMTPException, OSError, UnicodeError) as error:
        raise _not_sent(channel, f"it didn't take the mail ({type(error).__name__})") from None


def _log_in(server: SMTP, by: Mail, trust: ssl.SSLContext) -> None:
    """Say who we are, once the connection is encrypted; that it isn't is put up with where there is no password, and
    the server offers nothing else.
    """
    server.ehlo()
    if not by.encrypted and (by.user or server.has_extn("starttls")):
        server.starttls(context=trust)
    if by.user:
        server.login(by.user, by.password)


def _not_sent(channel: Channel, why: str, *, down: bool = True) -> NotSent:
    return NotSent(f"Telling {channel.where}: {why}; the message waits, and is sent by a later run", down=down)
