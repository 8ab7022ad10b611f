import { expect, it } from "vitest";
import type { Act, Inspection } from "../src/api";
import { overlay, papersOf } from "../src/pda/overlay";

const name = { zh: "", en: "" };
const item = (code: string) => ({ item: code, name, kind: "check" as const, required: true, state: "missing" as const, value: "", officer: "" });
const answer: Inspection = {
  inspection: "i-1",
  vehicle: { vin: "LSVAA49J132047371", vehicle_class: "K33", use: "A", made_on: "2021-05-14", gross_mass_kg: 1755, kerb_mass_kg: 1340, colour: "H" },
  business: "periodic", lane: null, station: null, attempt: 1, ordered_at: "2026-11-22T00:00:00Z", verdict: null,
  items: [item("01"), item("05")],
  shots: [{ shot: "0111", name, required: true, photos: [], state: "missing" }],
  asks: [{ review_seq: 9, photo: "d", shot: "0113", question: "vin", opinion: "unsure" }],
  readings: [], curves: [], findings: [], may_sign: false, missing: [], alarms: [], records: [],
};

it("is the node's answer when nothing is under way", () => {
  const laid = overlay(answer, []);
  expect(laid.items.map((each) => [each.state, each.waiting])).toEqual([["missing", false], ["missing", false]]);
  expect(laid.shots[0]?.waiting).toBeNull();
  expect(laid.asks).toHaveLength(1);
  expect(laid.signing).toBe(false);
});

it("shows the latest of several acts, on its own item only", () => {
  const acts: Act[] = [
    { kind: "checked", item: "01", result: "fail" },
    { kind: "checked", item: "01", result: "pass" },
    { kind: "photographed", shot: "0111", photo: "d2", taken_at: "" },
    { kind: "ruled", review_seq: 9, decision: "pass", reason: "ok" },
    { kind: "signed", role: "officer" },
  ];
  const laid = overlay(answer, acts);
  expect(laid.items.map((each) => [each.state, each.waiting])).toEqual([["pass", true], ["missing", false]]);
  expect(laid.shots[0]?.waiting).toBe("d2");
  expect(laid.asks).toEqual([]);
  expect(laid.signing).toBe(true);
});

it("tells what the papers say, with the schema's default where it was left out", () => {
  const papers = papersOf(answer, (family, code) => `${family}:${code}`);
  expect(papers["01"]).toBe("LSVAA49J132047371");
  expect(papers["04"]).toBe("colour:H");
  expect(papers["05"]).toBe("5");
  expect(papers["07"]).toBe("");
});
