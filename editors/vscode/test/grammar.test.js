// The TextMate grammar, run by the engine that VS Code runs it with.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");
const test = require("node:test");
const oniguruma = require("vscode-oniguruma");
const textmate = require("vscode-textmate");

const folder = path.join(__dirname, "..");
const wasm = fs.readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm"));
const grammarPath = path.join(folder, "syntaxes", "tapechain.tmLanguage.json");

const registry = new textmate.Registry({
  onigLib: oniguruma.loadWASM(wasm.buffer.slice(wasm.byteOffset, wasm.byteOffset + wasm.byteLength)).then(() => ({
    createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
    createOnigString: (text) => new oniguruma.OnigString(text),
  })),
  loadGrammar: async () => textmate.parseRawGrammar(fs.readFileSync(grammarPath, "utf8"), grammarPath),
});

async function tokens(text) {
  const grammar = await registry.loadGrammar("source.tapechain");
  let state = textmate.INITIAL;
  const found = [];
  for (const line of text.split("\n")) {
    const result = grammar.tokenizeLine(line, state);
    state = result.ruleStack;
    for (const token of result.tokens) {
      const piece = line.slice(token.startIndex, token.endIndex);
      if (piece.trim()) {
        found.push([piece, token.scopes[token.scopes.length - 1].replace(".tapechain", "")]);
      }
    }
  }
  return found;
}

async function scopesOf(text) {
  return Object.fromEntries(await tokens(text));
}

test("statements, names and attributes", async () => {
  const found = await scopesOf('source home { files = "/home"  one_file_system = true }');
  assert.equal(found.source, "keyword.control");
  assert.equal(found.home, "entity.name.type");
  assert.equal(found.files, "variable.other.property");
  assert.equal(found.true, "constant.language");
});

test("a word of the language may be an attribute", async () => {
  const found = await scopesOf("agent a -> d { host = web }");
  assert.equal(found.host, "variable.other.property");
  assert.equal(found["->"], "keyword.operator.flow");
});

test("groups, couplings, selectors", async () => {
  const found = await scopesOf("mirror group m of nightly { agent A <- R { B1 <- all(D1)  * <- X } }");
  assert.equal(found.mirror, "keyword.control");
  assert.equal(found.m, "entity.name.namespace");
  assert.equal(found.of, "keyword.other");
  assert.equal(found.all, "support.function");
  assert.equal(found["*"], "keyword.operator.all");
});

test("quantities with their units", async () => {
  const found = await tokens("plan p { record = 1MiB  window = 6h  depth = 8 } drive d { rate = 30MB/s..160MB/s }");
  const units = found.filter(([, scope]) => scope === "keyword.other.unit").map(([piece]) => piece);
  assert.deepEqual(units, ["MiB", "h", "MB/s", "MB/s"]);
  assert.equal(found.filter(([, scope]) => scope === "constant.numeric").length, 5);
});

test("strings end on their line; escapes and holes in them", async () => {
  const found = await tokens('let x = "a\\n${y}\\q"\nlet z = "open\nsource b {}');
  const scopes = Object.fromEntries(found);
  assert.equal(scopes.y, "variable.other");
  assert.equal(scopes["\\n"], "constant.character.escape");
  assert.equal(scopes["\\q"], "invalid.illegal.escape");
  assert.equal(scopes.source, "keyword.control");
});

test("comments, and the one that silences", async () => {
  const found = await scopesOf("source a {} # tcc: ignore TC903");
  assert.equal(found["tcc: ignore"], "keyword.other.ignore");
  assert.equal(found.TC903, "constant.other.code");
});

test("every word of the language is coloured in the examples, and nothing is left without a scope", async () => {
  const examples = path.join(folder, "..", "..", "examples");
  const plans = fs.readdirSync(examples).filter((name) => name.endsWith(".tc"));
  assert.ok(plans.length > 0);
  for (const plan of plans) {
    for (const [piece, scope] of await tokens(fs.readFileSync(path.join(examples, plan), "utf8"))) {
      assert.notEqual(scope, "source", `${plan}: ${piece}`);
      assert.ok(!scope.startsWith("invalid"), `${plan}: ${piece}`);
    }
  }
});
