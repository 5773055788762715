// The client library's own protocol implementation against the real `tcc lsp`, where there is one on the PATH.
"use strict";

const assert = require("node:assert");
const { spawn, spawnSync } = require("node:child_process");
const test = require("node:test");
const rpc = require("vscode-languageserver-protocol/node");

const missing = spawnSync("tcc", ["--version"]).error ? "there is no tcc on the PATH" : false;

test("diagnostics of the real server", { skip: missing, timeout: 60_000 }, async (t) => {
  const server = spawn("tcc", ["lsp"], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => server.kill());
  const connection = rpc.createProtocolConnection(
    new rpc.StreamMessageReader(server.stdout),
    new rpc.StreamMessageWriter(server.stdin),
  );
  const published = new Promise((resolve) => {
    connection.onNotification(rpc.PublishDiagnosticsNotification.type, resolve);
  });
  connection.listen();
  const answer = await connection.sendRequest(rpc.InitializeRequest.type, {
    processId: process.pid,
    rootUri: null,
    capabilities: {},
  });
  assert.ok(answer.capabilities.renameProvider);
  await connection.sendNotification(rpc.InitializedNotification.type, {});
  await connection.sendNotification(rpc.DidOpenTextDocumentNotification.type, {
    textDocument: { uri: "untitled:a", languageId: "tapechain", version: 1, text: "source {\n" },
  });
  const { diagnostics } = await published;
  assert.equal(diagnostics[0].code, "TC101");
  await connection.sendRequest(rpc.ShutdownRequest.type);
  const gone = new Promise((resolve) => server.on("exit", resolve));
  await connection.sendNotification(rpc.ExitNotification.type);
  assert.equal(await gone, 0);
  connection.dispose();
});
