"""Programs that run an event loop inside of another one with nest_asyncio, as notebooks do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dcrauth.simulator import Simulator

ROOT = Path(__file__).parents[2]
PATIENCE = 30
NESTED = """
import asyncio, sys
import nest_asyncio

nest_asyncio.apply()
import aiohttp
from dcrauth import AdobePass, MemoryStore, Policy, TokenSource
from dcrauth.aiohttp import DCRAuth
from dcrauth.transports.aiohttp import AiohttpTransport

url, statement = sys.argv[1:]
policy, transport = Policy(spared_for=0.0), AiohttpTransport()
source = TokenSource(AdobePass(statement, base_url=url), store=MemoryStore(), policy=policy, transport=transport)

async def send():
    async with aiohttp.ClientSession(middlewares=[DCRAuth(source)]) as session:
        for _ in range(3):
            async with session.get(f"{url}/api/v2/REF30/configuration") as response:
                print(response.status)
            await session.post(f"{url}/control/revoke-tokens")

async def main():
    await send()
    asyncio.run(send())

asyncio.run(main())
"""


@pytest.mark.fault(
    "a notebook runs loops inside of loops (nest_asyncio) and renews with aiohttp",
    "each renewal closes the loop of its own",
)
def test_no_renewal_leaves_a_loop_open(adobe: Simulator) -> None:
    """Under nest_asyncio requests in nested runs have their tokens, and no loop of a renewal is left open."""
    program = [sys.executable, "-W", "always::ResourceWarning", "-c", NESTED, adobe.url, adobe.software_statement]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.stdout.split(), done.returncode) == (["200"] * 6, 0)
    assert "unclosed event loop" not in done.stderr
    assert adobe.counts.token > 1
