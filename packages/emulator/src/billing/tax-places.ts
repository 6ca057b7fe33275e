/**
 * Recognizes the places of addresses for automatic tax.
 * @see https://docs.stripe.com/tax/customer-locations
 */
export interface Place {
  country: string;
  state: string | null;
  postalCode: string | null;
}

export interface PlaceInput {
  country?: string | null | undefined;
  state?: string | null | undefined;
  postal_code?: string | null | undefined;
}

/** The countries of the European Union, in which a business that buys from another country can owe the VAT itself. */
export const EU: ReadonlySet<string> = new Set(
  "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split(" "),
);

/**
 * Returns the place of an address. Returns null if the address is not precise enough to calculate tax. An address in the United
 * States needs a postal code, and an address in Canada a province or a postal code. Other addresses need only the country.
 */
export function placeOf(address: PlaceInput): Place | null {
  const country = (address.country ?? "").toUpperCase();
  const state = address.state?.trim().toUpperCase() || null;
  const postalCode = address.postal_code?.replaceAll(/\s/g, "").toUpperCase() || null;
  if (!isCountry(country)) return null;
  if (country === "US") return placeInUnitedStates(postalCode);
  if (country === "CA") return placeInCanada(state, postalCode);
  return { country, state, postalCode };
}

const names = new Intl.DisplayNames("en", { type: "region", fallback: "none" });

function isCountry(code: string): boolean {
  return /^[A-Z]{2}$/.test(code) && code !== "ZZ" && names.of(code) !== undefined;
}

/** Returns the English name of a country, such as "Germany". */
export function countryName(code: string): string {
  return names.of(code) ?? code;
}

function placeInUnitedStates(postalCode: string | null): Place | null {
  const zip = /^(\d{5})(-?\d{4})?$/.exec(postalCode ?? "")?.[1];
  const state = zip === undefined ? null : stateOfZip(Number(zip.slice(0, 3)));
  return zip === undefined || state === null ? null : { country: "US", state, postalCode: zip };
}

function placeInCanada(given: string | null, postalCode: string | null): Place | null {
  const known = given !== null && Object.values(PROVINCES).join(" ").split(" ").includes(given) ? given : null;
  const state = known ?? PROVINCES[postalCode?.charAt(0) ?? ""]?.split(" ")[0] ?? null;
  return state === null ? null : { country: "CA", state, postalCode };
}

/** The provinces of Canada by the first letter of their postal codes. */
const PROVINCES: Record<string, string> = Object.fromEntries(
  "A:NL B:NS C:PE E:NB G:QC H:QC J:QC K:ON L:ON M:ON N:ON P:ON R:MB S:SK T:AB V:BC X:NT Y:YT"
    .split(" ")
    .map((pair) => pair.split(":") as [string, string]),
);

/** The states by the first three digits of their ZIP codes, as ranges: first digits, last digits, state. */
const ZIP_RANGES: readonly [number, number, string][] = (
  "5-5:NY 6-9:PR 10-27:MA 28-29:RI 30-38:NH 39-49:ME 50-54:VT 55-55:MA 56-59:VT 60-62:CT 63-63:CT 64-69:CT 70-89:NJ " +
  "100-149:NY 150-196:PA 197-199:DE 200-200:DC 201-201:VA 202-205:DC 206-219:MD 220-246:VA 247-268:WV 270-289:NC " +
  "290-299:SC 300-319:GA 320-349:FL 350-369:AL 370-385:TN 386-397:MS 398-399:GA 400-427:KY 430-459:OH 460-479:IN " +
  "480-499:MI 500-528:IA 530-549:WI 550-567:MN 570-577:SD 580-588:ND 590-599:MT 600-629:IL 630-658:MO 660-679:KS " +
  "680-693:NE 700-714:LA 716-729:AR 730-732:OK 733-733:TX 734-749:OK 750-799:TX 800-816:CO 820-831:WY 832-838:ID " +
  "840-847:UT 850-865:AZ 870-884:NM 885-885:TX 889-898:NV 900-961:CA 967-968:HI 970-979:OR 980-994:WA 995-999:AK"
)
  .split(" ")
  .map((range) => {
    const [, first, last, state] = /^(\d+)-(\d+):(..)$/.exec(range) ?? [];
    return [Number(first), Number(last), state ?? ""];
  });

function stateOfZip(start: number): string | null {
  return ZIP_RANGES.find(([first, last]) => first <= start && start <= last)?.[2] ?? null;
}
