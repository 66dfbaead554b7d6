// A port with rows as lists and functions of rows, as one writes it in a functional language. It
// takes the kit's tokens and answers the vectors alone.   usage: node rows.mjs KIT vectors.json
import { readFileSync, writeFileSync } from "node:fs";

const [kit, out] = process.argv.slice(2);
const json = (name) => JSON.parse(readFileSync(`${kit}/${name}`, "utf8"));
const config = json("model/config.json");
const file = readFileSync(`${kit}/model/model.safetensors`);
const headerEnd = 8 + file.readUInt32LE(0);
const header = JSON.parse(file.subarray(8, headerEnd));

const range = (n) => [...Array(n).keys()];
const total = (row) => row.reduce((a, b) => a + b, 0);
const dot = (a, b) => total(a.map((value, i) => value * b[i]));
const plus = (a, b) => a.map((value, i) => value + b[i]);
const transpose = (rows) => rows[0].map((_, i) => rows.map((row) => row[i]));
const cut = (row, size) => range(row.length / size).map((i) => row.slice(i * size, i * size + size));

const tensors = {};
const tensor = (name) => (tensors[name] ??= readTensor(header[name]));
function readTensor({ shape, data_offsets: [from] }) {
  const numbers = range(shape.reduce((a, b) => a * b)).map((i) => file.readFloatLE(headerEnd + from + 4 * i));
  return shape.length === 2 ? cut(numbers, shape[1]) : numbers;
}

const linear = (name) => (row) => tensor(`${name}.weight`).map((w, o) => dot(w, row) + tensor(`${name}.bias`)[o]);

const norm = (name) => (row) => {
  const mean = total(row) / row.length;
  const centred = row.map((value) => value - mean);
  const deviation = Math.sqrt(dot(centred, centred) / row.length + config.layer_norm_eps);
  return centred.map((value, i) => (value / deviation) * tensor(`${name}.weight`)[i] + tensor(`${name}.bias`)[i]);
};

// Φ by integrating its density from 0 with Simpson's rule.
const density = (t) => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
const phi = (x) => {
  const step = x / 128;
  return 0.5 + (step / 3) * total(range(129).map((i) => density(i * step) * (i % 128 ? 2 + 2 * (i % 2) : 1)));
};
const gelu = (x) => (Math.abs(x) > 9 ? Math.max(x, 0) : x * phi(x));

const softmax = (row) => {
  const raised = row.map((value) => Math.exp(value - Math.max(...row)));
  return raised.map((value) => value / total(raised));
};

// One head: lists of query, key and value rows -> a list of context rows.
const attend = ([queries, keys, values]) =>
  queries.map((q) => {
    const shares = softmax(keys.map((k) => dot(q, k) / Math.sqrt(q.length)));
    return transpose(values).map((column) => dot(shares, column));
  });

const layer = (name) => (rows) => {
  const size = config.hidden_size / config.num_attention_heads;
  const heads = ["query", "key", "value"].map((kind) =>
    transpose(rows.map(linear(`${name}.attention.self.${kind}`)).map((row) => cut(row, size))));
  const contexts = transpose(transpose(heads).map(attend)).map((pieces) => pieces.flat());
  const attended = contexts
    .map(linear(`${name}.attention.output.dense`))
    .map((row, s) => norm(`${name}.attention.output.LayerNorm`)(plus(row, rows[s])));
  return attended
    .map(linear(`${name}.intermediate.dense`))
    .map((row) => linear(`${name}.output.dense`)(row.map(gelu)))
    .map((row, s) => norm(`${name}.output.LayerNorm`)(plus(row, attended[s])));
};

const embed = ({ input_ids: ids }) => {
  const [words, positions, types] = ["word", "position", "token_type"].map((kind) => tensor(`embeddings.${kind}_embeddings.weight`));
  const first = ids.map((id, s) => plus(plus(words[id], positions[s]), types[0])).map(norm("embeddings.LayerNorm"));
  const last = range(config.num_hidden_layers).reduce((rows, l) => layer(`encoder.layer.${l}`)(rows), first);
  const mean = transpose(last).map((column) => total(column) / ids.length);
  return mean.map((value) => value / Math.sqrt(dot(mean, mean)));
};

writeFileSync(out, JSON.stringify(json("tokens.json").map(embed)));
