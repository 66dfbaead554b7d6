// A port with flat Float32Arrays and index arithmetic, as one writes it in C. It tokenizes by
// itself and answers every step.   usage: node flat.mjs KIT answers.safetensors
import fs from "node:fs";

function readSafetensors(path) {
  const bytes = fs.readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, start));
  return (name) => {
    const [from, to] = header[name].data_offsets;
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset + start + from, bytes.byteOffset + start + to));
  };
}

function writeSafetensors(path, tensors) {
  const header = {}, parts = [];
  let at = 0;
  for (const [name, [shape, data]] of Object.entries(tensors)) {
    const dtype = data instanceof Int32Array ? "I32" : "F32";
    header[name] = { dtype, shape, data_offsets: [at, (at += data.byteLength)] };
    parts.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  }
  const json = Buffer.from(JSON.stringify(header).padEnd(Math.ceil(JSON.stringify(header).length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  fs.writeFileSync(path, Buffer.concat([length, json, ...parts]));
}

// Enough of BERT's tokenizer for the kit's texts.
function tokenize(text, vocab, most) {
  const ids = [];
  for (const part of text.split(/(\[SEP\])/)) {
    if (part === "[SEP]") { ids.push(vocab.get(part)); continue; }
    const clean = part.replace(/\s/gu, " ").replace(/[\p{Cc}\p{Cf}]/gu, "").normalize("NFD").replace(/\p{Mn}/gu, "").toLowerCase();
    for (const word of clean.match(/\p{Script=Han}|[\p{P}\p{S}]|[^\s\p{P}\p{S}\p{Script=Han}]+/gu) ?? []) {
      const pieces = [];
      for (let from = 0, to; from < word.length; from = to) {
        for (to = word.length; to > from && !vocab.has((from ? "##" : "") + word.slice(from, to)); ) to--;
        if (to === from) { pieces.splice(0, Infinity, vocab.get("[UNK]")); break; }
        pieces.push(vocab.get((from ? "##" : "") + word.slice(from, to)));
      }
      ids.push(...pieces);
    }
  }
  return [vocab.get("[CLS]"), ...ids.slice(0, most - 2), vocab.get("[SEP]")];
}

// erf by its power series; by the continued fraction of erfc further out.
function erf(x) {
  const a = Math.abs(x);
  if (a < 3) {
    let term = a, sum = a;
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) sum += (term *= (-a * a) / n) / (2 * n + 1);
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / ((a + fraction) * Math.sqrt(Math.PI)));
}

const erfGelu = (x) => (x / 2) * (1 + erf(x / Math.SQRT2));

export function answer(kit, out, gelu = erfGelu) {
  const config = JSON.parse(fs.readFileSync(`${kit}/model/config.json`));
  const { hidden_size: H, intermediate_size: F, num_attention_heads: A, layer_norm_eps: eps } = config;
  const D = H / A;
  const weight = readSafetensors(`${kit}/model/model.safetensors`);
  const words = fs.readFileSync(`${kit}/model/vocab.txt`, "utf8").trimEnd().split("\n");
  const vocab = new Map(words.map((word, id) => [word, id]));

  function linear(x, name, S, from, to) {
    const w = weight(`${name}.weight`), b = weight(`${name}.bias`), y = new Float32Array(S * to);
    for (let s = 0; s < S; s++)
      for (let o = 0; o < to; o++) {
        let sum = b[o];
        for (let i = 0; i < from; i++) sum += x[s * from + i] * w[o * from + i];
        y[s * to + o] = sum;
      }
    return y;
  }

  function layerNorm(x, name, S) {
    const w = weight(`${name}.weight`), b = weight(`${name}.bias`), y = new Float32Array(S * H);
    for (let s = 0; s < S; s++) {
      let mean = 0, variance = 0;
      for (let h = 0; h < H; h++) mean += x[s * H + h] / H;
      for (let h = 0; h < H; h++) variance += (x[s * H + h] - mean) ** 2 / H;
      for (let h = 0; h < H; h++) y[s * H + h] = ((x[s * H + h] - mean) / Math.sqrt(variance + eps)) * w[h] + b[h];
    }
    return y;
  }

  const add = (a, b) => a.map((value, i) => value + b[i]);

  const tensors = {};
  JSON.parse(fs.readFileSync(`${kit}/texts.json`)).forEach((text, number) => {
    const ids = tokenize(text, vocab, 64), S = ids.length;
    const keep = (name, shape, data) => ((tensors[`${number}.${name}`] = [shape, data]), data);
    keep("input_ids", [S], Int32Array.from(ids));
    const word = weight("embeddings.word_embeddings.weight");
    const position = weight("embeddings.position_embeddings.weight");
    const type = weight("embeddings.token_type_embeddings.weight");
    const sum = new Float32Array(S * H);
    for (let s = 0; s < S; s++)
      for (let h = 0; h < H; h++) sum[s * H + h] = word[ids[s] * H + h] + position[s * H + h] + type[h];
    let x = keep("embeddings.output", [S, H], layerNorm(keep("embeddings.sum", [S, H], sum), "embeddings.LayerNorm", S));
    for (let l = 0; l < config.num_hidden_layers; l++) {
      const from = `encoder.layer.${l}`, to = (name, shape, data) => keep(`layer.${l}.${name}`, shape, data);
      const [q, k, v] = ["query", "key", "value"].map((name) => to(name, [S, H], linear(x, `${from}.attention.self.${name}`, S, H, H)));
      const scores = to("scores", [A, S, S], new Float32Array(A * S * S));
      const attention = to("attention", [A, S, S], new Float32Array(A * S * S));
      const context = to("context", [S, H], new Float32Array(S * H));
      for (let a = 0; a < A; a++)
        for (let i = 0; i < S; i++) {
          const row = (a * S + i) * S;
          let largest = -Infinity, total = 0;
          for (let j = 0; j < S; j++) {
            let dot = 0;
            for (let d = a * D; d < a * D + D; d++) dot += q[i * H + d] * k[j * H + d];
            largest = Math.max(largest, (scores[row + j] = dot / Math.sqrt(D)));
          }
          for (let j = 0; j < S; j++) total += attention[row + j] = Math.exp(scores[row + j] - largest);
          for (let j = 0; j < S; j++) attention[row + j] /= total;
          for (let d = a * D; d < a * D + D; d++)
            for (let j = 0; j < S; j++) context[i * H + d] += attention[row + j] * v[j * H + d];
        }
      const dense = to("attention_dense", [S, H], linear(context, `${from}.attention.output.dense`, S, H, H));
      const attended = to("attention_output", [S, H], layerNorm(add(dense, x), `${from}.attention.output.LayerNorm`, S));
      const inner = to("intermediate", [S, F], linear(attended, `${from}.intermediate.dense`, S, H, F));
      const outer = to("output_dense", [S, H], linear(to("gelu", [S, F], inner.map(gelu)), `${from}.output.dense`, S, F, H));
      x = to("output", [S, H], layerNorm(add(outer, attended), `${from}.output.LayerNorm`, S));
    }
    const pooled = keep("pooled", [H], new Float32Array(H).map((_, h) => { let t = 0; for (let s = 0; s < S; s++) t += x[s * H + h]; return t / S; }));
    keep("normalized", [H], pooled.map((value) => value / Math.hypot(...pooled)));
  });
  writeSafetensors(out, tensors);
}

if (import.meta.url === `file://${process.argv[1]}`) answer(process.argv[2], process.argv[3]);
