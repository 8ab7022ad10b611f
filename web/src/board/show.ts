/** Which of many facts the board has room for. */

import type { Reading } from "../api";

/** At most ``room`` readings in their order: the failed ones always, then the newest. */
export function latestReadings(readings: readonly Reading[], room: number): Reading[] {
  const failed = readings.filter((each) => each.result === "fail").slice(-room);
  const others = readings.filter((each) => each.result !== "fail");
  const kept = new Set([...failed, ...others.slice(Math.max(0, others.length - (room - failed.length)))]);
  return readings.filter((each) => kept.has(each)).slice(-room);
}

/** The limit without blanks and without the unit that already stands beside the value: ``≥ 60 %`` is ``≥60``. */
export function bareLimit({ limit, unit }: Pick<Reading, "limit" | "unit">): string {
  return (unit ? limit.split(unit).join("") : limit).replace(/\s/g, "");
}
