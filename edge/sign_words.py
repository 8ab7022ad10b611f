"""What a text board says to a driver: the catalogue of its messages, short enough for eight characters."""

from collections.abc import Mapping

from firmware_bridge.device import Row

#: Kind of the station that comes next -> what to do; another kind is named by its title.
GO_TO: Mapping[str, str] = {
    "exterior": "请到外观工位",
    "brake": "请上制动台",
    "sideslip": "请上侧滑台",
    "exit": "请到出口",
}
#: Kind of the station that a vehicle stands at -> how it goes on there.
ADVANCE: Mapping[str, str] = {"brake": "请前移一轴", "sideslip": "请匀速驶过"}

FREE = Row(text="空闲", colour="green")
RECOGNISING = Row(text="请等待识别", colour="yellow")
MEASURING = Row(text="检测中请勿动", colour="red")
STOPPED = Row(text="检验已中止", colour="red")
LEAVE = Row(text="请驶离", colour="green")
WAIT = Row(text="请等候", colour="red")
NO_PLATE = "无号牌"


def go_to(kind: str, title: str) -> Row:
    """The vehicle may go on to a station."""
    return Row(text=GO_TO.get(kind, f"请到{title}"), colour="green")


def advance(kind: str) -> Row:
    """The vehicle goes on at its station."""
    return Row(text=ADVANCE.get(kind, "请前移"), colour="green")
