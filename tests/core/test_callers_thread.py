"""What other threads have done on the thread that they work for."""

import contextvars
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from dbx_gateway.auth.callers_thread import CallersThread, callers_thread
from dbx_gateway.errors import DbxGatewayError

word = contextvars.ContextVar("word", default="")


def test_work_is_done_on_the_callers_thread_and_its_result_and_errors_go_back():
    caller = CallersThread()

    def fails():
        raise ValueError("no")

    def work(number):
        assert callers_thread() is caller
        if number == 3:
            with pytest.raises(ValueError, match="no"):
                caller.have_done(fails)
        return caller.have_done(threading.current_thread)

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(caller.context().run, work, number) for number in range(8)]
        caller.serve(until=running)
    assert {one.result() for one in running} == {threading.current_thread()}
    assert callers_thread() is None


def test_a_thread_that_works_for_another_has_a_copy_of_its_context():
    word.set("geese")
    caller = CallersThread()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(caller.context().run, word.get).result() == "geese"


def test_the_first_failure_cancels_what_has_not_begun():
    caller = CallersThread()
    begun: list[int] = []

    def work(number):
        begun.append(number)
        caller.have_done(int)
        if number == 0:
            raise ValueError("no")

    with ThreadPoolExecutor(1) as pool:
        running = [pool.submit(caller.context().run, work, number) for number in range(50)]
        caller.serve(until=running)
    assert len(begun) < 50
    assert isinstance(running[0].exception(), ValueError)


def test_threads_whose_caller_was_interrupted_do_not_wait_for_it():
    caller = CallersThread()

    def interrupts():
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(caller.have_done, interrupts)
        never: Future[None] = Future()
        with pytest.raises(KeyboardInterrupt):
            caller.serve(until=[first, never])
        later = pool.submit(caller.have_done, int)
        for one in (first, later):
            with pytest.raises(DbxGatewayError, match="left by its caller"):
                one.result(20)
