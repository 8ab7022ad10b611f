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
    dahua,
    elm327,
    fields,
    headlamp_mqd6a,
    hikvision_push,
    hikvision_stream,
    instrument,
    io_map,
    io_module,
    led_board,
    listener,
    modbus_meter,
    pda,
    result_file,
    result_line,
    rtsp_camera,
    scale,
    scale_sics,
    scale_xk3190,
    scanner,
    side_slip,
    speed_jx,
    uhf_reader,
    vzenith,
    vzenith_http,
    weighbridge,
    wheel_load,
)
from firmware_bridge.mqtt import Broker

Build: TypeAlias = Callable[[str, Any, Mapping[str, Broker]], Device]


class UnknownBroker(ValueError):
    """A device names a broker that the site does not have."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind: how its table decodes, how it is built, how often it is heard (s), whether it posts to us.

    ``roles``: what a lane may use it for, by the words of the site file; a config may say it more narrowly.
    """

    config: type[Struct]
    build: Build
    rhythm_s: float
    roles: tuple[str, ...]
    zh: str
    en: str
    pushes: bool = False


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
        roles=("camera",),
        zh="臻识车牌识别相机 (MQTT)",
        en="Vzenith plate camera over MQTT",
    ),
    "pda-mqtt": Kind(
        config=pda.Config,
        build=_on_broker(pda.Pda),
        rhythm_s=pda.RHYTHM_S,
        roles=("pda",),
        zh="查验终端 (MQTT)",
        en="Officers' PDAs over MQTT",
    ),
    "modbus-io": Kind(
        config=io_map.Config,
        build=_on_wire(io_module.IoModule),
        rhythm_s=io_module.RHYTHM_S,
        roles=("io",),
        zh="Modbus 开关量模块 (地感、光电、信号灯、道闸)",
        en="Modbus I/O module: loops, photocells, lights, barriers",
    ),
    "brake-roller": Kind(
        config=brake_roller.Config,
        build=_on_wire(brake_roller.BrakeRoller),
        rhythm_s=instrument.RHYTHM_S,
        roles=("brake",),
        zh="滚筒反力式制动检验台 (江新帧)",
        en="Roller brake bench, JX frames",
    ),
    "wheel-load-jx": Kind(
        config=wheel_load.Config,
        build=_on_wire(wheel_load.WheelLoad),
        rhythm_s=instrument.RHYTHM_S,
        roles=("weigh",),
        zh="轮重仪 (江新 JXZB10)",
        en="Wheel-load scale, JXZB10 style",
    ),
    "scale-xk3190": Kind(
        config=scale_xk3190.Config,
        build=_on_wire(scale_xk3190.build),
        rhythm_s=instrument.RHYTHM_S,
        roles=("weigh",),
        zh="轮重仪 (两台耀华 XK3190-A9 连续输出)",
        en="Wheel-load scale of two XK3190-A9 indicators",
    ),
    "side-slip-modbus": Kind(
        config=side_slip.Config,
        build=_on_wire(side_slip.SideSlip),
        rhythm_s=side_slip.RHYTHM_S,
        roles=("sideslip",),
        zh="侧滑检验台 (Modbus RTU)",
        en="Side-slip plate over Modbus RTU",
    ),
    "obd-elm327": Kind(
        config=elm327.Config,
        build=_on_wire(elm327.Elm327),
        rhythm_s=instrument.RHYTHM_S,
        roles=("obd",),
        zh="OBD 适配器 (ELM327)",
        en="OBD adapter, ELM327 and clones",
    ),
    "scanner": Kind(
        config=scanner.Config,
        build=_on_wire(scanner.Scanner),
        rhythm_s=listener.RHYTHM_S,
        roles=("scanner",),
        zh="条码/二维码扫描器",
        en="Bar-code and QR scanner",
    ),
    "uhf-reader": Kind(
        config=uhf_reader.Config,
        build=_on_wire(uhf_reader.UhfReader),
        rhythm_s=listener.RHYTHM_S,
        roles=("tag",),
        zh="超高频电子标签读写器 (ISO 18000-6C)",
        en="UHF tag reader, ISO 18000-6C",
    ),
    "rtsp-camera": Kind(
        config=rtsp_camera.Config,
        build=_on_wire(rtsp_camera.RtspCamera),
        rhythm_s=rtsp_camera.RHYTHM_S,
        roles=("video",),
        zh="视频摄像机 (RTSP)",
        en="Video camera over RTSP",
    ),
    "vzenith-http": Kind(
        config=vzenith_http.Config,
        build=_on_wire(vzenith_http.VzenithHttp),
        rhythm_s=vzenith_http.RHYTHM_S,
        roles=("camera",),
        zh="臻识车牌识别相机 (HTTP 推送)",
        en="Vzenith plate camera that pushes over HTTP",
        pushes=True,
    ),
    "hikvision-push": Kind(
        config=hikvision_push.Config,
        build=_on_wire(hikvision_push.HikvisionPush),
        rhythm_s=hikvision_push.RHYTHM_S,
        roles=("camera",),
        zh="海康威视车牌识别相机 (ISAPI 推送)",
        en="Hikvision plate camera that pushes over ISAPI",
        pushes=True,
    ),
    "hikvision-stream": Kind(
        config=hikvision_stream.Config,
        build=_on_wire(hikvision_stream.HikvisionStream),
        rhythm_s=hikvision_stream.RHYTHM_S,
        roles=("camera",),
        zh="海康威视车牌识别相机 (ISAPI 事件流)",
        en="Hikvision plate camera whose stream of alerts is read",
    ),
    "dahua-stream": Kind(
        config=dahua.Config,
        build=_on_wire(dahua.DahuaStream),
        rhythm_s=dahua.RHYTHM_S,
        roles=("camera",),
        zh="大华车牌识别相机 (抓拍流)",
        en="Dahua plate camera whose stream of snapshots is read",
    ),
    "modbus-meter": Kind(
        config=modbus_meter.Config,
        build=_on_wire(modbus_meter.ModbusMeter),
        rhythm_s=modbus_meter.RHYTHM_S,
        roles=tuple(modbus_meter.ROLES.values()),
        zh="寄存器式检验设备 (车速、整备质量、轴重、侧滑)",
        en="Bench that gives its result in Modbus registers",
    ),
    "led-board": Kind(
        config=led_board.Config,
        build=_on_wire(led_board.build),
        rhythm_s=led_board.RHYTHM_S,
        roles=("sign",),
        zh="LED 提示屏",
        en="Text board of a lane",
    ),
    "scale": Kind(
        config=scale.Config,
        build=_on_wire(scale.Scale),
        rhythm_s=instrument.RHYTHM_S,
        roles=("weigh",),
        zh="轮重仪 (称重仪表连续输出)",
        en="Wheel-load scale of any indicator",
    ),
    "weighbridge": Kind(
        config=weighbridge.Config,
        build=_on_wire(weighbridge.Weighbridge),
        rhythm_s=instrument.RHYTHM_S,
        roles=("mass",),
        zh="地磅 (整备质量)",
        en="Weighbridge for the kerb mass",
    ),
    "speed-jx": Kind(
        config=speed_jx.Config,
        build=_on_wire(speed_jx.SpeedBench),
        rhythm_s=instrument.RHYTHM_S,
        roles=("speed",),
        zh="车速表检验台 (江新)",
        en="Speedometer bench, JX frames",
    ),
    "headlamp-mqd6a": Kind(
        config=headlamp_mqd6a.Config,
        build=_on_wire(headlamp_mqd6a.HeadlampTester),
        rhythm_s=instrument.RHYTHM_S,
        roles=("headlamp",),
        zh="前照灯检测仪 (MQD-6A)",
        en="Headlamp tester MQD-6A",
    ),
    "brake-plate": Kind(
        config=brake_plate.Config,
        build=_on_wire(brake_plate.BrakePlate),
        rhythm_s=instrument.RHYTHM_S,
        roles=("brake",),
        zh="平板制动检验台 (编号帧)",
        en="Plate brake tester, numbered frames",
    ),
    "brake-plate-jx": Kind(
        config=brake_plate_jx.Config,
        build=_on_wire(brake_plate_jx.BrakePlateJx),
        rhythm_s=math.inf,
        roles=("brake",),
        zh="平板制动检验台 (江新 JXPB13)",
        en="Plate brake tester, JXPB13 style",
    ),
    "brake-analog": Kind(
        config=brake_analog.Config,
        build=_on_wire(brake_analog.build),
        rhythm_s=brake_analog.RHYTHM_S,
        roles=("brake",),
        zh="滚筒反力式制动检验台 (双通道原始采样)",
        en="Roller brake bench, raw samples of two channels",
    ),
    "outline-file": Kind(
        config=result_file.Config,
        build=_on_wire(lambda name, config: result_file.ResultFile(name, config, fields.OUTLINE)),
        rhythm_s=result_file.RHYTHM_S,
        roles=("outline",),
        zh="外廓尺寸测量装置 (结果文件)",
        en="Outline gauge, result files in a folder",
    ),
    "outline-tcp": Kind(
        config=result_line.Config,
        build=_on_wire(lambda name, config: result_line.ResultLine(name, config, fields.OUTLINE)),
        rhythm_s=math.inf,
        roles=("outline",),
        zh="外廓尺寸测量装置 (文本行)",
        en="Outline gauge, a line of text a result",
    ),
    "road-file": Kind(
        config=result_file.Config,
        build=_on_wire(lambda name, config: result_file.ResultFile(name, config, fields.ROAD)),
        rhythm_s=result_file.RHYTHM_S,
        roles=("road",),
        zh="便携式制动性能测试仪 (结果文件)",
        en="Portable brake tester, result files in a folder",
    ),
    "tread-line": Kind(
        config=result_line.Config,
        build=_on_wire(lambda name, config: result_line.ResultLine(name, config, fields.TREADS)),
        rhythm_s=math.inf,
        roles=("treads",),
        zh="轮胎花纹深度计 (文本行)",
        en="Tread depth gauge, a line of text a vehicle",
    ),
    "scale-sics": Kind(
        config=scale_sics.Config,
        build=_on_wire(scale_sics.ScaleSics),
        rhythm_s=instrument.RHYTHM_S,
        roles=("mass",),
        zh="地磅 (MT-SICS 问答)",
        en="Vehicle scale that is asked over MT-SICS",
    ),
}
