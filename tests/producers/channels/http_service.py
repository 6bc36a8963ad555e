"""A local HTTP server that answers as a test says, for programs that send to a service."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MIB = 1_048_576


class HttpService:
    """A local HTTP server: answers from a list, the last one again and again; keeps what it received."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[tuple[int, Any]] = [(200, {})]  # bytes are sent as they are
        self.headers: dict[str, str] = {}
        self.is_endless = False  # answer with up to 64 MiB
        self.hung_up = threading.Event()  # the client closed the connection in the midst of such an answer
        self.visited: list[str] = []  # paths of GET
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.visited.append(self.path)
                self.send_response(204)
                self.end_headers()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                service.received.append((self.path, dict(self.headers.items()), body))
                status, answer = service.answers[0]
                if len(service.answers) > 1:
                    service.answers.pop(0)
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in service.headers.items():
                    self.send_header(name, value)
                if service.is_endless:
                    return self.answer_without_end()
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return None

            def answer_without_end(self) -> None:
                self.end_headers()
                try:
                    for _ in range(64):
                        self.wfile.write(bytes(MIB))
                except OSError:
                    service.hung_up.set()

            def log_message(self, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.received]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
