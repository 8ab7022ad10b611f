"""What stands printed on the forms: labels in both languages, the items of each form, its businesses.

Facts of the record forms: domain notes 1.3 (F, templates of CHY, LZL, PDA), unless a line says otherwise.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lanes.tables import Label

GroupName: TypeAlias = Literal["general", "goods", "coach", "other", "school"]


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a record form: number, the item's code, group, and its names where the rules have none."""

    number: int
    item: str
    group: GroupName
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A business that can be ticked: its names, and the form's letters or our codes that tick it."""

    zh: str
    en: str
    codes: tuple[str, ...]


_GENERAL = (
    Place(1, "01", "general", "车辆识别代号", "VIN"),
    Place(2, "02", "general", "发动机型号/号码", "engine model and number"),
    Place(3, "03", "general", "车辆品牌/型号", "brand and model"),
    Place(4, "04", "general", "车身颜色", "body colour"),
    Place(5, "05", "general", "核定载人数", "number of seats"),
    Place(6, "06", "general", "车辆类型", "vehicle class"),
    Place(7, "07", "general", "号牌/车辆外观形状", "plate and outer shape"),
    Place(8, "08", "general", "轮胎完好情况", "condition of the tyres"),
    Place(9, "09", "general", "安全带、三角警告牌", "seat belts, warning triangle"),
)

RECORD: tuple[Place, ...] = (
    *_GENERAL,
    Place(10, "10", "goods", "外廓尺寸、轴数、轴距", "outline, axles, wheelbase"),
    Place(11, "11", "goods", "整备质量", "kerb mass"),
    Place(12, "12", "goods", "轮胎规格", "tyre size"),
    Place(13, "13", "goods", "侧后部防护装置", "side and rear guards"),
    Place(
        14, "14", "goods", "车身反光标识和车辆尾部标志板、喷涂", "reflective marking, rear board, lettering"
    ),
    Place(15, "15", "coach", "灭火器", "fire extinguisher"),
    Place(16, "16", "coach", "行驶记录装置、车内外录像监控装置", "drive recorder, cameras"),
    Place(17, "17", "coach", "应急出口/应急锤、乘客门", "emergency exits and hammers, passenger door"),
    Place(18, "18", "coach", "外部标识/文字、喷涂", "outer signs and lettering"),
    Place(19, "19", "other", "标志灯具、警报器", "marking lamps, siren"),
    Place(20, "20", "other", "检验合格证明", "proof of the safety test"),
)

#: The order is the form's (F); the codes X10 to X22 are ours.
SCHOOL_BUS: tuple[Place, ...] = (
    *_GENERAL,
    Place(10, "X10", "school", "校车标志灯", "school-bus lamps"),
    Place(11, "X11", "school", "停车指示标志", "stop sign"),
    Place(12, "X12", "school", "具有行驶记录功能的卫星定位装置", "satellite positioning with drive recorder"),
    Place(13, "X13", "school", "应急出口/应急锤", "emergency exits and hammers"),
    Place(14, "X14", "school", "干粉灭火器", "dry-powder extinguisher"),
    Place(15, "X15", "school", "急救箱", "first-aid kit"),
    Place(16, "X16", "school", "车身外观标识", "outer marking"),
    Place(17, "X17", "school", "照管人员座位", "seat of the attendant"),
    Place(18, "X18", "school", "汽车安全带", "seat belts"),
    Place(19, "X19", "school", "车内外录像监控系统", "cameras inside and outside"),
    Place(20, "X20", "school", "辅助倒车装置", "reversing aid"),
    Place(21, "X21", "school", "校车标牌", "school-bus plate"),
    Place(22, "X22", "school", "安全技术检验合格证明", "proof of the safety test"),
)

GROUPS: dict[GroupName, Label] = {
    "general": Label(zh="通用项目", en="all vehicles"),
    "goods": Label(zh="货车、挂车", en="goods vehicles, trailers"),
    "coach": Label(zh="大中型客车、危险化学品运输车", en="coaches, dangerous goods"),
    "other": Label(zh="其他", en="others"),
    "school": Label(zh="校车", en="school buses"),
}

