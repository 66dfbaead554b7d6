// flat.mjs with a mistake: GPT-2's GELU.   usage: node flat_tanh.mjs KIT answers.safetensors
import { answer } from "./flat.mjs";

answer(process.argv[2], process.argv[3], (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))));
