import { renderToString } from "react-dom/server";

import { App } from "./react-app.jsx";

export const html = renderToString(<App />);
