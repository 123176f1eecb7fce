"""What the commands print, on terminals and pipes of any encoding."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from contextlib import redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbx_gateway.cli import main
from dbx_gateway.cli.output import accept_all_characters

SAID = "\u201cna\u00efve\u201d \u2013 5 \u20ac, \u00bd, \u4f60 \u2192 \u2713\u2026"
SHOWN = {
    "ascii": '"naive" - 5 EUR, 1/2, \\u4f60 -> ok...',
    "cp437": '"na\u00efve" - 5 EUR, \u00bd, \\u4f60 -> ok...',
    "cp1252": "\u201cna\u00efve\u201d \u2013 5 \u20ac, \u00bd, \\u4f60 -> ok\u2026",
}
DASH = {"ascii": "-", "cp437": "-", "cp1252": "\u2013"}
DOTS = {"ascii": "...", "cp437": "...", "cp1252": "\u2026"}
CLAUDE, GEMMA = "databricks-claude-sonnet-4-5", "databricks-gemma-3-12b"
ONE = ("--front-end", "core")
COMMANDS = {
    "demo": ("demo", "--family", "gemma", *ONE),
    "demo as data": ("demo", "--family", "gemma", *ONE, "--json"),
    "check": ("check", GEMMA, "--surface", "ai-gateway", *ONE),
    "check of quirks": ("check", GEMMA, "--quirks", "--surface", "ai-gateway"),
    "check of quirks as data": ("check", GEMMA, "--quirks", "--surface", "ai-gateway", "--json"),
    "models": ("models",),
    "models as data": ("models", "--json"),
    "route": ("route", CLAUDE),
    "route as data": ("route", CLAUDE, "--json"),
    "chat": ("chat", CLAUDE),
    "chat as data": ("chat", CLAUDE, "--json"),
    "sim": ("sim", "--port", "0"),
    "sim as data": ("sim", "--port", "0", "--json"),
    "help": ("route", "--help"),
    "an error": ("demo", "--family", SAID),
    "an error as data": ("demo", "--family", SAID, "--json"),
}
ALL_IN_TURN = """
import io, json, sys, time
from dbx_gateway.cli import main

def interrupted(_):
    raise KeyboardInterrupt

time.sleep = interrupted  # a simulated workspace is served no longer than it takes to say so
said, commands = json.loads(sys.argv[1])
for arguments in commands:
    sys.stdin = io.StringIO(said)
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code
    for stream in (sys.stdout, sys.stderr):
        print(f"\\n== {status}", file=stream, flush=True)
