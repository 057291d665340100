// Asks this server, with the key if there is one, and reads its faults.

export const at = (id) => document.getElementById(id);

export class Fault extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function ask(path, { method = "GET", body, signal } = {}) {
  const key = at("key").value.trim();
  const headers = { ...(key && { authorization: `Bearer ${key}` }) };
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, body: JSON.stringify(body), signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Error("The server cannot be reached. Is it running?");
  }
  if (!response.ok) throw new Fault(response.status, await faultOf(response));
  return response;
}

async function faultOf(response) {
  if (response.status === 401) {
    at("key-row").hidden = false;
    at("key").focus();
    return "This server needs a key. Enter it and try again.";
  }
  try {
    return (await response.json()).error.message;
  } catch {
    return `The server answered with status ${response.status}.`;
  }
}

export function tellIn(place, message) {
  place.textContent = message;
  place.hidden = !message;
}

// A link that saves the content under a name; what it offered before is let go.
export function offer(link, blob, name) {
  if (link.href) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.hidden = false;
}
