"""Which frames of a damaged stream are whole."""

from typing import NamedTuple

import pytest
from av.video.frame import PictureType

from camvid.video.damage import Damage, marked_corrupt

I, P, B = PictureType.I, PictureType.P, PictureType.B  # noqa: E741


class Frame(NamedTuple):
    pict_type: int
    is_corrupt: bool = False
    key_frame: bool = False


class Packet(NamedTuple):
    is_disposable: bool = False
    is_corrupt: bool = False
    dts: int | None = None
    is_keyframe: bool = False


KEY = Frame(I, key_frame=True)


@pytest.mark.parametrize(
    ("frames", "shown"),
    [
        ([KEY, Frame(P), Frame(B), Frame(P)], "1111"),
        ([KEY, Frame(P, True), Frame(B), Frame(P), Frame(I), KEY, Frame(P)], "1000011"),
        ([KEY, Frame(B, True), Frame(B), Frame(P), Frame(B)], "10011"),
        ([KEY, Frame(P), Frame(I, True, True), Frame(P), KEY], "11001"),
    ],
)
def test_what_is_predicted_from_damage_is_damaged(frames: list[Frame], shown: str) -> None:
    damage = Damage()
    assert "".join("0" if damage.hides(frame) else "1" for frame in frames) == shown


def test_a_refused_packet_spoils_what_depends_on_it() -> None:
    damage = Damage()
    damage.lose(Packet(is_disposable=True))
    assert not damage.hides(Frame(P))
    damage.lose(Packet(is_disposable=False))
    assert damage.hides(Frame(P))
    assert not damage.hides(KEY)
    assert damage.hides(KEY, corrupt_packet=True)
    assert damage.hides(Frame(P))


def test_a_count_that_is_off_means_damage_but_not_where_films_join() -> None:
    damaged = [Packet(dts=i, is_corrupt=i == 5) for i in range(30)]
    assert [i for i, (_, doubtful) in enumerate(marked_corrupt(damaged)) if doubtful] == [5]
    joined = [Packet(dts=i % 20, is_corrupt=i == 18) for i in range(40)]
    assert not any(doubtful for _, doubtful in marked_corrupt(joined))
    cut_on = [Packet(dts=i, is_corrupt=i == 18, is_keyframe=i == 20) for i in range(40)]
    assert not any(doubtful for _, doubtful in marked_corrupt(cut_on))
    garbled = [Packet(dts=-999 if i == 8 else i, is_corrupt=i in (5, 8)) for i in range(30)]
    assert [i for i, (_, doubtful) in enumerate(marked_corrupt(garbled)) if doubtful] == [5, 8]
