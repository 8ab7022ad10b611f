import { expect, it } from "vitest";
import { clockText, elapsedNow, paceOf, PROMISE_S } from "../src/clock";

it.each([
  [0, "00:00"],
  [59.9, "00:59"],
  [60, "01:00"],
  [899, "14:59"],
  [3599, "59:59"],
  [3600, "1:00:00"],
  [36_061, "10:01:01"],
  [-5, "00:00"],
])("%d s reads %s", (seconds, text) => expect(clockText(seconds)).toBe(text));

it("is near in the last fifth and over only beyond the promise", () => {
  expect(paceOf(PROMISE_S * 0.8)).toBe("good");
  expect(paceOf(PROMISE_S * 0.8 + 1)).toBe("near");
  expect(paceOf(PROMISE_S)).toBe("near");
  expect(paceOf(PROMISE_S + 1)).toBe("over");
});

it("counts on from what the node said, by the page's own clock", () => {
  expect(elapsedNow(100, 5_000, 12_500)).toBe(107.5);
  expect(elapsedNow(100, 5_000, 4_000)).toBe(100); // a tick older than the snapshot
});
