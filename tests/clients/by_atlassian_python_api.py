"""A script that uses atlassian-python-api, by a token (TOKEN) or a password (LOGIN=name:password). It catches nothing:
what goes wrong is shown as the library shows it."""

import os
import sys

from atlassian import Confluence

url = sys.argv[1]
if "TOKEN" in os.environ:
    wiki = Confluence(url, token=os.environ["TOKEN"])
else:
    username, password = os.environ["LOGIN"].split(":", 1)
    wiki = Confluence(url, username=username, password=password)
print("I am", wiki.get("rest/api/user/current")["username"])
page = wiki.create_page(space="DS", title="By atlassian-python-api", body="<p>text</p>")
print("made", page["title"])
