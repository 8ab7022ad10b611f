// A made-up site in the middle of a working day: everything the two APIs tell, marked as simulated.
import { createHash } from "node:crypto";
import * as photos from "./photos.mjs";

const start = Date.now();
const ago = (s) => new Date(start - s * 1000).toISOString();
const sha = (text) => createHash("sha256").update(text).digest("hex");
const name = (zh, en) => ({ zh, en });

const stations = () => [
  { station: "gate", name: name("入口", "Gate"), kind: "gate" },
  { station: "exterior", name: name("外检工位", "Exterior"), kind: "exterior" },
  { station: "brake", name: name("制动工位", "Brakes"), kind: "brake" },
  { station: "sideslip", name: name("侧滑工位", "Side-slip"), kind: "sideslip" },
  { station: "exit", name: name("出口", "Exit"), kind: "exit" },
];

export const site = {
  site: "jx-nanhu",
  name: name("嘉兴南湖模拟检验站", "Jiaxing Nanhu virtual site"),
  node: "jx-nanhu-edge-1",
  simulated: true,
  lanes: [
    { lane: "lane-1", name: name("一号检测线", "Lane 1"), stations: stations() },
    { lane: "lane-2", name: name("二号检测线", "Lane 2"), stations: stations() },
  ],
  officers: [
    { officer: "330401001", name: "沈建国" },
    { officer: "330401002", name: "陆晓燕" },
    { officer: "330401007", name: "徐明" },
  ],
};

// hphm, hpzl, VIN, business, paint
const CARS = [
  ["浙F7K286", "02", "LSVAA49J132047371", "periodic", "#c3cad1"],
  ["浙FD18436", "52", "LGXCE6CB4P0123456", "periodic", "#2e6fb7"],
  [null, null, "LFV2A21K8R4218806", "registration", "#e9ecef"],
  ["沪A5Q917", "02", "LSGPC52U6FF104519", "periodic", "#30343a"],
  ["浙F0T553", "02", "LVSHCAMB5DE271940", "periodic", "#a32027"],
  ["苏E93H2C", "02", "LBVKY9103KSR40217", "periodic", "#4f5b49"],
  ["浙FF60218", "52", "LRWYGCEK7NC452093", "periodic", "#f4f5f6"],
  ["浙F2M708", "02", "LJDLAA294E0083152", "transfer", "#6a4a34"],
  ["浙F63W19", "02", "LHGCP168198012745", "periodic", "#1d3e66"],
];
const FACES = { "02": ["#1b55bd", "#fff"], 52: ["#8ed8a0", "#101410"] };
const id = (n) => `20261122-${String(n).padStart(4, "0")}`;

function shotsOf([hphm, hpzl, vin, , paint]) {
  const [ground, ink] = FACES[hpzl] ?? ["#cfd6dc", "#666"];
  const shown = hphm ?? "——";
  return {
    "0111": photos.car(paint, shown, ground, ink),
    "0112": photos.car(paint, shown, ground, ink, true),
    "0113": photos.vin(vin),
    "0157": photos.part("安全带", "#5b6570"),
    "0124": photos.part("三角警告牌", "#6a5f52"),
  };
}
const PICTURES = CARS.map(shotsOf);

function curve(item, left, right, seed = 1) {
  const wave = (top, lag, i) => {
    const x = (i - 12 - lag) / 34;
    const rise = x <= 0 ? 0.03 : x < 1 ? 0.03 + 0.97 * (1 - Math.cos(Math.PI * x)) / 2 : 1;
    const fall = i > 118 ? Math.max(0, 1 - (i - 118) / 14) : 1;
    return Math.round(top * rise * fall * (1 + 0.012 * Math.sin(i * 0.9 + seed) + 0.006 * Math.sin(i * 2.7 * seed)));
  };
  const points = Array.from({ length: 140 }, (_, i) => i);
  return { item, interval_ms: 10, left_dan: points.map((i) => wave(left, 0, i)), right_dan: points.map((i) => wave(right, 3, i)) };
}

