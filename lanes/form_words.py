"""What stands printed on the forms: labels in both languages, and the businesses of each record form.

Facts of the record forms: domain notes 1.3 (F, templates of CHY, LZL, PDA). Their items, with numbers and
groups, stand in the rules (names.toml, item).
"""

from dataclasses import dataclass

from lanes.tables import Label


@dataclass(frozen=True, slots=True)
class Choice:
    """A business that can be ticked: its names, and the form's letters or our codes that tick it."""

    zh: str
    en: str
    codes: tuple[str, ...]


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
        ("remark.stands", "沿用上次合格项，有效至", "stand from the attempt before, until"),
        ("remark.referred", "移交嫌疑查处", "referred as suspicious"),
        ("remark.released", "嫌疑解除", "released"),
        ("remark.calibration", "检定提示", "calibration"),
        ("remark.platform", "项目清单由平台下发", "items listed by the platform"),
        ("remark.left_out", "本站不检", "left out at this site"),
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
