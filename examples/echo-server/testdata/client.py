"""Talks to the echo server with the package websockets; prints one JSON line a fact."""
import asyncio
import json
import sys

import websockets


def say(**fact):
    print(json.dumps(fact), flush=True)


async def main(url):
    async with websockets.connect(url, max_size=None) as ws:
        await ws.send("hello")
        say(echo=await ws.recv())
        await ws.send("Trigger async")
        say(**{"async": await ws.recv()})
        await ws.send(["a" * 32, "b" * 32, ""])
        say(fragmented=await ws.recv())
        await ws.send(b"\x00\xff\x80")
        say(binary=(await ws.recv()).hex())
        await ws.send("")
        say(empty=len(await ws.recv()))
        big = "µ" * (3 << 19)
        await ws.send(big)
        say(big=await ws.recv() == big)
        pong = await ws.ping("are you there")
        await pong
        say(pong=True)
        await ws.close(4001, "done")
        say(close=ws.close_code, reason=ws.close_reason)


asyncio.run(main(sys.argv[1]))
