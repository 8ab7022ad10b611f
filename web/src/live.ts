/**
 * The board's stream with its own watchdog.
 *
 * EventSource alone is not enough: after a proxy's 502 it stays closed (readyState 2) for good, and a half-dead
 * connection stays silent without an error. So: a beat every 5 s is expected, silence is shown, and the stream is
 * made anew after a probe by plain GET has brought a whole snapshot.
 */

export const BEAT_MS = 5_000; // the node's rhythm
export const STALE_MS = 6_000; // one beat and a little: from here on the age is shown in red
export const RENEW_MS = 12_000; // two beats missed: the stream is made anew
const WAITS_MS = [1_000, 2_000, 4_000, 8_000] as const;

export interface Stream {
  readonly readyState: number;
  addEventListener(kind: string, heard: (event: { data?: string }) => void): void;
  close(): void;
}

export interface LiveParts<T> {
  open(): Stream;
  probe(): Promise<T>;
  now(): number;
  show(snapshot: T): void;
}

export class Live<T extends { version: number }> {
  heardAt: number;
  private readonly parts: LiveParts<T>;
  private stream: Stream | null = null;
  private version = -1;
  private busy = false;
  private misses = 0;
  private retryAt = 0;

  constructor(parts: LiveParts<T>) {
    this.parts = parts;
    this.heardAt = parts.now();
  }

  /** Milliseconds since anything was heard. */
  get age(): number {
    return this.parts.now() - this.heardAt;
  }

  get stale(): boolean {
    return this.age > STALE_MS;
  }

  /** Call once a second, and once at the start. */
  async tick(): Promise<void> {
    const silent = this.stream !== null && this.age > RENEW_MS;
    const closed = this.stream === null || this.stream.readyState === 2;
    if ((silent || closed) && !this.busy && this.parts.now() >= this.retryAt) await this.renew();
  }

  stop(): void {
    this.stream?.close();
    this.stream = null;
    this.retryAt = Infinity;
  }

  private async renew(): Promise<void> {
    this.busy = true;
    this.stream?.close();
    this.stream = null;
    try {
      const snapshot = await this.parts.probe();
      if (this.retryAt === Infinity) return; // stopped meanwhile
      this.version = -1; // a restarted node counts from the beginning
      this.take(snapshot);
      this.misses = 0;
      this.stream = this.listen();
    } catch {
      const wait = WAITS_MS[Math.min(this.misses, WAITS_MS.length - 1)] ?? 8_000;
      this.misses += 1;
      if (this.retryAt !== Infinity) this.retryAt = this.parts.now() + wait;
    } finally {
      this.busy = false;
    }
  }

  private listen(): Stream {
    const stream = this.parts.open();
    stream.addEventListener("open", () => {
      // also after EventSource has reconnected by itself, perhaps to a restarted node that counts from the beginning
      if (stream === this.stream) this.version = -1;
    });
    stream.addEventListener("board", (event) => {
      if (stream === this.stream && event.data) this.take(JSON.parse(event.data) as T);
    });
    stream.addEventListener("beat", () => {
      if (stream === this.stream) this.heardAt = this.parts.now();
    });
    return stream;
  }

  private take(snapshot: T): void {
    this.heardAt = this.parts.now();
    if (snapshot.version < this.version) return; // overtaken by a newer one
    this.version = snapshot.version;
    this.parts.show(snapshot);
  }
}
