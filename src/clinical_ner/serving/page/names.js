/* How the API's names are said to people. */

export const LABELS = ["DISEASE", "TREATMENT"];
export const ASSERTIONS = ["present", "absent", "uncertain", "historical", "family", "hypothetical"];

const SYSTEMS = { MESH: "MeSH", DRUGBANK: "DrugBank", PCS: "ICD-10-PCS" };
const OWN = ["NAME", "OWN"]; // concepts without a code in any public vocabulary

/** "DISEASE" as "disease", "past_medical_history" as "past medical history". */
export function said(name) {
  return name.toLowerCase().replaceAll("_", " ");
}

/** "0.94", or a dash for what a reader says: that has no probability. */
export function probability(confidence) {
  return confidence === null ? "–" : confidence.toFixed(2);
}

/** The codes of a concept with their systems, such as ["MeSH D006073", "ICD-10-CM M10.9"]. */
export function codes({ id, icd10cm }) {
  const [prefix, code] = id.includes(":") ? id.split(":") : ["MESH", id];
  const own = OWN.includes(prefix) ? [] : [`${SYSTEMS[prefix] ?? prefix} ${code}`];
  return icd10cm ? [...own, `ICD-10-CM ${icd10cm}`] : own;
}

/** "1 entity", "2 entities", "3,000 entities". */
export function counted(number, one, several) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : several}`;
}
