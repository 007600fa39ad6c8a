import { ServerError } from "./error.js";

/**
 * A setting: text, a number, a switch, or a list or table of them.
 * @typedef {string | number | boolean | Setting[] | { [name: string]: Setting }} Setting
 */

/**
 * Settings by their names in restage.toml: `{ limits: "aws", "limit-stages": 3 }`. One that is undefined is left out.
 * @typedef {{ [name: string]: Setting | undefined }} Settings
 */

/**
 * Settings that only this package makes, and what to use instead.
 * @type {{ [name: string]: string }}
 */
const OWNED = {
  "data-dir": "give `directory`",
  http: "the server finds a free port at 127.0.0.1, which `endpoint` says",
};

/**
 * A basic string of TOML. Unlike JSON it escapes U+007F, and has no surrogates.
 * @param {string} text
 * @param {string} name
 */
function tomlString(text, name) {
  if (/\p{Surrogate}/u.test(text)) {
    throw new ServerError(`the setting '${name}' has text that is not Unicode: ${JSON.stringify(text)}`);
  }
  return JSON.stringify(text).replaceAll("\x7f", "\\u007f");
}

/**
 * A value of the setting of that name, as TOML has it.
 * @param {Setting | undefined} value
 * @param {string} name
 * @returns {string}
 */
export function tomlValue(value, name) {
  if (typeof value === "string") {
    return tomlString(value, name);
  }
  if (typeof value === "boolean" || Number.isFinite(value)) {
    return String(value);
  }
  if (Array.isArray(value)) {
    return `[${value.map(item => tomlValue(item, name)).join(", ")}]`;
  }
  // Not by its constructor: Jest and Vitest run tests in a context with constructors of its own.
  if (Object.prototype.toString.call(value) === "[object Object]") {
    const members = Object.entries(/** @type {{ [name: string]: Setting }} */ (value)).map(
      ([key, item]) => `${tomlString(key, name)} = ${tomlValue(item, name)}`,
    );
    return `{${members.join(", ")}}`;
  }
  const given = `${typeof value} ${String(value)}`;
  throw new ServerError(
    `the setting '${name}' is ${given}: give text, a number, true or false, or a list or object of them, or leave it out`,
  );
}

/**
 * The configuration file.
 * @param {Settings} settings
 */
export function toml(settings) {
  let lines = "";
  for (const [name, value] of Object.entries(settings)) {
    if (!/^[A-Za-z0-9-]+$/.test(name)) {
      throw new ServerError(`'${name}' is not the name of a setting`);
    }
    lines += `${name} = ${tomlValue(value, name)}\n`;
  }
  return lines;
}

/**
 * Refuses settings without which this package does not find its server.
 * @param {Settings} settings
 */
export function checkOwned(settings) {
  for (const [name, instead] of Object.entries(OWNED)) {
    if (name in settings) {
      throw new ServerError(`the setting '${name}' is made by @restage/testing: ${instead}`);
    }
  }
}
