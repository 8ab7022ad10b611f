import { beforeAll, expect, it } from "vitest";
import { bareLimit, latestReadings } from "../src/board/show";
import { gapName, nearestFirst } from "../src/codes";
import { locale, word } from "../src/i18n";
import { addressOf, formOf, hrefOf, placeOf, proofOf } from "../src/office/address";

beforeAll(() => (locale.value = "zh-CN"));

it.each([
  ["item:01", "车辆识别代号"],
  ["value:05", "核定载人数"],
  ["instrument:B1", "一轴制动"],
  ["weight:2", "二轴轮重"],
  ["shot:0111", "左前方45°照片"],
  ["ruling:0113:vin", "VIN裁定"],
  ["review:0111:plate", "号牌审核"],
  ["item:99", "99"],
  ["signature", "签字"],
])("%s is called %s", (code, name) => expect(gapName(code)).toBe(name));

it("names first what can be done where the vehicle stands", () => {
  const gaps = ["item:01", "instrument:B1", "weight:1", "instrument:A1", "shot:0113"];
  expect(nearestFirst(gaps, "brake")).toEqual(["instrument:B1", "weight:1", "item:01", "instrument:A1", "shot:0113"]);
  expect(nearestFirst(gaps, "sideslip")[0]).toBe("instrument:A1");
  for (const [kind, code] of [["speed", "S1"], ["headlamp", "H4"], ["outline", "M1"], ["mass", "Z1"]] as const) {
    expect(nearestFirst([...gaps, `instrument:${code}`], kind)[0]).toBe(`instrument:${code}`);
    expect(nearestFirst([`instrument:${code}`, ...gaps], "chassis")[0]).toBe("item:01");
  }
  expect(nearestFirst(gaps, "exterior")).toEqual(["item:01", "shot:0113", "instrument:B1", "weight:1", "instrument:A1"]);
});

it("shows a code that the catalogue does not know as it is", () => {
  expect(word("record", "teleported")).toBe("teleported");
  expect(word("record", null)).toBe("");
});

it("never hides a failed reading for want of room", () => {
  const reading = (item: string, result: "pass" | "fail") => ({ item, quantity: "axle_rate", value: "1", unit: "%", limit: "", result });
  const readings = [reading("B1", "fail"), reading("B2", "pass"), reading("B3", "pass"), reading("B4", "fail"), reading("B5", "pass")];
  expect(latestReadings(readings, 3).map((each) => each.item)).toEqual(["B1", "B4", "B5"]);
  expect(latestReadings(readings, 9)).toEqual(readings);
  expect(latestReadings([], 3)).toEqual([]);
});

it("finds one inspection again by its address, with the node where it is known", () => {
  const place = { inspection: "2026/11 22", node: "jx-1" };
  expect(placeOf(hrefOf(place))).toEqual(place);
  expect(placeOf(hrefOf({ ...place, node: null }))).toEqual({ ...place, node: null });
  expect(placeOf("#/")).toBeNull();
  expect(addressOf(place)).toBe("../v1/inspections/2026%2F11%2022?node=jx-1");
  expect(proofOf(addressOf(place))).toBe("../v1/inspections/2026%2F11%2022/proof?node=jx-1");
  expect(formOf(addressOf(place), "record")).toBe("../v1/inspections/2026%2F11%2022/forms/record.pdf?node=jx-1");
  expect(proofOf(addressOf({ ...place, node: null }))).toBe("../v1/inspections/2026%2F11%2022/proof");
});

it.each([
  ["≥ 60 %", "%", "≥60"],
  ["-5 … 5 m/km", "m/km", "-5…5"],
  ["", "%", ""],
  ["≥ 60", "", "≥60"],
])("shows the limit %s (%s) as %s", (limit, unit, shown) => expect(bareLimit({ limit, unit })).toBe(shown));

it("shows the list for an address that was cut in the middle of a character", () => {
  for (const hash of ["#/inspections/%E6%9", "#/nodes/%/inspections/1"]) expect(placeOf(hash)).toBeNull();
});
