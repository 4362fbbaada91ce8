import vue from "@vitejs/plugin-vue";

const isCustomElement = (name) => name.startsWith("currency-");

export default { plugins: [vue({ template: { compilerOptions: { isCustomElement } } })] };
