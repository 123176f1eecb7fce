import logging
import threading

from dbx_gateway import notices
from dbx_gateway.notices import MOST_REMEMBERED, addressed_to, forget_notices, warn_once


def test_a_thing_is_said_once_and_other_things_too(caplog):
    for subject in ("m: top_k", "m: top_k", "n: top_k"):
        warn_once(subject, f"{subject} was left out: 100 %s of it")
    assert [record.getMessage() for record in caplog.records] == [
        "m: top_k was left out: 100 %s of it",
        "n: top_k was left out: 100 %s of it",
    ]
    assert {(record.name, record.levelno) for record in caplog.records} == {("dbx_gateway", logging.WARNING)}


def test_what_was_forgotten_is_said_again(caplog):
    warn_once("a", "said")
    forget_notices()
    warn_once("a", "said")
    assert len(caplog.records) == 2


def test_of_many_threads_one_says_it(caplog):
    threads = [threading.Thread(target=warn_once, args=("a", "said")) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(caplog.records) == 1


def test_each_identity_gets_a_warning_once(caplog):
    for identity in ("ann", "bob", "ann"):
        with addressed_to(identity):
            warn_once("m: top_k", f"to {identity}")
    warn_once("m: top_k", "to whoever runs the process")
    assert [record.getMessage() for record in caplog.records] == ["to ann", "to bob", "to whoever runs the process"]


def test_the_memory_of_warnings_is_bounded_and_the_oldest_is_said_again(caplog):
    caplog.set_level(logging.CRITICAL, logger="dbx_gateway")
    for number in range(MOST_REMEMBERED + 1):
        warn_once(f"subject {number}", "said")
    assert len(notices._written) == MOST_REMEMBERED
    caplog.set_level(logging.WARNING, logger="dbx_gateway")
    warn_once("subject 0", "said again")
    warn_once("subject 2", "not said again")
    assert [record.getMessage() for record in caplog.records] == ["said again"]