RECORD_BUSINESSES: tuple[Choice, ...] = (
    Choice("注册登记", "registration", ("z",)),
    Choice("转入", "moved in", ("r",)),
    Choice("转移登记", "transfer", ("y",)),
    Choice("变更迁出", "moved out", ("q",)),
    Choice("变更车身颜色", "new colour", ("s",)),
    Choice("更换车身或者车架", "new body or frame", ("e",)),
    Choice("更换发动机", "new engine", ("f",)),
    Choice("更换整车", "vehicle replaced", ("c",)),
    Choice("变更使用性质", "new use", ("x",)),
    Choice("重新打刻VIN", "VIN anew", ("d",)),
    Choice("重新打刻发动机号", "engine no. anew", ("k",)),
    Choice("加装/拆除操纵辅助装置", "driving aids", ("j",)),
    Choice("申领登记证书", "certificate, first", ("l",)),
    Choice("补领登记证书", "certificate, again", ("h",)),
    Choice("核发检验合格标志", "periodic", ("g",)),
    Choice("监督解体", "scrapping", ("a",)),
    Choice("其他", "other", ("t",)),
)
SCHOOL_BUS_BUSINESSES: tuple[Choice, ...] = (
    Choice("注册登记", "registration", ("z",)),
    Choice("转入", "moved in", ("r",)),
    Choice("更换整车", "vehicle replaced", ("c",)),
    Choice("转移登记", "transfer", ("y",)),
    Choice("变更迁出", "moved out", ("q",)),
    Choice("更换车身或车架", "new body or frame", ("e",)),
    Choice("申请校车使用许可", "school-bus licence", ("school_bus_permit",)),
    Choice("期满换发校车标牌", "school-bus plate renewed", ("school_bus_renewal",)),
    Choice("非专用校车不再作为校车使用", "no longer a school bus", ("school_bus_end",)),
    Choice("其他", "other", ("t",)),
)

#: Letters of the businesses for which a rubbing of the VIN, and a photo of the vehicle, belong on the form.
RUBBING = frozenset("zyqrecld")
VEHICLE_PHOTO = frozenset("zyrasec")  # changes that need a new photo are s e c (M)

SCHOOL_BUS_USES = frozenset("OPQ")
SCHOOL_BUS_CLASSES = frozenset({"K18", "K28", "K38"})  # 专用校车

#: Items whose written value is a code: where its names stand in the rules.
VALUE_NAMES = {"04": "colours", "06": "vehicle_classes"}

VIN_SHOT, VEHICLE_SHOT = "0113", "0111"

