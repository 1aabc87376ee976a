// Arrays as `scrcl.report.explorer.pack` writes them.

async function inflate(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).arrayBuffer();
}

const bytesOf = async (text) => new Uint8Array(await inflate(text));
const codesOf = async (text) => new Uint16Array(await inflate(text));
const numbersOf = async (text) => new Float32Array(await inflate(text));
const wordsOf = async (text) => JSON.parse(new TextDecoder().decode(await inflate(text)));

// One bit for each cell, then the values of those whose bit is set.
async function sparseOf(text, n) {
  const bytes = await bytesOf(text);
  const values = new Uint8Array(n);
  let at = Math.ceil(n / 8);
  for (let i = 0; i < n; i++) if (bytes[i >> 3] & (1 << (i & 7))) values[i] = bytes[at++];
  return values;
}
