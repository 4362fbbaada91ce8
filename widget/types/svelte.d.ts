/** `import type {} from "currency-ticker-widget/svelte"`: the elements in templates of Svelte 5. */

import type { HTMLAttributes } from "svelte/elements";
import type { Elements } from "./attributes.js";

type Listeners<Events> = { [Name in keyof Events & string as `on${Name}`]?: (event: Events[Name]) => void };

type Tags = {
  [Name in keyof Elements]: HTMLAttributes<Elements[Name]["element"]> &
    Elements[Name]["attributes"] &
    Listeners<Elements[Name]["events"]>;
};

declare module "svelte/elements" {
  interface SvelteHTMLElements extends Tags {}
}
