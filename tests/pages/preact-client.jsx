import "preact/debug";

import { hydrate, render } from "preact";

import { Page } from "./page.jsx";

window.begin = (isRendered) => (isRendered ? hydrate : render)(<Page />, document.querySelector("#root"));
