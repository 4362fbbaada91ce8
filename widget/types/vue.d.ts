/** `import type {} from "currency-ticker-widget/vue"`: the elements in templates of Vue 3. */

import type { HTMLAttributes, ReservedProps } from "vue";
import type { Elements } from "./attributes.js";

type Pascal<Name extends string> = Name extends `${infer First}-${infer Rest}`
  ? `${Capitalize<First>}${Pascal<Rest>}`
  : Capitalize<Name>;

type Listeners<Events> = { [Name in keyof Events & string as `on${Pascal<Name>}`]?: (event: Events[Name]) => void };

type Tags = {
  [Name in keyof Elements]: new () => {
    $props: HTMLAttributes & ReservedProps & Elements[Name]["attributes"] & Listeners<Elements[Name]["events"]>;
  };
};

declare module "vue" {
  interface GlobalComponents extends Tags {}
}
