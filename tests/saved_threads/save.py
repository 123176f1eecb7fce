"""Write the threads of ``threads.py`` into ``files/`` as the installed version makes them.

The files are meant to be old: do not make them again, for then they no longer show that what users have stored can be
loaded. For a new thread, run ``python -m saved_threads.save`` in ``tests``: only what has no file yet is written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from saved_threads.threads import ANSWERS, FRAMEWORKS, MODELS, STREAMED, core, message_of, stored, thread

FILES = Path(__file__).parent / "files"


def main() -> None:
    """Write a file for each thread that has none."""
    for framework in FRAMEWORKS:
        for family in MODELS:
            for stream in (False, True) if family in STREAMED else (False,):
                name = f"{framework}_{family}_{'streamed' if stream else 'whole'}"
                _write(name, framework, lambda f=framework, m=family, s=stream: thread(f, m, stream=s))
        for kind, answer in ANSWERS.items():
            _write(f"{framework}_{kind}", framework, lambda f=framework, a=answer: [message_of(f, a())])
            if framework == "langchain":
                _write(
                    f"langchain_blocks_{kind}", framework, lambda a=answer: [message_of("langchain", a(), blocks=True)]
                )


def _write(name: str, framework: str, make: Any) -> None:
    path = FILES / f"{name}.json"
    if path.exists():
        return
    messages = make()
    data = {"messages": stored(framework, messages), "core": core(framework, messages)}
    path.write_text(_one_a_line(data), encoding="utf-8")


def _one_a_line(data: dict[str, list[Any]]) -> str:
    """Return JSON text with one message on each line, so that a difference can be read."""
    lists = {key: ",\n".join(json.dumps(one, ensure_ascii=False) for one in each) for key, each in data.items()}
    return "{\n" + ",\n".join(f'"{key}": [\n{lines}\n]' for key, lines in lists.items()) + "\n}\n"


if __name__ == "__main__":
    main()
