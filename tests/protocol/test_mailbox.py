"""The mailbox by itself: newest wins in each lane, and every ticket is taken exactly once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.work.mailbox import Mailbox, Ticket
from engine.work.requests import Analyze, LoadModel, Prompt, Request, ScoreHeads

REQUESTS: tuple[Request, ...] = (LoadModel("m"), Analyze(Prompt("p")), ScoreHeads())


def taken(mailbox: Mailbox) -> Ticket:
    ticket = mailbox.take()
    assert ticket is not None
    return ticket


def posted(mailbox: Mailbox, request: Request) -> Ticket:
    ticket = mailbox.post(request)
    assert ticket is not None
    return ticket


def test_that_the_newest_request_of_a_lane_wins() -> None:
    mailbox = Mailbox()
    old, new = posted(mailbox, Analyze(Prompt("old"))), posted(mailbox, Analyze(Prompt("new")))
    assert taken(mailbox) is old
    assert old.cancelled
    assert taken(mailbox) is new
    assert not new.cancelled


def test_that_lanes_do_not_disturb_one_another() -> None:
    mailbox = Mailbox()
    sweep, run, load = (posted(mailbox, request) for request in reversed(REQUESTS))
    assert [taken(mailbox), taken(mailbox), taken(mailbox)] == [load, run, sweep]
    assert not any(ticket.cancelled for ticket in (sweep, run, load))


def test_that_a_newer_request_cancels_the_running_one_of_its_lane() -> None:
    mailbox = Mailbox()
    posted(mailbox, ScoreHeads(seed=0))
    running = taken(mailbox)
    posted(mailbox, Analyze(Prompt("p")))
    assert not running.cancelled
    posted(mailbox, ScoreHeads(seed=1))
    assert running.cancelled


def test_that_a_sweep_does_not_pass_for_urgent() -> None:
    mailbox = Mailbox()
    posted(mailbox, ScoreHeads())
    assert mailbox.take_urgent() is None
    run = posted(mailbox, Analyze(Prompt("p")))
    assert mailbox.take_urgent() is run


def test_that_cancelling_reaches_waiting_and_running_tickets_and_nothing_else() -> None:
    mailbox = Mailbox()
    run = posted(mailbox, Analyze(Prompt("p")))
    assert taken(mailbox) is run
    sweep = posted(mailbox, ScoreHeads())
    mailbox.cancel(999)
    assert not run.cancelled
    mailbox.cancel(run.id)
    mailbox.cancel(sweep.id)
    assert run.cancelled
    assert taken(mailbox) is sweep
    assert sweep.cancelled


def test_that_a_closed_mailbox_hands_out_what_is_left_and_then_nothing() -> None:
    mailbox = Mailbox()
    tickets = [posted(mailbox, request) for request in REQUESTS]
    mailbox.close()
    assert [taken(mailbox) for _ in tickets] == tickets
    assert all(ticket.cancelled for ticket in tickets)
    assert mailbox.take() is None
    assert mailbox.post(REQUESTS[0]) is None


@given(st.lists(st.one_of(st.sampled_from(REQUESTS), st.sampled_from(["take", "done", "cancel"])), max_size=40))
def test_that_every_ticket_is_taken_exactly_once(actions: list[Request | str]) -> None:
    mailbox = Mailbox()
    sent: list[Ticket] = []
    seen: list[Ticket] = []
    running: list[Ticket] = []
    for action in actions:
        if not isinstance(action, str):
            sent.append(posted(mailbox, action))
        elif action == "take" and len(seen) < len(sent):
            seen.append(taken(mailbox))
            running.append(seen[-1])
        elif action == "done" and running:
            mailbox.done(running.pop())
        elif action == "cancel" and sent:
            mailbox.cancel(sent[-1].id)
    live = [ticket.request.lane for ticket in running if not ticket.cancelled]
    assert len(live) == len(set(live))
    mailbox.close()
    while (ticket := mailbox.take()) is not None:
        seen.append(ticket)
    assert sorted(ticket.id for ticket in seen) == [ticket.id for ticket in sent]
