// Starts `tcc lsp` and lets VS Code talk to it. All that is known about plans is in the server.
"use strict";

const vscode = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

let client;

function newClient() {
  const settings = vscode.workspace.getConfiguration("tapechain");
  const command = settings.get("command") || "tcc";
  return new LanguageClient(
    "tapechain",
    "tapechain",
    { command, args: ["lsp"], transport: TransportKind.stdio },
    {
      documentSelector: [
        { scheme: "file", language: "tapechain" },
        { scheme: "untitled", language: "tapechain" },
      ],
      initializationOptions: { defines: settings.get("defines") || {} },
    },
  );
}

async function start() {
  client = newClient();
  try {
    await client.start();
  } catch (error) {
    const command = vscode.workspace.getConfiguration("tapechain").get("command");
    vscode.window.showErrorMessage(
      `${command} lsp cannot be started (${error.message}). Install it with pip, or set tapechain.command to its path.`,
    );
  }
}

async function stop() {
  const old = client;
  client = undefined;
  if (old && old.isRunning()) {
    await old.stop();
  }
}

async function activate(context) {
  const restart = async () => {
    await stop();
    await start();
  };
  context.subscriptions.push(
    vscode.commands.registerCommand("tapechain.restart", restart),
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (change.affectsConfiguration("tapechain")) {
        await restart();
      }
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
