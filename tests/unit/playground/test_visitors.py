from __future__ import annotations

from cgan_dist.playground.visitors import GRACE_SECONDS, Visitors


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_who_listens_is_here_and_who_has_stopped_is_gone_after_a_while() -> None:
    clock = Clock()
    visitors = Visitors(clock)
    is_here = visitors.watched("one")
    with visitors.listening("one"), visitors.listening("two"):
        clock.seconds = 1_000
        assert is_here()
        assert visitors.watched("two")()
    clock.seconds += GRACE_SECONDS
    assert is_here()
    clock.seconds += 0.1
    assert not is_here()


def test_who_asks_may_listen_a_moment_later_but_has_to() -> None:
    clock = Clock()
    visitors = Visitors(clock)
    late, never = visitors.watched("late"), visitors.watched("never")
    clock.seconds = GRACE_SECONDS
    assert late()
    with visitors.listening("late"):
        clock.seconds = GRACE_SECONDS + 0.1
        assert (late(), never()) == (True, False)


def test_two_pages_of_a_session_are_one_visitor_and_nothing_is_left_of_those_who_go() -> None:
    clock = Clock()
    visitors = Visitors(clock)
    is_here = visitors.watched("one")
    with visitors.listening("one"):
        with visitors.listening("one"):
            pass
        clock.seconds = 100
        assert is_here()
    assert visitors._streams == {}