const reading = (item, quantity, value, unit, limit, result) => ({ item, quantity, value, unit, limit, result });
const BRAKES = [
  reading("B1", "axle_rate", "74.6", "%", "≥60", "pass"),
  reading("B1", "imbalance", "8.2", "%", "≤24", "pass"),
  reading("B2", "axle_rate", "52.3", "%", "≥20", "pass"),
  reading("B2", "imbalance", "11.4", "%", "≤30", "pass"),
  reading("B0", "parking_rate", "28.1", "%", "≥20", "pass"),
];
const WEAK = [
  reading("B1", "axle_rate", "51.2", "%", "≥60", "fail"),
  reading("B1", "imbalance", "27.8", "%", "≤24", "fail"),
  reading("B2", "axle_rate", "44.0", "%", "≥20", "pass"),
  reading("B2", "imbalance", "9.1", "%", "≤30", "pass"),
  reading("B0", "parking_rate", "23.5", "%", "≥20", "pass"),
];
const CLAUSES = { axle_rate: "GB 7258-2017 台试制动力", imbalance: "GB 7258-2017 制动力平衡", parking_rate: "GB 7258-2017 驻车制动", sideslip: "GB 7258-2017 转向轮横向侧滑量" };
const WORKINGS = { "74.6": "(240+228)×10 N ÷ (640 kg×9.8) = 74.6 %", "8.2": "(240−220) ÷ 244 = 8.2 %", "51.2": "(186+135)×10 N ÷ (640 kg×9.8) = 51.2 %", "27.8": "(186−134) ÷ 187 = 27.8 %" };
const SLIP = reading("A1", "sideslip", "-1.8", "m/km", "−5…+5", "pass");

function visit(n, more) {
  const [plate, hpzl, vin, business] = CARS[n];
  return {
    inspection: id(n + 1), plate, hpzl, vin, vehicle_class: "K33", business, arrived_at: ago(more.elapsed_s), next: [], running: null,
    done: [], alarms: [], readings: [], curve: null, photos: [], verdict: null, ...more,
  };
}
const shots = (n, opinions) => Object.entries(opinions).map(([shot, opinion]) => ({ shot, photo: PICTURES[n][shot], opinion }));

const ON_STATION = {
  "lane-1": {
    exterior: visit(1, { elapsed_s: 171, next: ["item:05", "item:06", "item:07", "shot:0124", "ruling:0113:vin", "instrument:B1"], done: ["01", "03", "04"], photos: shots(1, { "0111": "agree", "0112": "agree", "0113": "unsure", "0157": null }) }),
    brake: visit(0, { elapsed_s: 402, running: "B2", done: ["W1", "B1", "W2"], readings: BRAKES.slice(0, 2), curve: curve("B1", 240, 228) }),
  },
  "lane-2": {
    brake: visit(4, { elapsed_s: 778, next: ["instrument:A1", "shot:0124"], done: ["W1", "B1", "W2", "B2", "B0"], alarms: [{ code: "brake_weak", zh: "一轴制动率不足", en: "Axle 1 brake below its limit" }], readings: WEAK, curve: curve("B1", 186, 134, 2) }),
    exit: visit(3, { elapsed_s: 655, done: ["01", "B1", "B2", "B0", "A1"], readings: [...BRAKES, SLIP], photos: shots(3, { "0111": "agree", "0112": "agree", "0113": "agree" }), verdict: "pass" }),
  },
};
const SENSORS = { gate: ["occupied"], exterior: ["occupied"], brake: ["occupied", "axle", "beyond"], sideslip: ["occupied"], exit: ["occupied"] };

const DEVICES = [
  ["camera-1", "plate_camera", "lane-1", "gate"], ["io-1", "modbus_io", "lane-1", null], ["brake-1", "brake_roller", "lane-1", "brake"],
  ["scale-1", "axle_scale", "lane-1", "brake"], ["slip-1", "sideslip", "lane-1", "sideslip"], ["camera-2", "plate_camera", "lane-2", "gate"],
  ["io-2", "modbus_io", "lane-2", null], ["brake-2", "brake_roller", "lane-2", "brake"], ["scale-2", "axle_scale", "lane-2", "brake"],
  ["slip-2", "sideslip", "lane-2", "sideslip", "silent", "no frame for 12 s"], ["pda-1", "pda", null, null], ["pda-2", "pda", null, null],
];

