/**
 * A setting: text, a number, a switch, or a list or table of them.
 * @typedef {string | number | boolean | Setting[] | { [name: string]: Setting }} Setting
 */

/**
 * Settings by their names in restage.toml: `{ limits: "aws", "limit-stages": 3 }`.
 * @typedef {{ [name: string]: Setting }} Settings
 */

/**
 * A value as TOML has it. Strings of JSON are strings of TOML.
 * @param {Setting} value
 * @returns {string}
 */
export function tomlValue(value) {
  if (Array.isArray(value)) {
    return `[${value.map(tomlValue).join(", ")}]`;
  }
  if (typeof value === "object") {
    const members = Object.entries(value).map(
      ([name, item]) => `${JSON.stringify(name)} = ${tomlValue(item)}`,
    );
    return `{${members.join(", ")}}`;
  }
  return JSON.stringify(value);
}

/**
 * The configuration file.
 * @param {Settings} settings
 */
export function toml(settings) {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${tomlValue(value)}\n`)
    .join("");
}
