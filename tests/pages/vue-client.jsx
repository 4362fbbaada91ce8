import { createApp } from "vue";

import { make } from "./vue-app.jsx";

window.begin = (hydrate) => make(hydrate ? undefined : createApp).mount("#root");
