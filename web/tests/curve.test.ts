import { describe, expect, it } from "vitest";
import { drawCurve, roundStep } from "../src/curve";

const frame = { width: 200, height: 100 };

describe("drawCurve", () => {
  const drawing = drawCurve({ item: "B1", interval_ms: 10, left_dan: [0, 100, 240], right_dan: [0, 120, 228] }, frame);

  it("begins at the origin and ends at the right edge", () => {
    expect(drawing.left).toBe("M0 100L100 66.7L200 20");
    expect(drawing.totalS).toBe(0.02);
  });
  it("keeps both sides on one scale with the top above the stronger wheel", () => {
    expect(drawing.topDan).toBe(300);
    expect(drawing.peaks.left).toEqual({ x: 200, y: 20, dan: 240 });
    expect(drawing.peaks.right).toEqual({ x: 200, y: 24, dan: 228 });
  });
  it("has round ticks from 0 to the top", () => {
    expect(drawing.forces.map((tick) => tick.dan)).toEqual([0, 100, 200, 300]);
  });
  it("draws sides of different length and empty ones without a hole", () => {
    const odd = drawCurve({ item: "B1", interval_ms: 10, left_dan: [5], right_dan: [] }, frame);
    expect(odd.left).toBe("M0 66.7");
    expect(odd.right).toBe("");
    expect(JSON.stringify(odd)).not.toMatch(/null|NaN/);
  });
  it("does not draw a negative force below the frame", () => {
    expect(drawCurve({ item: "B1", interval_ms: 10, left_dan: [-40, 50], right_dan: [0, 0] }, frame).left).toMatch(/^M0 100/);
  });
  it("copes with a curve longer than the stack of function arguments", () => {
    const long = Array.from({ length: 300_000 }, (_, i) => i % 300);
    expect(drawCurve({ item: "B1", interval_ms: 1, left_dan: long, right_dan: long }, frame).topDan).toBe(400);
  });
});

it.each([
  [300, 3, 100],
  [252, 3, 100],
  [199, 3, 100],
  [150, 3, 50],
  [1.39, 4, 0.5],
  [0.02, 4, 0.005],
])("steps for %d in %d parts are %d", (top, count, step) => expect(roundStep(top, count)).toBeCloseTo(step, 9));
