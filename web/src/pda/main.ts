import { createApp } from "vue";
import { ask, EDGE, postJson, Problem } from "../api";
import { locale, speak } from "../i18n";
import "../base.css";
import "./pda.css";
import App from "./App.vue";
import { Outbox } from "./outbox";
import { openShelf } from "./shelf";

const PHOTO_WAIT_MS = 60_000; // 12 MB over a weak wireless link

async function start(): Promise<void> {
  speak(locale.value);
  const outbox = new Outbox(await openShelf(), {
    async putPhoto(digest, bytes, media) {
      await ask(`${EDGE}/photos/${digest}`, { method: "PUT", headers: { "content-type": media }, body: bytes }, PHOTO_WAIT_MS);
    },
    async postAct({ inspection, key, officer, act }) {
      const { seq } = await postJson<{ seq: unknown }>(`${EDGE}/inspections/${encodeURIComponent(inspection)}/acts`, { key, officer, act });
      if (typeof seq !== "number") throw new Problem(0, { en: "not acknowledged", zh: "没有回执" });
      return seq;
    },
    now: () => performance.now(),
  });
  await outbox.load();
  createApp(App, { outbox }).mount("#app");
}

void start();
