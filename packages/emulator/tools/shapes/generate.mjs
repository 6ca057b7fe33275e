// Generates packages/emulator/src/schema/*.json from the types of the installed stripe package: every operation, with its
// parameters and response if the emulator implements it, and the types of thin events. Run `npm run shapes` after an update of
// stripe.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { EMPTY_LIST_PATHS } from "../../src/resources/empty-lists.ts";

const stripe = fileURLToPath(new URL("../../../../node_modules/stripe", import.meta.url));
const resources = join(stripe, "esm/resources");
const schema = fileURLToPath(new URL("../../src/schema", import.meta.url));

/**
 * Paths of the operations whose parameters and responses are written to the schema. The emulator refuses the operations outside
 * these paths, so the schema contains only their names.
 */
const KEPT = new RegExp(
  `^/v1/(${[
    "billing/(meters|meter_events|meter_event_adjustments)",
    "billing_portal",
    "charges",
    "checkout/sessions",
    "coupons",
    "credit_notes",
    "customers",
    "disputes",
    "entitlements",
    "events",
    "invoice_payments",
    "invoiceitems",
    "invoices",
    "payment_intents",
    "payment_methods",
    "plans",
    "prices",
    "products",
    "promotion_codes",
    "refunds",
    "setup_intents",
    "subscription_items",
    "subscription_schedules",
    "subscriptions",
    "tax_ids",
    "tax_rates",
    "test_helpers/test_clocks",
    "balance_transactions",
    "webhook_endpoints",
  ].join("|")})(/|$)`,
);
/**
 * Paths of lists that are always empty in the emulator. The schema contains the parameters of these lists, but no responses,
 * because an empty list has no entry to compare.
 */
const EMPTY_LISTS = new Set(EMPTY_LIST_PATHS);
/** Names of number fields that can have decimals. The SDK's types do not distinguish decimals from integers. */
const DECIMAL = /(^|_)(percent|percent_off|percentage|rate|latitude|longitude|effective_percentage)$/;

/**
 * The maximum number of members of a union. In the schema, a larger union, such as the object of an event, becomes
 * "any".
 */
const MAX_ALTERNATIVES = 50;

const files = readdirSync(resources, { recursive: true })
  .filter((name) => name.endsWith(".d.ts"))
  .map((name) => join(resources, name))
  .toSorted();
const program = ts.createProgram(files, {
  strict: true,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ESNext,
  skipLibCheck: true,
});
const checker = program.getTypeChecker();

const definitions = { params: {}, responses: {} };
const operations = files
  .flatMap(operationsOf)
  .toSorted((a, b) => a.path.localeCompare(b.path) || a.method.localeCompare(b.method));
const version = {
  stripe: JSON.parse(readFileSync(join(stripe, "package.json"), "utf8")).version,
  api: /'(.+)'/.exec(readFileSync(join(stripe, "esm/apiVersion.js"), "utf8"))[1],
};
write("operations.json", {
  ...version,
  operations: operations.map(({ answer: _answer, ...rest }) => rest),
  definitions: definitions.params,
});
write("responses.json", {
  ...version,
  responses: Object.fromEntries(
    operations.filter(({ answer }) => answer).map(({ method, path, answer }) => [`${method} ${path}`, answer]),
  ),
  definitions: definitions.responses,
});
writeFileSync(
  join(schema, "thin-events.json"),
  `{\n${lines({ ...version, namesObject: thinEvents(join(resources, "V2/Core/Events.d.ts")) })}\n}\n`,
);

/** Maps each type of a thin event about a v1 object to a boolean: whether the event has a `related_object`. */
function thinEvents(file) {
  const found = {};
  for (const statement of program.getSourceFile(file).statements) {
    if (!ts.isInterfaceDeclaration(statement) || !statement.name.text.endsWith("Event")) continue;
    const member = (name) => statement.members.find((one) => one.name?.getText() === name);
    const type = member("type")?.type.literal?.text;
    if (type?.startsWith("v1.")) found[type] = member("related_object") !== undefined;
  }
  return found;
}

function write(name, value) {
  const { operations: list, responses, definitions: named, ...head } = value;
  const body = list
    ? `"operations": [\n${list.map((entry) => JSON.stringify(entry)).join(",\n")}\n]`
    : `"responses": {\n${lines(responses)}\n}`;
  const text = `{\n${lines(head)},\n${body},\n"definitions": {\n${lines(named)}\n}\n}\n`;
  writeFileSync(join(schema, name), text);
  console.log(`${name}: ${text.length} bytes, ${Object.keys(named).length} definitions`);
}

/** Returns the members of an object as JSON, one per line. */
function lines(object) {
  return Object.entries(object)
    .map(([key, entry]) => `${JSON.stringify(key)}: ${JSON.stringify(entry)}`)
    .join(",\n");
}

