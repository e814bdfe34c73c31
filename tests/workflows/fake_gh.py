#!/usr/bin/env python3
"""A stand-in for `gh`: the little of GitHub's API that the workflows use, with its state in the JSON file FAKE_GITHUB.

Refuses what it does not know, so that a test fails on a request that nobody has thought of.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

EMPTY: dict[str, Any] = {
    "comments": [],
    "labels": [],
    "issues": [],
    "pulls": [],
    "blobs": {},
    "trees": {},
    "commits": {},
    "refs": {"refs/heads/main": "c0"},
    "releases": [],
}
BOT = {"type": "Bot", "login": "github-actions[bot]"}
Request = dict[str, Any]


class Github:
    """The state, and a method for each request."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state

    def page(self, entries: list[Any], query: dict[str, str]) -> list[Any]:
        size, number = int(query["per_page"]), int(query["page"])
        return entries[(number - 1) * size : number * size]

    def keep(self, kind: str, content: Any) -> dict[str, Any]:
        sha = f"{kind[0]}{len(self.state[kind]) + 1}"
        self.state[kind][sha] = content
        return {"sha": sha}

    def request(self, method: str, path: str, body: Any) -> Any:
        """What GitHub answers to a request about the repository."""
        address = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        return self.answer(method, address.path, query, body)

    def answer(self, method: str, path: str, query: dict[str, str], body: Request) -> Any:
        state = self.state
        match method, *path.split("/"):
            case "GET", "":
                return {"default_branch": "main"}
            case "GET", "issues", _, "comments":
                return self.page(state["comments"], query)
            case "POST", "issues", _, "comments":
                state["comments"].append({"id": len(state["comments"]) + 1, "user": BOT} | body)
            case "PATCH", "issues", "comments", number:
                state["comments"][int(number) - 1] |= body
            case "GET", "issues", _, "labels":
                return self.page([{"name": name} for name in state["labels"]], query)
            case "GET", "issues":
                return self.page([i for i in state["issues"] if query["labels"] in i["labels"]], query)
            case "POST", "issues":
                state["issues"].append({"number": len(state["issues"]) + 1} | body)
            case "PATCH", "issues", number:
                state["issues"][int(number) - 1] |= body
            case "POST", "git", ("blobs" | "trees" | "commits") as kind:
                return self.keep(kind, body)
            case "GET", "git", "commits", sha:
                return {"tree": {"sha": f"tree of {sha}"}, "message": state["commits"].get(sha, {}).get("message", "")}
            case "GET", "git", "ref", *name:
                return {"object": {"sha": state["refs"]["/".join(["refs", *name])]}}
            case "GET", "git", "matching-refs", *name:
                start = "/".join(["refs", *name])
                return self.page([{"ref": ref} for ref in state["refs"] if ref.startswith(start)], query)
            case "POST", "git", "refs":
                assert body["ref"] not in state["refs"]
                state["refs"][body["ref"]] = body["sha"]
            case "PATCH", "git", "refs", *name:
                state["refs"]["/".join(["refs", *name])] = body["sha"]
            case "GET", "pulls":
                return self.page([p for p in state["pulls"] if query["head"].endswith(f":{p['head']}")], query)
            case "POST", "pulls":
                state["pulls"].append({"number": len(state["pulls"]) + 1} | body)
            case "PATCH", "pulls", number:
                state["pulls"][int(number) - 1] |= body
            case _:
                sys.exit(f"unknown request: {method} {path}")
        return {}


def main(words: list[str]) -> None:
    place = Path(os.environ["FAKE_GITHUB"])
    state = json.loads(place.read_text("utf-8")) if place.exists() else EMPTY
    if words[:2] == ["release", "create"]:
        state["releases"].append(words[2:])
    else:
        assert words[:2] == ["api", "--method"], words
        body = json.load(sys.stdin) if "--input" in words else None
        print(json.dumps(Github(state).request(words[2], re.sub(r"^repos/[\w.-]+/[\w.-]+/?", "", words[3]), body)))
    place.write_text(json.dumps(state, indent=1), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