WORDS: dict[str, Label] = {
    key: Label(zh=zh, en=en)
    for key, zh, en in (
        ("title.record", "机动车查验记录表", "Vehicle inspection record"),
        ("title.school_bus", "校车查验记录表", "School-bus inspection record"),
        ("title.instruments", "仪器设备检验报告", "Instrument test report"),
        ("title.photos", "查验照片表", "Inspection photos"),
        ("flag.draft", "草稿", "DRAFT"),
        ("flag.simulated", "仿真数据", "SIMULATED"),
        ("flag.continued", "续页", "continued"),
        ("draft.open", "未判定", "not judged yet"),
        ("draft.corrected", "判定后有更正，未重新判定", "corrected after the verdict, not judged again"),
        ("draft.aborted", "查验已终止", "inspection aborted"),
        ("draft.unreadable", "有记录本版本无法读取", "holds records that this version cannot read"),
        ("draft.rules", "规则未涵盖本车", "these rules do not cover this vehicle"),
        ("head.inspection", "流水号", "Inspection"),
        ("head.ordered", "受理时间", "Accepted"),
        ("head.attempt", "检验次数", "Attempt"),
        ("head.lane", "查验通道", "Lane"),
        ("head.plate", "号牌号码", "Plate"),
        ("head.plate_kind", "号牌种类", "Kind of plate"),
        ("head.use", "使用性质", "Use"),
        ("head.class", "车辆类型", "Vehicle class"),
        ("head.brand", "品牌型号", "Brand, model"),
        ("head.vin", "车辆识别代号", "VIN"),
        ("head.engine", "发动机号", "Engine no."),
        ("head.colour", "车身颜色", "Colour"),
        ("head.seats", "核定载人数", "Seats"),
        ("head.made", "出厂日期", "Made on"),
        ("head.registered", "初次登记日期", "Registered on"),
        ("head.mass", "总/整备质量", "Gross / kerb mass"),
        ("head.school", "校车类别", "School bus"),
        ("head.business", "业务类型", "Business"),
        ("head.rules", "规则版本", "Rules"),
        ("school.yes", "专用校车", "built as a school bus"),
        ("school.no", "非专用校车", "used as a school bus"),
        ("plate.none", "无号牌", "no plate"),
        ("table.number", "序号", "No."),
        ("table.item", "查验项目", "Item"),
        ("table.mark", "判定", "Judgement"),
        ("table.value", "确定值", "Value"),
        ("area.rubbing", "车辆识别代号拓印膜/照片", "VIN rubbing or photo"),
        ("area.vehicle", "车辆照片", "Photo of the vehicle"),
        ("area.attach", "粘贴处", "attach here"),
        ("area.needless", "本业务不要求", "not required"),
        ("sign.conclusion", "查验结论", "Conclusion"),
        ("sign.first", "查验员签字", "Signed by"),
        ("sign.recheck", "复检合格签字", "Re-check passed, signed by"),
        ("sign.remarks", "备注", "Remarks"),
        ("sign.empty", "签字　　　　　　　年　　月　　日", "signature, date"),
        ("role.officer", "查验员", "officer"),
        ("role.second_officer", "第二查验员", "second officer"),
        ("role.presenter", "送检人", "presenter"),
        ("verdict.pass", "合格", "passed"),
        ("verdict.fail", "不合格", "failed"),
        ("verdict.incomplete", "检验未完成", "incomplete"),
        ("verdict.suspicious", "嫌疑车辆", "suspicious"),
        ("verdict.none", "未判定", "not judged yet"),
        ("mark.pass", "合格", "pass"),
        ("mark.fail", "不合格", "fail"),
        ("mark.none", "不评判", "not judged"),
        ("mark.open", "未检", "open"),
        ("remark.see", "见备注", "see remarks"),
        ("remark.outside", "表外缺陷", "defect outside the table"),
        ("remark.failed", "不合格项", "failed"),
        ("remark.lacking", "尚缺", "still lacking"),
        ("remark.aborted", "终止原因", "aborted because"),
        ("remark.statement", "签字声明", "statement"),
        ("remark.school", "校车使用许可", "school-bus licence"),
        ("remark.legend", "√合格　×不合格　—不适用", "√ pass　× fail　— not required"),
        ("report.item", "检验项目", "Item"),
        ("report.result", "检验结果", "Result"),
        ("report.limit", "标准限值", "Limit"),
        ("report.mark", "判定", "Judgement"),
        ("report.basis", "依据记录", "Records"),
        ("report.empty", "没有仪器检验结果", "no instrument results"),
        ("report.axle", "轴", "Axle"),
        ("report.load", "左/右轮荷 kg", "Wheel loads left / right, kg"),
        ("report.force", "左/右最大制动力 10N", "Highest force left / right, 10 N"),
        ("report.drag", "左/右阻滞力 10N", "Drag left / right, 10 N"),
        ("report.bench", "检验台", "Bench"),
        ("report.raw", "制动与轮荷原始数据", "Brake and load readings"),
        ("report.curves", "制动力曲线", "Brake curves"),
        ("report.how", "计算过程与条款", "Arithmetic and clauses"),
        ("report.arithmetic", "计算过程", "Arithmetic"),
        ("report.clause", "条款", "Clause"),
        ("bench.roller", "滚筒", "roller"),
        ("bench.plate", "平板", "plate"),
        ("curve.left", "左轮", "left"),
        ("curve.right", "右轮", "right"),
        ("photo.code", "代码", "Code"),
        ("photo.time", "时间", "Time"),
        ("photo.officer", "查验员", "Officer"),
        ("photo.device", "设备", "Device"),
        ("photo.digest", "摘要", "SHA-256"),
        ("photo.record", "记录号", "Record"),
        ("photo.superseded", "已重拍，不作依据", "taken again, does not count"),
        ("photo.capture", "入口抓拍", "capture at the gate"),
        ("photo.empty", "没有照片", "no photos"),
        ("photo.missing", "本机没有这张照片", "the photo is not here"),
        (
            "photo.why",
            "尚未送到，或已按保存期限移除",
            "it has not come yet, or was removed after its keeping time",
        ),
        ("photo.damaged", "照片文件已损坏", "the file is damaged"),
        ("photo.altered", "内容与摘要不符", "its content is not what the digest names"),
        ("seal.site", "站点", "site"),
        ("seal.node", "节点", "node"),
        ("seal.attempt", "第几次", "attempt"),
        ("seal.records", "记录", "records"),
        ("seal.rules", "规则", "rules"),
        ("seal.head", "链头", "head"),
        ("seal.printed", "打印", "printed"),
        ("seal.by", "打印人", "by"),
        ("seal.nobody", "未说明", "not stated"),
        ("seal.page", "第 {page} 页 共 {pages} 页", "page {page} of {pages}"),
    )
}
