import { renderToString } from "vue/server-renderer";

import { make } from "./vue-app.jsx";

export const html = renderToString(make());
