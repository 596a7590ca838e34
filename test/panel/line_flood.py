"""Opens lines to a panel by the thousand, and again whenever one is cut: `line_flood.py PORT COUNT ADDRESSES`.

Every other one asks for a websocket of the live page; the others say nothing, or half of a login. Each line of its
output is the number of lines opened, held, and websockets that were accepted until now. Ends with its input.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys

_SOCKET = (
    "GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket&client_id=x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    "Origin: http://127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
_HALF = "POST /login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 9\r\n\r\n1"
_AT_ONCE = 400


class Flood:
    """All lines."""

    def __init__(self, port: int, addresses: int) -> None:
        self._port, self._addresses, self._numbers = port, addresses, itertools.count()
        self.opened = self.held = self.accepted = 0
        self._opening = asyncio.Semaphore(_AT_ONCE)

    async def hold(self) -> None:
        """Hold one line for ever."""
        while True:
            number = next(self._numbers)
            place = number % self._addresses
            mine = f"127.1.{place // 250}.{1 + place % 250}"
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                async with self._opening:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(mine, 0))
                self.opened += 1
                self.held += 1
                try:
                    text = _SOCKET if number % 2 else _HALF if number % 4 else ""
                    writer.write(text.format(port=self._port).encode())
                    if b" 101 " in await reader.readline():
                        self.accepted += 1
                        while await reader.read(65536):
                            pass
                finally:
                    self.held -= 1
                    writer.close()
            await asyncio.sleep(0.1)


async def main() -> None:
    port, count, addresses = map(int, sys.argv[1:])
    flood = Flood(port, addresses)
    held = [asyncio.create_task(flood.hold()) for _ in range(count)]
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    while not ended.done():
        print(flood.opened, flood.held, flood.accepted, flush=True)
        await asyncio.sleep(0.2)
    for one in held:
        one.cancel()


if __name__ == "__main__":
    asyncio.run(main())
