"""Tokens for the REST API of a wiki behind Restward, for the library `requests`. Copy this file beside your script.

    import requests
    from restward_auth import RestwardAuth

    wiki = requests.Session()
    wiki.auth = RestwardAuth(TOKEN_URL, "reports", client_secret)
    print(wiki.get(f"{WIKI}/rest/api/user/current").json()["username"])

A token is asked for with the first call, used until shortly before it ends, and then replaced. A call that is refused all
the same with 401, because the token was revoked, is made once more with a new one. Calls of several threads share it.
"""

import threading
import time

import requests

# Seconds before its end at which a token is replaced, so that it does not end on the way.
MARGIN = 30
TIMEOUT = 30


class TokenRefused(requests.RequestException):
    """The identity provider gave no token."""


class RestwardAuth(requests.auth.AuthBase):
    """Client credentials (RFC 6749 section 4.4), or a refresh token of a person (section 6) where one is given."""

    def __init__(self, token_url, client_id, client_secret=None, refresh_token=None, scope=None):
        self._token_url = token_url
        self._client = (client_id, client_secret)
        self._refresh_token = refresh_token
        self._scope = scope
        self._lock = threading.Lock()
        self._token = None
        self._replace_at = 0.0

    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {self._current()}"
        body = request.body
        start = body.tell() if hasattr(body, "tell") else None
        request.register_hook("response", lambda answer, **options: self._again(answer, start, options))
        return request

    def _again(self, answer, start, options):
        refused = (answer.request.headers.get("Authorization") or "").removeprefix("Bearer ")
        # Where a redirect led to another host, requests has taken the header away: nothing of ours belongs there.
        if answer.status_code != 401 or not refused:
            return answer
        body = answer.request.body
        if hasattr(body, "seek") and start is not None:
            body.seek(start)
        elif not isinstance(body, (str, bytes, type(None))):
            return answer
        token = self._current(refused)
        if token == refused:
            return answer
        # What is left of the answer is read, so that its connection can be used again.
        answer.content
        answer.close()
        request = answer.request.copy()
        request.headers["Authorization"] = f"Bearer {token}"
        again = answer.connection.send(request, **options)
        again.history.append(answer)
        again.request = request
        return again

    def _current(self, refused=None):
        """The token; another one than `refused`, which another thread may have replaced already."""
        with self._lock:
            if self._token in (None, refused) or time.monotonic() >= self._replace_at:
                self._fetch()
            return self._token

    def _fetch(self):
        client_id, secret = self._client
        form = {"grant_type": "client_credentials", "client_id": client_id}
        if self._refresh_token:
            form.update(grant_type="refresh_token", refresh_token=self._refresh_token)
        if secret:
            form["client_secret"] = secret
        if self._scope:
            form["scope"] = self._scope
        asked_at = time.monotonic()
        # A redirect would take the secret along.
        answer = requests.post(self._token_url, data=form, timeout=TIMEOUT, allow_redirects=False)
        if answer.status_code != 200:
            raise TokenRefused(f"{self._token_url} answered {answer.status_code}{_why(answer)}")
        content = answer.json()
        lifetime = float(content.get("expires_in", 0))
        self._token = content["access_token"]
        self._replace_at = asked_at + lifetime - min(MARGIN, lifetime / 2)
        # Keycloak may give another refresh token with each, and take the one from before no more.
        self._refresh_token = content.get("refresh_token", self._refresh_token)


def _why(answer):
    """The words of RFC 6749 section 5.2, which name no secret."""
    try:
        content = answer.json()
        return f": {content['error']} {content.get('error_description', '')}".rstrip()
    except (ValueError, KeyError, TypeError):
        return ""
