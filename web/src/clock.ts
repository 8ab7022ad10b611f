/** Time on the pages: a tick everyone shares, elapsed time against the 15 minutes of the service promise. */

import { onBeforeUnmount, onMounted, ref, type Ref } from "vue";

export const PROMISE_S = 15 * 60; // 查验 within 15 minutes, Jiaxing and Changshan practice

export type Pace = "good" | "near" | "over";

/** Seconds as m:ss, from one hour on h:mm:ss. */
export function clockText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  const tail = two(whole % 60);
  return minutes < 60 ? `${two(minutes)}:${tail}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${tail}`;
}

/** How the elapsed time stands against the promise; the last fifth is near. */
export function paceOf(seconds: number, promise = PROMISE_S): Pace {
  if (seconds > promise) return "over";
  return seconds > promise * 0.8 ? "near" : "good";
}

/** Elapsed seconds now, from what the node said when the snapshot was received: the two clocks may differ. */
export function elapsedNow(saidS: number, receivedMs: number, nowMs: number): number {
  return saidS + Math.max(0, nowMs - receivedMs) / 1000;
}

/** Milliseconds of this page's own steady clock, renewed every half second. */
export function useTick(): Ref<number> {
  const now = ref(performance.now());
  let timer = 0;
  onMounted(() => (timer = window.setInterval(() => (now.value = performance.now()), 500)));
  onBeforeUnmount(() => window.clearInterval(timer));
  return now;
}
