import "preact/debug";

import { hydrate, render } from "preact";

import { App } from "./preact-app.jsx";

window.begin = (isRendered) => (isRendered ? hydrate : render)(<App />, document.querySelector("#root"));