export function board(version) {
  const since = Math.floor((Date.now() - start) / 1000);
  const seq = 1284 + Math.floor(since / 2);
  return {
    version, at: new Date().toISOString(), site: site.site, simulated: true, node: site.node,
    head: { seq, hash: sha(`head ${seq}`) }, sent_through: seq - (since % 7), link: "ok",
    destinations: [{ destination: "centre", link: "ok", sent_through: seq - (since % 7), photos_wanted: 0 }],
    waiting: [5, 2, 6].map((n) => { const [plate, hpzl, vin, business] = CARS[n]; return { inspection: id(n + 1), plate, hpzl, vin, business }; }),
    lanes: site.lanes.map((lane) => ({
      ...lane,
      stations: lane.stations.map((each) => {
        const vehicle = ON_STATION[lane.lane]?.[each.station] ?? null;
        const gated = each.kind === "gate" || each.kind === "exit";
        return {
          ...each,
          light: gated ? null : Boolean(vehicle?.done.length && !vehicle.running && !vehicle.next.length),
          barrier: gated ? vehicle?.verdict === "pass" : null,
          sensors: Object.fromEntries(SENSORS[each.kind].map((sensor) => [sensor, Boolean(vehicle) && sensor !== "beyond"])),
          vehicle: vehicle && { ...vehicle, elapsed_s: vehicle.elapsed_s + since },
        };
      }),
    })),
    recent: [[7, "pass", []], [8, "fail", ["01", "B1"]], [6, "pass", []], [5, "pass", []], [3, "pass", []], [2, "fail", ["07"]], [1, "pass", []], [0, "pass", []]].map(([n, verdict, failed], i) => {
      const [plate, hpzl, vin, business] = CARS[n];
      return { inspection: id(90 - i), plate, hpzl, vin, business, lane: `lane-${(i % 2) + 1}`, verdict, failed, ended_at: ago(140 + i * 460) };
    }),
    devices: DEVICES.map(([device, kind, lane, station, state = "ok", why = ""]) => ({ device, kind, lane, station, state, why, simulated: true })),
    alarms: [{ at: ago(31), zh: "二号线侧滑台 12 秒无数据", en: "Lane 2 side-slip plate silent for 12 s" }],
  };
}

// ---- one open inspection, which the PDA changes -----------------------------------------------------

const CHECKS = [["01", "车辆识别代号", "VIN"], ["03", "车辆品牌/型号", "Brand and model"], ["04", "车身颜色", "Body colour"], ["05", "核定载人数", "Seats"], ["06", "车辆类型", "Vehicle class"], ["07", "号牌/车辆外观形状", "Plate and outward shape"], ["08", "轮胎完好情况", "Tyres"], ["09", "安全带、三角警告牌", "Belts and warning triangle"]];
const SHOTS = [["0111", "车辆左前方斜视45度", "Front left 45°", true], ["0112", "车辆右后方斜视45度", "Rear right 45°", true], ["0113", "车辆识别代号", "VIN", true], ["0157", "驾驶人座椅安全带", "Driver's belt", true], ["0124", "三角警告牌", "Warning triangle", true], ["0136", "左前轮胎规格型号", "Front left tyre", false]];

const chars = (text, doubts = {}) => Array.from(text, (c, i) => ({ c: doubts[i]?.[0] ?? c, p: doubts[i]?.[1] ?? (0.972 + ((i * 7) % 27) / 1000).toFixed(3) }));
const vinReview = (seq, n, doubts = {}) => {
  const vin = CARS[n][2];
  const characters = chars(vin, doubts);
  const text = characters.map((each) => each.c).join("");
  const sure = Object.keys(doubts).length === 0;
  return { seq, photo: PICTURES[n]["0113"], shot: "0113", question: "vin", opinion: sure ? "agree" : "unsure", expected: vin, text, confidence: sure ? "0.981" : "0.412", characters, reasons: sure ? [] : ["low_confidence"], model: "vin-rec-1", score: "0.97" };
};
const plateReview = (seq, n, shot) => ({ seq, photo: PICTURES[n][shot], shot, question: "plate", opinion: "agree", expected: CARS[n][0], text: CARS[n][0], confidence: "0.991", characters: chars(CARS[n][0]), reasons: [], model: "plate-rec-1", score: "0.99" });
const vehicleOf = (n) => ({
  vin: CARS[n][2], vehicle_class: "K33", use: "A", made_on: "2021-05-14", gross_mass_kg: 1755, kerb_mass_kg: 1340, plate: CARS[n][0] ? { hpzl: CARS[n][1], hphm: CARS[n][0] } : null,
  brand: "比亚迪", model: "BYD7009BEV", colour: "H", fuel: "C", registered_on: "2021-06-02",
});

