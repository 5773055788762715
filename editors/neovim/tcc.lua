-- tapechain plans in Neovim: `tcc lsp` for every .tc file. Put it where Neovim sources it, such as
-- ~/.config/nvim/plugin/tcc.lua. Neovim 0.8 or later; with 0.7 (Debian 12's) all but the sharing of servers works too.

vim.api.nvim_create_autocmd({ "BufRead", "BufNewFile" }, {
  pattern = "*.tc",
  callback = function(event)
    vim.bo[event.buf].filetype = "tapechain"
  end,
})

local function root_of(path)
  if vim.fs and vim.fs.find then
    local found = vim.fs.find({ ".git" }, { path = path, upward = true })[1]
    if found then
      return vim.fs.dirname(found)
    end
  end
  return vim.fn.fnamemodify(path, ":p:h")
end

vim.api.nvim_create_autocmd("FileType", {
  pattern = "tapechain",
  callback = function(event)
    vim.bo[event.buf].commentstring = "# %s"
    vim.bo[event.buf].shiftwidth = 2
    vim.bo[event.buf].expandtab = true
    local config = {
      name = "tcc",
      cmd = { vim.g.tcc_command or "tcc", "lsp" },
      root_dir = root_of(vim.api.nvim_buf_get_name(event.buf)),
      init_options = { defines = vim.g.tcc_defines or vim.empty_dict() },
    }
    if vim.lsp.start then
      vim.lsp.start(config, { bufnr = event.buf })
    else
      vim.lsp.buf_attach_client(event.buf, vim.lsp.start_client(config))
    end
  end,
})