"""


def in_turn(encoding: str) -> dict[str, tuple[int, str, str]]:
    """Return the exit status, output and error output of every command in one process with pipes of ``encoding``."""
    done = subprocess.run(
        [sys.executable, "-c", ALL_IN_TURN, json.dumps([SAID, list(COMMANDS.values())])],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    out, err = (stream.decode(encoding) for stream in (done.stdout, done.stderr))
    assert "Traceback" not in err, err
    assert done.returncode == 0, err
    told = [stream.split("\n== ")[:-1] for stream in (out, err)]
    statuses = [int(piece.split("\n", 1)[0]) for piece in out.split("\n== ")[1:]]
    pieces = [[piece.split("\n", 1)[-1] if at else piece for at, piece in enumerate(stream)] for stream in told]
    return dict(zip(COMMANDS, zip(statuses, *pieces, strict=True), strict=True))


@pytest.mark.parametrize("encoding", SHOWN)
def test_every_command_prints_on_a_pipe_of_any_encoding(encoding, signed_in):
    found = in_turn(encoding)

    assert {name: status for name, (status, _, _) in found.items() if status} == {"an error": 1, "an error as data": 1}
    for name in ("demo", "check"):
        assert f"\n{DASH[encoding]} {GEMMA}: it writes tool calls as raw text\n" in found[name][1]
    assert "claude" in found["models"][1]
    assert "quirks that apply" in found["route"][1]
    assert "needed" in found["check of quirks"][1]
    assert found["chat"][1].strip() == f"You said: {SHOWN[encoding]}"
    assert "export DATABRICKS_HOST=http://127.0.0.1" in found["sim"][1]
    assert f"https://{DOTS[encoding]} of the workspace" in found["help"][1]
    assert SHOWN[encoding] in found["an error"][2]
    as_data = {name: json.loads(out) for name, (_, out, _) in found.items() if name.endswith("as data")}
    assert as_data["chat as data"]["text"] == f"You said: {SAID}"
    assert SAID in as_data["an error as data"]["error"]["message"]


@pytest.mark.parametrize("encoding", SHOWN)
def test_the_demo_prints_on_a_terminal_of_any_encoding(encoding):
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-c", "from dbx_gateway.cli import main; raise SystemExit(main())", *COMMANDS["demo"]],
        env={**os.environ, "PYTHONIOENCODING": encoding, "TERM": "xterm", "COLUMNS": "200"},
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:
        pass  # Linux says so that the terminal has no other end any more
    os.close(ours)
    assert running.wait() == 0
    assert f"{DASH[encoding]} {GEMMA}: it writes" in shown.decode(encoding)


@pytest.fixture
def standard_output(monkeypatch):
    """Puts a stream of an encoding in the place of the standard output; returns what was printed, as bytes."""

    def opened(encoding: str, errors: str = "strict"):
        held = io.BytesIO()
        stream = io.TextIOWrapper(held, encoding=encoding, errors=errors, newline="\n")
        monkeypatch.setattr(sys, "stdout", stream)

        def printed(text, *, as_json=False):
            accept_all_characters(as_json=as_json)
            stream.write(f"{text}\n")
            stream.flush()
            return held.getvalue()

        return printed

    return opened


CHARACTERS = st.text(st.characters(exclude_categories=()))
ENCODINGS = st.sampled_from(["ascii", "cp437", "cp1252", "koi8-r", "utf-8", "utf-16-le"])


def printed(encoding: str, text: str, *, as_json: bool) -> str:
    held = io.BytesIO()
    stream = io.TextIOWrapper(held, encoding=encoding, newline="\n")
    with redirect_stdout(stream):
        accept_all_characters(as_json=as_json)
    stream.write(text)
    stream.flush()
    return held.getvalue().decode(encoding)


@given(ENCODINGS, CHARACTERS)
def test_any_text_is_printed_and_what_the_encoding_has_stays_as_it_is(encoding, text):
    shown = printed(encoding, text, as_json=False)
    had = [character for character in text if character.encode(encoding, "ignore")]
    rest = iter(shown)
    assert all(character in rest for character in had)
    assert bool(shown) is bool(text)


@given(ENCODINGS, CHARACTERS)
def test_any_data_that_is_printed_is_read_as_what_it_was(encoding, text):
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    shown = printed(encoding, json.dumps({"text": text}, ensure_ascii=False), as_json=True)
    assert json.loads(shown) == {"text": whole}


@pytest.mark.parametrize(
    ("errors", "shown"), [("replace", b"??\n"), ("ignore", b"\n"), ("xmlcharrefreplace", b"&#8211;&#20320;\n")]
)
def test_what_the_user_asked_python_to_do_with_other_characters_is_done(standard_output, errors, shown):
    assert standard_output("ascii", errors)("\u2013\u4f60") == shown


@pytest.mark.parametrize("errors", ["strict", "surrogateescape", "backslashreplace"])
def test_what_python_does_of_its_own_accord_gives_way_to_plain_characters(standard_output, errors):
    assert standard_output("ascii", errors)("\u2013\udce4") == b"-\\udce4\n"


def test_text_that_follows_data_in_one_process_is_plain_again(standard_output):
    printed = standard_output("ascii")
    printed("\u2013", as_json=True)
    assert printed("\u2013") == b"\\u2013\n-\n"


def test_a_standard_output_that_is_no_file_is_left_alone(monkeypatch):
    held = io.StringIO()
    monkeypatch.setattr(sys, "stdout", held)
    accept_all_characters()
    held.write("\u2013")
    assert held.getvalue() == "\u2013"


def test_a_question_that_is_not_in_the_encoding_of_the_standard_input_says_what_to_set(signed_in, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\u4f60\n".encode()), encoding="ascii"))
    assert main(["chat", CLAUDE]) == 1
    assert "the standard input is not ascii, which Python reads it as; set PYTHONIOENCODING" in capsys.readouterr().err