const open = new Map();
const keys = new Map();
let seq = 4000;

function openOf(n) {
  const pictures = PICTURES[n];
  const started = n === 1;
  const taken = started ? ["0111", "0112", "0113"] : [];
  return {
    n,
    checks: started ? { "01": { result: "pass" }, "03": { result: "pass" }, "04": { result: "pass" } } : {},
    photos: Object.fromEntries(taken.map((shot, i) => {
      const at = 3100 + i;
      const reviews = shot === "0113" ? [vinReview(3200, n, { 9: ["8", "0.410"], 12: ["1", "0.870"] })] : [plateReview(3190 + i, n, shot)];
      return [shot, [{ seq: at, photo: pictures[shot], taken_at: ago(150 - i * 20), reviews }]];
    })),
    rulings: {},
    signed: false,
  };
}
for (const n of [1, 0, 2, 5]) open.set(id(n + 1), openOf(n));

const lastReviews = (state) => Object.values(state.photos).flatMap((list) => list[list.length - 1].reviews);
const asksOf = (state) => lastReviews(state).filter((each) => each.opinion !== "agree" && !state.rulings[each.seq]);

function shotState(state, shot) {
  const list = state.photos[shot];
  if (!list) return "missing";
  const { reviews } = list[list.length - 1];
  const ruled = reviews.map((each) => state.rulings[each.seq]).find(Boolean);
  if (ruled) return { pass: "ok", fail: "fail", retake: "retake" }[ruled];
  return reviews.some((each) => each.opinion !== "agree") ? "ask" : "ok";
}

export function inspection(key) {
  const state = open.get(key);
  if (!state) return null;
  const asks = asksOf(state);
  const missing = [
    ...CHECKS.filter(([item]) => !state.checks[item]).map(([item, zh, en]) => ({ code: item, zh: `项目：${zh}`, en: `Check: ${en}` })),
    ...SHOTS.filter(([shot, , , required]) => required && ["missing", "retake"].includes(shotState(state, shot))).map(([shot, zh, en]) => ({ code: shot, zh: `照片：${zh}`, en: `Photo: ${en}` })),
    ...asks.map((each) => ({ code: `review:${each.seq}`, zh: "待裁定：VIN 照片", en: "Ruling: VIN photo" })),
  ];
  return {
    inspection: key, vehicle: vehicleOf(state.n), business: CARS[state.n][3], lane: "lane-1", station: "exterior", attempt: 1, ordered_at: ago(171), verdict: null,
    items: [
      ...CHECKS.map(([item, zh, en]) => ({ item, name: name(zh, en), kind: "check", required: true, writes_value: item === "05", may_not_apply: item === "09", state: state.checks[item]?.result ?? "missing", value: "", officer: state.checks[item] ? (state.checks[item].officer ?? "330401001") : "" })),
      { item: "B1", name: name("一轴制动", "Axle 1 brake"), kind: "instrument", required: true, state: "missing", value: "", officer: "" },
      { item: "B2", name: name("二轴制动", "Axle 2 brake"), kind: "instrument", required: true, state: "missing", value: "", officer: "" },
      { item: "B0", name: name("驻车制动", "Parking brake"), kind: "instrument", required: true, state: "missing", value: "", officer: "" },
    ],
    shots: SHOTS.map(([shot, zh, en, required]) => ({ shot, name: name(zh, en), required, photos: state.photos[shot] ?? [], state: shotState(state, shot) })),
    asks: asks.map((each) => ({ review_seq: each.seq, ...each })),
    readings: [], curves: [], findings: [], may_sign: missing.length === 0 && !state.signed, missing, alarms: [], signed: state.signed,
    records: [],
  };
}

export const inspections = () =>
  [...open].map(([key, { n }]) => ({ inspection: key, plate: CARS[n][0], hpzl: CARS[n][1], vin: CARS[n][2], business: CARS[n][3], lane: n === 1 || n === 0 ? "lane-1" : null, station: n === 1 ? "exterior" : n === 0 ? "brake" : null, verdict: null, ordered_at: ago(171 + n * 140) }));

