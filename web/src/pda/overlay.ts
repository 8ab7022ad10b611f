/** An inspection as the officer knows it: the node's answer with the acts laid over it that it does not contain yet. */

import { type Act, DEFAULT_SEATS, type Inspection, type Item, type Shot } from "../api";

export interface Overlaid {
  items: (Item & { waiting: boolean })[];
  shots: (Shot & { waiting: string | null })[];
  asks: Inspection["asks"];
  signing: boolean;
}

export function overlay(inspection: Inspection, unseen: readonly Act[]): Overlaid {
  const last = <K extends Act["kind"]>(kind: K, fits: (act: Extract<Act, { kind: K }>) => boolean) =>
    [...unseen].reverse().find((act): act is Extract<Act, { kind: K }> => act.kind === kind && fits(act as Extract<Act, { kind: K }>));
  return {
    items: inspection.items.map((item) => {
      const act = last("checked", (each) => each.item === item.item);
      return act ? { ...item, state: act.result, value: act.value ?? "", waiting: true } : { ...item, waiting: false };
    }),
    shots: inspection.shots.map((shot) => {
      const act = last("photographed", (each) => each.shot === shot.shot);
      return { ...shot, waiting: act ? act.photo : null };
    }),
    asks: inspection.asks.filter((ask) => !last("ruled", (each) => each.review_seq === ask.review_seq)),
    signing: Boolean(last("signed", () => true)),
  };
}

/** What the papers say about an item of the form, for the officer to compare with. */
export function papersOf(inspection: Inspection, word: (family: string, code: string | undefined) => string): Record<string, string> {
  const { vehicle } = inspection;
  return {
    "01": vehicle.vin,
    "02": vehicle.engine_no ?? "",
    "03": [vehicle.brand, vehicle.model].filter(Boolean).join(" "),
    "04": word("colour", vehicle.colour),
    "05": String(vehicle.seats ?? DEFAULT_SEATS),
    "06": word("class", vehicle.vehicle_class),
    "07": vehicle.plate?.hphm ?? "",
  };
}
