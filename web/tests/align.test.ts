import { describe, expect, it } from "vitest";
import { align, charactersOf, DOUBT, plain } from "../src/align";

const read = (text: string, p = "0.99") => Array.from(text, (c) => ({ c, p }));
const shape = (expected: string, text: string) => align(expected, read(text)).map((each) => `${each.expected || "_"}${each.read || "_"}`).join(" ");

describe("align", () => {
  it("pairs equal texts", () => {
    expect(align("浙F1", read("浙F1")).some((each) => each.differs)).toBe(false);
  });
  it("marks a substituted character alone", () => {
    expect(align("LSVAA49J1", read("LSVAA48J1")).map((each) => each.differs)).toEqual([false, false, false, false, false, false, true, false, false]);
  });
  it("keeps the rest in step after a missing or an extra character", () => {
    expect(shape("ABCDE", "ABDE")).toBe("AA BB C_ DD EE");
    expect(shape("ABDE", "ABCDE")).toBe("AA BB _C DD EE");
  });
  it("stands nothing against nothing", () => {
    expect(align("", [])).toEqual([]);
    expect(shape("AB", "")).toBe("A_ B_");
    expect(shape("", "AB")).toBe("_A _B");
  });
  it("calls a character doubtful below the threshold only", () => {
    const cells = align("AB", [
      { c: "A", p: String(DOUBT) },
      { c: "B", p: DOUBT - 0.001 },
    ]);
    expect(cells.map((each) => each.doubtful)).toEqual([false, true]);
  });
});

it("shows a reading with nothing to compare it to", () => {
  expect(plain(read("A"))).toEqual([{ read: "A", expected: "", p: 0.99, differs: false, doubtful: false }]);
});

it("splits a text without posteriors into whole characters", () => {
  expect(charactersOf({ text: "浙F" }).map((each) => each.c)).toEqual(["浙", "F"]);
  expect(charactersOf({ text: "AB", characters: [{ c: "X", p: 1 }] }).map((each) => each.c)).toEqual(["X"]);
});
