// The extension against a stand-in of VS Code's API: it starts what the settings name, restarts, and stops.
"use strict";

const assert = require("node:assert");
const Module = require("node:module");
const test = require("node:test");

const seen = { started: [], stopped: 0, errors: [], commands: {} };
const settings = { command: "tcc", defines: { site: "vault" } };
let fails = false;

class LanguageClient {
  constructor(id, name, server, options) {
    Object.assign(this, { id, server, options, running: false });
  }
  async start() {
    if (fails) throw new Error("spawn ENOENT");
    this.running = true;
    seen.started.push(this);
  }
  isRunning() {
    return this.running;
  }
  async stop() {
    this.running = false;
    seen.stopped += 1;
  }
}

const stand = {
  vscode: {
    workspace: {
      getConfiguration: () => ({ get: (name) => settings[name] }),
      onDidChangeConfiguration: (handler) => ((seen.changed = handler), {}),
    },
    commands: { registerCommand: (name, handler) => ((seen.commands[name] = handler), {}) },
    window: { showErrorMessage: (message) => seen.errors.push(message) },
  },
  "vscode-languageclient/node": { LanguageClient, TransportKind: { stdio: 0 } },
};
const load = Module._load;
Module._load = (name, ...rest) => stand[name] ?? load(name, ...rest);
const extension = require("../extension.js");

test("starts tcc lsp with the settings, restarts when they change, stops", async () => {
  await extension.activate({ subscriptions: [] });
  assert.equal(seen.started.length, 1);
  assert.deepEqual([seen.started[0].server.command, seen.started[0].server.args], ["tcc", ["lsp"]]);
  assert.deepEqual(seen.started[0].options.initializationOptions, { defines: { site: "vault" } });
  settings.command = "/opt/tcc";
  await seen.changed({ affectsConfiguration: (name) => name === "tapechain" });
  assert.equal(seen.stopped, 1);
  assert.equal(seen.started[1].server.command, "/opt/tcc");
  await seen.commands["tapechain.restart"]();
  assert.equal(seen.started.length, 3);
  await extension.deactivate();
  assert.equal(seen.stopped, 3);
});

test("says what to do where tcc is not there", async () => {
  fails = true;
  await extension.activate({ subscriptions: [] });
  assert.match(seen.errors[0], /cannot be started.*Install it with pip/);
});

test("uses what the real client library has", () => {
  Module._load = load;
  const source = require("node:fs").readFileSync(require.resolve("vscode-languageclient/package.json"), "utf8");
  assert.match(JSON.parse(source).version, /^9\./);
});
