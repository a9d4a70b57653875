"""A client that knows the API's URL and credentials of its own, and nothing else: it is refused, and finds the rest by
RFC 9728 (the API's metadata) and RFC 8414 or OpenID Connect Discovery (the authorization server's)."""

import re
import sys
from urllib.parse import urlsplit

import places  # noqa: F401
import requests

url, client = sys.argv[1:]
wanted = f"{url}/rest/api/user/current"


def metadata_places(issuer):
    """In the order in which clients try them: RFC 8414 section 3.1, then section 5, then OpenID Connect Discovery."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    yield f"{origin}/.well-known/oauth-authorization-server{path}"
    yield f"{origin}/.well-known/openid-configuration{path}"
    yield f"{origin}{path}/.well-known/openid-configuration"


def server_metadata(issuer):
    for place in metadata_places(issuer):
        answer = requests.get(place, timeout=30)
        if answer.ok and answer.json().get("issuer") == issuer:
            print("authorization server:", place)
            return answer.json()
    sys.exit(f"{issuer} has no metadata")


refused = requests.get(wanted, timeout=30)
challenge = refused.headers.get("WWW-Authenticate", "")
print("refused:", refused.status_code, challenge)
found = re.search(r'resource_metadata="([^"]+)"', challenge)
if refused.status_code != 401 or not found:
    sys.exit("the answer names no metadata")
about = requests.get(found.group(1), timeout=30).json()
# RFC 9728 section 3.3: the metadata of another resource must not be used.
if not wanted.startswith(about["resource"] + "/"):
    sys.exit(f"this is about {about['resource']}")
server = server_metadata(about["authorization_servers"][0])
form = {"grant_type": "client_credentials"}
token = requests.post(server["token_endpoint"], data=form, auth=(client, f"{client}-secret"), timeout=30)
token.raise_for_status()
bearer = {"Authorization": f"Bearer {token.json()['access_token']}"}
answer = requests.get(wanted, headers=bearer, timeout=30)
if not answer.ok:
    sys.exit(f"{answer.status_code} {answer.json()['message']}")
print("I am", answer.json()["username"])
