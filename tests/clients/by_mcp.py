"""An MCP client that has a program make a page in the wiki, by the MCP server `mcp-atlassian`. Two set-ups:
PERSONAL_TOKEN is what the server is given for its only user; CALLERS holds tokens, of which each caller sends its own
and the server passes it on; an empty one is none. Each shows what the server answered, and whose page it became."""

import asyncio
import os
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import requests
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client

url = sys.argv[1]
program = str(Path(sys.executable).with_name("mcp-atlassian"))
settings = dict(os.environ, CONFLUENCE_URL=url, TOOLSETS="all", LOG_LEVEL="ERROR", FASTMCP_SHOW_CLI_BANNER="false")


async def make_a_page(session, token):
    await session.initialize()
    page = {"space_key": "DS", "title": "By an MCP server", "content": "text"}
    answer = await session.call_tool("confluence_create_page", page)
    text = " ".join(part.text for part in answer.content)
    if answer.isError:
        print("refused:", text)
        return False
    made = requests.get(
        f"{url}/rest/api/content", params={"limit": 1000}, headers={"Authorization": f"Bearer {token}"}, timeout=30
    ).json()["results"][-1]
    print("made", made["title"], "as", made["history"]["createdBy"]["username"])
    return True


async def for_one(token):
    server = StdioServerParameters(command=program, env=dict(settings, CONFLUENCE_PERSONAL_TOKEN=token))
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        return await make_a_page(session, token)


@asynccontextmanager
async def listening_server():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--transport", "streamable-http", "--host", "127.0.0.1", "--port", str(port)]
    server = await asyncio.create_subprocess_exec(program, *arguments, env=dict(settings, ATLASSIAN_OAUTH_ENABLE="true"))
    try:
        while True:
            if server.returncode is not None:
                sys.exit(f"the MCP server ended with {server.returncode}")
            try:
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.2)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        if server.returncode is None:
            server.terminate()
        await server.wait()


async def for_many(tokens):
    results = []
    async with listening_server() as place:
        for token in tokens:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with streamablehttp_client(place, headers=headers) as (receive, send, _):
                async with ClientSession(receive, send) as session:
                    results.append(await make_a_page(session, token))
    return all(results)


async def main():
    if "PERSONAL_TOKEN" in os.environ:
        return await for_one(os.environ["PERSONAL_TOKEN"])
    return await for_many(os.environ["CALLERS"].split(","))


sys.exit(0 if asyncio.run(main()) else 1)
