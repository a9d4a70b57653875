"""docs/callers/restward_auth.py against a token endpoint and an API that answer by script, on loopback."""

import io
import json
import pathlib
import sys
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import requests

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "docs" / "callers"))
import restward_auth  # noqa: E402
from restward_auth import RestwardAuth, TokenRefused  # noqa: E402


class Server(ThreadingHTTPServer):
    """Gives out the tokens t1, t2, …; the API takes what is not in `revoked` and says what it got."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.lifetime, self.refusal, self.refresh_tokens, self.redirect = 300, None, [], None
        self.forms, self.calls, self.revoked = [], [], set()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, content, headers=()):
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def serve(self):
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/token":
            server.forms.append({name: values[0] for name, values in parse_qs(body.decode()).items()})
            if server.refusal:
                return self.answer(*server.refusal)
            content = {"access_token": f"t{len(server.forms)}", "expires_in": server.lifetime}
            if server.refresh_tokens:
                content["refresh_token"] = server.refresh_tokens.pop(0)
            return self.answer(200, content)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        server.calls.append((token, body))
        if server.redirect:
            return self.answer(302, {}, [("Location", server.redirect)])
        if not token or token in server.revoked:
            return self.answer(401, {"reason": "token_revoked"})
        return self.answer(200, {"token": token, "body": body.decode()})


class Tokens(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.wiki = requests.Session()
        self.wiki.trust_env = False
        self.addCleanup(self.wiki.close)
        self.use(client_secret="s3cret")

    def use(self, **options):
        self.wiki.auth = RestwardAuth(f"{self.server.url}/token", "reports", **options)

    def get(self):
        return self.wiki.get(f"{self.server.url}/api", timeout=5)

    def post(self, body):
        return self.wiki.post(f"{self.server.url}/api", data=body, timeout=5)

    def token_of_a_call(self):
        answer = self.get()
        answer.raise_for_status()
        return answer.json()["token"]

    def test_one_token_serves_many_calls(self):
        self.assertEqual([self.token_of_a_call() for _ in range(3)], ["t1"] * 3)
        form = {"grant_type": "client_credentials", "client_id": "reports", "client_secret": "s3cret"}
        self.assertEqual(self.server.forms, [form])

    def test_a_scope_is_asked_for(self):
        self.use(client_secret="s3cret", scope="openid")
        self.token_of_a_call()
        self.assertEqual(self.server.forms[0]["scope"], "openid")

    def test_it_is_replaced_before_it_ends(self):
        self.server.lifetime = 1
        self.assertEqual(self.token_of_a_call(), "t1")
        time.sleep(0.6)
        self.assertEqual(self.token_of_a_call(), "t2")

    def test_a_revoked_one_is_replaced_and_the_call_made_again(self):
        self.token_of_a_call()
        self.server.revoked = {"t1"}
        answer = self.post(b"page")
        self.assertEqual(answer.json(), {"token": "t2", "body": "page"})
        self.assertEqual([old.status_code for old in answer.history], [401])
        self.assertEqual(self.server.calls[1:], [("t1", b"page"), ("t2", b"page")])

    def test_a_file_is_sent_again_from_where_it_was(self):
        self.token_of_a_call()
        self.server.revoked = {"t1"}
        file = io.BytesIO(b"headpage")
        file.seek(4)
        self.assertEqual(self.post(file).json()["body"], "page")

    def test_what_cannot_be_sent_again_is_not(self):
        self.token_of_a_call()
        self.server.revoked = {"t1"}
        answer = self.post(Once(b"page"))
        self.assertEqual((answer.status_code, len(self.server.calls), len(self.server.forms)), (401, 2, 1))

    def test_it_is_tried_again_once_only(self):
        self.server.revoked = {f"t{n}" for n in range(9)}
        answer = self.get()
        self.assertEqual((answer.status_code, len(self.server.calls)), (401, 2))

    def test_another_host_gets_no_token(self):
        other = Server()
        self.addCleanup(other.server_close)
        self.addCleanup(other.shutdown)
        # Another name is another host.
        self.server.redirect = f"http://localhost:{other.server_port}/api"
        answer = self.get()
        self.assertEqual(answer.status_code, 401)
        self.assertEqual(other.calls, [("", b"")])

    def test_threads_share_a_token(self):
        threads = [threading.Thread(target=self.token_of_a_call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((len(self.server.calls), len(self.server.forms)), (8, 1))

    def test_a_refresh_token_is_used_and_replaced(self):
        self.use(refresh_token="r1")
        self.server.refresh_tokens, self.server.lifetime = ["r2"], 0
        self.token_of_a_call()
        self.token_of_a_call()
        first, second = self.server.forms
        self.assertEqual(first, {"grant_type": "refresh_token", "client_id": "reports", "refresh_token": "r1"})
        self.assertEqual(second["refresh_token"], "r2")

    def test_a_refusal_says_why_and_no_secret(self):
        self.server.refusal = (401, {"error": "invalid_client", "error_description": "Invalid credentials"})
        with self.assertRaises(TokenRefused) as refused:
            self.token_of_a_call()
        self.assertIn("answered 401: invalid_client Invalid credentials", str(refused.exception))
        self.assertNotIn("s3cret", str(refused.exception))
        self.assertEqual(self.server.calls, [])

    def test_a_redirect_of_the_token_endpoint_is_not_followed(self):
        other = Server()
        self.addCleanup(other.server_close)
        self.addCleanup(other.shutdown)
        self.server.refusal = (307, {}, [("Location", f"{other.url}/token")])
        with self.assertRaises(TokenRefused):
            self.token_of_a_call()
        self.assertEqual(other.forms, [])


class Once:
    """A body that can be read once."""

    def __init__(self, content):
        self._content = content

    def __len__(self):
        return len(self._content)

    def __iter__(self):
        yield self._content


if __name__ == "__main__":
    unittest.main()