/** Returns the operations that a resource file of the SDK defines, with the types of their parameters and responses. */
function operationsOf(file) {
  const requests = requestsOf(file.replace(/\.d\.ts$/, ".js"));
  const found = [];
  for (const statement of program.getSourceFile(file).statements) {
    if (!ts.isClassDeclaration(statement)) continue;
    for (const member of statement.members) {
      if (!ts.isMethodDeclaration(member)) continue;
      const request = requests.get(`${statement.name.text}.${member.name.getText()}`);
      // The emulator does not have Stripe's OAuth server, whose paths have no version.
      if (request === undefined || !/^\/v[12]\//.test(request.path)) continue;
      const folder = relative(resources, dirname(file)).replaceAll("/", ".");
      const resource = statement.name.text.replace(/Resource$/, "");
      const name = `${folder ? `${folder}.` : ""}${resource}.${member.name.getText()}`;
      const operation = { ...request, name };
      if (KEPT.test(request.path)) {
        operation.params = paramsOf(member);
        operation.answer = answerOf(member);
      } else if (request.method === "GET" && EMPTY_LISTS.has(request.path)) operation.params = paramsOf(member);
      found.push(operation);
    }
  }
  return found;
}

function paramsOf(member) {
  const params = member.parameters.find((parameter) => parameter.name.getText() === "params");
  return params ? toType(checker.getTypeAtLocation(params), "params", "") : null;
}

/** Maps each SDK method, written as "class.method", to the HTTP method and path of the request that it sends. */
function requestsOf(file) {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.ESNext, true);
  const found = new Map();
  for (const statement of source.statements) {
    if (!ts.isClassDeclaration(statement)) continue;
    for (const member of statement.members) {
      if (!ts.isMethodDeclaration(member)) continue;
      const match = /_makeRequest\(\s*['"](\w+)['"],\s*([`'"])(.+?)\2/.exec(member.getText());
      if (!match) continue;
      const path = match[3].replaceAll(/\$\{encodeURIComponent\((\w+)\)\}/g, ":$1");
      found.set(`${statement.name.text}.${member.name.getText()}`, { method: match[1], path });
    }
  }
  return found;
}

/** Returns the type of a method's response: an object, a list or a search result. */
function answerOf(member) {
  const node = member.type;
  const kind = node.typeName?.getText();
  if (kind === "ApiListPromise") return { list: toType(typeArgument(node), "responses", "") };
  if (kind === "ApiSearchResultPromise") return { search: toType(typeArgument(node), "responses", "") };
  return toType(typeArgument(node.typeArguments[0]), "responses", "");
}

function typeArgument(node) {
  return checker.getTypeFromTypeNode(node.typeArguments[0]);
}

function toType(type, space, field) {
  if (type.isUnion()) return toUnion(type.types, space, field);
  const primitive = toPrimitive(type, field);
  if (primitive !== null) return primitive;
  const name = type.aliasSymbol?.name ?? type.symbol?.name;
  if (name === "Decimal") return "decimal";
  if (checker.isArrayType(type)) return { array: toType(checker.getTypeArguments(type)[0], space, field) };
  // The SDK's types add "or any other value" to an enum as an intersection with string.
  if (type.isIntersection()) {
    const known = type.types.filter((part) => part.flags & ts.TypeFlags.String);
    if (known.length > 0) return "open";
  }
  const index = type.getStringIndexType();
  if (index) return { map: toType(index, space, field) };
  if (name === "ApiList")
    return { list: toType(type.aliasTypeArguments?.[0] ?? checker.getTypeArguments(type)[0], space, "") };
  return reference(type, space);
}

function toPrimitive(type, field) {
  const { flags } = type;
  if (flags & ts.TypeFlags.StringLiteral) return { enum: [type.value] };
  if (flags & ts.TypeFlags.NumberLiteral) return { enum: [type.value] };
  if (flags & ts.TypeFlags.BooleanLiteral) return { enum: [type.intrinsicName === "true"] };
  if (flags & ts.TypeFlags.String) return "string";
  if (flags & ts.TypeFlags.Number) return DECIMAL.test(field) ? "number" : "integer";
  if (flags & ts.TypeFlags.Boolean) return "boolean";
  if (flags & ts.TypeFlags.Null) return "null";
  if (flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return "any";
  return null;
}

function toUnion(types, space, field) {
  if (types.length > MAX_ALTERNATIVES && types.every((part) => part.flags & ts.TypeFlags.Object)) return "any";
  const values = [];
  const others = [];
  for (const part of types) {
    if (part.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Void)) continue;
    const converted = toType(part, space, field);
    if (converted === "open") continue;
    if (typeof converted === "object" && "enum" in converted) values.push(...converted.enum);
    else if (!others.some((other) => JSON.stringify(other) === JSON.stringify(converted))) others.push(converted);
  }
  const isBoolean = values.includes(true) && values.includes(false);
  const rest = values.filter((value) => !(isBoolean && typeof value === "boolean"));
  const all = [
    ...others,
    ...(isBoolean ? ["boolean"] : []),
    ...(rest.length > 0 ? [{ enum: rest.toSorted((a, b) => String(a).localeCompare(String(b))) }] : []),
  ];
  return all.length === 1 ? all[0] : { any: all };
}

/**
 * Defines a type once and returns a reference to its name. Types in the schema need names because a type can contain
 * itself.
 */
function reference(type, space) {
  const symbol = type.aliasSymbol ?? type.symbol;
  const declared = symbol?.declarations?.[0];
  const anonymous = !declared || symbol.name.startsWith("__");
  const name = anonymous ? null : nameOf(symbol, declared);
  if (name !== null && definitions[space][name]) return { ref: name };
  const fields = {};
  if (name !== null) definitions[space][name] = fields;
  for (const property of type.getProperties()) {
    const value = checker.getTypeOfSymbolAtLocation(property, declared ?? property.valueDeclaration);
    const optional = (property.flags & ts.SymbolFlags.Optional) !== 0;
    const converted = onlyVoid(value) ? null : toType(value, space, property.name);
    // An existing object never has a field of type void, such as `deleted?: void`.
    if (converted === null) continue;
    fields[property.name] = optional ? { optional: converted } : converted;
  }
  return name === null ? { fields } : { ref: name };
}

function onlyVoid(type) {
  const parts = type.isUnion() ? type.types : [type];
  return parts.every((part) => part.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Void));
}

function nameOf(symbol, declared) {
  const folder = relative(resources, dirname(declared.getSourceFile().fileName)).replaceAll("/", ".");
  const local = checker.getFullyQualifiedName(symbol).replace(/^".*"\./, "");
  return folder === "" || folder.startsWith("..") ? local : `${folder}.${local}`;
}
