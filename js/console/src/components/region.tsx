/** The choice of the Region whose list a page shows; nothing where there is one only. */

import { regions } from "../api/live";
import { chosenRegion, region } from "../api/region";
import { Field } from "./form";

export function RegionField() {
  if (regions.value.length < 2) return null;
  return (
    <Field label="Region" class="narrow">
      {control => (
        <select
          {...control}
          value={region.value}
          onChange={event => {
            chosenRegion.value = event.currentTarget.value;
          }}
        >
          {regions.value.map(name => (
            <option key={name}>{name}</option>
          ))}
        </select>
      )}
    </Field>
  );
}
