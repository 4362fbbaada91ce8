import { hydrate, mount } from "svelte";

import App from "./svelte-app.svelte";

window.begin = (isRendered) => (isRendered ? hydrate : mount)(App, { target: document.querySelector("#root") });
