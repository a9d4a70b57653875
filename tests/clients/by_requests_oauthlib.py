"""A script that uses requests-oauthlib: it gets a token by client credentials, or takes the one in TOKEN, and shows the
body of an answer that is an error."""

import os
import sys

import places  # noqa: F401
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

url, token_url, client = sys.argv[1:]
if "TOKEN" in os.environ:
    session = OAuth2Session(client, token={"access_token": os.environ["TOKEN"], "token_type": "Bearer"})
else:
    session = OAuth2Session(client=BackendApplicationClient(client))
    session.fetch_token(token_url, client_secret=f"{client}-secret")
answer = session.get(f"{url}/rest/api/user/current")
if not answer.ok:
    sys.exit(f"{answer.status_code} {answer.reason}: {answer.text}")
print("I am", answer.json()["username"])
