import { describe, expect, it } from "vitest";
import { faceOf, plateText } from "../src/plate";

describe("faceOf", () => {
  it.each([
    ["浙F12345", "02", "blue", "浙F", "12345", ""],
    ["浙FD12345", "52", "green", "浙F", "D12345", ""],
    ["浙F12345D", "51", "yellow-green", "浙F", "12345D", ""],
    ["浙F1234挂", "15", "yellow", "浙F", "1234挂", ""],
    ["浙F1234警", "23", "white", "浙F", "1234", "警"],
    ["粤ZA123港", "26", "black", "粤Z", "A123港", ""],
    ["浙F12345", "22", "temporary", "浙F", "12345", ""],
    ["浙F12345", "77", "other", "浙F", "12345", ""],
    ["浙F12345", null, "other", "浙F", "12345", ""],
  ])("%s of kind %s is %s", (hphm, hpzl, style, head, tail, red) => {
    expect(faceOf(hphm, hpzl)).toEqual({ style, head, tail, red });
  });

  it("drops blanks and dots and raises letters", () => {
    expect(faceOf(" 浙f·12 345", "02")).toEqual({ style: "blue", head: "浙F", tail: "12345", red: "" });
  });

  it("keeps a number of another form whole", () => {
    expect(faceOf("使123456", "03")).toEqual({ style: "black", head: "", tail: "使123456", red: "" });
    expect(faceOf("123456使", "03")).toEqual({ style: "black", head: "", tail: "123456", red: "使" });
  });

  it.each([null, undefined, "", " "])("has no face without a number (%s)", (hphm) => {
    expect(faceOf(hphm, "02").style).toBe("none");
  });
});

it("writes a plate as text", () => {
  expect(plateText("浙F1234警")).toBe("浙F·1234警");
  expect(plateText(null)).toBe("");
});
