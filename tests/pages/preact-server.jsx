import { render } from "preact-render-to-string";

import { App } from "./preact-app.jsx";

export const html = render(<App />);
