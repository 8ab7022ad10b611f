import { beforeEach, describe, expect, it } from "vitest";
import { BEAT_MS, Live, RENEW_MS, STALE_MS, type Stream } from "../src/live";

interface Snapshot {
  version: number;
  name: string;
}

class FakeStream implements Stream {
  readyState = 1;
  closed = false;
  private readonly heard: Record<string, (event: { data?: string }) => void> = {};

  addEventListener(kind: string, heard: (event: { data?: string }) => void): void {
    this.heard[kind] = heard;
  }
  close(): void {
    this.closed = true;
    this.readyState = 2;
  }
  say(kind: string, body?: unknown): void {
    this.heard[kind]?.(body === undefined ? {} : { data: JSON.stringify(body) });
  }
}

let now = 0;
let streams: FakeStream[] = [];
let probes = 0;
let answer: () => Promise<Snapshot>;
let shown: Snapshot[] = [];
let live: Live<Snapshot>;
const latest = () => streams[streams.length - 1] as FakeStream;

beforeEach(() => {
  now = 1_000;
  streams = [];
  probes = 0;
  shown = [];
  answer = () => Promise.resolve({ version: 10, name: "probe" });
  live = new Live<Snapshot>({
    open: () => {
      streams.push(new FakeStream());
      return latest();
    },
    probe: () => {
      probes += 1;
      return answer();
    },
    now: () => now,
    show: (snapshot) => shown.push(snapshot),
  });
});

describe("a well stream", () => {
  it("starts with a whole snapshot and then listens", async () => {
    await live.tick();
    expect(shown).toEqual([{ version: 10, name: "probe" }]);
    expect(streams).toHaveLength(1);
    latest().say("board", { version: 11, name: "pushed" });
    expect(shown[1]).toEqual({ version: 11, name: "pushed" });
  });

  it("is left alone while it beats", async () => {
    await live.tick();
    for (let beat = 0; beat < 10; beat++) {
      now += BEAT_MS;
      latest().say("beat");
      await live.tick();
      expect(live.stale).toBe(false);
    }
    expect(probes).toBe(1);
    expect(streams).toHaveLength(1);
  });

  it("does not go back to an older snapshot", async () => {
    await live.tick();
    latest().say("board", { version: 12, name: "new" });
    latest().say("board", { version: 11, name: "late" });
    expect(shown.map((each) => each.version)).toEqual([10, 12]);
  });
});

describe("a bad stream", () => {
  it("is stale one beat and a little after the last word, not before", async () => {
    await live.tick();
    now += STALE_MS;
    expect(live.stale).toBe(false);
    now += 1;
    expect(live.stale).toBe(true);
    expect(live.age).toBe(STALE_MS + 1);
  });

  it("is made anew after two missed beats", async () => {
    await live.tick();
    now += RENEW_MS;
    await live.tick();
    expect(streams).toHaveLength(1);
    now += 1;
    await live.tick();
    expect(streams).toHaveLength(2);
    expect(streams[0]?.closed).toBe(true);
    expect(live.stale).toBe(false);
  });

  it("is made anew after readyState 2, which EventSource never leaves by itself", async () => {
    await live.tick();
    latest().readyState = 2;
    await live.tick();
    expect(streams).toHaveLength(2);
    latest().say("board", { version: 11, name: "again" });
    expect(shown[shown.length - 1]?.name).toBe("again");
  });

  it("is not opened before the probe is answered, and asks at growing distances", async () => {
    answer = () => Promise.reject(new Error("502"));
    const asked: number[] = [];
    for (let second = 0; second < 40; second++) {
      const before = probes;
      await live.tick();
      if (probes > before) asked.push(second);
      now += 1_000;
    }
    expect(streams).toHaveLength(0);
    expect(asked).toEqual([0, 1, 3, 7, 15, 23, 31, 39]);
    answer = () => Promise.resolve({ version: 3, name: "restarted" });
    now += 8_000;
    await live.tick();
    expect(shown).toEqual([{ version: 3, name: "restarted" }]);
    expect(streams).toHaveLength(1);
  });

  it("takes the lower version of a restarted node, and hears nothing from the old stream", async () => {
    await live.tick();
    const old = latest();
    old.say("board", { version: 500, name: "before" });
    answer = () => Promise.resolve({ version: 1, name: "restarted" });
    old.readyState = 2;
    await live.tick();
    expect(shown[shown.length - 1]?.name).toBe("restarted");
    old.say("board", { version: 501, name: "ghost" });
    expect(shown[shown.length - 1]?.name).toBe("restarted");
  });

  it("takes the lower version of a restarted node to which EventSource reconnected by itself", async () => {
    await live.tick();
    latest().say("open");
    latest().say("board", { version: 500, name: "before" });
    now += 3_000;
    latest().say("open");
    latest().say("board", { version: 1, name: "restarted" });
    await live.tick();
    expect(streams).toHaveLength(1);
    expect(shown[shown.length - 1]?.name).toBe("restarted");
  });

  it("asks once while an answer is outstanding", async () => {
    let release: (snapshot: Snapshot) => void = () => undefined;
    answer = () => new Promise((resolve) => (release = resolve));
    const first = live.tick();
    await live.tick();
    await live.tick();
    expect(probes).toBe(1);
    release({ version: 1, name: "slow" });
    await first;
    expect(streams).toHaveLength(1);
  });
});

it("opens nothing after it was stopped, even with an answer outstanding", async () => {
  let release: (snapshot: Snapshot) => void = () => undefined;
  answer = () => new Promise((resolve) => (release = resolve));
  const first = live.tick();
  live.stop();
  release({ version: 1, name: "late" });
  await first;
  now += 60_000;
  await live.tick();
  expect(streams).toHaveLength(0);
  expect(shown).toEqual([]);
});