/** An officer's act: [status, answer]. The same key again gives the same answer. */
export function act(key, body) {
  const state = open.get(key);
  if (!state) return [404, { title: "Unknown inspection", title_zh: "没有这个检验", status: 404, detail: key }];
  if (keys.has(body.key)) return [200, { seq: keys.get(body.key) }];
  const what = body.act ?? {};
  if (what.kind === "checked") state.checks[what.item] = { result: what.result, officer: body.officer };
  else if (what.kind === "photographed") {
    if (!photos.get(what.photo)) return [422, { title: "The photo is not stored", title_zh: "照片尚未保存", status: 422, detail: what.photo }];
    (state.photos[what.shot] ??= []).push({ seq: ++seq, photo: what.photo, taken_at: what.taken_at, reviews: [] });
  } else if (what.kind === "ruled") state.rulings[what.review_seq] = what.decision;
  else if (what.kind === "signed") {
    const { missing } = inspection(key);
    if (missing.length) return [409, { title: "Something is still missing", title_zh: "还有未完成的项目", status: 409, detail: missing.map((each) => each.zh).join("、") }];
    state.signed = true;
  } else return [422, { title: "Unknown act", title_zh: "未知操作", status: 422, detail: String(what.kind) }];
  keys.set(body.key, ++seq);
  return [201, { seq }];
}
export const acted = () => keys.size;

// ---- registry ------------------------------------------------------------------------------------

const ROWS = Array.from({ length: 57 }, (_, i) => {
  const n = (i * 5 + 3) % CARS.length;
  const [plate, hpzl, vin, business] = CARS[n];
  const verdict = i === 1 ? "fail" : i === 3 ? null : i % 8 === 5 ? "fail" : "pass";
  const ordered = 600 + i * 530;
  return {
    node: i % 3 === 2 ? "jx-haiyan-edge-1" : site.node, inspection: id(120 - i), plate, hpzl, vin, business, lane: verdict || i > 3 ? `lane-${(i % 2) + 1}` : null, verdict,
    failed: verdict === "fail" ? (i === 1 ? ["01", "B1"] : [["07"], ["B1"], ["08"]][i % 3]) : [], ordered_at: ago(ordered), ended_at: verdict ? ago(ordered - 520 + (i % 7) * 17) : null,
    records: 41 + (i % 9), photos: 5, simulated: true, n,
  };
});

export function registryRows(q) {
  const needle = (q.get("q") ?? "").replace(/[·\s]/g, "").toUpperCase();
  const wanted = ROWS.filter((row) =>
    (!needle || `${row.plate ?? ""} ${row.vin} ${row.inspection}`.toUpperCase().includes(needle)) &&
    (!q.get("verdict") || (row.verdict ?? "none") === q.get("verdict")) && (!q.get("business") || row.business === q.get("business")));
  const from = Number(q.get("cursor") ?? 0);
  const limit = Number(q.get("limit") ?? 50);
  return { inspections: wanted.slice(from, from + limit).map(({ n, ...row }) => row), next: from + limit < wanted.length ? String(from + limit) : null };
}

const KINDS = ["ordered", "captured", "arrived", "moved", "moved", "photographed", "reviewed", "photographed", "reviewed", "photographed", "reviewed", "ruled", "checked", "checked", "checked", "checked", "moved", "axle_weighed", "item_started", "brake_measured", "axle_weighed", "item_started", "brake_measured", "item_started", "brake_measured", "moved", "sideslip_measured", "signed", "moved", "judged"];

function recordsOf(row) {
  const first = 9000 - Number(row.inspection.slice(-4)) * 46;
  return KINDS.map((kind, i) => ({ seq: first + i, at: new Date(Date.parse(row.ordered_at) + i * 17_300).toISOString(), kind, source: kind.endsWith("measured") || kind === "axle_weighed" ? "virtual+serial:brake-1" : kind === "checked" || kind === "signed" ? "virtual+pda:pda-1" : "virtual+agent", body: { kind, lane: row.lane ?? "lane-1", ...(kind === "checked" ? { item: "01", officer: "330401001", result: "pass" } : {}) }, hash: sha(`${row.inspection} ${i}`) }));
}

