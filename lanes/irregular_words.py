"""The words of every irregularity of a lane, in both languages, and the operator's acts that mend it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Says:
    """What is told of an irregularity, and the operator's acts of which one mends it."""

    zh: str
    en: str
    acts: tuple[str, ...]


SAYS: dict[str, Says] = {
    "unmatched": Says(
        zh=(
            "车辆 {seen} 没有受理记录{likely}：请更正号牌（correct）、人工放行（admit）或现场受理（walk-in）"
        ),
        en=(
            "no order for the vehicle at the gate ({seen}){likely}: correct its plate, admit it, or "
            "order it here (walk-in)"
        ),
        acts=("correct", "admit", "walk-in"),
    ),
    "ambiguous": Says(
        zh=(
            "号牌 {seen} 有多个受理记录，号牌种类不明{likely}：请更正（correct，"
            "注明号牌种类）或人工放行（admit）"
        ),
        en=(
            "several orders for {seen} of different kinds of plate{likely}: correct it with its "
            "kind, or admit it"
        ),
        acts=("correct", "admit"),
    ),
    "held_at_gate": Says(
        zh="车辆 {seen} 已暂停：{why}。请恢复（resumed）或请其离开",
        en="the vehicle at the gate ({seen}) is held: {why}. Resume it, or send it away",
        acts=("resumed",),
    ),
    "uncaptured": Says(
        zh="有车，没有抓拍：请人工放行（admit）或重新触发相机",
        en="a vehicle at the gate and no capture: admit it, or trigger the camera",
        acts=("admit", "walk-in"),
    ),
    "tailgate": Says(
        zh="第二辆车跟车进入，栏杆未落：请其退出；若是待检车辆可放行（admit）",
        en="a second vehicle follows under the open barrier: send it back, or admit it if it waits",
        acts=("admit",),
    ),
    "unknown": Says(
        zh="有车但无人登记在此，或传感器常通：请指明车辆（moved）、请其离开或检修传感器",
        en=(
            "occupied, and nobody is booked there, or its sensor is stuck: say who stands there "
            "(moved), send it away, or mend the sensor"
        ),
        acts=("moved",),
    ),
    "tail": Says(
        zh="车辆已前行而工位仍被占用，可能有第二辆车或传感器常通：请查看；可指明车辆（moved）",
        en=(
            "its vehicle has gone on and it is still occupied: a second vehicle, or a stuck sensor: "
            "look; say who stands there (moved)"
        ),
        acts=("moved", "admit"),
    ),
    "vanished": Says(
        zh=(
            "{vehicle} 不在工位也未到下一工位，可能倒车、离线或传感器失灵："
            "请退线（withdrawn）或指明工位（moved）"
        ),
        en=(
            "{vehicle} is neither there nor at the next station: reversed, left, or a sensor fails: "
            "withdraw it, or say where it stands (moved)"
        ),
        acts=("withdrawn", "moved"),
    ),
    "backwards": Says(
        zh="{vehicle} 已不在工位，前一工位有车，可能倒车：请退线（withdrawn）或指明工位（moved）",
        en=(
            "{vehicle} is gone from there and the station before is occupied: it reverses: withdraw "
            "it, or say where it stands (moved)"
        ),
        acts=("withdrawn", "moved"),
    ),
    "strange": Says(
        zh="{vehicle} 离开后又有车进入，不能确认是同一辆：请确认（moved）或退线（withdrawn）",
        en="{vehicle} left and a vehicle came, perhaps another: confirm it (moved), or withdraw it",
        acts=("moved", "withdrawn"),
    ),
    "another": Says(
        zh=(
            "应为 {vehicle}，识别到 {seen}，车辆不符：请更正号牌（correct）、确认（moved）或退线（withdrawn）"
        ),
        en=(
            "should be {vehicle}, {seen} was seen: the wrong vehicle: correct the plate, confirm it "
            "(moved), or withdraw it"
        ),
        acts=("correct", "moved", "withdrawn"),
    ),
    "crowded": Says(
        zh="可能有两辆车同在一个工位：请一辆退出后确认（moved）或退线（withdrawn）",
        en="perhaps two vehicles on one station: send one back, then confirm (moved) or withdraw",
        acts=("moved", "withdrawn"),
    ),
    "axle": Says(
        zh="{vehicle} 在台上的是第几轴不能确定：请指明（positioned）",
        en="nobody knows which axle of {vehicle} is on the rollers: say it (positioned)",
        acts=("positioned",),
    ),
    "overshot": Says(
        zh="{vehicle} 第{axle}轴未检已驶过：请倒回并指明轴位（positioned）",
        en=(
            "{vehicle} has passed the rollers with axle {axle} not measured: drive back, then say "
            "which axle stands there (positioned)"
        ),
        acts=("positioned",),
    ),
    "stopped": Says(
        zh="{vehicle} 的 {items} 已人工中止：请重检（repeated）或终止检验（abort）",
        en="{items} of {vehicle} was stopped: repeat it, or abort the inspection",
        acts=("repeated", "abort"),
    ),
    "held": Says(
        zh="{vehicle} 已暂停：{why}。请恢复（resumed）、退线（withdrawn）或终止检验（abort）",
        en="{vehicle} is held: {why}. Resume it, withdraw it, or abort the inspection",
        acts=("resumed", "withdrawn", "abort"),
    ),
    "slow": Says(
        zh=(
            "{vehicle} 停留已超过 {limit} 秒：请查看；可中止项目（stopped）、"
            "退线（withdrawn）或终止检验（abort）"
        ),
        en=(
            "{vehicle} has stood there for more than {limit} s: look; stop its item, withdraw it, or "
            "abort the inspection"
        ),
        acts=("stopped", "withdrawn", "abort"),
    ),
    "late": Says(
        zh="{vehicle} 检验已超过目标时间 {limit} 秒",
        en="{vehicle} has taken more than the target of {limit} s",
        acts=(),
    ),
}
