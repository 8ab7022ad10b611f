import { createApp } from "vue";
import { locale, speak } from "../i18n";
import "../base.css";
import "./office.css";
import App from "./App.vue";

speak(locale.value);
createApp(App).mount("#app");
