"""A script that uses docs/callers/restward_auth.py as its page says: it gets a token by client credentials, reads, and
writes."""

import pathlib
import sys

import places  # noqa: F401
import requests

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "docs" / "callers"))
from restward_auth import RestwardAuth  # noqa: E402

url, token_url, client = sys.argv[1:]
wiki = requests.Session()
wiki.auth = RestwardAuth(token_url, client, f"{client}-secret")
answer = wiki.get(f"{url}/rest/api/user/current", timeout=30)
if not answer.ok:
    sys.exit(f"{answer.status_code} {answer.json()['message']}")
print("I am", answer.json()["username"])
page = {"type": "page", "title": "By restward_auth", "space": {"key": "DS"}}
made = wiki.post(f"{url}/rest/api/content", json=page, timeout=30)
made.raise_for_status()
print("made", made.json()["title"])
