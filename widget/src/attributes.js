// @ts-check
/** What attributes may say, and the properties that give it with its type. */

import { serverAddress } from "./stream.js";
import { warn } from "./warn.js";

/**
 * @typedef {true | [form: { test: (value: string) => unknown }, fallback: any, read?: (value: string) => any]} Form
 * what an attribute may say, what counts without it, and what becomes of its text; true makes it a switch
 */
/** @typedef {Record<string, Form>} Forms */

/** Whether a switch is on: frameworks write `false` as a text. @param {unknown} value null if it is not there */
export const isOn = (value) => (!!value || value === "") && value !== "false";

/** One of these words; without any, the first. @param {...string} words @returns {Form} */
export const oneOf = (...words) => [RegExp(`^(${words.join("|")})$`), words[0]];

/** The address of a server, as an attribute names it. @param {string} value */
export const address = (value) => serverAddress(value, document.baseURI);

/**
 * What an attribute says; the default if that is not understood, which whoever writes the page is told.
 *
 * @param {Element} host
 * @param {string} name
 * @param {Form | undefined} form
 */
export function said(host, name, form) {
  const value = host.getAttribute(name);
  if (!form || form === true) return isOn(value);
  const [allowed, fallback, read = String] = form;
  if (!value) return fallback;
  if (allowed.test(value)) return read(value);
  warn(`${name}="${value}" is not understood`);
  return fallback;
}

/**
 * Give a class a property for each attribute.
 *
 * @param {HTMLElement} prototype
 * @param {Forms} forms
 */
export function declare(prototype, forms) {
  for (const [name, form] of Object.entries(forms)) {
    /** @type {PropertyDescriptor & ThisType<HTMLElement>} */
    const property = {
      get() {
        return said(this, name, form);
      },
      set(value) {
        const text = form === true ? (isOn(value) ? "" : null) : value;
        if (text == null) this.removeAttribute(name);
        else this.setAttribute(name, text);
      },
    };
    Object.defineProperty(prototype, name, property);
  }
}

/**
 * Properties that were set before an element was defined hide the class's own.
 *
 * @param {any} host
 * @param {readonly string[]} names
 */
export function upgrade(host, names) {
  for (const name of names) {
    if (!Object.hasOwn(host, name)) continue;
    const value = host[name];
    delete host[name];
    host[name] = value;
  }
}
