"""MCP: `dexter-mcp [URL]` gives a model the tools `find_labels` and `find_demonstrations` over standard input and output."""

from __future__ import annotations

import os
import sys
from typing import Any

from mcp.server.mcpserver import MCPServer

from .client import Client


def make_server(client: Client) -> MCPServer:
    server = MCPServer("dexter")

    @server.tool()
    def find_labels(text: str, k: int = 5) -> list[dict[str, Any]]:
        """The k labels that fit a text best, each with key, name and score."""
        return [{"key": label.key, "name": label.name, "score": label.score}
                for label in client.query(text, k=k).labels[0]]

    @server.tool()
    def find_demonstrations(text: str, k: int = 8, task: str | None = None) -> list[dict[str, str]]:
        """Solved examples that help with an input, the most helpful last; of one task, or of all."""
        return [{"input": demo.input, "output": demo.output, "task": demo.task}
                for demo in client.demonstrations(text, k=k, task=task).found[0]]

    return server


def main() -> None:
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    make_server(Client(url, api_key=os.environ.get("DEXTER_API_KEY"))).run()


if __name__ == "__main__":
    main()
