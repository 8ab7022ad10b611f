import { beforeEach, describe, expect, it } from "vitest";
import { type Act, Problem } from "../src/api";
import { newKey, Outbox } from "../src/pda/outbox";
import { type Entry, MemoryShelf } from "../src/pda/shelf";

const CHECK: Act = { kind: "checked", item: "01", result: "pass" };
const gone = () => new Problem(0, { zh: "无应答", en: "no answer" });
const conflict = () => new Problem(409, { zh: "还有未完成", en: "still missing" });

let now = 0;
let shelf: MemoryShelf;
let box: Outbox;
let posted: Entry[] = [];
let photos: string[] = [];
let answer: (entry: Entry) => Promise<number>;

function road() {
  return {
    putPhoto: async (digest: string) => {
      photos.push(digest);
    },
    postAct: (entry: Entry) => {
      posted.push(entry);
      return answer(entry);
    },
    now: () => now,
  };
}
const add = (act: Act = CHECK, inspection = "i-1") => box.add({ inspection, officer: "o", act, photo: null });
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

beforeEach(() => {
  now = 0;
  posted = [];
  photos = [];
  answer = async () => 7;
  shelf = new MemoryShelf();
  box = new Outbox(shelf, road());
});

describe("while the node answers", () => {
  it("sends at once and keeps nothing", async () => {
    await add();
    await settled();
    expect(posted).toHaveLength(1);
    expect(box.entries.value).toEqual([]);
    expect(await shelf.all()).toEqual([]);
  });

  it("puts the photo before the act that names it", async () => {
    answer = async () => {
      expect(photos).toEqual(["d1"]);
      return 1;
    };
    const act: Act = { kind: "photographed", shot: "0111", photo: "d1", taken_at: "2026-11-22T00:00:00Z" };
    await box.add({ inspection: "i-1", officer: "o", act, photo: { digest: "d1", bytes: new ArrayBuffer(1), media: "image/jpeg" } });
    await settled();
    expect(posted).toHaveLength(1);
    expect(box.entries.value).toEqual([]);
  });

  it("shows an acknowledged act until an answer of the node contains it", async () => {
    await add();
    await settled();
    expect(box.unseen("i-1")).toEqual([CHECK]);
    const known = box.settled.value.length;
    await add({ ...CHECK, item: "03" });
    await settled();
    box.forget(known);
    expect(box.unseen("i-1")).toEqual([{ ...CHECK, item: "03" }]);
    expect(box.unseen("i-2")).toEqual([]);
  });
});

it("shows an act as soon as it is added, so that a second tap finds it done", () => {
  void add();
  expect(box.unseen("i-1")).toEqual([CHECK]);
});

it("sends what the device's full storage did not take, and says that it is not kept", async () => {
  shelf.put = () => Promise.reject(new DOMException("full", "QuotaExceededError"));
  answer = () => Promise.reject(gone());
  const durable = new Outbox({ durable: true, all: () => shelf.all(), put: () => shelf.put({} as Entry), drop: () => shelf.put({} as Entry) }, road());
  expect(durable.durable).toBe(true);
  await durable.add({ inspection: "i-1", officer: "o", act: CHECK, photo: null });
  await settled();
  expect(durable.durable).toBe(false);
  expect(durable.entries.value).toHaveLength(1);
  answer = () => Promise.reject(conflict());
  await durable.flush(true);
  expect(durable.entries.value[0]?.refused?.zh).toBe("还有未完成");
  await durable.drop(durable.entries.value[0]?.key ?? "");
  expect(durable.entries.value).toEqual([]);
  answer = async () => 1;
  await durable.add({ inspection: "i-1", officer: "o", act: CHECK, photo: null });
  await settled();
  expect(durable.entries.value).toEqual([]);
});

describe("while the node does not answer", () => {
  it("keeps the order and the key of every act, and repeats with the same key", async () => {
    answer = () => Promise.reject(gone());
    await add({ ...CHECK, item: "01" });
    await add({ ...CHECK, item: "03" });
    await settled();
    const key = box.entries.value[0]?.key;
    expect(box.reached.value).toBe(false);
    expect(new Set(posted.map((each) => each.key))).toEqual(new Set([key])); // the second does not overtake the first
    answer = async () => 1;
    await box.flush(true);
    expect(posted.slice(-2).map((each) => (each.act as { item: string }).item)).toEqual(["01", "03"]);
    expect(posted[posted.length - 2]?.key).toBe(key);
    expect(box.reached.value).toBe(true);
    expect(box.entries.value).toEqual([]);
  });

  it("sits out a pause that grows", async () => {
    answer = () => Promise.reject(gone());
    await add();
    await settled();
    const times: number[] = [];
    for (now = 0; now < 30_000; now += 1_000) {
      const before = posted.length;
      await box.flush();
      if (posted.length > before) times.push(now);
    }
    expect(times).toEqual([1_000, 3_000, 8_000, 18_000, 28_000]);
  });

  it("treats an answer that is no acknowledgement as none", async () => {
    answer = () => Promise.reject(new TypeError("not JSON"));
    await add();
    await settled();
    expect(box.entries.value).toHaveLength(1);
    expect(box.entries.value[0]?.refused).toBeNull();
  });

  it("finds everything again after the page was closed", async () => {
    answer = () => Promise.reject(gone());
    await add({ ...CHECK, item: "01" });
    await add({ ...CHECK, item: "03" });
    await settled();
    const kept = box.entries.value.map((each) => each.key);
    const reopened = new Outbox(shelf, road());
    await reopened.load();
    expect(reopened.entries.value.map((each) => each.key)).toEqual(kept);
    answer = async () => 1;
    await reopened.flush(true);
    expect(await shelf.all()).toEqual([]);
    await reopened.add({ inspection: "i-1", officer: "o", act: CHECK, photo: null });
    expect(posted[posted.length - 1]?.order).toBe(3);
  });
});

describe("when the node refuses an act", () => {
  it("sets it aside with the reason and sends the rest", async () => {
    answer = (entry) => ((entry.act as { item: string }).item === "01" ? Promise.reject(conflict()) : Promise.resolve(1));
    await add({ ...CHECK, item: "01" });
    await add({ ...CHECK, item: "03" });
    await settled();
    expect(box.entries.value.map((each) => each.refused?.zh)).toEqual(["还有未完成"]);
    expect(box.settled.value).toHaveLength(1);
    expect(box.reached.value).toBe(true);
  });

  it("does not repeat it, does not show it as done, and forgets it only when told", async () => {
    answer = () => Promise.reject(conflict());
    await add();
    await settled();
    await box.flush(true);
    expect(posted).toHaveLength(1);
    expect(box.unseen("i-1")).toEqual([]);
    expect(await shelf.all()).toHaveLength(1);
    await box.drop(box.entries.value[0]?.key ?? "");
    expect(box.entries.value).toEqual([]);
    expect(await shelf.all()).toEqual([]);
  });
});

it("makes keys that do not repeat", () => {
  const keys = new Set(Array.from({ length: 1_000 }, newKey));
  expect(keys.size).toBe(1_000);
  expect([...keys].every((key) => /^pda-[0-9a-f]{32}$/.test(key))).toBe(true);
});
