"""Where hosts are that no DNS knows: RESOLVE holds `host:port=address:port`, as curl's --connect-to. Certificates are
still those of the host in the URL."""

import os

from urllib3.util import connection

_places = dict(entry.split("=", 1) for entry in os.environ.get("RESOLVE", "").split(",") if entry)
_connect = connection.create_connection


def _connect_to_place(address, *args, **kwargs):
    place = _places.get(f"{address[0]}:{address[1]}")
    if place:
        host, port = place.rsplit(":", 1)
        address = (host, int(port))
    return _connect(address, *args, **kwargs)


connection.create_connection = _connect_to_place
