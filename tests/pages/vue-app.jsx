import { createSSRApp, onMounted, onUnmounted, ref } from "vue";

import { mount } from "./app.jsx";

const Embed = {
  template: '<div ref="place"></div>',
  setup() {
    const place = ref(null);
    let unmount;
    onMounted(() => (unmount = mount(place.value)));
    onUnmounted(() => unmount());
    return { place };
  },
};

const Page = {
  components: { Embed },
  template: `
    <header>My bank</header>
    <main id="route">
      <currency-ticker v-if="route === 'home'" symbols="KGS KZT" :paused="paused" :static="false"></currency-ticker>
      <Embed v-else-if="route === 'embed'"></Embed>
      <p v-else>About</p>
    </main>`,
  setup() {
    const route = ref("home");
    const paused = ref(false);
    onMounted(() => {
      window.go = (to) => (route.value = to);
      window.pause = (value) => (paused.value = value);
    });
    return { route, paused };
  },
};

export function make(create = createSSRApp) {
  const app = create(Page);
  app.config.compilerOptions.isCustomElement = (name) => name === "currency-ticker";
  return app;
}