export function registryInspection(key) {
  const row = ROWS.find((each) => each.inspection === key);
  if (!row) return null;
  const { n, ...plain } = row;
  const bad = row.verdict === "fail";
  const found = [...(bad ? WEAK : BRAKES), SLIP];
  const raw = (item, axle, quantity, value, unit) => ({ item, axle, quantity, value, unit, limit: "", result: null });
  const readings = [raw("W1", 1, "left_load", "322.0", "kg"), raw("W1", 1, "right_load", "318.0", "kg"), raw("B1", 1, "left_max", bad ? "186" : "240", "daN"), raw("B1", 1, "right_max", bad ? "135" : "228", "daN"), ...found];
  const finding = (r) => ({ item: r.item, quantity: r.quantity, value: r.value, unit: r.unit, limit: r.limit, result: r.result, clause: CLAUSES[r.quantity] ?? "", arithmetic: WORKINGS[r.value] ?? "", basis: [8212, 8214] });
  const doubts = bad ? { 9: ["8", "0.930"], 12: ["1", "0.742"] } : {};
  const vinSeen = { ...vinReview(3200, n, doubts), opinion: bad ? "disagree" : "agree" };
  return {
    ...plain, vehicle: vehicleOf(n), readings,
    curves: bad ? [curve("B1", 186, 134, 2), curve("B2", 158, 146, 3), curve("B0", 88, 84, 4)] : [curve("B1", 240, 228), curve("B2", 164, 149, 3), curve("B0", 92, 88, 4)],
    photos: [
      { shot: "capture", photo: PICTURES[n]["0111"], taken_at: ago(590), held: true, reviews: [], rulings: [] },
      { shot: "0111", photo: PICTURES[n]["0111"], taken_at: ago(520), held: true, reviews: row.plate ? [plateReview(3190, n, "0111")] : [], rulings: [] },
      { shot: "0112", photo: PICTURES[n]["0112"], taken_at: ago(500), held: true, reviews: row.plate ? [plateReview(3191, n, "0112")] : [], rulings: [] },
      { shot: "0113", photo: PICTURES[n]["0113"], taken_at: ago(480), held: true, reviews: [vinSeen], rulings: bad ? [{ decision: "fail", officer: "330401001", reason: "人工核对不一致" }] : [] },
      { shot: "0157", photo: PICTURES[n]["0157"], taken_at: ago(470), held: true, reviews: [{ question: "quality", opinion: "agree", confidence: "0.94", characters: [], reasons: [], model: "quality-1" }], rulings: [] },
      { shot: "0124", photo: sha("absent"), taken_at: ago(460), held: false, reviews: [], rulings: [] },
    ],
    checks: CHECKS.map(([item]) => ({ item, result: bad && item === "01" ? "fail" : "pass", officer: "330401001", value: "", remark: bad && item === "01" ? "第 10 位字符与行驶证不符" : "" })),
    findings: row.verdict ? [...CHECKS.map(([item]) => ({ item, quantity: "check", result: bad && item === "01" ? "fail" : "pass", clause: "GA 801 查验记录表" })), ...found.map(finding)] : [],
    signed: row.verdict ? [{ officer: "330401001", role: "officer", at: ago(60) }] : [],
    records: recordsOf(row),
  };
}

export function proof(key) {
  const row = ROWS.find((each) => each.inspection === key);
  if (!row) return null;
  const records = recordsOf(row);
  const rows = records.map((each, i) => ({ seq: each.seq, kind: each.kind, prev: i ? records[i - 1].hash : sha(`before ${key}`), hash: each.hash, ok: true }));
  return {
    node: row.node, inspection: key, ok: true, checked: rows.length, rows, head: { seq: 1284, hash: sha("head 1284"), signature: sha("a") + sha("b"), public_key: sha("key"), signed_ok: true },
    says: name(`本检验的 ${rows.length} 条记录与节点签名的链条一致，自写入之后没有被改动、删除或插入。`, `All ${rows.length} records of this inspection fit the chain that the node signed: nothing was changed, removed or slipped in since.`),
  };
}

export const stats = () => ({
  nodes: [{ node: site.node, through: 1284, head: sha("head 1284"), received_at: ago(4) }, { node: "jx-haiyan-edge-1", through: 877, head: sha("x"), received_at: ago(63) }],
  inspections: 57, records: 2161, photos: 271, wanted: 14, verdicts: { pass: ROWS.filter((r) => r.verdict === "pass").length, fail: ROWS.filter((r) => r.verdict === "fail").length },
});
