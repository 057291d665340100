// Shows what openapi.json says, without anything from another server.

function element(tag, text, ...children) {
  const made = document.createElement(tag);
  made.append(text, ...children);
  return made;
}

function kindOf(schema) {
  const parts = schema.anyOf ?? [schema];
  return parts
    .map((part) => part.enum?.join(" | ") ?? part.const ?? part.type ?? part.$ref?.split("/").pop())
    .join(" or ");
}

function limitsOf(schema) {
  const numbers = (schema.anyOf ?? [schema]).find((part) => "minimum" in part);
  return numbers ? `${numbers.minimum} to ${numbers.maximum}` : "";
}

function fieldsOf(schema) {
  const table = element("table", "");
  table.append(
    element("tr", "", ...["name", "value", "default", ""].map((name) => element("th", name))),
  );
  for (const [name, field] of Object.entries(schema.properties)) {
    const isNeeded = schema.required?.includes(name);
    const standard = isNeeded ? "required" : JSON.stringify(field.default ?? null);
    const about = [limitsOf(field), field.description].filter(Boolean).join("; ");
    const cells = [element("code", name), kindOf(field), standard, about];
    table.append(element("tr", "", ...cells.map((cell) => element("td", cell))));
  }
  return table;
}

const description = await (await fetch("/openapi.json")).json();
const routes = document.getElementById("routes");
for (const [path, methods] of Object.entries(description.paths)) {
  for (const [method, route] of Object.entries(methods)) {
    const section = element("section", "", element("h2", `${method.toUpperCase()} ${path}`));
    section.append(element("p", route.description ?? ""));
    const body = route.requestBody?.content["application/json"].schema.$ref;
    if (body) section.append(fieldsOf(description.components.schemas[body.split("/").pop()]));
    routes.append(section);
  }
}
routes.removeAttribute("aria-busy");
