"""KINDS: every kind of device the bridge knows, one line each, with its rhythm ("silence is a fault")."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from msgspec import Struct

from firmware_bridge.device import Device
from firmware_bridge.devices import (
    brake_analog,
    brake_plate,
    brake_plate_jx,
    brake_roller,
    fields,
    headlamp_mqd6a,
    instrument,
    io_module,
    pda,
    result_file,
    result_line,
    scale,
    scale_xk3190,
    side_slip,
    speed_jx,
    vzenith,
    weighbridge,
    wheel_load,
)
from firmware_bridge.mqtt import Broker

Build: TypeAlias = Callable[[str, Any, Mapping[str, Broker]], Device]


class UnknownBroker(ValueError):
    """A device names a broker that the site does not have."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind: how its table decodes, how it is built, how often it must be heard (s)."""

    config: type[Struct]
    build: Build
    rhythm_s: float
    zh: str
    en: str


def _on_broker(make: Callable[[str, Any, Broker], Device]) -> Build:
    def build(name: str, config: Any, brokers: Mapping[str, Broker]) -> Device:
        if config.broker not in brokers:
            known = ", ".join(sorted(brokers)) or "none"
            raise UnknownBroker(f"device {name}: no broker {config.broker!r} in this site; known: {known}")
        return make(name, config, brokers[config.broker])

    return build


def _on_wire(make: Callable[[str, Any], Device]) -> Build:
    return lambda name, config, _brokers: make(name, config)


KINDS: Mapping[str, Kind] = {
    "vzenith-mqtt": Kind(
        config=vzenith.Config,
        build=_on_broker(vzenith.Vzenith),
        rhythm_s=vzenith.RHYTHM_S,
        zh="臻识车牌识别相机 (MQTT)",
        en="Vzenith plate camera over MQTT",
    ),
    "pda-mqtt": Kind(
        config=pda.Config,
        build=_on_broker(pda.Pda),
        rhythm_s=pda.RHYTHM_S,
        zh="查验终端 (MQTT)",
        en="Officers' PDAs over MQTT",
    ),
    "modbus-io": Kind(
        config=io_module.Config,
        build=_on_wire(io_module.IoModule),
        rhythm_s=io_module.RHYTHM_S,
        zh="Modbus 开关量模块 (地感、光电、信号灯、道闸)",
        en="Modbus I/O module: loops, photocells, lights, barriers",
    ),
    "brake-roller": Kind(
        config=brake_roller.Config,
        build=_on_wire(brake_roller.BrakeRoller),
        rhythm_s=instrument.RHYTHM_S,
        zh="滚筒反力式制动检验台 (江新帧)",
        en="Roller brake bench, JX frames",
    ),
    "wheel-load-jx": Kind(
        config=wheel_load.Config,
        build=_on_wire(wheel_load.WheelLoad),
        rhythm_s=instrument.RHYTHM_S,
        zh="轮重仪 (江新 JXZB10)",
        en="Wheel-load scale, JXZB10 style",
    ),
    "scale-xk3190": Kind(
        config=scale_xk3190.Config,
        build=_on_wire(scale_xk3190.build),
        rhythm_s=instrument.RHYTHM_S,
        zh="轮重仪 (两台耀华 XK3190-A9 连续输出)",
        en="Wheel-load scale of two XK3190-A9 indicators",
    ),
    "side-slip-modbus": Kind(
        config=side_slip.Config,
        build=_on_wire(side_slip.SideSlip),
        rhythm_s=side_slip.RHYTHM_S,
        zh="侧滑检验台 (Modbus RTU)",
        en="Side-slip plate over Modbus RTU",
    ),
    "scale": Kind(
        config=scale.Config,
        build=_on_wire(scale.Scale),
        rhythm_s=instrument.RHYTHM_S,
        zh="轮重仪 (称重仪表连续输出)",
        en="Wheel-load scale of any indicator",
    ),
    "weighbridge": Kind(
        config=weighbridge.Config,
        build=_on_wire(weighbridge.Weighbridge),
        rhythm_s=instrument.RHYTHM_S,
        zh="地磅 (整备质量)",
        en="Weighbridge for the kerb mass",
    ),
    "speed-jx": Kind(
        config=speed_jx.Config,
        build=_on_wire(speed_jx.SpeedBench),
        rhythm_s=instrument.RHYTHM_S,
        zh="车速表检验台 (江新)",
        en="Speedometer bench, JX frames",
    ),
    "headlamp-mqd6a": Kind(
        config=headlamp_mqd6a.Config,
        build=_on_wire(headlamp_mqd6a.HeadlampTester),
        rhythm_s=instrument.RHYTHM_S,
        zh="前照灯检测仪 (MQD-6A)",
        en="Headlamp tester MQD-6A",
    ),
    "brake-plate": Kind(
        config=brake_plate.Config,
        build=_on_wire(brake_plate.BrakePlate),
        rhythm_s=instrument.RHYTHM_S,
        zh="平板制动检验台 (编号帧)",
        en="Plate brake tester, numbered frames",
    ),
    "brake-plate-jx": Kind(
        config=brake_plate_jx.Config,
        build=_on_wire(brake_plate_jx.BrakePlateJx),
        rhythm_s=math.inf,
        zh="平板制动检验台 (江新 JXPB13)",
        en="Plate brake tester, JXPB13 style",
    ),
    "brake-analog": Kind(
        config=brake_analog.Config,
        build=_on_wire(brake_analog.build),
        rhythm_s=brake_analog.RHYTHM_S,
        zh="滚筒反力式制动检验台 (双通道原始采样)",
        en="Roller brake bench, raw samples of two channels",
    ),
    "outline-file": Kind(
        config=result_file.Config,
        build=_on_wire(lambda name, config: result_file.ResultFile(name, config, fields.OUTLINE)),
        rhythm_s=result_file.RHYTHM_S,
        zh="外廓尺寸测量装置 (结果文件)",
        en="Outline gauge, result files in a folder",
    ),
    "outline-tcp": Kind(
        config=result_line.Config,
        build=_on_wire(lambda name, config: result_line.ResultLine(name, config, fields.OUTLINE)),
        rhythm_s=math.inf,
        zh="外廓尺寸测量装置 (文本行)",
        en="Outline gauge, a line of text a result",
    ),
    "road-file": Kind(
        config=result_file.Config,
        build=_on_wire(lambda name, config: result_file.ResultFile(name, config, fields.ROAD)),
        rhythm_s=result_file.RHYTHM_S,
        zh="便携式制动性能测试仪 (结果文件)",
        en="Portable brake tester, result files in a folder",
    ),
    "tread-line": Kind(
        config=result_line.Config,
        build=_on_wire(lambda name, config: result_line.ResultLine(name, config, fields.TREADS)),
        rhythm_s=math.inf,
        zh="轮胎花纹深度计 (文本行)",
        en="Tread depth gauge, a line of text a vehicle",
    ),
}
