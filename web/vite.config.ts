import { fileURLToPath } from "node:url";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";

const page = (name: string) => fileURLToPath(new URL(`${name}/index.html`, import.meta.url));

export default defineConfig({
  plugins: [vue()],
  base: "./", // pages find their files beside themselves, so a proxy may add a prefix
  build: {
    target: "chrome87", // frozen WebViews of industrial PDAs
    assetsInlineLimit: 0, // no data: URLs, the pages run under a strict content security policy
    modulePreload: { polyfill: false },
    rollupOptions: { input: { board: page("board"), office: page("office"), pda: page("pda") } },
  },
  server: {
    proxy: {
      "/api": process.env.CHAYAN_EDGE ?? "http://127.0.0.1:8040",
      "/v1": process.env.CHAYAN_REGISTRY ?? "http://127.0.0.1:8040",
    },
  },
  test: { include: ["tests/*.test.ts"], environment: "node" },
});
