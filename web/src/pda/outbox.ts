/**
 * What the officer did and the node has not acknowledged yet.
 *
 * Each act has a key that it keeps until the node answers, so a repeat is harmless. Acts go out in their order; one
 * that the node refuses is set aside with the reason and does not hold up the rest; no answer holds up everything.
 */

import { ref, shallowRef } from "vue";
import { type Act, Problem } from "../api";
import type { Entry, Shelf } from "./shelf";

const WAITS_MS = [1_000, 2_000, 5_000, 10_000] as const;

export interface Road {
  putPhoto(digest: string, bytes: ArrayBuffer, media: string): Promise<void>;
  /** Sequence number of the record; raises ``Problem``. */
  postAct(entry: Entry): Promise<number>;
  now(): number;
}

export type NewAct = Pick<Entry, "inspection" | "officer" | "act" | "photo">;

export class Outbox {
  readonly entries = shallowRef<readonly Entry[]>([]);
  /** Acknowledged, but not yet seen in an answer of the node. */
  readonly settled = shallowRef<readonly Entry[]>([]);
  readonly reached = shallowRef(true);
  private readonly shelf: Shelf;
  private readonly road: Road;
  private readonly full = ref(false);
  private order = 0;
  private sending = false;
  private misses = 0;
  private retryAt = 0;

  constructor(shelf: Shelf, road: Road) {
    this.shelf = shelf;
    this.road = road;
  }

  /** Whether what waits survives a closed page; not where there is no database, or it takes no more. */
  get durable(): boolean {
    return this.shelf.durable && !this.full.value;
  }

  /** Take up what an earlier page left. */
  async load(): Promise<void> {
    const left = (await this.shelf.all()).sort((a, b) => a.order - b.order);
    this.order = left.reduce((most, entry) => Math.max(most, entry.order), 0);
    this.entries.value = left;
  }

  /** Keep an act, then try to send it; returns once it is kept. It shows at once: a second tap finds it done. */
  async add(act: NewAct): Promise<void> {
    const entry: Entry = { ...act, key: newKey(), order: ++this.order, refused: null };
    this.entries.value = [...this.entries.value, entry];
    await this.keep(this.shelf.put(entry));
    void this.flush(true);
  }

  /** A device whose storage is full or broken goes on from memory, and says so. */
  private async keep(written: Promise<void>): Promise<void> {
    try {
      await written;
    } catch {
      this.full.value = true;
    }
  }

  /** Send what waits; ``now``: without sitting out the pause after a failure. */
  async flush(now = false): Promise<void> {
    if (this.sending || (!now && this.road.now() < this.retryAt)) return;
    this.sending = true;
    try {
      for (let next = this.first(); next; next = this.first()) {
        if (!(await this.send(next))) break;
      }
    } finally {
      this.sending = false;
    }
  }

  /** Forget a refused act for good. */
  async drop(key: string): Promise<void> {
    await this.keep(this.shelf.drop(key));
    this.entries.value = this.entries.value.filter((entry) => entry.key !== key);
  }

  /** An answer asked for when ``count`` were settled has arrived: it contains them. */
  forget(count: number): void {
    this.settled.value = this.settled.value.slice(count);
  }

  /** Acts of one inspection that its last answer may not contain yet, oldest first. */
  unseen(inspection: string): Act[] {
    const mine = (entry: Entry) => entry.inspection === inspection && !entry.refused;
    return [...this.settled.value, ...this.entries.value].filter(mine).map((entry) => entry.act);
  }

  private first(): Entry | undefined {
    return this.entries.value.find((entry) => !entry.refused);
  }

  private async send(entry: Entry): Promise<boolean> {
    try {
      if (entry.photo) await this.road.putPhoto(entry.photo.digest, entry.photo.bytes, entry.photo.media);
      await this.road.postAct(entry);
    } catch (cause) {
      if (!(cause instanceof Problem) || cause.passing) {
        this.miss();
        return false;
      }
      this.reach();
      const refused = { ...entry, refused: cause.says };
      await this.keep(this.shelf.put(refused));
      this.entries.value = this.entries.value.map((each) => (each.key === entry.key ? refused : each));
      return true;
    }
    this.reach();
    await this.keep(this.shelf.drop(entry.key));
    this.entries.value = this.entries.value.filter((each) => each.key !== entry.key);
    this.settled.value = [...this.settled.value, entry];
    return true;
  }

  private miss(): void {
    this.retryAt = this.road.now() + (WAITS_MS[Math.min(this.misses, WAITS_MS.length - 1)] ?? 10_000);
    this.misses += 1;
    this.reached.value = false;
  }

  private reach(): void {
    this.misses = this.retryAt = 0;
    this.reached.value = true;
  }
}

/** 128 random bits; ``crypto.randomUUID`` needs a secure context, this does not. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `pda-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
