/** `import type {} from "currency-ticker-widget/react"`: the elements in JSX of React 19. */

import type { DetailedHTMLProps, HTMLAttributes } from "react";
import type { Elements } from "./attributes.js";

type Listeners<Events> = { [Name in keyof Events & string as `on${Name}`]?: (event: Events[Name]) => void };

type Tags = {
  [Name in keyof Elements]: DetailedHTMLProps<HTMLAttributes<Elements[Name]["element"]>, Elements[Name]["element"]> &
    Elements[Name]["attributes"] &
    Listeners<Elements[Name]["events"]>;
};

declare module "react" {
  namespace JSX {
    interface IntrinsicElements extends Tags {}
  }
}
